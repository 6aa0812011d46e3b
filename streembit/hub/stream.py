"""Streams of bytes between two members, carried in live envelopes: no I/O, no clock.

Each side holds one `Streams` for the other. What is written waits here
until the other side has room for it, and leaves as cargo when the
carrier asks for some; what comes as cargo becomes events.
docs/protocol/hub.md has the bytes.
"""

from __future__ import annotations

import struct
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

from streembit.errors import BadCargo, RemoteError, StreamReset, TooManyStreams
from streembit.hub.cargo import STREAM
from streembit.wire.hub import MAX_CARGO_BYTES

WINDOW_BYTES: Final = 256 * 1024  # sent and not taken yet: a quarter second at a megabyte a second
GRANT_BYTES: Final = WINDOW_BYTES // 4  # taken before more is granted: a grant costs a signature
MAX_STREAMS: Final = 8  # with one member: a link, one that takes its place, and knocks
MAX_OVER: Final = 64  # streams that ended, whose late frames are dropped without an answer
MAX_RESETS: Final = 64  # that wait to be sent; whoever causes more gets no answer

OPEN: Final = 1
DATA: Final = 2
CREDIT: Final = 3
CLOSE: Final = 4
RESET: Final = 5

_HEAD: Final = struct.Struct(">BBQ")  # STREAM, what it is, the stream's id
_OFFSET: Final = struct.Struct(">Q")
MAX_DATA_BYTES: Final = MAX_CARGO_BYTES - _HEAD.size - _OFFSET.size

# Why a stream was reset, by the byte that says so.
ABORTED: Final = 1
REFUSED: Final = 2
UNKNOWN: Final = 3
VIOLATION: Final = 4
_REASONS: Final = {
    ABORTED: "aborted",
    REFUSED: "refused",
    UNKNOWN: "unknown",
    VIOLATION: "violation",
}


class Stream:
    """One stream: bytes in order, both ways; each way ends by itself.

    Attributes:
        id: drawn by chance by the side that opened it.
        opened_here: whether that was we.
    """

    __slots__ = (
        "_closing",
        "_finished",
        "_granted",
        "_heard",
        "_limit",
        "_open_due",
        "_queue",
        "_sent",
        "_taken",
        "_told",
        "ended",
        "id",
        "is_over",
        "opened_here",
    )

    def __init__(self, id: int, *, opened_here: bool) -> None:  # noqa: A002
        self.id = id
        self.opened_here = opened_here
        self.ended = False  # the other side has sent all that it will
        self.is_over = False  # nothing comes or goes any more
        self._open_due = opened_here
        self._queue = bytearray()
        self._sent = 0
        self._limit = WINDOW_BYTES  # up to which the other side takes bytes
        self._closing = False
        self._finished = False  # our end was told
        self._heard = 0
        self._taken = 0
        self._granted = WINDOW_BYTES  # up to which we shall take bytes
        self._told = WINDOW_BYTES  # and what of that the other side knows

    @property
    def queued_bytes(self) -> int:
        """What was written and has not left: the window is used up, or the carrier is busy."""
        return len(self._queue)

    @property
    def untaken_bytes(self) -> int:
        """What was received and not consumed; never more than WINDOW_BYTES."""
        return self._heard - self._taken

    def write(self, data: bytes) -> None:
        """Queue bytes; after `close`, or once the stream is over, they go nowhere."""
        if not self._closing and not self.is_over:
            self._queue += data

    def close(self) -> None:
        """Send no more than what is queued already."""
        self._closing = True

    def consumed(self, size_bytes: int) -> None:
        """Say that so many of the received bytes are out of the way: others may come.

        Raises:
            ValueError: more than were received.
        """
        if not 0 <= size_bytes <= self.untaken_bytes:
            raise ValueError("consumed what was not received")
        self._taken += size_bytes
        if self._taken + WINDOW_BYTES - self._granted >= GRANT_BYTES:
            self._granted = self._taken + WINDOW_BYTES

    # --- for Streams alone

    def next_cargo(self) -> bytes | None:
        """Return what this stream sends next, or None."""
        if self._open_due:
            self._open_due = False
            return _HEAD.pack(STREAM, OPEN, self.id)
        if self._granted > self._told and not self.ended:
            self._told = self._granted
            return self._framed(CREDIT, self._granted)
        return self._data() or self._end()

    def hear(self, data: bytes, offset: int) -> None:
        """Count bytes that came; raise BadCargo unless they were due and granted."""
        if not data or self.ended or offset != self._heard:
            raise BadCargo("not the next bytes of the stream")
        if self._heard + len(data) > self._told:
            raise BadCargo("more bytes than were granted")
        self._heard += len(data)

    def grant(self, limit: int) -> None:
        """Take the other side's word on how much it takes; raise BadCargo if that cannot be."""
        if not self._limit < limit <= self._sent + WINDOW_BYTES:
            raise BadCargo("a grant of what was granted, or of too much")
        self._limit = limit

    def hear_end(self, offset: int) -> None:
        """Take note that the other side sends no more; raise BadCargo if bytes are missing."""
        if self.ended or offset != self._heard:
            raise BadCargo("not the end of the stream")
        self.ended = True

    @property
    def is_finished(self) -> bool:
        """Whether both sides have told each other their end."""
        return self.ended and self._finished

    def _data(self) -> bytes | None:
        size_bytes = min(len(self._queue), self._limit - self._sent, MAX_DATA_BYTES)
        if not size_bytes:
            return None
        cargo = self._framed(DATA, self._sent) + self._queue[:size_bytes]
        del self._queue[:size_bytes]
        self._sent += size_bytes
        return cargo

    def _end(self) -> bytes | None:
        if not self._closing or self._finished or self._queue:
            return None
        self._finished = True
        return self._framed(CLOSE, self._sent)

    def _framed(self, what: int, offset: int) -> bytes:
        return _HEAD.pack(STREAM, what, self.id) + _OFFSET.pack(offset)


