"""NAT-PMP (RFC 6886), what PCP was before: asked for a port, and for the router's address."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from struct import Struct
from typing import Final

from streembit.router.terms import MAX_DATAGRAM_BYTES, Refused, Said, Want, is_outside

NAME: Final = "NAT-PMP"
VERSION: Final = 0
SUCCESS: Final = 0
UNSUPPORTED_VERSION: Final = 1

_ADDRESS: Final = 0
_MAP_TCP: Final = 2
_ANSWER: Final = 0x80  # beside the opcode
_ASK: Final = Struct("!BB")  # version, opcode
_WANT: Final = Struct("!BBxxHHI")  # version, opcode, inner port, outer port, lifetime
_HEAD: Final = Struct("!BBHI")  # version, opcode, result, epoch
_PORT: Final = Struct("!HHI")  # inner port, outer port, lifetime
_HOST: Final = Struct("!4s")

_RESULTS: Final = {
    UNSUPPORTED_VERSION: "it speaks another version",
    2: "it is told not to",
    3: "it is not connected",
    4: "it has no room",
    5: "it knows no such request",
}


@dataclass(frozen=True, slots=True)
class Port:
    """Asks for a port, renews it, or gives it back."""

    want: Want

    @property
    def request(self) -> bytes:
        """The datagram; who gives a port back names none of the router's."""
        want = self.want
        return _WANT.pack(
            VERSION, _MAP_TCP, want.inner, want.outer if want.lease_s else 0, want.lease_s
        )

    def read(self, datagram: bytes) -> Said | Refused | None:
        """Return what a datagram answers; None if it has not our port."""
        head = _head(datagram, _MAP_TCP)
        if head is None or isinstance(head, Refused):
            return head
        if len(datagram) != _HEAD.size + _PORT.size:
            return None
        inner, port, lease_s = _PORT.unpack_from(datagram, _HEAD.size)
        if inner != self.want.inner:
            return None
        if not self.want.lease_s:
            return Said(head)
        if not (port and lease_s):
            return Refused(0, "its answer makes no sense")
        return Said(head, "", port, lease_s)


@dataclass(frozen=True, slots=True)
class Address:
    """Asks for the router's address on its other side, which has its clock with it."""

    @property
    def request(self) -> bytes:
        """The datagram."""
        return _ASK.pack(VERSION, _ADDRESS)

    def read(self, datagram: bytes) -> Said | Refused | None:
        """Return the address and the clock."""
        head = _head(datagram, _ADDRESS)
        if head is None or isinstance(head, Refused):
            return head
        if len(datagram) != _HEAD.size + _HOST.size:
            return None
        (packed,) = _HOST.unpack_from(datagram, _HEAD.size)
        host = str(IPv4Address(packed))
        if not is_outside(host):
            return Refused(0, "it has no address outside: it is not connected")
        return Said(head, host)


def _head(datagram: bytes, opcode: int) -> int | Refused | None:
    """Return the clock of the answer to such a request, if it is not a refusal."""
    if not _HEAD.size <= len(datagram) <= MAX_DATAGRAM_BYTES:
        return None
    version, answered, result, epoch_s = _HEAD.unpack_from(datagram)
    if version != VERSION:
        # PCP has its results in the second of these two bytes.
        is_refused = bool(answered & _ANSWER) and result & 0xFF == UNSUPPORTED_VERSION
        return _refused(UNSUPPORTED_VERSION) if is_refused else None
    if answered != opcode | _ANSWER:
        return None
    return epoch_s if result == SUCCESS else _refused(result)


def _refused(result: int) -> Refused:
    words = _RESULTS.get(result, "for a reason that is not known")
    return Refused(result, words, speaks=result != UNSUPPORTED_VERSION)
