"""Where we are to be reached, as contacts are told it."""

from __future__ import annotations

from typing import Final

from streembit.service.membership import Membership
from streembit.service.reach import Reach
from streembit.service.relay.hubs import Hubs
from streembit.wire.offer import MAX_ADDRESSES, Address

MAX_HUBS_TOLD: Final = 2  # of MAX_ADDRESSES: the others are places of our own


class Abode:
    """Our places, of ourselves and at hubs, as they are now."""

    def __init__(self, membership: Membership, reach: Reach, hubs: Hubs) -> None:
        self._membership, self._reach, self._hubs = membership, reach, hubs

    def joined(self) -> bool:
        """Tell whether the node is in the network."""
        return self._membership.joined

    def addresses(self) -> list[Address]:
        """Return where we are to be reached: as others see us, as we know it ourselves, by hubs."""
        if self._reach.forwarding is not None:
            return [self._reach.forwarding]
        hubs = self._hubs.addresses()[:MAX_HUBS_TOLD]
        reachability = self._reach.reachability
        texts = [reachability.mapped, reachability.observed, *self._reach.listening]
        found = [each for text in texts if (each := address_of(text)) is not None]
        return list(dict.fromkeys(found))[: MAX_ADDRESSES - len(hubs)] + hubs

    def best_address(self) -> Address | None:
        """Return the one place to tell somebody who is given no more: a hub, if we are in doubt."""
        hubs = self._hubs.addresses()
        if hubs and self._reach.reachability.verdict != "reachable":
            return hubs[0]
        return next(iter(self.addresses()), None)


def address_of(text: str) -> Address | None:
    """Return the address of "host:port"; None for one that nobody can dial."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not port.isdigit() or host in ("", "0.0.0.0", "::"):
        return None
    return Address(host, int(port))
