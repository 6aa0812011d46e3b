"""Streams through a hub are pipes of bytes, whatever is said on the other side."""

from __future__ import annotations

from collections import deque
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadCargo, StreamReset, TooManyStreams
from streembit.hub import stream as streams
from streembit.hub.stream import (
    MAX_DATA_BYTES,
    MAX_OVER,
    MAX_RESETS,
    MAX_STREAMS,
    WINDOW_BYTES,
    Broken,
    Ended,
    Event,
    Opened,
    Received,
    Stream,
    Streams,
)
from streembit.wire.hub import MAX_CARGO_BYTES

QUICK = settings(deadline=None, derandomize=True, database=None, max_examples=150)
ONE = 0x0123456789ABCDEF


def cargo(what: int, id_: int = ONE, rest: bytes = b"") -> bytes:
    """Return a frame as the protocol has it, made by hand."""
    return bytes((1, what)) + id_.to_bytes(8) + rest


def number(value: int) -> bytes:
    """Return an offset or a limit."""
    return value.to_bytes(8)


def sent(side: Streams) -> list[bytes]:
    """Return all that a side has to say."""
    out: list[bytes] = []
    while (each := side.next_cargo()) is not None:
        out.append(each)
    return out


class Pipe:
    """Two sides with a wire each way, on which cargo waits until it is delivered."""

    def __init__(self) -> None:
        self.sides = Streams(), Streams()
        self.wires: tuple[deque[bytes], deque[bytes]] = (deque(), deque())
        self.events: tuple[list[Event], list[Event]] = ([], [])

    def carry(self, side: int, most: int = 1_000_000) -> None:
        """Let a side put some cargo onto its wire."""
        while most and (each := self.sides[side].next_cargo()) is not None:
            self.wires[side].append(each)
            most -= 1

    def deliver(self, side: int, most: int = 1_000_000) -> None:
        """Deliver some of what is on the wire of a side to the other one."""
        while most and self.wires[side]:
            event = self.sides[1 - side].receive(self.wires[side].popleft())
            if event is not None:
                self.events[1 - side].append(event)
            most -= 1

    def settle(self) -> None:
        """Carry and deliver until nothing moves."""
        while True:
            for side in (0, 1):
                self.carry(side)
            if not any(self.wires):
                return
            for side in (0, 1):
                self.deliver(side)

    def open(self) -> tuple[Stream, Stream]:
        """Return both ends of a new stream, its opening seen."""
        ours = self.sides[0].open(ONE)
        self.settle()
        opened = self.events[1].pop()
        assert isinstance(opened, Opened)
        return ours, opened.stream


def received(events: list[Event]) -> bytes:
    """Return the bytes of the events, in order."""
    return b"".join(event.data for event in events if isinstance(event, Received))


