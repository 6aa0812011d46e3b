"""Dialling from a port that is in use: to meet somebody who dials us there at the same time."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IListeningPort,
    IReactorFDSet,
    IReactorSocket,
    IReactorTime,
    IWriteDescriptor,
)
from twisted.internet.protocol import ServerFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from streembit.errors import (
    PunchFailed,
    StreembitError,
    TooManyConnections,
    WrongIdentity,
)
from streembit.jose.keys import PublicKey
from streembit.link.punch import Knock, Knocking, Over, Wait
from streembit.net.events import LinkWatch
from streembit.net.gate import Gate, Pass
from streembit.net.tcp import LinkProtocol

BACKLOG: Final = 2  # the other side dials one connection at a time

MakeLink = Callable[[LinkWatch], LinkProtocol]


class PunchReactor(IReactorFDSet, IReactorSocket, IReactorTime):
    """What punching needs of the reactor."""


@dataclass(frozen=True, slots=True)
class Local:
    """A port of ours, from which there is a connection to somebody who sees us."""

    family: socket.AddressFamily
    port: int


def local_of(protocol: object) -> Local | None:
    """Return the port under a connection, made free for others; None for what is no TCP socket.

    The connection itself goes on: its socket says from now on that others may share the port.
    """
    carrier: Any = getattr(protocol, "transport", None)
    while carrier is not None and not isinstance(_handle(carrier), socket.socket):
        carrier = getattr(carrier, "transport", None)  # what TLS is put over
    handle = None if carrier is None else _handle(carrier)
    if not isinstance(handle, socket.socket) or handle.family == socket.AF_UNIX:
        return None
    _share(handle)
    return Local(socket.AddressFamily(handle.family), handle.getsockname()[1])


class Punch(ServerFactory):
    """One attempt: dials again and again, and listens, at one port, until a link is open.

    Args:
        host, port: where somebody sees the other side, and where it will dial from.
        make_link: returns a protocol of the part that `link.punch` gives us, with the watch given.
        expect: the key that has to be there.
        gate: counts our connections.
    """

    noisy = False

    def __init__(
        self,
        reactor: PunchReactor,
        local: Local,
        host: str,
        port: int,
        make_link: MakeLink,
        expect: PublicKey,
        gate: Gate,
    ) -> None:
        self.expect, self.gate = expect, gate
        self._reactor, self._local, self._to = reactor, local, (host, port)
        self._make_link = make_link
        self._done: Deferred[LinkProtocol] = Deferred(lambda _: self._end())
        self._knocking: Knocking | None = None
        self._knock: Connecting | None = None
        self._port: IListeningPort | None = None
        self._timer: IDelayedCall | None = None

    def start(self, lead_s: float = 0.0) -> Deferred[LinkProtocol]:
        """Begin after so many seconds; fire with the open link, cancelling gives up.

        Errbacks:
            PunchFailed: there is none when the time is over, or our port cannot be shared.
        """
        self._knocking = Knocking(self._reactor.seconds() + lead_s)
        try:
            self._listen()
        except OSError as e:
            self._fail(f"the port cannot be shared: {e}")
        else:
            self._step()
        return self._done

    def buildProtocol(self, addr: IAddress | None) -> LinkProtocol | None:
        """Return a link's protocol for a connection from where it is expected."""
        if self._done.called or getattr(addr, "host", "") != self._to[0]:
            return None
        try:
            return self._make_link(Way(self, self.gate.dialled()))
        except TooManyConnections:
            return None

    # --- ways
    def met(self, link: LinkProtocol) -> None:
        """Take the first link that is open."""
        if not self._done.called:
            self._end()
            self._done.callback(link)

    def missed(self) -> None:
        """Go on after a connection that became no link."""
        if self._knock is None:
            self._refused()

    # --- how
    def _step(self) -> None:
        """Do what is due."""
        self._timer = None
        assert self._knocking is not None
        now_s = self._reactor.seconds()
        due = self._knocking.next(now_s)
        if isinstance(due, Over):
            self._fail("nobody came through")
            return
        if isinstance(due, Knock):
            self._dial()
            due = self._knocking.next(now_s)
        if isinstance(due, Wait):
            self._timer = self._reactor.callLater(max(0.0, due.until_s - now_s), self._step)

    def _dial(self) -> None:
        self._knock = Connecting(self._reactor, self._connected, self._refused)
        try:
            self._knock.begin(self._socket(), self._to)
        except OSError:
            self._refused()

    def _connected(self, sock: socket.socket) -> None:
        """Make a transport of a socket that is connected; it has a descriptor of its own."""
        self._knock = None
        self._reactor.adoptStreamConnection(sock.fileno(), self._local.family, self)

    def _refused(self) -> None:
        """Try again in a moment."""
        self._knock = None
        if self._knocking is None or self._done.called:
            return
        self._knocking.refused(self._reactor.seconds())
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
            self._timer = self._reactor.callLater(0, self._step)

    def _listen(self) -> None:
        with self._socket() as listening:
            listening.listen(BACKLOG)
            self._port = self._reactor.adoptStreamPort(listening.fileno(), self._local.family, self)

    def _socket(self) -> socket.socket:
        made = socket.socket(self._local.family, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            _share(made)
            made.bind(("", self._local.port))
        except OSError:
            made.close()
            raise
        return made

    def _fail(self, why: str) -> None:
        self._end()
        if not self._done.called:
            self._done.errback(PunchFailed(why, host=self._to[0], port=self._to[1]))

    def _end(self) -> None:
        """Dial no more, and listen no more; links that are being opened go on."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._knock is not None:
            self._knock.give_up()
        port, self._port = self._port, None
        if port is not None:
            port.stopListening()


class Way:
    """Watches one connection of an attempt."""

    def __init__(self, punch: Punch, entry: Pass) -> None:
        self._punch, self._entry = punch, entry

    def check(self, link: LinkProtocol) -> None:
        """Take nobody else: who accepts does not say whom it expects."""
        assert link.link is not None
        if link.link.peer.public != self._punch.expect:
            raise WrongIdentity("another key came through")

    def opened(self, link: LinkProtocol) -> None:
        """Hand the link over."""
        self._punch.met(link)

    def closed(self, link: LinkProtocol, reason: StreembitError) -> None:
        """Give the place back."""
        self._punch.gate.leave(self._entry)
        self._punch.missed()


@implementer(IWriteDescriptor)
class Connecting:
    """A socket that is being connected; Twisted's own way binds no port that is in use."""

    def __init__(
        self,
        reactor: IReactorFDSet,
        connected: Callable[[socket.socket], None],
        refused: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._connected, self._refused = connected, refused
        self._socket: socket.socket | None = None

    def begin(self, sock: socket.socket, to: tuple[str, int]) -> None:
        """Connect; raise OSError where that fails at once."""
        error = sock.connect_ex(to)
        if error not in (0, errno.EINPROGRESS):
            sock.close()
            raise OSError(error, "connecting")
        self._socket = sock
        self._reactor.addWriter(self)

    def give_up(self) -> None:
        """Connect no more."""
        if self._socket is not None:
            self._reactor.removeWriter(self)
            self._socket.close()
            self._socket = None

    # --- IWriteDescriptor
    def fileno(self) -> int:
        """Return the descriptor, -1 once there is none."""
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:  # noqa: N802 - Twisted's name
        """Return what Twisted's log calls this."""
        return "punch"

    def doWrite(self) -> None:  # noqa: N802 - Twisted's name
        """Hear how it ended: the socket can be written to, or never will be."""
        if self._socket is None:
            return
        self._reactor.removeWriter(self)
        sock, self._socket = self._socket, None
        with sock:
            if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._refused()
            else:
                self._connected(sock)

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802 - Twisted's name
        """Hear that it failed."""
        self.doWrite()


def _share(sock: socket.socket) -> None:
    """Let other sockets of ours have the same port."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def _handle(transport: object) -> object:
    """Return what is under a transport: a socket, or TLS."""
    return getattr(transport, "getHandle", lambda: None)()
