"""What stands between a member and its hub, and changes the bytes that go by."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory

from streembit.net.dial import Connect
from tests.rig.evil import flipped

Change = Callable[[bytes], list[bytes]]  # what is delivered in the place of some bytes


def nothing(data: bytes) -> list[bytes]:
    """Change nothing."""
    return [data]


class Flip:
    """Turns one bit of each `every`-th delivery."""

    def __init__(self, every: int, rng: Random) -> None:
        self._every, self._rng, self._count = every, rng, 0

    def __call__(self, data: bytes) -> list[bytes]:
        self._count += 1
        if self._count % self._every:
            return [data]
        return [flipped(data, self._rng.randrange(8 * len(data)))]


class Swap:
    """Keeps each `every`-th delivery back until the next one has gone by."""

    def __init__(self, every: int) -> None:
        self._every, self._count = every, 0
        self._held: list[bytes] = []

    def __call__(self, data: bytes) -> list[bytes]:
        self._count += 1
        if not self._held and self._count % self._every == 0:
            self._held.append(data)
            return []
        held, self._held = self._held, []
        return [data, *held]


class Repeat:
    """Delivers each `every`-th delivery twice."""

    def __init__(self, every: int) -> None:
        self._every, self._count = every, 0

    def __call__(self, data: bytes) -> list[bytes]:
        self._count += 1
        return [data] if self._count % self._every else [data, data]


class Tampering:
    """Opens connections as `connect` does; those to one port are tampered with.

    Attributes:
        forth, back: what is done to what the member sends and is sent.
    """

    def __init__(self, connect: Connect, port: int) -> None:
        self.forth: Change = nothing
        self.back: Change = nothing
        self._connect, self._port = connect, port

    def stop(self) -> None:
        """Change nothing from now on."""
        self.forth = self.back = nothing

    def connect(self, host: str, port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """See `streembit.net.dial.Connect`."""
        if port != self._port:
            return self._connect(host, port, factory)
        return self._connect(host, port, _Factory(self, factory))


class _Middle(ProtocolWrapper):
    """One connection that is tampered with."""

    factory: _Factory

    def write(self, data: bytes) -> None:
        for each in self.factory.tampering.forth(data):
            super().write(each)

    def writeSequence(self, data: Any) -> None:  # noqa: N802 - Twisted's name
        self.write(b"".join(data))

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        for each in self.factory.tampering.back(data):
            super().dataReceived(each)


class _Factory(WrappingFactory):
    """Puts the middle before each protocol."""

    protocol = _Middle
    noisy = False

    def __init__(self, tampering: Tampering, factory: Any) -> None:
        super().__init__(factory)
        self.tampering = tampering
