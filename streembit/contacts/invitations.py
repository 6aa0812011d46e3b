"""Our own offers that are still open: which nonces may be quoted, and by how many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from streembit.contacts.entry import Point
from streembit.contacts.offer import CLOCK_SKEW_S, Offer
from streembit.contacts.rows import Change, Room
from streembit.errors import NotFound, OfferExpired, OfferUsed, TooManyOffers
from streembit.jose.keys import PublicKey

ROOM: Final = "offers"
MAX_OPEN: Final = 100  # more than anybody hands out by hand; a printed one is one for all
MAX_USES: Final = 100  # who come by one offer without being looked at; then the user decides


class Invitation(Struct, array_like=True, frozen=True):
    """An offer of ours: the nonce by which it is known, and the keys that have quoted it.

    Times are whole Unix seconds.
    """

    nonce: str
    created_s: int
    expires_s: int
    once: bool
    note: str
    revoked: bool = False
    by: Annotated[list[Point], Meta(max_length=MAX_USES)] = []

    @property
    def key(self) -> bytes:
        """The key of its row."""
        return self.nonce.encode()

    @property
    def is_open(self) -> bool:
        """Whether somebody new may still quote it, if its time is not over."""
        return not self.revoked and not (self.once and self.by)


class Invitations:
    """The offers of one account; `changes` says what is to be committed."""

    __slots__ = ("_open",)

    def __init__(self, kept: Iterable[bytes] = ()) -> None:
        """Take the rows of ROOM; raise ChestDamaged for one that is none of ours."""
        self._open = Room(ROOM, Invitation, kept)

    def changes(self) -> list[Change]:
        """Return the rows that changed since the last time."""
        return self._open.changes()

    def add(self, offer: Offer, now_s: int) -> Invitation:
        """Remember an offer that was just made; raise TooManyOffers."""
        self.expire(now_s)
        if len(self._open) >= MAX_OPEN:
            raise TooManyOffers(limit=MAX_OPEN)
        claims = offer.claims
        return self._open.put(Invitation(claims.nonce, now_s, claims.exp, claims.once, claims.note))

    def valid(self, now_s: float) -> list[Invitation]:
        """Return the offers that are not over, the newest first."""
        found = [each for each in self._open if each.expires_s > now_s]
        return sorted(found, key=lambda each: (-each.created_s, each.nonce))

    def use(self, nonce: str, key: PublicKey, now_s: float) -> Invitation | None:
        """Note that a key quotes an offer; None for a nonce of no offer of ours, or one too many.

        Who quoted it before may do so again: the answer may have been lost.

        Raises:
            OfferExpired: its time is over, or it was taken back.
            OfferUsed: it was for one, and another was first.
        """
        found = self._open.get(nonce.encode())
        if found is None or key.point in found.by:
            return found
        if found.revoked or found.expires_s <= now_s:
            raise OfferExpired
        if found.once and found.by:
            raise OfferUsed
        if len(found.by) >= MAX_USES:
            return None
        return self._open.put(replace(found, by=[*found.by, key.point]))

    def is_open(self, nonce: str, since_s: float, now_s: float) -> bool:
        """Tell whether the offer of a nonce, of any for "", is open, and was made after a time."""
        return any(
            nonce in ("", each.nonce) and each.created_s > since_s and not each.revoked
            for each in self.valid(now_s)
        )

    def revoke(self, nonce: str) -> Invitation:
        """Take an offer back; raise NotFound."""
        found = self._open.get(nonce.encode())
        if found is None:
            raise NotFound("no open offer has this id")
        return self._open.put(replace(found, revoked=True))

    def expire(self, now_s: float) -> None:
        """Forget offers that are over for everybody, whatever their clocks say."""
        for each in self._open:
            if each.expires_s + CLOCK_SKEW_S <= now_s:
                self._open.drop(each.key)
