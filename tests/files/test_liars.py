"""A contact who lies about sizes, offsets and digests, and what comes of it: a failed transfer."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import (
    BadAsk,
    BadBlock,
    BadManifest,
    FileChanged,
    NoSuchTransfer,
    NotEnoughSpace,
    StreembitError,
    TransferState,
    WrongDigest,
)
from streembit.files.receiving import MAX_STRAY_BYTES, RESERVE_BYTES, Receiving
from streembit.files.roundtrip import WINDOW_BYTES
from streembit.files.sending import MAX_COMPARED, MAX_OPEN_FILES, RUN_BYTES
from streembit.files.state import State
from streembit.wire.transfer import (
    CHUNK_BYTES,
    MANIFEST,
    MAX_BLOCK_BYTES,
    Ask,
    Block,
    FileEnd,
    FileFrame,
    Mark,
    pack_ask,
    pack_block,
    pack_mark,
    read_frame,
)
from tests.files.rig import PLENTY, TRANSFER, Pair, contents, verdict

SIZE = 2 * CHUNK_BYTES + 150_000
Change = Callable[[Block], Block]


def pack(frame: FileFrame) -> bytes:
    """Return the payload of any frame."""
    if isinstance(frame, Ask):
        return pack_ask(frame)
    return pack_mark(frame) if isinstance(frame, Mark) else pack_block(*frame)


class LyingSenderTests(SynchronousTestCase):
    """What comes is not what was offered."""

    def pair(self, size: int = SIZE) -> Pair:
        pair = Pair({("a",): contents(size)})
        pair.accept()
        while pair.receiving.manifest is None:
            any(move() for move in pair.moves)
        return pair

    def fails(self, pair: Pair, *errors: type[StreembitError]) -> None:
        """Run until the receiver ends the transfer for one of these; nothing is finished."""
        with self.assertRaises(errors) as caught:
            pair.run()
        self.assertIs(pair.receiving.stand.state, State.FAILED)
        self.assertEqual(pair.receiving.stand.why, caught.exception.code)
        self.assertEqual(pair.disk.finished, {})
        self.assertFalse(pair.disk.is_complete)
        self.assertLessEqual(len(pair.disk.parts.get(0, b"")), SIZE)

    def tampered(self, change: Change, at: int = 0) -> Pair:
        """Return a pair whose sender changes the first block at or behind an offset."""
        pair = self.pair()
        done: list[Block] = []

        def tamper(payload: bytes) -> bytes:
            frame = read_frame(payload)
            if done or not isinstance(frame, Block) or frame.offset < at:
                return payload
            done.append(frame)
            return pack(change(frame))

        pair.tamper = tamper
        return pair

    def test_L3_offsets(self) -> None:
        """Before, behind, far away: no byte lands where it is not due."""
        for offset in (-1, 1, MAX_BLOCK_BYTES, CHUNK_BYTES, SIZE, 2**53 - 1):
            pair = self.tampered(
                lambda block, by=offset: block._replace(  # type: ignore[misc]
                    offset=block.offset + by if by < 2**53 - 1 else by
                ),
                at=1,
            )
            self.fails(pair, BadBlock)

    def test_L3_lengths(self) -> None:
        """Shorter, and the next one is not due; longer, and it is beyond what was asked for."""
        self.fails(self.tampered(lambda b: b._replace(data=b.data[:-1])), BadBlock)
        pair = self.tampered(
            lambda b: b._replace(data=bytes(b.data[:1]) * MAX_BLOCK_BYTES), SIZE - 40_000
        )
        self.fails(pair, BadBlock)

    def test_L3_one_byte_more_than_stated(self) -> None:
        """The file ends where the list says so."""
        pair = self.pair()
        pair.run()
        run = 2  # the list was the first
        with self.assertRaises(BadBlock):
            for _ in range(MAX_STRAY_BYTES):
                pair.to_receiver.append(pack_block(TRANSFER, 0, run, SIZE, b"x" * MAX_BLOCK_BYTES))
                pair.run()

    def test_L3_bytes_changed_on_the_way(self) -> None:
        """The mark at the chunk's end tells; at most that chunk was written for nothing."""
        for at in (0, CHUNK_BYTES, SIZE - 40_000):
            pair = self.tampered(lambda b: b._replace(data=bytes(len(b.data))), at)
            self.fails(pair, WrongDigest)

    def test_L3_marks_that_lie(self) -> None:
        """Of the first, of a later, of the last chunk."""
        for end in (CHUNK_BYTES, 2 * CHUNK_BYTES, SIZE):
            pair = self.pair()

            def tamper(payload: bytes, end: int = end) -> bytes:
                frame = read_frame(payload)
                if isinstance(frame, Mark) and frame.end == end:
                    return pack(frame._replace(digest=bytes(32)))
                return payload

            pair.tamper = tamper
            self.fails(pair, WrongDigest)

    def test_L3_marks_in_wrong_places(self) -> None:
        """Inside a chunk, beyond the file, at nothing, twice."""
        for end in (0, 1, CHUNK_BYTES - 1, SIZE + 1, 3 * CHUNK_BYTES, 2**53 - 1):
            pair = self.pair()
            pair.to_receiver.appendleft(pack_mark(Mark(TRANSFER, 0, 2, end, bytes(32))))
            self.fails(pair, BadBlock)
        pair = self.pair()
        for _ in range(2):
            pair.to_receiver.append(pack_mark(Mark(TRANSFER, 0, 2, CHUNK_BYTES, bytes(32))))
        self.fails(pair, BadBlock)

    def test_L3_no_mark_at_all(self) -> None:
        """What no mark has proven does not go on."""
        pair = self.pair()
        pair.tamper = lambda payload: (
            payload if isinstance(read_frame(payload), Block) else pack_mark(STRAY)
        )
        self.fails(pair, BadBlock)
        self.assertEqual(len(pair.disk.parts[0]), CHUNK_BYTES)

    def test_L3_another_list(self) -> None:
        """Of the same length, with another name in it."""
        pair = Pair({("a",): b"x"})
        pair.tamper = lambda payload: payload.replace(b'"a"', b'"b"')
        pair.accept()
        with self.assertRaises((WrongDigest, BadManifest)):
            pair.run()
        self.assertEqual((pair.receiving.manifest, pair.disk.parts), (None, {}))

    def test_L3_a_flood_that_nobody_asked_for(self) -> None:
        """Blocks of other files and runs are counted, not kept."""
        for file, run in ((0, 99), (7, 1), (MANIFEST, 1)):
            pair = self.pair()
            flood = pack_block(TRANSFER, file, run, 0, bytes(MAX_BLOCK_BYTES))
            held = len(pair.disk.parts.get(0, b""))
            with self.assertRaises(BadBlock):
                for _ in range(MAX_STRAY_BYTES // MAX_BLOCK_BYTES + 1):
                    frame = read_frame(flood)
                    assert isinstance(frame, Block)
                    pair.do(pair.receiving.frame(frame))
            self.assertEqual(len(pair.disk.parts.get(0, b"")), held)

    def test_L3_a_sender_that_changed_the_file_in_between(self) -> None:
        """Other bytes, other marks: what we have is damaged, and begins again from the marks."""
        pair = self.pair(4 * CHUNK_BYTES)
        while len(pair.disk.parts.get(0, b"")) < 3 * CHUNK_BYTES:
            any(move() for move in pair.moves)
        pair.cut_link()
        pair.sources[0] = contents(4 * CHUNK_BYTES, seed=8)
        pair.begin()
        pair.run()
        self.assertTrue(pair.is_done())

    def test_L3_a_terabyte_is_refused_before_anything_is_written(self) -> None:
        """The claim alone takes nothing."""
        pair = Pair({("a",): b""})
        huge = msgspec.structs.replace(pair.sending.offer, total_bytes=2**50)
        receiving = Receiving(huge)
        with self.assertRaises(NotEnoughSpace):
            receiving.accept(2**50 + RESERVE_BYTES)
        self.assertIs(receiving.stand.state, State.OFFERED)
        receiving.deny()

    @given(st.integers(0, 2**32), st.integers(1, 30))
    def test_L3_any_altered_frame(self, seed: int, victim: int) -> None:
        """The files arrive as they were, or the transfer fails, or waits; nothing else is kept."""
        chance = Random(seed)
        pair = Pair({("a",): contents(CHUNK_BYTES + 9), ("b",): contents(70_000, 2)})
        pair.accept()
        count = 0

        def tamper(payload: bytes) -> bytes:
            nonlocal count
            count += 1
            if count != victim:
                return payload
            altered = bytearray(payload)
            altered[chance.choice((1, 18, 22, 26, 33, 34, -1))] ^= 1 << chance.randrange(8)
            return bytes(altered)

        pair.tamper = tamper
        try:
            pair.run()
        except StreembitError:
            pass
        for file, data in pair.disk.finished.items():
            assert data == pair.sources[file]
        assert pair.disk.is_complete == (len(pair.disk.finished) == 2)


STRAY = Mark(TRANSFER, 0, 77, CHUNK_BYTES, bytes(32))


class LyingReceiverTests(SynchronousTestCase):
    """Asks for what is not there, or costs much."""

    def pair(self, *sizes: int) -> Pair:
        pair = Pair({(f"{n}",): contents(size) for n, size in enumerate(sizes or (SIZE,))})
        pair.sending.answered(pair.receiving.accept(PLENTY))
        return pair

    def test_nothing_is_sent_before_the_verdict_or_after_the_end(self) -> None:
        """Whoever was not asked, denied, or ended it gets not one byte."""
        ask = Ask(TRANSFER, 0, 1, 0, 1)
        unasked = Pair({("a",): b"x"})
        denied = Pair({("a",): b"x"})
        denied.sending.answered(verdict(accepted=False))
        ended = self.pair()
        ended.sending.ended(FileEnd(ended.sending.offer.transfer, "cancelled"))
        for pair in (unasked, denied, ended):
            with self.assertRaises(NoSuchTransfer):
                pair.sending.ask(ask)
            self.assertIsNone(pair.sending.next())

    def test_beyond_the_file(self) -> None:
        """Other files, other bytes."""
        sending = self.pair().sending
        for file, start, upto in (
            (1, 0, 1),
            (2**32 - 2, 0, 1),
            (0, SIZE + 1, SIZE),
            (0, 0, SIZE + 1),
        ):
            with self.assertRaises(BadAsk):
                sending.ask(Ask(TRANSFER, file, 1, start, upto))
            self.assertIsNone(sending.next())
        with self.assertRaises(BadAsk):
            sending.ask(Ask(TRANSFER, MANIFEST, 1, 0, sending.offer.manifest_bytes + 1))

    def test_an_empty_file_is_never_asked_for(self) -> None:
        """It has no bytes."""
        with self.assertRaises(BadAsk):
            self.pair(0).sending.ask(Ask(TRANSFER, 0, 1, 0, 1))

    def test_taking_back(self) -> None:
        """A run's asks only grow."""
        for start, upto in ((0, 9), (1, 20)):
            sending = self.pair().sending
            sending.ask(Ask(TRANSFER, 0, 1, 0, 10))
            with self.assertRaises(BadAsk):
                sending.ask(Ask(TRANSFER, 0, 1, start, upto))

    def test_too_many_files_at_a_time(self) -> None:
        """The table of open files is small, and stays sound."""
        pair = self.pair(*[10] * 40)
        for file in range(MAX_OPEN_FILES):
            pair.sending.ask(Ask(TRANSFER, file, 1, 0, 10))
        with self.assertRaises(BadAsk):
            pair.sending.ask(Ask(TRANSFER, 39, 1, 0, 10))
        while pair.sender_reads():
            pass
        self.assertEqual(pair.sent_bytes, 10 * MAX_OPEN_FILES)

    def test_C5_comparing_without_end(self) -> None:
        """Who has us read again and again what it then does not take is refused."""
        pair, read_bytes = self.pair(), 0
        with self.assertRaises(BadAsk):
            for run in range(10_000):
                pair.sending.ask(Ask(TRANSFER, 0, run, SIZE, SIZE))
                while (read := pair.sending.next()) is not None:
                    read_bytes += read.size_bytes
                    start = read.offset
                    pair.sending.fill(read, pair.sources[0][start : start + read.size_bytes])
        self.assertLess(read_bytes, (MAX_COMPARED + 2) * SIZE)
        self.assertIsNone(pair.sending.next())

    def test_C5_opening_without_end(self) -> None:
        """Runs that are replaced before anything was read of them count too."""
        pair = self.pair(10, 10)
        opened = 0
        with self.assertRaises(BadAsk):
            for run in range(10_000):
                pair.sending.ask(Ask(TRANSFER, run % 2, run, 0, 10))
                opened += 1
        self.assertLess(opened * RUN_BYTES, MAX_COMPARED * (4 * RUN_BYTES))

    def test_whoever_takes_what_it_asks_for_may_ask_again(self) -> None:
        """A user who pauses and goes on a thousand times is no attacker."""
        pair = self.pair(CHUNK_BYTES)
        for run in range(1000):
            pair.sending.ask(Ask(TRANSFER, 0, run, 0, CHUNK_BYTES))
            pair.sender_reads()

    def test_a_file_that_became_shorter(self) -> None:
        """The transfer fails with that word; nothing more is sent."""
        pair = self.pair()
        pair.begin()
        pair.sources[0] = pair.sources[0][: CHUNK_BYTES + 1]
        with self.assertRaises(FileChanged):
            pair.run()
        self.assertEqual(pair.sending.stand.why, "file-changed")
        self.assertIsNone(pair.sending.next())

    @given(st.lists(st.tuples(st.integers(0, 3), *[st.integers(0, 30)] * 3), max_size=60))
    def test_any_asks(self, asks: list[tuple[int, int, int, int]]) -> None:
        """Only bytes of the files at their places are sent, in order and no more than asked for."""
        pair = self.pair(20, 30)
        for file, run, start, upto in asks:
            sent: dict[int, int] = {}
            try:
                pair.sending.ask(Ask(TRANSFER, file, run, start, upto))
            except StreembitError:
                continue
            while (read := pair.sending.next()) is not None:
                source = pair.sources[read.file]
                data = source[read.offset : read.offset + read.size_bytes]
                for frame in map(read_frame, pair.sending.fill(read, data)):
                    if isinstance(frame, Block):
                        end = frame.offset + len(frame.data)
                        assert frame.data == source[frame.offset : end]
                        assert sent.get(frame.file, 0) <= frame.offset < end <= upto
                        sent[frame.file] = end


class DecisionTests(SynchronousTestCase):
    """Each decision is made once."""

    def test_verdicts(self) -> None:
        """Accepted is not denied afterwards, nor the other way round."""
        pair = Pair({("a",): b"x"})
        pair.receiving.accept(PLENTY)
        for again in (pair.receiving.deny, lambda: pair.receiving.accept(PLENTY)):
            with self.assertRaises(TransferState):
                again()
        pair = Pair({("a",): b"x"})
        pair.receiving.deny()
        with self.assertRaises(TransferState):
            pair.receiving.accept(PLENTY)
        with self.assertRaises(TransferState):
            pair.begin()

    def test_the_first_end_stays(self) -> None:
        """Whatever is said afterwards."""
        pair = Pair({("a",): b"x"})
        pair.accept()
        pair.run()
        pair.sending.ended(FileEnd(pair.sending.offer.transfer, "done"))
        pair.sending.cancel()
        pair.receiving.cancel()
        pair.receiving.ended(FileEnd(pair.sending.offer.transfer, "cancelled"))
        self.assertIs(pair.sending.stand.state, State.DONE)
        self.assertIs(pair.receiving.stand.state, State.DONE)

    def test_done_is_the_receiver_s_word(self) -> None:
        """A sender that says so before all is there has cancelled."""
        pair = Pair({("a",): b"x"})
        pair.accept()
        pair.receiving.ended(FileEnd(pair.sending.offer.transfer, "done"))
        self.assertEqual(pair.receiving.stand.why, "cancelled")
        self.assertIs(pair.receiving.stand.state, State.FAILED)

    def test_the_window(self) -> None:
        """It is what one death may send twice."""
        self.assertLessEqual(WINDOW_BYTES, CHUNK_BYTES)