class PipeTests(SynchronousTestCase):
    """What goes in at one end comes out at the other."""

    def test_bytes_arrive_whole_and_in_order_in_both_directions(self) -> None:
        """More than the window, consumed as it comes."""
        pipe, rng = Pipe(), Random(1)
        ends = pipe.open()
        texts = rng.randbytes(700_000), rng.randbytes(1)
        for end, text in zip(ends, texts, strict=True):
            end.write(text)
        got = [b"", b""]
        for _ in range(100):
            pipe.settle()
            for side in (0, 1):
                for event in pipe.events[side]:
                    assert isinstance(event, Received)
                    got[side] += event.data
                    event.stream.consumed(len(event.data))
                pipe.events[side].clear()
        self.assertEqual(got, [texts[1], texts[0]])

    def test_bytes_may_be_written_before_the_other_side_knows_of_the_stream(self) -> None:
        """The opening and the first bytes leave together."""
        pipe = Pipe()
        pipe.sides[0].open(ONE).write(b"hello")
        pipe.settle()
        opened, first = pipe.events[1]
        self.assertIsInstance(opened, Opened)
        self.assertEqual(received([first]), b"hello")

    def test_no_more_than_the_window_is_sent_untaken(self) -> None:
        """Who does not consume gets 256 KiB, and the rest stays with the writer."""
        pipe = Pipe()
        ours, theirs = pipe.open()
        ours.write(bytes(WINDOW_BYTES + 9))
        pipe.settle()
        self.assertEqual(theirs.untaken_bytes, WINDOW_BYTES)
        self.assertEqual(ours.queued_bytes, 9)
        theirs.consumed(streams.GRANT_BYTES)
        pipe.settle()
        self.assertEqual(ours.queued_bytes, 0)
        self.assertEqual(theirs.untaken_bytes, WINDOW_BYTES - streams.GRANT_BYTES + 9)

    def test_little_that_is_consumed_is_not_granted_at_once(self) -> None:
        """A grant costs a signature: it is for a quarter of the window at least."""
        pipe = Pipe()
        ours, theirs = pipe.open()
        ours.write(bytes(WINDOW_BYTES))
        pipe.settle()
        theirs.consumed(streams.GRANT_BYTES - 1)
        self.assertEqual(sent(pipe.sides[1]), [])
        theirs.consumed(1)
        self.assertEqual(
            sent(pipe.sides[1]),
            [cargo(streams.CREDIT, ONE, number(WINDOW_BYTES + streams.GRANT_BYTES))],
        )

    def test_the_end_comes_behind_the_bytes(self) -> None:
        """Each way ends by itself; a stream whose both ways ended is forgotten."""
        pipe = Pipe()
        ours, theirs = pipe.open()
        ours.write(b"last words")
        ours.close()
        ours.write(b"too late")
        pipe.settle()
        self.assertEqual(pipe.events[1][1:], [Ended(theirs)])
        self.assertEqual(received(pipe.events[1]), b"last words")
        self.assertEqual((theirs.ended, ours.ended, ours.is_over), (True, False, False))
        theirs.write(b"answer")
        theirs.close()
        pipe.settle()
        self.assertEqual(received(pipe.events[0]), b"answer")
        self.assertEqual(pipe.events[0][-1], Ended(ours))
        self.assertTrue(ours.is_over and theirs.is_over)
        self.assertEqual([len(side) for side in pipe.sides], [0, 0])

    def test_streams_take_turns(self) -> None:
        """A long transfer does not keep a short message back."""
        pipe = Pipe()
        first = pipe.sides[0].open(1)
        second = pipe.sides[0].open(2)
        first.write(bytes(200_000))
        pipe.carry(0, 3)
        second.write(b"short")
        ids = [int.from_bytes(each[2:10]) for each in sent(pipe.sides[0])[:2]]
        self.assertEqual(sorted(ids), [1, 2])

    def test_cargo_is_never_longer_than_an_envelope_takes(self) -> None:
        """And bytes are not sent in smaller pieces than needed."""
        side = Streams()
        side.open(ONE).write(bytes(WINDOW_BYTES))
        lengths = [len(each) for each in sent(side)]
        self.assertEqual(max(lengths), MAX_CARGO_BYTES)
        self.assertEqual(len(lengths), 1 + -(-WINDOW_BYTES // MAX_DATA_BYTES))

    def test_a_reset_ends_both_directions_and_throws_away_what_waits(self) -> None:
        """The other side is told once; what was under way is dropped without a word."""
        pipe = Pipe()
        ours, theirs = pipe.open()
        theirs.write(b"under way")
        pipe.carry(1)
        ours.write(b"never sent")
        pipe.sides[0].reset(ours)
        pipe.sides[0].reset(ours)
        pipe.settle()
        (broken,) = pipe.events[1]
        assert isinstance(broken, Broken)
        self.assertIsInstance(broken.error, StreamReset)
        self.assertEqual(broken.error.reason, "aborted")
        self.assertEqual(pipe.events[0], [])
        self.assertEqual([len(side) for side in pipe.sides], [0, 0])

    def test_when_the_session_ends_all_streams_are_over_in_silence(self) -> None:
        """There is nobody to tell."""
        side = Streams()
        ours = [side.open(number) for number in (1, 2)]
        self.assertEqual(side.end_all(), ours)
        self.assertTrue(all(each.is_over for each in ours))
        self.assertEqual(sent(side), [])

    def test_consuming_what_did_not_come_is_our_own_mistake(self) -> None:
        """As is an id used twice, or more streams than may be."""
        side = Streams()
        ours = side.open(1)
        self.assertRaises(ValueError, ours.consumed, 1)
        self.assertRaises(ValueError, side.open, 1)
        for each in range(2, MAX_STREAMS + 1):
            side.open(each)
        self.assertRaises(TooManyStreams, side.open, 99)


class HostileTests(SynchronousTestCase):
    """A member may say anything; it breaks its own streams and nothing grows."""

    def broken_by(self, frame: bytes) -> Streams:
        """Let an open stream get a frame that breaks the rules, beside one that stays."""
        side = Streams()
        side.receive(cargo(streams.OPEN, 77))
        side.receive(cargo(streams.OPEN))
        side.receive(cargo(streams.DATA, ONE, number(0) + b"ok"))
        event = side.receive(frame)
        assert isinstance(event, Broken), frame
        self.assertIsInstance(event.error, BadCargo)
        self.assertTrue(event.stream.is_over)
        self.assertEqual(sent(side), [cargo(streams.RESET, ONE, bytes((streams.VIOLATION,)))])
        self.assertEqual(len(side), 1)
        self.assertIsNone(side.receive(frame))
        return side

    def test_a_breach_of_the_rules_breaks_its_stream(self) -> None:
        """Bytes at the wrong place, too many, none; grants and ends that cannot be."""
        for what, rest in (
            (streams.OPEN, b""),
            (streams.DATA, number(0) + b"again"),
            (streams.DATA, number(1) + b"inside"),
            (streams.DATA, number(3) + b"a hole"),
            (streams.DATA, number(2**64 - 1) + b"far"),
            (streams.DATA, number(2)),
            (streams.CREDIT, number(0)),
            (streams.CREDIT, number(WINDOW_BYTES)),
            (streams.CREDIT, number(WINDOW_BYTES + 1)),
            (streams.CREDIT, number(2**64 - 1)),
            (streams.CLOSE, number(1)),
            (streams.CLOSE, number(3)),
        ):
            self.broken_by(cargo(what, ONE, rest))

    def test_bytes_after_the_end_break_the_stream(self) -> None:
        """And so does a second end."""
        for rest in (
            cargo(streams.DATA, ONE, number(0) + b"x"),
            cargo(streams.CLOSE, ONE, number(0)),
        ):
            side = Streams()
            side.receive(cargo(streams.OPEN))
            side.receive(cargo(streams.CLOSE, ONE, number(0)))
            self.assertIsInstance(side.receive(rest), Broken)

    def test_more_bytes_than_were_granted_break_the_stream(self) -> None:
        """What was consumed and not granted yet counts as taken."""
        side = Streams()
        opened = side.receive(cargo(streams.OPEN))
        assert isinstance(opened, Opened)
        at = 0
        while at < WINDOW_BYTES:
            data = bytes(min(MAX_DATA_BYTES, WINDOW_BYTES - at))
            side.receive(cargo(streams.DATA, ONE, number(at) + data))
            at += len(data)
        opened.stream.consumed(streams.GRANT_BYTES - 1)
        self.assertEqual(sent(side), [])
        self.assertIsInstance(side.receive(cargo(streams.DATA, ONE, number(at) + b"x")), Broken)

    def test_what_is_no_frame_is_refused_and_changes_nothing(self) -> None:
        """Truncated, too long, of another kind, with too much behind it."""
        side = Streams()
        side.receive(cargo(streams.OPEN))
        for bad in (
            b"",
            b"\x01",
            cargo(streams.OPEN)[:-1],
            cargo(streams.OPEN) + b"x",
            b"\x02" + cargo(streams.DATA, ONE, number(0) + b"x")[1:],
            cargo(0),
            cargo(6),
            cargo(255),
            cargo(streams.DATA, ONE, number(0)[:-1]),
            cargo(streams.CREDIT),
            cargo(streams.CREDIT, ONE, number(1) + b"x"),
            cargo(streams.CLOSE, ONE, b"1234567"),
            cargo(streams.RESET),
            cargo(streams.RESET, ONE, b"12"),
            cargo(streams.DATA, ONE, number(0) + bytes(MAX_DATA_BYTES + 1)),
        ):
            self.assertRaises(BadCargo, side.receive, bad)
        self.assertEqual(len(side), 1)
        self.assertEqual(sent(side), [])

    def test_frames_of_streams_that_are_not_known_are_answered_once(self) -> None:
        """A reset is answered never, so that two sides cannot reset each other for ever."""
        side = Streams()
        for _ in range(3):
            side.receive(cargo(streams.DATA, ONE, number(5) + b"x"))
            side.receive(cargo(streams.CREDIT, ONE, number(5)))
            side.receive(cargo(streams.CLOSE, ONE, number(5)))
        self.assertEqual(sent(side), [cargo(streams.RESET, ONE, bytes((streams.UNKNOWN,)))])
        self.assertIsNone(side.receive(cargo(streams.RESET, 5, b"\x01")))
        self.assertEqual(sent(side), [])

    def test_streams_too_many_are_refused(self) -> None:
        """The ones that are open stay; ids of refused and ended streams do not come back."""
        side = Streams()
        for each in range(MAX_STREAMS):
            self.assertIsInstance(side.receive(cargo(streams.OPEN, each)), Opened)
        self.assertIsNone(side.receive(cargo(streams.OPEN, ONE)))
        self.assertEqual(sent(side), [cargo(streams.RESET, ONE, bytes((streams.REFUSED,)))])
        self.assertIsInstance(side.receive(cargo(streams.RESET, 0, b"\x01")), Broken)
        for late in (ONE, 0):
            self.assertIsNone(side.receive(cargo(streams.OPEN, late)))
        self.assertEqual(sent(side), [])
        self.assertIsInstance(side.receive(cargo(streams.OPEN, 99)), Opened)

    def test_answers_to_one_who_never_reads_do_not_pile_up(self) -> None:
        """So many resets wait, and no more."""
        side = Streams()
        for each in range(10_000):
            side.receive(cargo(streams.CREDIT, each, number(1)))
        self.assertEqual(len(sent(side)), MAX_RESETS)
        self.assertLessEqual(MAX_OVER, 64)

    def test_a_reason_that_is_not_known_is_a_reset_nevertheless(self) -> None:
        """Newer members may have others."""
        side = Streams()
        side.receive(cargo(streams.OPEN))
        event = side.receive(cargo(streams.RESET, ONE, b"\xc8"))
        assert isinstance(event, Broken)
        self.assertEqual(event.error.reason, "unnamed")


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(("write", "carry", "deliver", "consume", "close", "open")),
        st.integers(0, 1),
        st.integers(0, 2),
        st.integers(1, 90_000),
    ),
    max_size=60,
)


