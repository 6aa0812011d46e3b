"""A TCP proxy between two processes that records, duplicates, reorders and alters frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.interfaces import IAddress
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from streembit.net.dial import over_tcp
from streembit.wire.frame import FrameReader, pack
from tests.rig.evil import ANY_LENGTH, flipped

HANDSHAKE_FRAMES: Final = 2  # of the side that dialled


@dataclass(frozen=True)
class Trick:
    """What is sent in the place of the next so many frames."""

    frames: int
    change: Callable[[list[bytes]], list[bytes]]


DUPLICATE: Final = Trick(1, lambda frames: frames * 2)
SWAP: Final = Trick(2, lambda frames: frames[::-1])


def flip(bit: int) -> Trick:
    """Return what turns one bit of a frame, wherever it ends."""
    return Trick(1, lambda frames: [flipped(frames[0], bit % (8 * len(frames[0])))])


class Proxy(Factory):
    """Passes each connection on to one place.

    Attributes:
        tricks: played one after the other, to frames behind the handshake
            that come from the side that dialled.
        played: how many tricks were.
        passed: how many frames behind the handshake came to the proxy.
        recorded: what that side said, a connection each.
    """

    noisy = False

    def __init__(self, reactor: PosixReactorBase, host: str, port: int) -> None:
        self.tricks: list[Trick] = []
        self.played = self.passed = 0
        self.recorded: list[bytearray] = []
        self.open: list[_Half] = []
        self._connect, self._to = over_tcp(reactor), (host, port)
        self._port = reactor.listenTCP(0, self, interface="127.0.0.1")

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self._port.getHost().port}"

    def buildProtocol(self, addr: IAddress | None) -> _Half:
        """Dial the other place as well."""
        back = _Half(self)
        front = _Front(self, back)
        back.other = front
        connected = self._connect(*self._to, Factory.forProtocol(lambda: back))
        connected.addCallbacks(lambda _: front.go(), lambda _: front.leave())
        return front

    async def end(self) -> None:
        """Listen no more, and end each connection."""
        await self._port.stopListening()
        for half in list(self.open):
            half.leave()


class _Half(Protocol):
    """One side of a connection; what it hears goes to the other one."""

    transport: Any

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.other: _Half | None = None

    def connectionMade(self) -> None:
        """Be known, to be ended with the proxy."""
        self.proxy.open.append(self)

    def dataReceived(self, data: bytes) -> None:
        """Pass it on."""
        if self.other is not None:
            self.other.transport.write(data)

    def leave(self) -> None:
        """End the connection at once."""
        if self.transport is not None:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the other side as well."""
        self.proxy.open.remove(self)
        if self.other is not None and self.other.transport is not None:
            self.other.transport.loseConnection()


class _Front(_Half):
    """The side that was dialled: it reads frames, and plays the tricks."""

    def __init__(self, proxy: Proxy, back: _Half) -> None:
        super().__init__(proxy)
        self.other = back
        self._reader = FrameReader(ANY_LENGTH)
        self._frames = 0
        self._held: list[bytes] = []
        self._recorded = bytearray()
        proxy.recorded.append(self._recorded)

    def connectionMade(self) -> None:
        """Read nothing before there is somebody to tell it."""
        super().connectionMade()
        self.transport.pauseProducing()

    def go(self) -> None:
        """Read."""
        self.transport.resumeProducing()

    def dataReceived(self, data: bytes) -> None:
        """Record and pass on, changed or not."""
        self._recorded += data
        self._reader.receive(data)
        while (frame := self._reader.next_frame()) is not None:
            self._frames += 1
            sent = [frame] if self._frames <= HANDSHAKE_FRAMES else self._changed(frame)
            super().dataReceived(b"".join(map(pack, sent)))

    def _changed(self, frame: bytes) -> list[bytes]:
        self.proxy.passed += 1
        if not self.proxy.tricks:
            return [frame]
        self._held.append(frame)
        if len(self._held) < self.proxy.tricks[0].frames:
            return []
        held, self._held = self._held, []
        self.proxy.played += 1
        return self.proxy.tricks.pop(0).change(held)
