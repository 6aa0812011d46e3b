"""A bundle of prekeys: with it a contact begins a session while its owner is away."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Final, NamedTuple

from streembit.errors import BadPrekeys

MAX_ONE_TIME: Final = 8  # of one bundle: so many sessions can begin before the next bundle
_FIXED: Final = struct.Struct(">I33s64s")
_ONE: Final = struct.Struct(">I33s")
MAX_BYTES: Final = _FIXED.size + MAX_ONE_TIME * _ONE.size


class OneTime(NamedTuple):
    """A prekey that begins one session: its number, from 1, and its point."""

    id: int
    point: bytes


class Bundle(NamedTuple):
    """A signed prekey, its owner's signature, and one-time prekeys that may be none."""

    signed_id: int
    signed_point: bytes
    signature: bytes
    one_time: tuple[OneTime, ...]


def pack(bundle: Bundle) -> bytes:
    """Return the bytes of a bundle: 101, and 37 for each one-time prekey."""
    fixed = _FIXED.pack(bundle.signed_id, bundle.signed_point, bundle.signature)
    return fixed + b"".join(_ONE.pack(*each) for each in bundle.one_time)


def unpack(data: bytes) -> Bundle:
    """Return the bundle of these bytes, not verified yet.

    Raises:
        BadPrekeys: another length, numbers that are 0 or not rising.
    """
    count, rest = divmod(len(data) - _FIXED.size, _ONE.size)
    if rest or not 0 <= count <= MAX_ONE_TIME:
        raise BadPrekeys("its length", size_bytes=len(data))
    number, point, signature = _FIXED.unpack_from(data)
    one_time = tuple(OneTime(*each) for each in _ONE.iter_unpack(data[_FIXED.size :]))
    bundle = Bundle(number, point, signature, one_time)
    ids = [0, *(each.id for each in bundle.one_time)]
    if not bundle.signed_id or any(one >= two for one, two in pairwise(ids)):
        raise BadPrekeys("its numbers")
    return bundle
