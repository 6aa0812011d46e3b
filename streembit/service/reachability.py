"""Whether others can reach us: asked of several, and told to none who cannot know."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from streembit.errors import StreembitError
from streembit.rpc.peer import Peer
from streembit.service.network import Network
from streembit.wire.message import Answer, Dialled


class Reachability:
    def __init__(self, network: Network) -> None:
        self._network = network
        self.observed = ""
        self.verdict = "unknown"
        self.clock_skew_s = None

    def linked(self, peer):
        self.observed = peer.carrier.link.peer.observed

    def dial_back(self, peer: Peer, port: int) -> Deferred[Answer]:
        host = peer.carrier.host
        link = self._network.dialler.dial(host, port, peer.key)
        return link.addCallbacks(
            lambda l: Dialled(True, host, port), lambda f: Dialled(False, host, port, f.value.code)
        )

    async def check(self): ...
