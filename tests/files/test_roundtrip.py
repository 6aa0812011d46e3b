"""The least time from an ask to what it brings, and the window that follows from it."""

from __future__ import annotations

from math import inf

from twisted.trial.unittest import SynchronousTestCase

from streembit.files.roundtrip import (
    LONG_S,
    MAX_WINDOW_BYTES,
    SAMPLES,
    WINDOW_BYTES,
    RoundTrip,
)
from streembit.files.sending import MAX_OPEN_FILES
from streembit.wire.transfer import Ask, Block, Mark

TRANSFER = bytes(16)


def ask(run: int, upto: int) -> Ask:
    """Return an ask of a file's run."""
    return Ask(TRANSFER, run, run, 0, upto)


def block(run: int, offset: int, size_bytes: int) -> Block:
    """Return a block of a file's run."""
    return Block(TRANSFER, run, run, offset, bytes(size_bytes))


class RoundTripTests(SynchronousTestCase):
    """Times are said to it."""

    def setUp(self) -> None:
        self.trip = RoundTrip()

    def test_the_first_frame_of_a_run_tells_it(self) -> None:
        """Also if it is a mark."""
        self.trip.asked(ask(1, 100), 5.0)
        self.assertEqual((self.trip.least_s, self.trip.window_bytes), (inf, WINDOW_BYTES))
        self.trip.came(Mark(TRANSFER, 1, 1, 50, bytes(32)), 5.25)
        self.assertEqual(self.trip.least_s, 0.25)

    def test_a_way_is_long_after_so_many_times(self) -> None:
        """A machine that was busy once makes nobody send more twice."""
        windows = []
        for number in range(1, SAMPLES + 1):
            windows.append(self.trip.window_bytes)
            self.trip.asked(ask(number, 10), 0.0)
            self.trip.came(block(number, 0, 10), 0.25)
        self.assertEqual(set(windows), {WINDOW_BYTES})
        self.assertEqual(self.trip.window_bytes, MAX_WINDOW_BYTES)

    def test_only_what_was_not_asked_for_before_counts(self) -> None:
        """Blocks of the ask before it say nothing."""
        self.trip.asked(ask(1, 100), 5.0)
        self.trip.came(block(1, 0, 10), 6.0)
        self.trip.asked(ask(1, 200), 6.0)
        self.trip.came(block(1, 10, 90), 6.0)
        self.assertEqual(self.trip.least_s, 1.0)
        self.trip.came(block(1, 100, 10), 6.25)
        self.assertEqual(self.trip.least_s, 0.25)

    def test_the_least_counts(self) -> None:
        """Whatever waited in front of a frame; a clock that steps back makes it no time."""
        for number, took_s in enumerate((3.0, LONG_S, 2.0), 1):
            self.trip.asked(ask(number, 10), 0.0)
            self.trip.came(block(number, 0, 10), took_s)
        self.assertEqual((self.trip.least_s, self.trip.window_bytes), (LONG_S, WINDOW_BYTES))
        self.trip.asked(ask(9, 10), 100.0)
        self.trip.came(block(9, 0, 10), 50.0)
        self.assertEqual(self.trip.least_s, 0.0)

    def test_a_run_that_is_over_is_not_waited_for(self) -> None:
        """So many runs later another one is measured."""
        self.trip.asked(ask(1, 10), 0.0)
        self.trip.asked(ask(1 + MAX_OPEN_FILES, 10), 1.0)
        self.trip.came(block(1 + MAX_OPEN_FILES, 0, 10), 1.5)
        self.assertEqual(self.trip.least_s, inf)
        self.trip.asked(ask(2 + MAX_OPEN_FILES, 10), 2.0)
        self.trip.came(block(2 + MAX_OPEN_FILES, 0, 10), 2.5)
        self.assertEqual(self.trip.least_s, 0.5)
