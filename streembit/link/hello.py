"""What each side of a handshake says of itself, as bytes and as a value."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from streembit.errors import BadName, HandshakeFailed
from streembit.jose.keys import PublicKey

MAX_TEXT_BYTES: Final = 64  # name, agent, observed address: an IPv6 address and port take 47
MAX_CLOCK_S: Final = 2**53 - 1  # the range in which every JSON reader counts exactly
PAD_TO_BYTES: Final = 128  # so that the length of the sealed frame does not tell the name
PADDING: Final = 0  # the extension type whose value is thrown away
CRITICAL: Final = 0x80  # an extension type with this bit must be understood, or the link ends

SCHEMES: Final = ("key", "address", "composite")

_FIXED: Final = struct.Struct(">BBHQ")
_EXTENSION: Final = struct.Struct(">BH")
_CLIENT_ONLY: Final = 1
_NAME: Final = re.compile(r"[a-z0-9._-]{0,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hello:
    """What a side says of itself; all of it is covered by its signature.

    Attributes:
        public: who it is.
        scheme: how its node id is made: one of `SCHEMES`. The receiver
            computes the id again and believes no other.
        name: account name, `[a-z0-9._-]`, at most 64 characters.
        port: TCP port where it accepts links, 0 for none.
        client_only: it wants to be served but never to store.
        agent: program and version, for statistics only.
        clock_s: its clock, in Unix seconds, for telling skew only.
        observed: the receiver's address as "host:port", as seen by
            the one who speaks.
    """

    public: PublicKey
    scheme: str = "key"
    name: str = ""
    port: int = 0
    client_only: bool = False
    agent: str = ""
    clock_s: int = 0
    observed: str = ""


def pack(hello: Hello) -> bytes:
    """Return the hello as bytes, without its key, padded to 128-byte steps.

    Raises:
        BadName: our own name, agent or address breaks the bounds.
    """
    _check_own(hello)
    fixed = _FIXED.pack(
        _CLIENT_ONLY if hello.client_only else 0,
        SCHEMES.index(hello.scheme),
        hello.port,
        hello.clock_s,
    )
    texts = b"".join(_text(text) for text in (hello.name, hello.agent, hello.observed))
    return _padded(fixed + texts)


def unpack(data: bytes, public: PublicKey) -> Hello:
    """Return the hello that `pack` made of these bytes.

    Extensions behind the known members are skipped, so a later version
    can say more.

    Raises:
        HandshakeFailed: truncated, out of bounds, or with a critical
            extension that is unknown here.
    """
    if len(data) < _FIXED.size:
        raise HandshakeFailed("hello: truncated")
    flags, scheme, port, clock_s = _FIXED.unpack_from(data)
    name, at = _take_text(data, _FIXED.size)
    agent, at = _take_text(data, at)
    observed, at = _take_text(data, at)
    check_extensions(data[at:])
    if scheme >= len(SCHEMES) or clock_s > MAX_CLOCK_S or not _NAME.fullmatch(name):
        raise HandshakeFailed("hello: out of bounds")
    client_only = bool(flags & _CLIENT_ONLY)
    return Hello(public, SCHEMES[scheme], name, port, client_only, agent, clock_s, observed)


def extension(kind: int, value: bytes) -> bytes:
    """Return one extension: type, 16-bit length, value."""
    return _EXTENSION.pack(kind, len(value)) + value


def check_extensions(data: bytes) -> None:
    """Walk through extensions, skipping the optional ones, none being known yet.

    Raises:
        HandshakeFailed: truncated, or one is critical.
    """
    for kind in _extension_kinds(data):
        if kind & CRITICAL:
            raise HandshakeFailed("unknown critical extension", extension=kind)


def _extension_kinds(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        if at + _EXTENSION.size > len(data):
            raise HandshakeFailed("extension: truncated")
        kind, size_bytes = _EXTENSION.unpack_from(data, at)
        at += _EXTENSION.size + size_bytes
        if at > len(data):
            raise HandshakeFailed("extension: truncated")
        yield kind


def _check_own(hello: Hello) -> None:
    if not _NAME.fullmatch(hello.name):
        raise BadName("hello: name", name=hello.name)
    if hello.scheme not in SCHEMES:
        raise BadName("hello: scheme", scheme=hello.scheme)
    for text in (hello.agent, hello.observed):
        if len(text) > MAX_TEXT_BYTES or not _is_plain(text):
            raise BadName("hello: text", text=text)


def _is_plain(text: str) -> bool:
    """Say whether a text is safe in a log: ASCII that prints."""
    return text.isascii() and text.isprintable()


def _text(text: str) -> bytes:
    return bytes((len(text),)) + text.encode("ascii")


def _take_text(data: bytes, at: int) -> tuple[str, int]:
    size_bytes = data[at] if at < len(data) else MAX_TEXT_BYTES + 1
    end = at + 1 + size_bytes
    if size_bytes > MAX_TEXT_BYTES or end > len(data):
        raise HandshakeFailed("hello: truncated")
    text = data[at + 1 : end].decode("ascii", errors="replace")
    if not _is_plain(text):
        raise HandshakeFailed("hello: not printable ASCII")
    return text, end


def _padded(data: bytes) -> bytes:
    missing_bytes = -(len(data) + _EXTENSION.size) % PAD_TO_BYTES
    return data + extension(PADDING, bytes(missing_bytes))