class Model:
    """Plain byte strings beside two sides and their wires."""

    def __init__(self) -> None:
        self.pipe = Pipe()
        self.ends: list[tuple[Stream, Stream]] = []
        self.written: dict[tuple[int, int], bytes] = {}  # by stream's number and writing side
        self.came: dict[tuple[int, int], bytes] = {}
        self.closed: set[tuple[int, int]] = set()
        self.rng = Random(3)

    def open(self, side: int) -> None:
        if len(self.ends) < 3:
            pair = [self.pipe.sides[side].open(len(self.ends))] * 2
            self.pipe.settle()
            opened = next(e for e in self.pipe.events[1 - side] if isinstance(e, Opened))
            self.take(1 - side)
            pair[1 - side] = opened.stream
            self.ends.append((pair[0], pair[1]))

    def act(self, name: str, side: int, which: int, size: int) -> None:
        if name == "open":
            return self.open(side)
        if name in ("carry", "deliver"):
            getattr(self.pipe, name)(side, size % 7)
            return self.take(1 - side)
        if which >= len(self.ends):
            return None
        stream = self.ends[which][side]
        if name == "write" and (which, side) not in self.closed:
            data = self.rng.randbytes(size)
            stream.write(data)
            self.written[which, side] = self.written.get((which, side), b"") + data
        elif name == "consume":
            stream.consumed(min(size, stream.untaken_bytes))
        elif name == "close":
            stream.close()
            self.closed.add((which, side))
        return None

    def take(self, side: int) -> None:
        """Take the events of a side, each of which must be one of an honest pipe."""
        for event in self.pipe.events[side]:
            if isinstance(event, Received):
                at = event.stream.id, 1 - side
                self.came[at] = self.came.get(at, b"") + event.data
                assert event.stream.untaken_bytes <= WINDOW_BYTES
            assert not isinstance(event, Broken)
            if isinstance(event, Ended):
                at = event.stream.id, 1 - side
                assert self.came.get(at, b"") == self.written.get(at, b"")
        self.pipe.events[side].clear()

    def finish(self) -> None:
        """Consume all, close all, and let everything arrive."""
        for pair in self.ends:
            for end in pair:
                end.close()
        for _ in range(200):
            for pair in self.ends:
                for end in pair:
                    end.consumed(end.untaken_bytes)
            self.pipe.settle()
            for side in (0, 1):
                self.take(side)


