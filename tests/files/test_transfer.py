"""Both ends of a transfer against each other: whatever dies, the files arrive as they were."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.files.roundtrip import WINDOW_BYTES
from streembit.files.state import State
from streembit.wire.transfer import CHUNK_BYTES, Ask
from tests.files.rig import TRANSFER, Pair, contents

SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 70_000)


def files_of(*sizes: int) -> dict[tuple[str, ...], bytes]:
    """Return files of these lengths."""
    return {("d", f"{n}"): contents(size, n) for n, size in enumerate(sizes)}


class WholeTests(SynchronousTestCase):
    """Nothing goes wrong."""

    def test_files_of_all_lengths_arrive(self) -> None:
        """None is changed, each byte is sent once."""
        pair = Pair(files_of(*SIZES))
        pair.accept()
        pair.run()
        self.assertTrue(pair.is_done())
        self.assertEqual(pair.sent_bytes, sum(SIZES) + pair.sending.offer.manifest_bytes)

    def test_how_far_it_is(self) -> None:
        """Both ends know about it, also after a death, and never by more than is there."""
        sizes = [300_000] * 10 + [3 * CHUNK_BYTES]
        pair, chance = Pair(files_of(*sizes)), Random(2)
        pair.accept()
        for _ in range(6):
            for _ in range(20):
                chance.choice(pair.moves)()
            held = sum(map(len, pair.disk.parts.values()))
            held += sum(map(len, pair.disk.finished.values()))
            self.assertEqual(pair.receiving.reached_bytes, held)
            self.assertGreaterEqual(pair.sending.reached_bytes, held)
            self.assertLess(pair.sending.reached_bytes, held + 2 * WINDOW_BYTES)
            pair.kill_receiver()
            pair.begin()
        pair.run()
        self.assertEqual(pair.receiving.reached_bytes, sum(sizes))
        self.assertEqual(pair.sending.reached_bytes, sum(sizes))

    def test_many_small_files_arrive(self) -> None:
        """More than are open at a time."""
        pair = Pair(files_of(*[n % 7 for n in range(500)]))
        pair.accept()
        pair.run()
        self.assertTrue(pair.is_done())

    def test_only_empty_files(self) -> None:
        """Nothing is asked for but the list."""
        pair = Pair(files_of(0, 0, 0))
        pair.accept()
        pair.run()
        self.assertTrue(pair.is_done())
        self.assertEqual(sorted(pair.disk.finished), [0, 1, 2])

    def test_no_more_than_the_window_is_under_way(self) -> None:
        """What was asked for and is not written is at most one chunk."""
        pair = Pair(files_of(*[CHUNK_BYTES * 3 // 2] * 20))
        pair.accept()
        while any(move() for move in (pair.sender_hears, pair.sender_reads)):
            pass
        pair.run()
        self.assertTrue(pair.is_done())
        self.assertEqual(pair.receiving.stand.moved_bytes, pair.sent_bytes)

    def test_the_sender_never_runs_ahead(self) -> None:
        """At no moment more lies on the link than the window."""
        pair = Pair(files_of(5 * CHUNK_BYTES, 10, 5 * CHUNK_BYTES))
        pair.accept()
        chance, most = Random(3), 0
        while not pair.is_done():
            chance.choice(pair.moves)()
            most = max(most, sum(map(len, pair.to_receiver)))
        self.assertGreater(most, WINDOW_BYTES // 2)
        self.assertLess(most, WINDOW_BYTES + 8192)


class ResumeTests(SynchronousTestCase):
    """Ends and links die."""

    def test_S1_a_killed_receiver_asks_for_what_it_lacks(self) -> None:
        """At most one chunk is sent twice for each death."""
        for dies in ("kill_receiver", "kill_sender", "cut_link"):
            size = 9 * CHUNK_BYTES + 12_345
            pair, chance = Pair(files_of(size)), Random(5)
            pair.accept()
            for deaths in range(1, 4):
                while len(pair.disk.parts.get(0, b"")) < deaths * 2 * CHUNK_BYTES + 99_999:
                    chance.choice(pair.moves)()
                getattr(pair, dies)()
                pair.begin()
            pair.run()
            self.assertTrue(pair.is_done(), dies)
            twice = pair.sent_bytes - size - pair.sending.offer.manifest_bytes
            self.assertLessEqual(twice, 3 * CHUNK_BYTES, dies)

    def test_S1_killed_at_every_place(self) -> None:
        """Wherever in the file the end comes, at most one chunk is sent twice."""
        size, chance = 3 * CHUNK_BYTES + 500, Random(11)
        for seed in range(5):
            for dies in ("kill_receiver", "kill_sender", "cut_link"):
                pair = Pair(files_of(size))
                pair.accept()
                place = chance.randrange(size)
                while len(pair.disk.parts.get(0, b"")) < place and not pair.is_done():
                    chance.choice(pair.moves)()
                if not pair.is_done():
                    getattr(pair, dies)()
                    pair.begin()
                pair.run()
                self.assertTrue(pair.is_done(), f"{dies} at {place}, {seed}")
                twice = pair.sent_bytes - size - pair.sending.offer.manifest_bytes
                self.assertLessEqual(twice, CHUNK_BYTES, f"{dies} at {place}")

    def test_S1_what_the_power_cut_damaged_is_sent_again(self) -> None:
        """Zeros in place of bytes are found by the marks; only they and what follows is sent."""
        size = 6 * CHUNK_BYTES
        pair = Pair(files_of(size))
        pair.accept()
        while len(pair.disk.parts.get(0, b"")) < 4 * CHUNK_BYTES + 100_000:
            pair.receiver_hears() or pair.sender_hears() or pair.sender_reads()
        pair.kill_receiver()
        pair.disk.parts[0][3 * CHUNK_BYTES + 5 : 3 * CHUNK_BYTES + 9] = bytes(4)
        before = pair.sent_bytes
        pair.begin()
        pair.run()
        self.assertTrue(pair.is_done())
        self.assertEqual(pair.sent_bytes - before, 3 * CHUNK_BYTES)

    def test_a_damage_in_the_last_unproven_bytes(self) -> None:
        """The chunk that was cut in the middle is sent again whole."""
        pair = Pair(files_of(2 * CHUNK_BYTES))
        pair.accept()
        while len(pair.disk.parts.get(0, b"")) < CHUNK_BYTES + 100_000:
            pair.receiver_hears() or pair.sender_hears() or pair.sender_reads()
        pair.kill_receiver()
        pair.disk.parts[0][-1] ^= 1
        pair.begin()
        pair.run()
        self.assertTrue(pair.is_done())

    def test_a_part_longer_than_the_file_is_cut(self) -> None:
        """Something else wrote to it."""
        pair = Pair(files_of(1000))
        pair.accept()
        while not pair.disk.journal or pair.receiving.manifest is None:
            any(move() for move in pair.moves)
        pair.kill_receiver()
        pair.disk.parts[0] = bytearray(5000)
        pair.begin()
        pair.run()
        self.assertTrue(pair.is_done())

    def test_S1_a_read_that_lasts_longer_than_the_receiver(self) -> None:
        """It counts its runs anew; what was read for the former one of a number gives nothing."""
        pair = Pair(files_of(2 * CHUNK_BYTES))
        sending = pair.sending
        pair.accept()
        first = Ask(TRANSFER, 0, 1, 0, CHUNK_BYTES)
        sending.ask(first)
        late = sending.next()
        assert late is not None
        data = pair.sources[0][: late.size_bytes]
        sending.pause()
        sending.ask(first)
        read = sending.next()
        assert read is not None
        self.assertEqual(sending.fill(late, data), [])
        self.assertEqual(sending.next(), read)
        self.assertTrue(sending.fill(read, data))

    def test_a_pause_of_our_own_and_on_again(self) -> None:
        """What the link still brings is not taken for what is asked for then."""
        pair, chance = Pair(files_of(8 * CHUNK_BYTES, 3, 70_000)), Random(9)
        pair.accept()
        for _ in range(10):
            for _ in range(60):
                chance.choice(pair.moves)()
            if pair.receiving.stand.state is State.RUNNING:
                pair.receiving.pause()
                pair.begin()
        pair.run()
        self.assertTrue(pair.is_done())

    def test_killed_between_the_last_file_and_its_name(self) -> None:
        """Complete comes again."""
        pair = Pair(files_of(10, 20))
        pair.accept()
        pair.run()
        pair.disk.is_complete = False
        pair.kill_receiver()
        pair.begin()
        self.assertTrue(pair.is_done())

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(st.integers(0, 3 * CHUNK_BYTES), min_size=1, max_size=8),
        st.integers(0, 2**32),
        st.lists(
            st.sampled_from(("kill_receiver", "kill_sender", "cut_link", "damage")), max_size=6
        ),
    )
    def test_any_files_any_order_any_deaths(
        self, sizes: list[int], seed: int, ends: list[str]
    ) -> None:
        """Whoever moves when, and whoever dies when: the files arrive, little is sent twice."""
        pair, chance = Pair(files_of(*sizes)), Random(seed)
        pair.accept()
        for end in ends:
            for _ in range(chance.randrange(200)):
                chance.choice(pair.moves)()
            if pair.is_done():
                break
            if end == "damage":
                pair.kill_receiver()
                for part in pair.disk.parts.values():
                    if part:
                        part[chance.randrange(len(part))] ^= 0x55
            else:
                getattr(pair, end)()
            pair.begin()
        pair.run()
        self.assertTrue(pair.is_done())
        if "damage" not in ends:
            twice = pair.sent_bytes - sum(sizes)
            lists = pair.sending.offer.manifest_bytes * (len(ends) + 1)
            self.assertLessEqual(twice, len(ends) * CHUNK_BYTES + lists)
