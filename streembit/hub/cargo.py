"""What an envelope carries, by its first byte: a piece of a stream, or a parcel."""

from __future__ import annotations

from typing import Final

from streembit.errors import BadCargo
from streembit.jose import base64url
from streembit.wire.hub import Envelope

STREAM: Final = 1  # live: one frame of a stream between two members
PARCEL: Final = 2  # mail: a sealed parcel of a conversation


def pack(kind: int, content: bytes) -> bytes:
    """Return the cargo that carries the content."""
    return bytes((kind,)) + content


def unpack(cargo: bytes) -> tuple[int, bytes]:
    """Return the kind of a cargo and what it carries; raise BadCargo if it is empty.

    The kind may be one that is not known here: such cargo is dropped.
    """
    if not cargo:
        raise BadCargo("empty")
    return cargo[0], cargo[1:]


def of(envelope: Envelope) -> bytes:
    """Return the cargo of an envelope; raise BadToken."""
    return base64url.decode(envelope.val)
