"""One size for all: so that what is sealed tells nothing by its length."""

from __future__ import annotations

from typing import Final

from streembit.errors import BadMessage, TooLarge

LENGTH_BYTES: Final = 2


def pad(body: bytes, size_bytes: int) -> bytes:
    """Return the length in two bytes, the body, and zeros up to `size_bytes`.

    Raises:
        TooLarge: the body does not fit.
    """
    if len(body) > size_bytes - LENGTH_BYTES:
        raise TooLarge(size_bytes=len(body), limit_bytes=size_bytes - LENGTH_BYTES)
    return (len(body).to_bytes(LENGTH_BYTES) + body).ljust(size_bytes, b"\0")


def unpad(padded: bytes, size_bytes: int) -> bytes:
    """Return the body of what `pad` made.

    Raises:
        BadMessage: another size, a length that does not fit, or
            anything but zeros behind the body.
    """
    end = LENGTH_BYTES + int.from_bytes(padded[:LENGTH_BYTES])
    if len(padded) != size_bytes or end > size_bytes or any(padded[end:]):
        raise BadMessage("not padded as it is due")
    return padded[LENGTH_BYTES:end]
