"""Memory of a real `twistd streembit-seed`: idle, and for each link that others hold to it.

The links come from this process: each has a key of its own, shakes hands, and is then held without
a word.  The bars are 80 MiB resident when idle, and 16 KiB more a held link.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react

from demo.members import Member, Members
from streembit.errors import BadAnswer, NodeNotRunning, StreembitError
from streembit.jose.keys import Identity, PublicKey
from streembit.link.hello import Hello
from streembit.net.dial import Dialer, over_tcp
from streembit.net.events import LinkWatch
from streembit.net.tcp import LinkProtocol

reactor: Any = _reactor

NETWORK: Final = "bench"
WARM_UP: Final = 100  # links before the first reading: caches and pools are filled by then
LINKS: Final = 800
REST_S: Final = 5.0
IDLE_BAR_MIB: Final = 80.0
LINK_BAR_KIB: Final = 16.0


class Holder:
    """Holds links and says nothing."""

    def __init__(self) -> None:
        self.links: list[LinkProtocol] = []

    def link_open(self, link: LinkProtocol) -> None:
        """Keep it."""
        self.links.append(link)

    def message(self, link: LinkProtocol, payload: bytes) -> None:
        """Let the seed talk."""

    def link_lost(self, link: LinkProtocol, reason: StreembitError) -> None:
        """Count it out."""
        self.links.remove(link)

    def refused(self, peer_host: str, error: StreembitError) -> None:
        """The seed's fault, which would spoil the figure."""
        raise error


async def hold(holder: Holder, port: int, count: int) -> None:
    """Open so many links to the seed, one after another, each with another key."""
    for _ in range(count):
        identity = Identity.generate()

        def link(
            expect: PublicKey | None, watch: LinkWatch, identity: Identity = identity
        ) -> LinkProtocol:
            return LinkProtocol(
                identity.signing,
                lambda _host, _port: Hello(identity.public, client_only=True),
                NETWORK,
                reactor,
                holder,
                initiator=True,
                expect=expect,
                watch=watch,
            )

        await Dialer(over_tcp(reactor), link, reactor).dial("127.0.0.1", port)


def resident_kib(pid: int) -> int:
    """Return the resident set of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


async def seed_port(seed: Member) -> int:
    """Wait for the seed's API and return where it listens."""
    while True:
        try:
            status = await seed.api.status()
            return int(status.listening[0].rpartition(":")[2])
        except (NodeNotRunning, BadAnswer):  # not there yet
            await deferLater(reactor, 0.1)


async def measure(folder: Path) -> dict[str, float]:
    """Return the idle size in MiB, and KiB a held link."""
    twistd = str(Path(sys.executable).with_name("twistd"))
    members = Members(reactor, folder, NETWORK, twistd)
    holder = Holder()
    try:
        seed = members.start("seed", "seed")
        port = await seed_port(seed)
        assert seed.transport is not None
        pid = seed.transport.pid
        await deferLater(reactor, REST_S)
        idle_kib = resident_kib(pid)
        await hold(holder, port, WARM_UP)
        await deferLater(reactor, REST_S)
        before_kib = resident_kib(pid)
        await hold(holder, port, LINKS)
        await deferLater(reactor, REST_S)
        held = len(holder.links) - WARM_UP
        after_kib = resident_kib(pid)
    finally:
        await members.end()
    return {
        "idle_mib": round(idle_kib / 1024, 1),
        "held_links": held,
        "kib_a_link": round((after_kib - before_kib) / LINKS, 2),
    }


def main(_reactor: object) -> Deferred[None]:
    """Measure and print; exit with 1 above a bar."""

    async def run() -> None:
        with tempfile.TemporaryDirectory(prefix="streembit-") as name:
            figures = await measure(Path(name))
        print(json.dumps({**figures, "bars": {"idle_mib": IDLE_BAR_MIB, "kib": LINK_BAR_KIB}}))
        met = (
            figures["idle_mib"] <= IDLE_BAR_MIB
            and figures["kib_a_link"] <= LINK_BAR_KIB
            and figures["held_links"] == LINKS
        )
        sys.exit(not met)

    return Deferred.fromCoroutine(run())


if __name__ == "__main__":
    react(main)
