"""Whatever arrives in whatever order, what is read is what was cut, in its order."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.chat.history import History
from streembit.chat.inbox import Inbox
from streembit.chat.outbox import Outbox
from streembit.chat.quota import Quota
from streembit.chat.retries import MOST_S, Retries
from streembit.chat.rows import Rows
from streembit.chat.taking import Taking
from streembit.jose import base64url
from streembit.wire.card import MAX_WAITING
from streembit.wire.content import MAX_EARLY, MAX_PIECE_BYTES, Piece, Text, pack_spoken
from tests.chat.people import NOW_S
from tests.chat.talk import MemoryShelf


def cut(sizes: list[int]) -> tuple[Outbox, list[bytes]]:
    """Return an outbox with messages of these lengths, and their bytes."""
    rows = Rows(MemoryShelf(), "ann")
    history = History(rows)
    outbox = Outbox(rows, history)
    outbox.renew(b"", NOW_S, 1)
    bodies = []
    for n, size in enumerate(sizes):
        spoken = Text(base64url.encode(n.to_bytes(16)), 1, "x" * size)
        bodies.append(pack_spoken(spoken))
        outbox.add(history.add_ours(spoken, bodies[-1], NOW_S), len(bodies[-1]), NOW_S)
    return outbox, bodies


def window(outbox: Outbox) -> list[Piece]:
    """Return all pieces that may be on their way now."""
    return [outbox.piece(*each) for each in outbox.window(MAX_EARLY)]


class BothEndsTests(SynchronousTestCase):
    """An outbox, an inbox, and a wire that does as it likes."""

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.sampled_from([1, 100, MAX_PIECE_BYTES, 9_000]), min_size=1, max_size=12),
        st.integers(0, 2**32),
    )
    def test_all_is_read_in_order(self, sizes: list[int], seed: int) -> None:
        """With losses, swaps, doubles, and an inbox that is loaded anew at any time."""
        outbox, bodies = cut(sizes)
        shelf, chance, read = MemoryShelf(), Random(seed), list[bytes]()
        rows = Rows(shelf, "bob")
        inbox = Inbox(rows)
        while not outbox.empty:
            pieces = window(outbox) * 2
            chance.shuffle(pieces)
            for piece in pieces:
                if chance.random() < 0.3:
                    read += [said.body for said in inbox.take(piece)]
                    shelf.commit(list(rows.changes()))
                if chance.random() < 0.1:
                    inbox = Inbox(rows)
            receipt = inbox.receipt()
            if receipt and chance.random() < 0.7:
                self.assertTrue(outbox.knows(receipt))
                outbox.arrived(receipt)
        self.assertEqual(read, bodies)
        self.assertFalse(shelf.rooms.get("pieces bob"))

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.sampled_from([1, 9_000]), min_size=2, max_size=8), st.integers(0, 2**32))
    def test_what_is_given_up_is_passed_over(self, sizes: list[int], seed: int) -> None:
        """Any number of the oldest expire at any time: the others are read, in order."""
        outbox, bodies = cut(sizes)
        inbox, chance, read = Inbox(Rows(MemoryShelf(), "bob")), Random(seed), list[bytes]()
        while not outbox.empty:
            for piece in window(outbox):
                if chance.random() < 0.4:
                    read += [said.body for said in inbox.take(piece)]
            if chance.random() < 0.2:
                oldest = next(iter(outbox._messages.values()), None)
                if oldest is not None:
                    outbox._give_up(oldest)
            receipt = inbox.receipt()
            if receipt and outbox.knows(receipt):
                outbox.arrived(receipt)
        places = [bodies.index(body) for body in read]
        self.assertEqual(places, sorted(set(places)))
        inbox_receipt = inbox.receipt()
        self.assertFalse(inbox_receipt and inbox_receipt.early)


class TimeTests(SynchronousTestCase):
    """Waits and quotas under clocks that jump."""

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.floats(-1e7, 1e7), max_size=30), st.integers(0, 2**32))
    def test_a_wait_is_never_longer_than_six_hours(self, jumps: list[float], seed: int) -> None:
        """Wherever the clock goes, a try comes due within the longest wait."""
        retries, now_s = Retries(Random(seed).random), float(NOW_S)
        for jump_s in jumps:
            retries.wait(now_s)
            self.assertTrue(retries.due(now_s + MOST_S))
            now_s += jump_s
            if not retries.due(now_s):
                self.assertTrue(now_s < retries.next_s(now_s) <= now_s + MOST_S)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.floats(-1e6, 1e6), max_size=50))
    def test_a_quota_gives_no_more_than_it_says(self, jumps: list[float]) -> None:
        """The burst, and what the time that passed allows."""
        quota, now_s, forward_s, taken = Quota(5, 0.001), 0.0, 0.0, 0
        for jump_s in jumps:
            now_s += jump_s
            forward_s += max(0.0, jump_s)
            taken += quota.take(now_s)
            self.assertLessEqual(taken, 5 + 0.001 * forward_s + 1e-6)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 1_200)), max_size=12))
    def test_places_to_look_at_are_bounded(self, cards: list[tuple[int, int]]) -> None:
        """Whatever cards announce, one after the other: once each, never what was taken."""
        rows = Rows(MemoryShelf(), "ann")
        taking, taken = Taking(rows), set[int]()
        for first, size in cards:
            taking.announced(*((first, first + size) if first else (0, 0)))
            due = taking.due(NOW_S, 10_000)
            self.assertLessEqual(len(due), MAX_WAITING)
            self.assertTrue(all(first <= place <= first + size for place in due) or not due)
            for place in due[::2]:
                taking.taken(place)
                taken.add(place)
            self.assertFalse(set(due[::2]) & set(taking.due(NOW_S, 10_000)))