class ModelTests(SynchronousTestCase):
    """Against plain strings of bytes."""

    @QUICK
    @given(ACTIONS)
    def test_whatever_is_done_in_whatever_order_the_bytes_are_those(
        self, actions: list[tuple[str, int, int, int]]
    ) -> None:
        """Written, cut, held back, delivered late: nothing is lost, repeated or moved."""
        model = Model()
        model.open(0)
        for action in actions:
            model.act(*action)
            for at, data in model.came.items():
                self.assertTrue(model.written.get(at, b"").startswith(data))
        model.finish()
        self.assertEqual(model.came, {at: d for at, d in model.written.items() if d})
        self.assertEqual([len(side) for side in model.pipe.sides], [0, 0])

    @QUICK
    @given(st.lists(st.binary(max_size=40), max_size=60))
    def test_any_cargo_at_all_is_refused_or_understood(self, cargoes: list[bytes]) -> None:
        """And what it leaves behind is bounded."""
        side = Streams()
        for each in cargoes:
            for frame in (each, bytes((1, each[0] % 7 if each else 0)) + bytes(7) + each):
                try:
                    side.receive(frame)
                except BadCargo:
                    pass
                self.assertLessEqual(len(side), MAX_STREAMS)
        self.assertLessEqual(len(sent(side)), MAX_RESETS + MAX_STREAMS)
