"""Parcels that were left in the network for a contact who is away."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final

from msgspec import Struct

from streembit.chat.rows import Rows

LIFE_S: Final = 72 * 3600  # of a parcel there, renewed all the time
MAX_LEFT: Final = 256  # at once: so many of a session can be missing before it cannot go on
MAX_SPAN: Final = 1_024  # places from the first to the last, as one card announces them
PLACES_BITS: Final = 10  # of a place's number below the time: nobody leaves 1,024 a second
IN_MAILBOX: Final = "in-mailbox"
NUMBERS_APART: Final = 2**16  # more than were used since any copy of the state was made

_ROOM: Final = "left"
_PARCELS: Final = "parcels"
_HEAD: Final = "talk"
_KEY: Final = b"left"


class Left(Struct, array_like=True):
    """A parcel's place, from when it lies there, and which piece is in it (0: a notice).

    A `void` one is to be taken back. `mailed_s` is since when the same parcel
    waits in a mailbox of the contact's as well, 0 for not at all.
    """

    place: int
    session: bytes
    piece: int
    since_s: int
    void: bool = False
    mailed_s: int = 0


class Leaving:
    """The parcels that we left, by the numbers of their places; a number is never used twice."""

    __slots__ = ("_left", "_next", "_refusals", "_rows")

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._next = int.from_bytes(rows.get(_HEAD, _KEY) or b"")
        kept = sorted(rows.read_kept(_ROOM, Left), key=lambda each: each.place)
        self._left = {each.place: each for each in kept}
        self._refusals: dict[int, str] = {}  # by place, why no mailbox has it; not kept

    def room(self) -> int:
        """Return how many more parcels can be left now; those to be deleted count in MAX_SPAN."""
        first, _ = self.waiting()
        span = self._next - first if first else 0
        lying = sum(1 for _ in self._lying())
        return max(0, min(MAX_LEFT - lying, MAX_SPAN - max(span, len(self._left))))

    def leave(self, parcel: bytes, session: bytes, piece: int, now_s: float) -> int:
        """Keep a parcel that is about to be left; return the number of its place."""
        # A state that was lost begins above all numbers that it ever used: those are fewer.
        place = self._next or _number_of(now_s)
        self._left[place] = Left(place, session, piece, int(now_s))
        self._rows.put(_PARCELS, place.to_bytes(8), parcel)
        self._save(self._left[place])
        self._save_next(place + 1)
        return place

    def waiting(self) -> tuple[int, int]:
        """Return the first and the last place where a parcel lies, (0, 0) for none."""
        places = [each.place for each in self._lying()]
        return (min(places), max(places)) if places else (0, 0)

    def standing(self) -> list[int]:
        """Return the places whose parcels are to be kept alive in the network."""
        return [each.place for each in self._lying()]

    def parcel(self, place: int) -> bytes | None:
        """Return the parcel of a place, None if none is to lie there."""
        return self._rows.get(_PARCELS, place.to_bytes(8))

    def unmailed(self) -> list[int]:
        """Return the places whose parcels no mailbox has."""
        return [each.place for each in self._lying() if not each.mailed_s]

    def mailed(self, place: int, now_s: float) -> None:
        """Note that a mailbox of the contact's keeps the parcel of a place."""
        found = self._left.get(place)
        if found is not None and not found.void:
            self._refusals.pop(place, None)
            found.mailed_s = int(now_s)
            self._save(found)

    def not_mailed(self, place: int, code: str) -> None:
        """Note why no mailbox takes the parcel of a place."""
        if place in self._left:
            self._refusals[place] = code

    def by_mail(self, pieces: Container[int]) -> str:
        """Return IN_MAILBOX if a mailbox has all of these pieces that lie anywhere.

        Else the code of why it does not, "" where none was asked.
        """
        lying = [each for each in self._lying() if each.piece in pieces]
        if lying and all(each.mailed_s for each in lying):
            return IN_MAILBOX
        codes = (self._refusals.get(each.place, "") for each in lying)
        return next(filter(None, codes), "")

    def void(self) -> list[int]:
        """Return the places whose parcels are to be deleted in the network."""
        return [each.place for each in self._left.values() if each.void]

    def deleted(self, place: int) -> None:
        """Forget a place whose parcel was deleted in the network."""
        found = self._left.get(place)
        if found is not None and found.void:
            del self._left[place]
            self._rows.delete(_ROOM, place.to_bytes(8))

    def pieces(self) -> set[int]:
        """Return the numbers of the pieces that lie there."""
        return {each.piece for each in self._lying()}

    def take_back(self, places: Iterable[Left]) -> None:
        """Let parcels be deleted: they arrived, or nobody can open them."""
        for each in list(places):
            each.void = True
            self._refusals.pop(each.place, None)
            self._rows.delete(_PARCELS, each.place.to_bytes(8))
            self._save(each)

    def arrived(self, missing: Iterable[int]) -> None:
        """Take back all pieces but those that are still missing."""
        wanted = {0, *missing}
        self.take_back(each for each in self._lying() if each.piece not in wanted)

    def notices(self) -> list[Left]:
        """Return what lies there besides pieces: a receipt, or our prekeys."""
        return [each for each in self._lying() if not each.piece]

    def expire(self, now_s: float) -> None:
        """Take back what lay there for too long."""
        self.take_back(each for each in self._lying() if now_s - each.since_s >= LIFE_S)

    def of_others(self, sessions: Iterable[bytes]) -> list[Left]:
        """Return the pieces that lie there and belong to other sessions than these."""
        known = set(sessions)
        return [each for each in self._lying() if each.piece and each.session not in known]

    def take_back_all(self) -> None:
        """Let all parcels be deleted."""
        self.take_back(self._lying())

    def renew(self, now_s: float, chance: int) -> None:
        """Take all back, and go on with numbers that were never used: after a restore."""
        self.take_back_all()
        # `chance` is for two that go on from one copy, under a clock that went back.
        least = self._next + NUMBERS_APART + chance % NUMBERS_APART
        self._save_next(max(least, _number_of(now_s)))

    def _lying(self) -> Iterable[Left]:
        return (each for each in self._left.values() if not each.void)

    def _save(self, left: Left) -> None:
        self._rows.put(_ROOM, left.place.to_bytes(8), left)

    def _save_next(self, number: int) -> None:
        self._next = number
        self._rows.put(_HEAD, _KEY, number.to_bytes(8))


def _number_of(now_s: float) -> int:
    """Return the first place of a state that begins now."""
    return max(1, int(now_s) << PLACES_BITS)
