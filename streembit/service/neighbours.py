"""Links to nodes of the local network: opened when they appear, contacts' again and again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Final

from twisted.application.service import MultiService

from streembit.dht.grouping import parse
from streembit.errors import StreembitError
from streembit.jose.keys import PublicKey
from streembit.net.budget import Rate, TokenBucket
from streembit.service.errands import Errands
from streembit.service.lan import Lan, Neighbour
from streembit.service.network import Network
from streembit.service.upkeep import Upkeep

DIALS: Final = Rate(per_s=0.5, burst=16.0)  # whoever announces anything has us knock no faster
LOOK_EVERY_S: Final = 30.0  # for contacts that are announced and not linked
LOOKED_AT: Final = 32  # announcements of each round: to know a contact's costs an HMAC a contact

Recognise = Callable[[Callable[[PublicKey], bool]], PublicKey | None]


class Neighbours(MultiService):
    """Dials who is announced, each at once and contacts again and again.

    A contact is dialled with its key expected, so that nobody who repeats its announcement learns
    who we are. Hubs are not dialled: whoever wants one asks `lan.of`.

    Args:
        contact: finds the contact whose key passes a test.
    """

    def __init__(
        self,
        network: Network,
        errands: Errands,
        contact: Recognise,
        random: Callable[[], float],
    ) -> None:
        super().__init__()
        self.setName("neighbours")
        self._network, self._errands, self._contact = network, errands, contact
        self._bucket = TokenBucket(DIALS)
        self._lan: Lan | None = None
        look = Upkeep("neighbours", network.clock, LOOK_EVERY_S, self._look, random)
        look.setServiceParent(self)

    def live_in(self, lan: Lan) -> None:
        """Look at this local network from now on."""
        self._lan = lan

    def met(self, neighbour: Neighbour) -> None:
        """Dial somebody who has appeared."""
        if neighbour.beacon.kind == "node" and not self._is_linked(neighbour):
            self._approach(neighbour, strangers=True)

    def _look(self) -> None:
        """Dial the contacts that are announced, and not linked here."""
        announced = self._lan.neighbours() if self._lan is not None else iter(())
        for neighbour in islice(announced, LOOKED_AT):
            if neighbour.beacon.kind == "node" and not self._is_linked(neighbour):
                self._approach(neighbour, strangers=False)

    def _is_linked(self, neighbour: Neighbour) -> bool:
        """Tell whether there is a link to whoever is at one of the hosts and the port."""
        hosts = [parse(host) for host in neighbour.hosts]
        return any(
            parse(peer.carrier.host) in hosts and peer.hello.port == neighbour.port
            for peer in self._network.roster
        )

    def _approach(self, neighbour: Neighbour, *, strangers: bool) -> None:
        key = self._contact(neighbour.beacon.is_of)
        wanted = strangers or key is not None
        if wanted and self._bucket.take(self._network.now_s()):
            self._errands.start(partial(self._dial, neighbour, key))

    async def _dial(self, neighbour: Neighbour, key: PublicKey | None) -> None:
        """Open a link at the first host that answers as expected."""
        for host in neighbour.hosts:
            with suppress(StreembitError):
                await self._network.dialler.dial(host, neighbour.port, key)
                return
