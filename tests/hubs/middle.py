"""One who stands between a member and a hub, and reads all that is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.protocol import Protocol as ByteProtocol
from twisted.python.failure import Failure


def made(make: Callable[[], ByteProtocol]) -> Factory:
    """Return a factory of what is made."""
    factory = Factory()
    factory.buildProtocol = lambda _addr: make()  # type: ignore[method-assign,assignment]
    return factory


class Middle(ByteProtocol):
    """The member's connection; what it says goes to the hub by another one, and back.

    Args:
        to_the_hub: connects a factory's protocol to the hub.
    """

    def __init__(self, to_the_hub: Callable[[Factory], None]) -> None:
        self.read = b""
        self._to_the_hub = to_the_hub
        self._back = Back(self)
        self._early: list[bytes] = []

    def connectionMade(self) -> None:
        """Connect to the hub as well."""
        self._to_the_hub(made(lambda: self._back))

    def dataReceived(self, data: bytes) -> None:
        """Read, and pass on."""
        self.read += data
        self._early.append(data)
        self.go_on()

    def go_on(self) -> None:
        """Pass on what has come, once the hub is there."""
        transport: Any = self._back.transport
        if transport is not None:
            transport.writeSequence(self._early)
            self._early.clear()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the other side."""
        transport: Any = self._back.transport
        if transport is not None:
            transport.loseConnection()


class Back(ByteProtocol):
    """The connection to the hub."""

    def __init__(self, middle: Middle) -> None:
        self._middle = middle

    def connectionMade(self) -> None:
        """Pass on what came before."""
        self._middle.go_on()

    def dataReceived(self, data: bytes) -> None:
        """Read, and pass on."""
        self._middle.read += data
        transport: Any = self._middle.transport
        transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the other side."""
        transport: Any = self._middle.transport
        transport.loseConnection()
