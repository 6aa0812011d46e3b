"""Asks a node's local API from a program on Twisted: HTTP over the home's Unix socket."""

from __future__ import annotations

from collections import deque
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IReactorUNIX,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, FileBodyProducer, ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IResponse
from zope.interface import implementer

from streembit.api import unixpath
from streembit.api.operation import ErrorAnswer
from streembit.errors import (
    BadAnswer,
    BadJson,
    HomeMissing,
    LocalError,
    NodeGone,
    NodeNotRunning,
    NodeRefusal,
)
from streembit.wire import codec

TIMEOUT_S: Final = 60.0  # a put to slow peers ends within 30 s
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024  # 500 of the longest messages are 32 MiB
MAX_LINES: Final = 64  # of a long answer, kept for who is slow to take them
MAX_LINE_BYTES: Final = 1024 * 1024  # a message is 200 KiB at the most
_JSON: Final = Headers({"content-type": ["application/json"]})

T = TypeVar("T")


class CallerReactor(IReactorUNIX, IReactorTime):
    """What a caller needs of the reactor."""


class Caller:
    """Sends requests to the socket in a folder; each has a connection of its own.

    Whatever goes wrong is raised as a LocalError: NodeNotRunning where
    nobody serves the socket, NodeGone where the node ends before it answers,
    NodeRefusal with the node's own code, BadAnswer for an answer that breaks
    off, comes late or is not understood. A Deferred that is cancelled closes
    its connection.
    """

    def __init__(self, reactor: CallerReactor, home: Path, folder: Path) -> None:
        self._reactor = reactor
        self._home = home
        path = folder / unixpath.SOCKET_NAME
        self._agent = Agent.usingEndpointFactory(reactor, _Always(_Socket(reactor, path)))

    async def ask(self, method: str, path: str, kind: type[T], body: object = None) -> T:
        """Return the node's answer as the type that it promises."""
        response = await self._send(method, path, body)
        data = await _whole(response).addTimeout(TIMEOUT_S, self._reactor, _late)
        if response.code != 200:
            raise _refusal(response, data)
        return _understood(data, kind)

    async def lines(self, path: str, kind: type[T]) -> Lines[T]:
        """Return an answer of many lines, to be taken one by one."""
        response = await self._send("GET", path, None)
        if response.code != 200:
            raise _refusal(response, await _whole(response))
        lines = Lines(kind)
        response.deliverBody(lines)
        return lines

    async def _send(self, method: str, path: str, body: object) -> IResponse:
        sent = None if body is None else FileBodyProducer(BytesIO(codec.encode(body)))
        url = b"http://localhost" + path.encode("ascii")
        headers = None if body is None else _JSON
        asked = self._agent.request(method.encode("ascii"), url, headers, sent)
        try:
            response: IResponse = await asked.addTimeout(TIMEOUT_S, self._reactor, _late)
        except ConnectingCancelledError:
            raise CancelledError from None
        except (ConnectError, OSError):
            raise self._absent() from None
        except ResponseFailed as e:
            if any(reason.check(CancelledError) for reason in e.reasons):
                raise CancelledError from None
            raise NodeGone from None
        return response

    def _absent(self) -> LocalError:
        if not self._home.is_dir():
            return HomeMissing("make it with `streembit account create NAME`", home=str(self._home))
        return NodeNotRunning(f"start it with `twistd -n streembit-node --home {self._home}`")


class Lines(Protocol, Generic[T]):
    """Gives the lines of an answer, and lets the node wait for who takes them."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._rest = b""
        self._ready: deque[bytes] = deque()
        self._end: BaseException | None = None
        self._waiting: Deferred[None] | None = None

    def __aiter__(self) -> Lines[T]:
        return self

    async def __anext__(self) -> T:
        """Return the next line's value.

        Raises:
            BadAnswer: the answer broke off before its end.
        """
        while not self._ready:
            if self._end is not None:
                raise self._end
            self._producer("resumeProducing")
            self._waiting = Deferred(lambda _: self.close())
            await self._waiting
        return _understood(self._ready.popleft(), self._kind)

    def close(self) -> None:
        """Take no more."""
        self._producer("stopProducing")

    def dataReceived(self, data: bytes) -> None:
        """Cut the data into lines."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._ready.extend(lines)
        if len(self._rest) > MAX_LINE_BYTES:
            self._ends(BadAnswer("a line too long", limit_bytes=MAX_LINE_BYTES))
            self.close()
        elif len(self._ready) > MAX_LINES:
            self._producer("pauseProducing")
        self._wake()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Take note of the end, or of what went wrong."""
        whole = reason.check(ResponseDone) and not self._rest
        self._ends(StopAsyncIteration() if whole else BadAnswer("the answer broke off"))
        self._wake()

    def _ends(self, end: BaseException) -> None:
        if self._end is None:
            self._end = end

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.called:
            waiting.callback(None)

    def _producer(self, word: str) -> None:
        transport: Any = self.transport
        if transport is not None and self._end is None:
            getattr(transport, word)()


@implementer(IAgentEndpointFactory)
class _Always:
    """Leads every URL to one endpoint."""

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Return the endpoint, whatever the URL's host."""
        return self._endpoint


@implementer(IStreamClientEndpoint)
class _Socket:
    """A Unix socket whose path may be of any length."""

    def __init__(self, reactor: CallerReactor, path: Path) -> None:
        self._reactor = reactor
        self._path = path

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect to the socket."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        with unixpath.short(self._path) as address:
            endpoint = UNIXClientEndpoint(self._reactor, address)
            connected: Deferred[IProtocol] = endpoint.connect(factory)
            return await connected


class _Whole(Protocol):
    """Collects a body."""

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._close())
        self._parts: list[bytes] = []
        self._size_bytes = 0

    def dataReceived(self, data: bytes) -> None:
        """Keep a part, within the bound."""
        self._parts.append(data)
        self._size_bytes += len(data)
        if self._size_bytes > MAX_ANSWER_BYTES:
            self._close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fire with all of it, or fail."""
        if self.done.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.done.callback(b"".join(self._parts))
        else:
            self.done.errback(BadAnswer("the answer broke off"))

    def _close(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.loseConnection()


def _whole(response: IResponse) -> Deferred[bytes]:
    body = _Whole()
    response.deliverBody(body)
    return body.done


def _late(_result: object, timeout_s: float) -> Any:
    raise BadAnswer("no answer in time", timeout_s=timeout_s)


def _understood(data: bytes, kind: type[T]) -> T:
    try:
        return codec.decode(data, kind)
    except BadJson as e:
        raise BadAnswer(e.detail) from None


def _refusal(response: IResponse, data: bytes) -> NodeRefusal:
    """Return the node's own word for what it refused."""
    try:
        error = codec.decode(data, ErrorAnswer).error
    except BadJson as e:
        raise BadAnswer(e.detail, status=response.code) from None
    return NodeRefusal(error.code, error.detail)