@dataclass(frozen=True, slots=True)
class Opened:
    """The other side opened a stream."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes came; tell the stream when they are consumed."""

    stream: Stream
    data: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The other side sends no more; what it sent before has been received."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class Broken:
    """The stream is over before its end: StreamReset by the other side, BadCargo for a breach."""

    stream: Stream
    error: RemoteError


Event = Opened | Received | Ended | Broken


class Streams:
    """All streams with one other member, over one session of each side.

    When a session ends, so do its streams: make another `Streams`.
    """

    __slots__ = ("_max_streams", "_over", "_resets", "_streams")

    def __init__(self, max_streams: int = MAX_STREAMS) -> None:
        self._max_streams = max_streams
        self._streams: OrderedDict[int, Stream] = OrderedDict()  # who sent last is last
        self._over: deque[int] = deque(maxlen=MAX_OVER)
        self._resets: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._streams)

    def open(self, id: int) -> Stream:  # noqa: A002
        """Return a new stream; `id` is 8 bytes of chance as a number.

        Bytes may be written at once. A refusal comes as Broken.

        Raises:
            TooManyStreams: as many as may be are open.
            ValueError: the id is used.
        """
        if len(self._streams) >= self._max_streams:
            raise TooManyStreams(limit=self._max_streams)
        if id in self._streams or id in self._over:
            raise ValueError("a stream's id is used once")
        stream = self._streams[id] = Stream(id, opened_here=True)
        return stream

    def reset(self, stream: Stream, code: int = ABORTED) -> None:
        """Break a stream off; what is queued is thrown away."""
        if not stream.is_over:
            self._forget(stream)
            self._answer(stream.id, code)

    def end_all(self) -> list[Stream]:
        """Return the streams that were open, which are over; nothing is said to the other side."""
        streams = list(self._streams.values())
        for stream in streams:
            self._forget(stream)
        self._resets.clear()
        return streams

    def next_cargo(self) -> bytes | None:
        """Return what is to be sent next, at most MAX_CARGO_BYTES, or None for now.

        Streams that have something to say take turns.
        """
        if self._resets:
            return self._resets.popleft()
        for stream in self._streams.values():
            cargo = stream.next_cargo()
            if cargo is not None:
                self._streams.move_to_end(stream.id)
                self._settle(stream)
                return cargo
        return None

    def receive(self, cargo: bytes) -> Event | None:
        """Return what a cargo from the other side means, None for nothing new.

        Frames of streams that are not known are answered with a reset,
        once; a breach of the rules breaks its stream and no other.

        Raises:
            BadCargo: no frame of a stream. Nothing has changed.
        """
        what, id_, offset, data = _read(cargo)
        stream = self._streams.get(id_)
        if stream is None:
            return self._new(what, id_)
        try:
            return self._heard(stream, what, offset, data)
        except BadCargo as error:
            self.reset(stream, VIOLATION)
            return Broken(stream, error)

    def _new(self, what: int, id_: int) -> Opened | None:
        """Take a frame of a stream that is not open."""
        if what == RESET or id_ in self._over:
            return None  # late, and answered before
        if what == OPEN and len(self._streams) < self._max_streams:
            stream = self._streams[id_] = Stream(id_, opened_here=False)
            return Opened(stream)
        self._over.append(id_)
        self._answer(id_, REFUSED if what == OPEN else UNKNOWN)
        return None

    def _heard(self, stream: Stream, what: int, offset: int, data: bytes) -> Event | None:
        if what == DATA:
            stream.hear(data, offset)
            return Received(stream, data)
        if what == CREDIT:
            stream.grant(offset)
            return None
        if what == CLOSE:
            stream.hear_end(offset)
            self._settle(stream)
            return Ended(stream)
        if what == RESET:
            self._forget(stream)
            return Broken(stream, StreamReset(reason=_REASONS.get(offset, "unnamed")))
        raise BadCargo("a stream that is open already")

    def _settle(self, stream: Stream) -> None:
        if stream.is_finished:
            self._forget(stream)

    def _forget(self, stream: Stream) -> None:
        stream.is_over = True
        stream.close()
        self._streams.pop(stream.id, None)
        self._over.append(stream.id)

    def _answer(self, id_: int, code: int) -> None:
        if len(self._resets) < MAX_RESETS:
            self._resets.append(_HEAD.pack(STREAM, RESET, id_) + bytes((code,)))


def _read(cargo: bytes) -> tuple[int, int, int, bytes]:
    """Return what a frame is, its stream's id, its offset, limit or code, and its bytes."""
    if len(cargo) < _HEAD.size:
        raise BadCargo("truncated")
    kind, what, id_ = _HEAD.unpack_from(cargo)
    rest = cargo[_HEAD.size :]
    if kind != STREAM or len(cargo) > MAX_CARGO_BYTES:
        raise BadCargo("not of a stream")
    if what == OPEN and not rest:
        return what, id_, 0, b""
    if what == RESET and len(rest) == 1:
        return what, id_, rest[0], b""
    if what in (CREDIT, CLOSE) and len(rest) == _OFFSET.size:
        return what, id_, _OFFSET.unpack(rest)[0], b""
    if what == DATA and len(rest) >= _OFFSET.size:
        return what, id_, _OFFSET.unpack_from(rest)[0], rest[_OFFSET.size :]
    raise BadCargo("not a frame of a stream")
