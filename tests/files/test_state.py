"""Journals and turns: what outlives a run of a node, and who sends next."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadJson, BadManifest, StreembitError, TooManyTransfers
from streembit.files.receiving import Receiving
from streembit.files.sending import Sending
from streembit.files.state import FINAL, Journal, State, read_journal
from streembit.files.turns import MAX_OFFERS_WAITING, Turns, check_offers
from streembit.wire.transfer import Ask
from tests.files.rig import TRANSFER, Pair, contents, manifest_of, verdict


def asked(number: int, size: int) -> tuple[Sending, bytes]:
    """Return a transfer of one file whose every byte was asked for, and the file."""
    transfer, data = bytes([number]) * 16, contents(size, number)
    manifest = manifest_of({("a",): data})
    sending = Sending(manifest.offer(transfer, "a"), transfer, manifest)
    sending.answered(verdict(accepted=True))
    sending.ask(Ask(transfer, 0, 1, 0, size))
    return sending, data


class JournalTests(SynchronousTestCase):
    """A transfer that was kept."""

    def test_every_state_comes_back(self) -> None:
        """What ran is paused; all else is what it was."""
        offer = Pair({("a",): b"x"}).sending.offer
        for state in State:
            journal = Journal(offer, state, "cancelled" if state is State.FAILED else "", b"")
            again = Receiving.load(read_journal(journal.pack()))
            expected = State.PAUSED if state is State.RUNNING else state
            self.assertIs(again.stand.state, expected)
            self.assertEqual(again.stand.why, journal.why)
            self.assertEqual(again.stand.is_final, state in FINAL)

    def test_both_ends_come_back(self) -> None:
        """With their list."""
        pair = Pair({("a", "b"): b"x" * 10})
        pair.accept()
        pair.run()
        sending = Sending.load(read_journal(pair.sending.journal().pack()))
        receiving = Receiving.load(read_journal(pair.disk.journal))
        self.assertEqual(sending.offer, receiving.offer)
        self.assertEqual(receiving.manifest, manifest_of({("a", "b"): b"x" * 10}))

    def test_S2_a_list_that_is_not_the_offered_one(self) -> None:
        """It is refused."""
        pair = Pair({("a",): b"x"})
        journal = Journal(pair.sending.offer, State.PAUSED, "", b'[[["b"],1]]')
        for load in (Sending.load, Receiving.load):
            with self.assertRaises(BadManifest):
                load(journal)

    def test_S2_every_cut(self) -> None:
        """A journal that is cut off is none, and no error but ours comes of it."""
        pair = Pair({("a",): b"x"})
        data = pair.sending.journal().pack()
        for cut in range(len(data)):
            with self.assertRaises((BadJson, BadManifest), msg=str(cut)):
                Sending.load(read_journal(data[:cut]))

    @given(st.binary(max_size=200))
    def test_S2_any_bytes(self, data: bytes) -> None:
        """They are a journal or BadJson."""
        try:
            read_journal(data)
        except BadJson:
            pass


class TurnsTests(SynchronousTestCase):
    """Several transfers on one link."""

    def test_each_gets_its_share(self) -> None:
        """A large one does not keep small ones waiting, nor the other way round."""
        turns, sources, sent = Turns(), {}, Counter[int]()
        for number, size in enumerate((8_000_000, 1_000_000, 3_000_000), 1):
            sending, data = asked(number, size)
            sources[sending] = (number, data)
            turns.add(sending)
            turns.add(sending)
        order: list[int] = []
        while (turn := turns.next()) is not None:
            sending, read = turn
            number, data = sources[sending]
            sending.fill(read, data[read.offset : read.offset + read.size_bytes])
            sent[number] += read.size_bytes
            order.append(number)
        self.assertEqual(sent, {1: 8_000_000, 2: 1_000_000, 3: 3_000_000})
        self.assertEqual(set(order[:3]), {1, 2, 3})
        self.assertLess(order.index(1, 9), 12)

    def test_who_left_is_not_asked(self) -> None:
        """And may leave twice."""
        turns = Turns()
        one, two = asked(1, 10)[0], asked(2, 10)[0]
        turns.add(one)
        turns.add(two)
        turns.remove(one)
        turns.remove(one)
        self.assertEqual(list(turns), [two])
        found = turns.next()
        assert found is not None
        self.assertIs(found[0], two)

    def test_C6_offers_are_bounded(self) -> None:
        """Of one contact only so many wait for an answer."""
        check_offers(MAX_OFFERS_WAITING - 1)
        with self.assertRaises(TooManyTransfers):
            check_offers(MAX_OFFERS_WAITING)

    def test_several_at_once_with_deaths(self) -> None:
        """Three transfers share a link that dies now and then: all arrive."""
        pairs = [Pair({("a",): contents(size, size)}) for size in (3_000_000, 1_500_000, 200_000)]
        chance = Random(4)
        for pair in pairs:
            pair.accept()
        for _ in range(4):
            for _ in range(60):
                chance.choice(chance.choice(pairs).moves)()
            for pair in pairs:
                if not pair.is_done():
                    pair.cut_link()
                    pair.begin()
        for pair in pairs:
            pair.run()
            self.assertTrue(pair.is_done())


class OfferTests(SynchronousTestCase):
    """The offer of one list."""

    def test_one_number_names_it(self) -> None:
        """On both sides, in words and frames."""
        pair = Pair({("a",): b"x"})
        self.assertEqual(pair.sending.offer.transfer, verdict(accepted=True).transfer)
        with self.assertRaises(StreembitError):
            pair.sending.ask(Ask(TRANSFER, 0, 1, 0, 1))
