"""Four hostile peers that send messages as fast as a process takes them, until killed."""

from __future__ import annotations

import itertools
import sys
from typing import Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.task import react

from streembit.net.dial import over_tcp
from streembit.wire.message import Ping
from tests.rig.evil import EvilLink, EvilPeer
from tests.rig.procnet import NETWORK

FLOODERS: Final = 4
READY: Final = "flooding"


def flood(link: EvilLink, re: str = "") -> Deferred[int]:
    """Send one good message again and again, each time sealed anew; with `re`, an answer."""
    return link.flood(itertools.repeat(link.token(Ping(), re=re)))


async def main(reactor: PosixReactorBase, host: str, port: str, re: str = "") -> None:
    """Open the links and flood."""
    peers = [EvilPeer(over_tcp(reactor), reactor, NETWORK) for _ in range(FLOODERS)]
    links = await gatherResults([peer.open(host, int(port)) for peer in peers])
    floods = [flood(link, re) for link in links]
    sys.stdout.write(READY)
    sys.stdout.flush()
    await gatherResults(floods)


if __name__ == "__main__":
    react(lambda reactor, *where: Deferred.fromCoroutine(main(reactor, *where)), sys.argv[1:])
