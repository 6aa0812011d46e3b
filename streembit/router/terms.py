"""What is asked of a router that opens ports, and what it answers: the same in each protocol."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final, Protocol

SERVER_PORT: Final = 5351  # where routers are asked, by PCP (RFC 6887) and by NAT-PMP (RFC 6886)
MAX_DATAGRAM_BYTES: Final = 1100  # RFC 6887, section 7; answers to what we ask have 60 at most
LEASE_S: Final = 3600  # how long the router keeps what nobody renews: a crash leaves nothing behind
NONCE_BYTES: Final = 12
TCP: Final = 6


@dataclass(frozen=True, slots=True)
class Mapped:
    """The address of the router that leads to us, and the protocol that it was got by.

    `lease_s` is 0 for one without an end.
    """

    host: str
    port: int
    lease_s: int
    by: str

    @property
    def way(self) -> tuple[str, int]:
        """Where others reach us, which a renewal does not change."""
        return self.host, self.port


@dataclass(frozen=True, slots=True)
class Want:
    """A port that is asked for, or given back where `lease_s` is 0.

    own: our address, as the router sees it. inner: the port at which we listen. outer: the
    router's port that we would like best, 0 for any. nonce: who knows it may renew and give
    back; answers without it are somebody else's.
    """

    own: str
    nonce: bytes
    inner: int
    outer: int
    lease_s: int = LEASE_S


@dataclass(frozen=True, slots=True)
class Said:
    """What a router answers, as far as it says it: its clock, an address, a port for a time."""

    epoch_s: int
    host: str = ""
    port: int = 0
    lease_s: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a router does not do it: the code of its protocol, 0 for an answer without sense.

    speaks: whether it knows the protocol at all.
    """

    code: int
    words: str
    speaks: bool = True

    def __str__(self) -> str:
        return f"{self.words} (code {self.code})" if self.code else self.words


class Question(Protocol):
    """One datagram for a router, and what may come back."""

    @property
    def request(self) -> bytes:
        """The datagram."""

    def read(self, datagram: bytes) -> Said | Refused | None:
        """Return what a datagram answers; None if it is no answer to this."""


def is_outside(host: str) -> bool:
    """Tell whether a router may have this IPv4 address on its other side.

    It may be a private one: behind the router there is another one then.
    """
    try:
        address = IPv4Address(host)
    except ValueError:
        return False
    apart = address.is_unspecified or address.is_loopback or address.is_link_local
    return not (apart or address.is_multicast or address.is_reserved)
