"""What our hubs see of us: where we are, and whether they can connect to us."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from streembit.dht.keyspace import node_id
from streembit.errors import StreembitError
from streembit.service.network import Network
from streembit.service.reachability import Reachability
from streembit.service.relay.hub import Hub
from streembit.service.relay.hubs import Hubs
from streembit.service.relay.seat import Seat
from streembit.service.upkeep import Upkeep
from streembit.wire.hub import DialBack, Dialled

EVERY_S: Final = 60.0  # a hub is asked once an hour, see `dht.reach`


class Sight:
    """Has the hubs of ours help to find out whether others can reach us.

    Each is one witness more, at its own address. Who cannot be connected to knows few peers who
    could tell, and its hub is the machine that it talks to most.
    """

    def __init__(self, hubs: Hubs, network: Network, reachability: Reachability) -> None:
        self._hubs, self._network, self._reachability = hubs, network, reachability

    def upkeep(self, random: Callable[[], float]) -> Upkeep:
        """Return the service that asks them."""
        clock = self._network.clock
        return Upkeep("sight", clock, EVERY_S, self.look, random, jitter_s=EVERY_S / 10)

    async def look(self) -> None:
        """Ask the hubs that we are joined to and that can tell something new."""
        for hub in self._hubs.own:
            if (seat := hub.seat) is not None:
                await self._ask(hub, seat)

    async def _ask(self, hub: Hub, seat: Seat) -> None:
        who, host = node_id(seat.hub.point), seat.carrier.host
        self._reachability.seen_from(who, host, seat.welcome.observed)
        if not self._reachability.wants(who, host):
            return
        with suppress(StreembitError):  # it refuses, or is silent: that tells nothing
            answer = await hub.ask(DialBack(self._network.port))
            assert isinstance(answer, Dialled)  # Seat lets no other answer through
            self._reachability.dialled_from(who, host, answer.reachable)
