"""A client of a node's local API for programs on Twisted: JSON over HTTP on a Unix socket."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, FileBodyProducer, ResponseDone, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IResponse
from zope.interface import implementer

from streembit.api.network import PutRecord
from streembit.service.facade import FindResult, GetResult, PutResult, Readiness, Status

TIMEOUT_S: Final = 20.0  # a put waits for receipts, and for peers that died meanwhile
JSON: Final = Headers({"content-type": ["application/json"]})

T = TypeVar("T")


class Refused(Exception):
    """The node answered with an error."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.status = status
        self.code = code


@implementer(IAgentEndpointFactory)
class _Always:
    """Leads every URL to one Unix socket."""

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Return the socket, whatever the URL's host."""
        return self._endpoint


class Api:
    """Asks one running node. A node that is not there (yet) is twisted's ConnectError."""

    def __init__(self, reactor: PosixReactorBase, socket: Path) -> None:
        self._reactor = reactor
        endpoint = UNIXClientEndpoint(reactor, str(socket), timeout=5)
        self._agent = Agent.usingEndpointFactory(reactor, _Always(endpoint))

    async def status(self) -> Status:
        """Return what the node says of itself."""
        return await self._ask("GET", "/v1/status", Status)

    async def ready(self) -> Readiness:
        """Return the canary's word."""
        return await self._ask("GET", "/v1/ready", Readiness)

    async def put(self, name: str, value: bytes, ttl_s: int) -> PutResult:
        """Have the node sign and store a record of its own."""
        return await self._ask("PUT", f"/v1/records/{name}", PutResult, PutRecord(value, ttl_s))

    async def get(self, owner: str, name: str) -> GetResult:
        """Have the node find a record of an owner, given by public key or node id."""
        return await self._ask("GET", f"/v1/owners/{owner}/records/{name}", GetResult)

    async def find(self, node_id: str) -> FindResult:
        """Have the node look for the nodes nearest to an id."""
        return await self._ask("GET", f"/v1/find/{node_id}", FindResult)

    async def _ask(self, method: str, path: str, kind: type[T], body: object = None) -> T:
        sent = None if body is None else FileBodyProducer(BytesIO(msgspec.json.encode(body)))
        url = "http://localhost" + quote(path)
        asked = self._agent.request(method.encode(), url.encode(), JSON, sent)
        response = await asked.addTimeout(TIMEOUT_S, self._reactor)
        data = await body_of(response).addTimeout(TIMEOUT_S, self._reactor)
        if response.code >= 400 and kind is not Readiness:
            error = json.loads(data)["error"]
            raise Refused(response.code, error["code"], error["detail"])
        return msgspec.json.decode(data, type=kind)


class _Body(Protocol):
    """Collects what a response carries."""

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred(self._give_up)
        self._data = b""

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self._data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fire with all of it, or with what went wrong."""
        if reason.check(ResponseDone):
            self.done.callback(self._data)
        else:
            self.done.errback(ResponseFailed([reason]))

    def _give_up(self, _done: Deferred[bytes]) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


def body_of(response: IResponse) -> Deferred[bytes]:
    """Fire with the whole body; a node that dies meanwhile is a ResponseFailed."""
    body = _Body()
    response.deliverBody(body)
    return body.done
