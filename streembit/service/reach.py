"""How a node is reached: where it listens, what others see of it, and what leads to it besides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred

from streembit.errors import PunchFailed
from streembit.net.dial import Dialer
from streembit.router.terms import Mapped
from streembit.rpc.peer import Peer
from streembit.service.lan import Lan
from streembit.service.mapping import Mapping
from streembit.service.network import Network
from streembit.service.probes import Probes
from streembit.service.punching import Punching
from streembit.service.reachability import AGAIN_S, Reachability
from streembit.service.upkeep import Upkeep, as_deferred
from streembit.wire.message import Answer, Punch
from streembit.wire.offer import Address

CHECK_EVERY_S: Final = 60.0  # a round asks only peers that can tell something new


class Reach(MultiService):
    """Finds out who can reach us, and helps those who cannot, and others to find it out.

    Args:
        prober: dials others for their sake.
        changed: told when what we say of ourselves has changed.

    Attributes:
        port: where we listen; a router may lead to it from another one, which others are told.
        listening: what is shown of it.
        mapping, lan, punching: further ways to us, where somebody has added them.
        forwarding: where contacts find us from now on, and not here.
    """

    def __init__(
        self,
        network: Network,
        prober: Dialer,
        random: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        super().__init__()
        self.setName("reach")
        self._network, self._changed = network, changed
        self.port = 0
        self.listening: list[str] = []
        self.mapping: Mapping | None = None
        self.lan: Lan | None = None
        self.punching: Punching | None = None
        self.forwarding: Address | None = None
        self.probes = Probes(prober, network.clock, network.settings.grouping)
        self.reachability = Reachability(network, changed)
        self._checks = Upkeep(
            "reachability",
            network.clock,
            CHECK_EVERY_S,
            self.reachability.check,
            random,
            jitter_s=CHECK_EVERY_S / 10,
        )
        self._checks.setServiceParent(self)

    def stopService(self) -> Deferred[None]:  # noqa: N802 - Twisted's name
        """Stop what goes on, and dial for nobody any more."""
        stopping = as_deferred(super().stopService())
        self.probes.stop()
        return stopping

    def listening_on(self, port: int, shown: Sequence[str]) -> None:
        """Say at which port of ours others reach us, and what to show of it."""
        self.port = self._network.port = port
        self.listening = list(shown)

    def led(self, mapped: Mapped | None) -> None:
        """Take note that a router leads to us, or does no more: others are told its port."""
        self.reachability.led(mapped)
        port = self.port if mapped is None else mapped.port
        if port != self._network.port:
            self._network.port = port
            self._changed()
        self._checks.next_in(AGAIN_S)

    def check_soon(self) -> None:
        """Ask others now whether they can reach us."""
        self._checks.soon()

    def punch(self, peer: Peer, body: Punch) -> Answer:
        """Agree with a contact to meet directly; raise PunchFailed where we do no such thing."""
        if self.punching is None:
            raise PunchFailed("we dial nobody that way")
        return self.punching.answer(peer, body)
