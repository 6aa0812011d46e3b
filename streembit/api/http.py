"""The local API's operations as a web resource, with one boundary for every error."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.server import Request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from streembit import errors
from streembit.api import openapi
from streembit.api.desks import Desks, HubDesk, Settled
from streembit.api.guard import IDLE_S, Guarded, QuietSite, written
from streembit.api.lines import Lines
from streembit.api.operation import Ask, Operation
from streembit.api.operations import OF_HUB, OF_NODE, OF_PEOPLE
from streembit.errors import BadRequest, Internal, StreembitError
from streembit.service.facade import NodeFacade, Readiness
from streembit.service.people_facade import PeopleFacade
from streembit.wire import codec

Refuse = Callable[[str], object]
Find = Callable[[], Awaitable[Any]]
Served = list[tuple[Operation[Any], Find]]
JSON: Final = b"application/json"


class Api:
    """Serves whoever is at the desk of a hub, or of a node and its people where it has some.

    An error raised on purpose is answered with its code. Any other is a
    defect: it is logged with its trace, counted through `refuse`, answered
    with 500 and touches no other request. An answer of many lines that
    fails after its first is cut off.
    """

    _log = Logger()

    def __init__(self, desks: Desks | HubDesk) -> None:
        self._refuse = desks.refuse
        self.resource = Guarded(self._routes(_served(desks)).resource())

    def _routes(self, served: Served) -> Klein:
        app = Klein()
        app.url_map.strict_slashes = False
        app.url_map.merge_slashes = False
        document = openapi.document(tuple(operation for operation, _ in served))
        app.route("/openapi.json", methods=["GET"])(_answering(document))
        for operation, find in served:
            route = app.route(_rule(operation), methods=[operation.method], endpoint=operation.name)
            route(self._serving(operation, find))
        app.handle_errors(StreembitError)(_refused)
        app.handle_errors(HTTPException)(_unroutable)
        app.handle_errors(Exception)(self._failed)
        return app

    def _serving(self, operation: Operation[Any], find: Find) -> Callable[..., Awaitable[bytes]]:
        async def serve(request: Request, **path: str) -> bytes:
            ask = Ask(path, _body(operation, request), _query(operation, request))
            answer = await operation.perform(await find(), ask)
            if operation.streams:
                await self._stream(request, answer)
                return b""
            if isinstance(answer, Readiness) and not answer.ready:
                request.setResponseCode(503)
            request.setHeader(b"content-type", JSON)
            return codec.encode(answer)

        return serve

    async def _stream(self, request: Request, values: Any) -> None:
        assert isinstance(values, Iterator)
        try:
            await Lines(request, values).start()
        except Exception:
            if not request.startedWriting:
                raise
            self._log.failure("an answer was cut off")
            self._refuse(Internal.code)
            await _cut_off(request)

    def _failed(self, request: IRequest, failure: Failure) -> bytes:
        self._log.failure("request failed", failure=failure)
        self._refuse(Internal.code)
        return written(request, Internal())


def make_site(
    node: NodeFacade, refuse: Refuse, clock: IReactorTime, people: PeopleFacade | None = None
) -> QuietSite:
    """Return the factory of HTTP connections that serves the API of a node that stays.

    Without `people` the operations of contacts, messages and files are
    not there.
    """
    late_people = None if people is None else lambda: people
    return site_of(Settled(node, refuse, late_people), clock)


def site_of(desks: Desks | HubDesk, clock: IReactorTime) -> QuietSite:
    """Return the factory of HTTP connections that serves the API of whoever is at the desks."""
    return QuietSite(
        Api(desks).resource,
        timeout=IDLE_S,
        reactor=clock,
        parsePOSTFormSubmission=False,
    )


def _served(desks: Desks | HubDesk) -> Served:
    """Return each operation that is offered, and who is asked."""
    if isinstance(desks, HubDesk):
        return [(each, desks.hub) for each in OF_HUB]
    served: Served = [(each, desks.node) for each in OF_NODE]
    if desks.has_people:
        served += [(each, desks.people) for each in OF_PEOPLE]
    return served


def _rule(operation: Operation[Any]) -> str:
    rule = operation.path
    for parameter in operation.parameters:
        converter = f"<path:{parameter.name}>" if parameter.spans else f"<{parameter.name}>"
        rule = rule.replace("{" + parameter.name + "}", converter)
    return rule


def _body(operation: Operation[Any], request: Request) -> object:
    if operation.body is None:
        return None
    content_type = request.getHeader(b"content-type") or b""
    if content_type.partition(b";")[0].strip().lower() != JSON:
        raise errors.UnsupportedMediaType("application/json is expected")
    body: object = codec.decode(request.content.read() if request.content else b"", operation.body)
    return body


def _cut_off(request: Request) -> Deferred[None]:
    """Close the connection without the end of the answer; fail when it is closed."""
    transport: Any = request.channel.transport
    transport.abortConnection()
    return request.notifyFinish()


def _query(operation: Operation[Any], request: Request) -> dict[str, str]:
    """Return the parts of the query that the operation knows; others are ignored."""
    found = {}
    for query in operation.query:
        given = request.args.get(query.name.encode(), []) if request.args else []
        if len(given) > 1:
            raise BadRequest(f"{query.name} is given twice")
        if given:
            found[query.name] = _decoded(given[0])
    return found


def _decoded(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("the query is not UTF-8") from None


def _answering(document: bytes) -> Callable[[Request], bytes]:
    def answer(request: Request) -> bytes:
        request.setHeader(b"content-type", JSON)
        return document

    return answer


def _refused(request: IRequest, failure: Failure) -> bytes:
    error = failure.value
    assert isinstance(error, StreembitError)
    return written(request, error)


def _unroutable(request: IRequest, failure: Failure) -> bytes:
    error = failure.value
    if isinstance(error, MethodNotAllowed):
        request.setHeader(b"allow", ", ".join(sorted(error.valid_methods or ())).encode())
        return written(request, errors.MethodNotAllowed("see Allow"))
    if isinstance(error, NotFound):
        return written(request, errors.NoSuchPath("see /openapi.json"))
    return written(request, errors.BadRequest("see /openapi.json"))
