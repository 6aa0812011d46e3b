"""A router that opens ports, written from RFC 6886 and RFC 6887 without looking at our reader."""

from __future__ import annotations

import struct
from collections.abc import Collection
from ipaddress import IPv4Address

from twisted.internet.task import Clock

HOST = "203.0.113.1"
ADDRESS, MAP = 0, 2  # opcodes of NAT-PMP that are known here; 1 is for UDP


class Box:
    """Opens each port that it is asked for, or the next one that is free.

    Attributes:
        speaks: the protocols that it knows; it is silent to others, or says so where `tells`.
        open: the port outside and who asked for it, by its own address and port.
        result: what it answers in the place of success.
        lease_s: what it gives at most.
    """

    def __init__(self, clock: Clock, speaks: Collection[str] = ("PCP", "NAT-PMP")) -> None:
        self.clock = clock
        self.speaks = speaks
        self.tells = True
        self.host = HOST
        self.open: dict[tuple[str, int], tuple[int, bytes]] = {}
        self.taken: set[int] = set()
        self.result = 0
        self.lease_s = 7200
        self.asked: list[bytes] = []
        self._started_s = clock.seconds() - 1000

    @property
    def epoch_s(self) -> int:
        """How long it runs."""
        return int(self.clock.seconds() - self._started_s)

    def restart(self) -> None:
        """Forget all."""
        self.open.clear()
        self._started_s = self.clock.seconds()

    def answer(self, datagram: bytes, own: str) -> bytes | None:
        """Return what it answers to somebody."""
        self.asked.append(datagram)
        name = {0: "NAT-PMP", 2: "PCP"}[datagram[0]]
        if name not in self.speaks:
            return self._other_version(datagram) if self.tells else None
        return self._pcp(datagram, own) if name == "PCP" else self._natpmp(datagram, own)

    # --- PCP
    def _pcp(self, asked: bytes, own: str) -> bytes:
        result, lease_s = self.result, struct.unpack("!I", asked[4:8])[0]
        if IPv4Address(asked[20:24]) != IPv4Address(own):
            result = 12
        body = asked[24:]
        if not result and asked[1] == 1:
            nonce, inner, wanted = body[:12], *struct.unpack("!HH", body[16:20])
            port, result = self._turn(own, inner, wanted, lease_s, nonce)
            lease_s = min(lease_s, self.lease_s)
            outside = bytes(10) + b"\xff\xff" + IPv4Address(self.host).packed
            body = body[:18] + struct.pack("!H", port) + outside
        return self._head(asked[1], result, lease_s) + body

    def _head(self, opcode: int, result: int, lease_s: int) -> bytes:
        return struct.pack("!BBBBII", 2, 128 + opcode, 0, result, lease_s, self.epoch_s) + bytes(12)

    # --- NAT-PMP
    def _natpmp(self, asked: bytes, own: str) -> bytes:
        opcode = asked[1]
        if opcode == ADDRESS:
            return self._short(opcode, self.result) + IPv4Address(self.host).packed
        inner, wanted, lease_s = struct.unpack("!HHI", asked[4:])
        port, result = wanted, self.result
        if not result:
            port, result = self._turn(own, inner, wanted, lease_s, b"")
        given_s = min(lease_s, self.lease_s)
        return self._short(opcode, result) + struct.pack("!HHI", inner, port, given_s)

    def _short(self, opcode: int, result: int) -> bytes:
        return struct.pack("!BBHI", 0, 128 + opcode, result, self.epoch_s)

    # --- both
    def _turn(
        self, own: str, inner: int, wanted: int, lease_s: int, nonce: bytes
    ) -> tuple[int, int]:
        """Open or close a port; return it, and the result."""
        port, owner = self.open.get((own, inner), (0, nonce))
        if owner != nonce:
            return 0, 2
        if not lease_s:
            self.open.pop((own, inner), None)
            return 0, 0
        taken = self.taken | {at for at, _ in self.open.values()}
        port = port or next(each for each in range(wanted, 65536) if each not in taken)
        self.open[own, inner] = port, nonce
        return port, 0

    def _other_version(self, asked: bytes) -> bytes:
        """Say in the protocol that is known that the other one is not."""
        if "NAT-PMP" in self.speaks:
            return self._short(asked[1], 1)
        return self._head(asked[1], 1, 0)
