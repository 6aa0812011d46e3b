"""PCP (RFC 6887), of which two questions are asked: for a port, and for the router's clock."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import Final

from streembit.router.terms import MAX_DATAGRAM_BYTES, TCP, Refused, Said, Want, is_outside

NAME: Final = "PCP"
VERSION: Final = 2
SUCCESS: Final = 0
UNSUPPORTED_VERSION: Final = 1

_ANNOUNCE: Final = 0
_MAP: Final = 1
_ANSWER: Final = 0x80  # beside the opcode
_ASK: Final = Struct("!BBxxI16s")  # version, opcode, lifetime, our address
_HEAD: Final = Struct("!BBxBII12x")  # version, opcode, result, lifetime, epoch
_PORT: Final = Struct("!12sB3xHH16s")  # nonce, protocol, inner port, outer port, outer address
_ANY_HOST: Final = IPv6Address("::ffff:0.0.0.0").packed

_RESULTS: Final = {
    UNSUPPORTED_VERSION: "it speaks another version",
    2: "it is told not to",
    3: "it does not understand the request",
    4: "it knows no such request",
    5: "it lacks an option",
    6: "it does not understand an option",
    7: "it is not connected",
    8: "it has no room",
    9: "it opens no ports for TCP",
    10: "this host has too many",
    11: "the port cannot be had",
    12: "there is another router between",
    13: "too many peers",
}


@dataclass(frozen=True, slots=True)
class Port:
    """Asks for a port, renews it, or gives it back."""

    want: Want

    @property
    def request(self) -> bytes:
        """The datagram."""
        want = self.want
        head = _ASK.pack(VERSION, _MAP, want.lease_s, _mapped_in_ipv6(want.own))
        return head + _PORT.pack(want.nonce, TCP, want.inner, want.outer, _ANY_HOST)

    def read(self, datagram: bytes) -> Said | Refused | None:
        """Return what a datagram answers; None if it has not our nonce and port."""
        head = _head(datagram, _MAP)
        if head is None or isinstance(head, Refused):
            return head
        result, lease_s, epoch_s = head
        if len(datagram) < _HEAD.size + _PORT.size:
            return None
        nonce, protocol, inner, port, outer = _PORT.unpack_from(datagram, _HEAD.size)
        if (nonce, protocol, inner) != (self.want.nonce, TCP, self.want.inner):
            return None
        if result != SUCCESS:
            return _refused(result)
        if not self.want.lease_s:
            return Said(epoch_s)
        host = str(IPv6Address(outer).ipv4_mapped or "")
        if not (port and lease_s and is_outside(host)):
            return Refused(0, "its answer makes no sense")
        return Said(epoch_s, host, port, lease_s)


@dataclass(frozen=True, slots=True)
class Clock:
    """Asks for a sign of life, which has the router's clock with it."""

    own: str

    @property
    def request(self) -> bytes:
        """The datagram."""
        return _ASK.pack(VERSION, _ANNOUNCE, 0, _mapped_in_ipv6(self.own))

    def read(self, datagram: bytes) -> Said | Refused | None:
        """Return the clock, which stands beside each result."""
        head = _head(datagram, _ANNOUNCE)
        if head is None or isinstance(head, Refused):
            return head
        _, _, epoch_s = head
        return Said(epoch_s)


def _head(datagram: bytes, opcode: int) -> tuple[int, int, int] | Refused | None:
    """Return result, lifetime and clock of the answer to such a request."""
    if len(datagram) > MAX_DATAGRAM_BYTES:
        return None
    if _is_other_version(datagram):
        return _refused(UNSUPPORTED_VERSION)
    if len(datagram) < _HEAD.size or len(datagram) % 4:
        return None
    version, answered, result, lifetime_s, epoch_s = _HEAD.unpack_from(datagram)
    if (version, answered) != (VERSION, opcode | _ANSWER):
        return None
    return result, lifetime_s, epoch_s


def _is_other_version(datagram: bytes) -> bool:
    """Tell whether a router says that it knows no PCP, or only another version of it.

    One that speaks NAT-PMP says so in that protocol, with the result in the same place.
    """
    if len(datagram) < 8 or not datagram[1] & _ANSWER:
        return False
    return datagram[0] != VERSION and datagram[3] == UNSUPPORTED_VERSION


def _refused(result: int) -> Refused:
    words = _RESULTS.get(result, "for a reason that is not known")
    return Refused(result, words, speaks=result != UNSUPPORTED_VERSION)


def _mapped_in_ipv6(host: str) -> bytes:
    return IPv6Address(f"::ffff:{IPv4Address(host)}").packed
