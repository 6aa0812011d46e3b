"""Several transfers at once: who reads next, and how many there may be."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from streembit.errors import TooManyTransfers
from streembit.files.sending import Read, Sending

MAX_OFFERS_WAITING: Final = 16  # of one contact: more than a person looks at
MAX_RUNNING: Final = 8  # transfers that a node receives at a time: their windows are 32 MiB at most


def check_offers(waiting: int) -> None:
    """Raise TooManyTransfers where too many offers of a contact wait for an answer already."""
    if waiting >= MAX_OFFERS_WAITING:
        raise TooManyTransfers(waiting=waiting, limit=MAX_OFFERS_WAITING)


class Turns:
    """The transfers that go out over one link; each in turn sends what one read gives."""

    def __init__(self) -> None:
        self._waiting: deque[Sending] = deque()

    def __iter__(self) -> Iterator[Sending]:
        return iter(tuple(self._waiting))

    def add(self, sending: Sending) -> None:
        """Let a transfer take part; again is the same as once."""
        if sending not in self._waiting:
            self._waiting.append(sending)

    def remove(self, sending: Sending) -> None:
        """Let a transfer take part no longer."""
        if sending in self._waiting:
            self._waiting.remove(sending)

    def next(self) -> tuple[Sending, Read] | None:
        """Return who is next and what to read, or None until somebody is asked for more.

        Whoever is returned goes to the end of the line.
        """
        for _ in range(len(self._waiting)):
            sending = self._waiting[0]
            self._waiting.rotate(-1)
            if (read := sending.next()) is not None:
                return sending, read
        return None
