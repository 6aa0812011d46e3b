"""Whole WebSocket frames (RFC 6455, section 5.2), read and made at once: the common case."""

from __future__ import annotations

from typing import Final

from autobahn.websocket import USES_NVX
from autobahn.websocket.xormasker import create_xor_masker  # type: ignore[attr-defined]

SHORT_BYTES: Final = 4096  # numbers mask these faster than autobahn's native masker is made

_TEXT: Final = 0x81  # a message's first frame and its last, of text, with no extension
_MASKED: Final = 0x80
_TWO_BYTES: Final = 126  # of length follow
_EIGHT_BYTES: Final = 127
_MASK_BYTES: Final = 4
_LEAST_BYTES: Final = 4  # that are looked at before the length is known to be there


def whole_text(data: bytes, at: int, limit_bytes: int, *, masked: bool) -> tuple[bytes, int] | None:
    """Return the message whose only frame begins at `at`, and where the next frame begins.

    None for whatever else is there: a part of a frame, one of another kind or one that breaks a
    rule. Who keeps the state of the connection has to look at that.
    """
    if len(data) < at + _LEAST_BYTES or data[at] != _TEXT:
        return None
    size = data[at + 1] ^ _MASKED if masked else data[at + 1]
    begin = at + 2
    if size == _TWO_BYTES:
        begin += 2
        size = data[at + 2] << 8 | data[at + 3]
        if size < _TWO_BYTES:
            return None
    elif size > _TWO_BYTES:
        return None  # longer than 65,535 bytes, or masked and should not be, or the other way
    mask = b""
    if masked:
        mask = data[begin : begin + _MASK_BYTES]
        begin += _MASK_BYTES
    end = begin + size
    if size > limit_bytes or end > len(data):
        return None
    text = data[begin:end]
    return (unmasked(text, mask) if masked else text), end


def unmasked(data: bytes, mask: bytes) -> bytes:
    """Return what was masked with these 4 bytes."""
    size = len(data)
    if size > SHORT_BYTES and USES_NVX:
        text: bytes = create_xor_masker(mask, size).process(data)
        return text
    masks = (mask * (size // _MASK_BYTES + 1))[:size]
    return (int.from_bytes(data) ^ int.from_bytes(masks)).to_bytes(size)


def text_head(size: int) -> bytes:
    """Return what a server writes before a text of this size: a server's are not masked."""
    if size < _TWO_BYTES:
        return bytes((_TEXT, size))
    if size < 1 << 16:
        return bytes((_TEXT, _TWO_BYTES)) + size.to_bytes(2)
    return bytes((_TEXT, _EIGHT_BYTES)) + size.to_bytes(8)
