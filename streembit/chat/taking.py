"""Parcels that a contact announced: which ones are still to be fetched from the network."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from streembit.chat.rows import Rows
from streembit.wire.card import MAX_WAITING

AGAIN_S: Final = 600.0  # after the first time that a parcel was not there; then twice as long
MOST_TRIES: Final = 6  # doublings: at last a parcel is looked for every ten hours

_HEAD: Final = "talk"
_KEY: Final = b"taking"


class _Taken(Struct, array_like=True):
    floor: int = 0  # all below were taken, or are announced no more
    bits: Annotated[bytes, Meta(max_length=MAX_WAITING // 8 + 1)] = b""


class Taking:
    """The places of one contact's announcement, and what of it was taken."""

    __slots__ = ("_absent", "_bits", "_floor", "_last", "_rows")

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        taken = rows.read(_HEAD, _KEY, _Taken) or _Taken()
        self._floor, self._bits = taken.floor, int.from_bytes(taken.bits)
        self._last = 0
        self._absent: dict[int, tuple[float, int]] = {}  # until when, and how often

    def announced(self, first: int, last: int) -> None:
        """Note which places a contact's newest card names; (0, 0) for none."""
        first, last = min(first, last), min(last, first + MAX_WAITING - 1)
        if first > self._floor or 0 < last < self._floor:
            shift = first - self._floor
            self._bits = self._bits >> shift if 0 < shift <= MAX_WAITING else 0
            self._floor = first
            self._save()
        self._last = last
        self._absent = {n: wait for n, wait in self._absent.items() if first <= n <= last}

    def due(self, now_s: float, limit: int) -> list[int]:
        """Return up to `limit` places to look at now: first those never looked at, in order."""
        places = [p for p in range(self._floor, self._last + 1) if not self._taken(p)]
        fresh = [place for place in places if place not in self._absent]
        again = [p for p in places if p in self._absent and self._waited(p, now_s)]
        return [*fresh, *again][:limit]

    def absent(self, place: int, now_s: float) -> None:
        """Note that nothing was there; it may come yet."""
        if self._floor <= place <= self._last:
            _, tries = self._absent.get(place, (0.0, 0))
            self._absent[place] = now_s + AGAIN_S * 2.0 ** min(tries, MOST_TRIES), tries + 1

    def taken(self, place: int) -> None:
        """Note that a parcel was taken: it is not looked for again."""
        if self._floor <= place <= self._last:
            self._absent.pop(place, None)
            self._bits |= 1 << place - self._floor
            self._save()

    def next_s(self) -> float | None:
        """Return the earliest time when a place is to be looked at (0: now), None for never."""
        waits = [
            self._absent.get(place, (0.0, 0))[0]
            for place in range(self._floor, self._last + 1)
            if not self._taken(place)
        ]
        return min(waits, default=None)

    def _taken(self, place: int) -> bool:
        return bool(self._bits >> place - self._floor & 1)

    def _waited(self, place: int, now_s: float) -> bool:
        until_s, tries = self._absent.get(place, (now_s, 0))
        return not 0 < until_s - now_s <= AGAIN_S * 2.0 ** min(tries, MOST_TRIES)

    def _save(self) -> None:
        bits = self._bits.to_bytes(-(-self._bits.bit_length() // 8))
        self._rows.put(_HEAD, _KEY, _Taken(self._floor, bits))
