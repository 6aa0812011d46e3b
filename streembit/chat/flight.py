"""Which pieces are on their way over a live way, and when the next try is due."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streembit.chat.outbox import Outbox, Waiting
from streembit.chat.retries import Retries
from streembit.wire.content import MAX_EARLY

RESEND_S: Final = 2.0  # a receipt takes a round trip and two commits: this is ten times as long
BATCH: Final = 16  # parcels sealed in one turn: about 5 ms


class Flight:
    """The window of pieces in flight, which begins again whenever a way opens.

    Args:
        random: chance in [0, 1).
    """

    __slots__ = ("_held", "_outbox", "_refusals", "_sent", "open", "retries")

    def __init__(self, outbox: Outbox, random: Callable[[], float]) -> None:
        self._outbox = outbox
        self._sent: set[int] = set()
        self._held = False  # nothing goes out before the next try is due
        self._refusals = 0  # since something arrived
        self.open = False
        self.retries = Retries(random)

    def opened(self) -> None:
        """Note that there is a live way: all that did not arrive goes out at once."""
        self.open = True
        self.again()

    def again(self) -> None:
        """Let all that did not arrive go out once more: what was sent cannot be opened."""
        self._held = False
        self._sent.clear()

    def closed(self, now_s: float) -> None:
        """Note that there is none, or that none was found: the next try is put off."""
        self.open = False
        self._sent.clear()
        self.retries.wait(now_s)

    def free(self, now_s: float) -> bool:
        """Say whether anything may go out now."""
        self._held = self._held and not self.retries.due(now_s)
        return self.open and not self._held

    def ready(self, now_s: float) -> list[tuple[int, Waiting | None]]:
        """Return the pieces to send now, and their messages; `free` said that they may."""
        if self._sent and not self.retries.waits:
            self.retries.wait(now_s, RESEND_S)
        if self.retries.due(now_s):
            self._sent.clear()
        unsent = [each for each in self._outbox.window(MAX_EARLY) if each[0] not in self._sent]
        return unsent[:BATCH]

    def sent(self, piece: int, now_s: float) -> None:
        """Note that a piece goes out."""
        self._sent.add(piece)
        if not self.retries.waits or self.retries.due(now_s):
            self.retries.wait(now_s, RESEND_S)

    def progressed(self) -> None:
        """Note that pieces arrived."""
        base = self._outbox.base
        self._sent = {piece for piece in self._sent if piece >= base}
        self._held, self._refusals = False, 0
        self.retries.reset()

    def refused(self, now_s: float, *, at_once: bool) -> None:
        """Note that what was sent cannot be opened or is not wanted now.

        All goes out again: `at_once` the first time, and later from then on.
        """
        self._sent.clear()
        self._held = not at_once or self._refusals > 0
        self._refusals += 1
        if self._held:
            self.retries.wait(now_s, RESEND_S)

    def next_s(self, now_s: float) -> float | None:
        """Return when the next try is due, None for never; all that was ready went out."""
        return None if self._outbox.empty else self.retries.next_s(now_s)
