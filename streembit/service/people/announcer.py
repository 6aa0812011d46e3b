"""What all our cards say of us: where we are, and which keys we have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streembit.service.people.abode import Abode
from streembit.service.people.ownkeys import OwnKeys
from streembit.wire.offer import Address


class Announcer:
    """Implements `cards.Owner` for an identity that we have, or had.

    Args:
        rotation: returns the statement that another key has followed this identity's, or "".
    """

    def __init__(self, abode: Abode, own: OwnKeys, rotation: Callable[[], str]) -> None:
        self._abode, self._own, self._rotation = abode, own, rotation

    def joined(self) -> bool:
        """See `cards.Owner`."""
        return self._abode.joined()

    def addresses(self) -> Sequence[Address]:
        """See `cards.Owner`."""
        return self._abode.addresses()

    def rotation(self) -> str:
        """See `cards.Owner`."""
        return self._rotation()

    def agreement(self) -> str:
        """See `cards.Owner`; it is the key that goes with the identity that we have now."""
        return self._own.statement
