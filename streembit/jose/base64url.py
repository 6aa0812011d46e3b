"""Base64url without padding (RFC 7515, section 2), in its one canonical form."""

from __future__ import annotations

from binascii import b2a_base64

from msgspec import MsgspecError
from msgspec.json import Decoder

from streembit.errors import BadToken

_TO_URL = bytes.maketrans(b"+/", b"-_")
# What does not belong there is mapped onto a byte outside the alphabet: '+' and '/', padding, and
# what has a meaning within a text of JSON.
_FROM_URL = bytes.maketrans(b'-_+/="\\', b"+/!!!!!")
_PADDING = (b'"', b'"', b'=="', b'="')
# It reads bytes from a text of JSON, strictly, and five times as fast as the standard library.
_DECODER = Decoder(bytes)
# For each length modulo 4, the last characters whose unused low bits are zero.
_LAST: tuple[bytes, ...] = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")


def encode(data: bytes) -> str:
    """Return the text of `data`, without padding."""
    return encode_bytes(data).decode("ascii")


def encode_bytes(data: bytes) -> bytes:
    """Return the text of `data` as ASCII bytes, without padding."""
    return b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=")


def decode(text: str | bytes) -> bytes:
    """Return the bytes whose canonical text is `text`.

    Raises:
        BadToken: padding, white space, characters outside the
            alphabet, an impossible length, or bits set behind the last
            byte. So no two texts decode to the same bytes.
    """
    if isinstance(text, str):
        try:
            text = text.encode("ascii")
        except UnicodeEncodeError:
            raise BadToken("base64url: not ASCII") from None
    rest = len(text) & 3
    if rest and (rest == 1 or text[-1] not in _LAST[rest]):
        raise BadToken("base64url: not canonical")
    try:
        return _DECODER.decode(b'"' + text.translate(_FROM_URL) + _PADDING[rest])
    except (MsgspecError, UnicodeDecodeError):
        raise BadToken("base64url: not in the alphabet") from None
