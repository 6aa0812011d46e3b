"""Frames on a stream: a 4-byte big-endian length, then that many bytes of payload."""

from __future__ import annotations

from typing import Final

from streembit.errors import FrameTooLarge, TooLarge

HEADER_BYTES: Final = 4
MAX_FRAME_STRANGER: Final = 16 * 1024  # a handshake frame is below 1 KiB; room for later versions
MAX_FRAME_PEER: Final = 64 * 1024  # a store of the largest record with its claims fits twice


def pack(payload: bytes) -> bytes:
    """Return the frame of a payload; raise TooLarge above MAX_FRAME_PEER."""
    size = len(payload)
    if size > MAX_FRAME_PEER:
        raise TooLarge("frame", size_bytes=size, limit_bytes=MAX_FRAME_PEER)
    return size.to_bytes(HEADER_BYTES) + payload


class FrameReader:
    """Cuts a stream of bytes into payloads, in time linear in the bytes.

    `limit_bytes` is the longest payload that is accepted; it can be
    raised once the peer is known.
    """

    __slots__ = ("_buffer", "_refused", "_start", "limit_bytes")

    def __init__(self, limit_bytes: int = MAX_FRAME_STRANGER) -> None:
        self.limit_bytes = limit_bytes
        # A chunk is kept as it came until a second one must be joined to its rest.
        self._buffer: bytes | bytearray = b""
        self._start = 0
        self._refused = False

    def receive(self, data: bytes) -> None:
        """Take the next bytes of the stream; they are dropped once a frame was refused."""
        if self._refused:
            return
        if self._start == len(self._buffer):
            self._buffer, self._start = data, 0
        else:
            self._join(data)

    def next_frame(self) -> bytes | None:
        """Return the next whole payload, or None until more bytes arrive.

        Raises:
            FrameTooLarge: the announced length is above the limit, known
                from the 4 bytes alone. Frames before it have been
                returned; the stream cannot go on.
        """
        buffer, start = self._buffer, self._start
        body = start + HEADER_BYTES
        if len(buffer) < body:
            return None
        size = int.from_bytes(buffer[start:body])
        if size > self.limit_bytes:
            self._refuse(size)
        end = body + size
        if len(buffer) < end:
            return None
        if len(buffer) == end:
            self._buffer, self._start = b"", 0  # an idle stream holds no memory
        else:
            self._start = end
        if isinstance(buffer, bytes):
            return buffer[body:end]
        with memoryview(buffer) as view:
            return bytes(view[body:end])  # copied once

    @property
    def buffered_bytes(self) -> int:
        """Bytes received that no frame has been made of yet."""
        return len(self._buffer) - self._start

    def _join(self, data: bytes) -> None:
        buffer = self._buffer
        if isinstance(buffer, bytearray):
            del buffer[: self._start]
        else:
            self._buffer = buffer = bytearray(buffer[self._start :])
        self._start = 0
        buffer += data

    def _refuse(self, size: int) -> None:
        self._refused = True
        raise FrameTooLarge(size_bytes=size, limit_bytes=self.limit_bytes)
