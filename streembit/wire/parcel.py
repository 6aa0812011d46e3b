"""The parcel: what one contact hands to another, opaque to whoever carries it."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from streembit.errors import BadParcel

POINT_BYTES: Final = 33
SESSION_BYTES: Final = 16
NO_PREKEY: Final = 0  # the id that stands for "no one-time prekey"; real ids begin at 1
MAX_PARCEL_BYTES: Final = 2943  # 11 steps of padding; wrapped, it fits into a record of the DHT

_GOES_ON: Final = 1  # the forms' first byte; 0 is taken by blocks of files, 'e' by signed tokens
_BEGINS: Final = 2
_MESSAGE: Final = struct.Struct(">33sII")
_INITIAL: Final = struct.Struct(">33sII")
MESSAGE_HEADER_BYTES: Final = _MESSAGE.size
OVERHEAD_BYTES: Final = 1 + SESSION_BYTES + _INITIAL.size + MESSAGE_HEADER_BYTES


class Message(NamedTuple):
    """One step of a ratchet: whose key, how many in the chain before, which in this one."""

    point: bytes
    previous: int
    number: int
    sealed: bytes

    def header(self) -> bytes:
        """Return the 41 bytes that say which key opens it, and are authenticated with it."""
        return _MESSAGE.pack(self.point, self.previous, self.number)


class Initial(NamedTuple):
    """How a session began: the initiator's ephemeral point, and the prekeys it chose."""

    ephemeral: bytes
    signed_id: int
    one_time_id: int

    def packed(self) -> bytes:
        """Return its 41 bytes."""
        return _INITIAL.pack(self.ephemeral, self.signed_id, self.one_time_id)


class Parcel(NamedTuple):
    """A message of a session; `initial` is there until the initiator has heard an answer."""

    session: bytes
    initial: Initial | None
    message: Message


def pack(parcel: Parcel) -> bytes:
    """Return the bytes of a parcel; raise ValueError above MAX_PARCEL_BYTES."""
    message = parcel.message
    form, initial = _GOES_ON, b""
    if parcel.initial is not None:
        form, initial = _BEGINS, parcel.initial.packed()
    data = b"".join((bytes((form,)), parcel.session, initial, message.header(), message.sealed))
    if len(data) > MAX_PARCEL_BYTES:
        raise ValueError(f"a parcel of {len(data)} bytes")
    return data


def unpack(data: bytes) -> Parcel:
    """Return the parcel of these bytes, not authenticated yet; raise BadParcel."""
    if not 1 + SESSION_BYTES < len(data) <= MAX_PARCEL_BYTES:
        raise BadParcel("its length", size_bytes=len(data))
    session, rest = data[1 : 1 + SESSION_BYTES], data[1 + SESSION_BYTES :]
    initial = None
    if data[0] == _BEGINS:
        initial, rest = _initial(rest)
    elif data[0] != _GOES_ON:
        raise BadParcel("its first byte", form=data[0])
    return Parcel(session, initial, _message(rest))


def _initial(data: bytes) -> tuple[Initial, bytes]:
    if len(data) < _INITIAL.size:
        raise BadParcel("too short")
    return Initial(*_INITIAL.unpack_from(data)), data[_INITIAL.size :]


def _message(data: bytes) -> Message:
    if len(data) < MESSAGE_HEADER_BYTES:
        raise BadParcel("too short")
    point, previous, number = _MESSAGE.unpack_from(data)
    return Message(point, previous, number, data[MESSAGE_HEADER_BYTES:])
