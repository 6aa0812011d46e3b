"""The local API's operations as a web resource, with one boundary for every error."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from klein import Klein
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.server import Request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from streembit import errors
from streembit.api import openapi
from streembit.api.guard import IDLE_S, Guarded, QuietSite, written
from streembit.api.operations import OPERATIONS, Ask, Operation
from streembit.errors import Internal, StreembitError
from streembit.service.facade import NodeFacade, Readiness
from streembit.wire import codec

Refuse = Callable[[str], object]
JSON: Final = b"application/json"


class Api:
    """Serves a node's facade.

    An error raised on purpose is answered with its code. Any other is a
    defect: it is logged with its trace, counted through `refuse`, answered
    with 500 and touches no other request.
    """

    _log = Logger()

    def __init__(self, node: NodeFacade, refuse: Refuse) -> None:
        self._node = node
        self._refuse = refuse
        self.resource = Guarded(self._routes().resource())

    def _routes(self) -> Klein:
        app = Klein()
        app.url_map.strict_slashes = False
        app.url_map.merge_slashes = False
        app.route("/openapi.json", methods=["GET"])(_openapi)
        for operation in OPERATIONS:
            route = app.route(_rule(operation), methods=[operation.method], endpoint=operation.name)
            route(self._serving(operation))
        app.handle_errors(StreembitError)(_refused)
        app.handle_errors(HTTPException)(_unroutable)
        app.handle_errors(Exception)(self._failed)
        return app

    def _serving(self, operation: Operation) -> Callable[..., Awaitable[bytes]]:
        async def serve(request: Request, **path: str) -> bytes:
            answer = await operation.perform(self._node, Ask(path, _body(operation, request)))
            if isinstance(answer, Readiness) and not answer.ready:
                request.setResponseCode(503)
            request.setHeader(b"content-type", JSON)
            return codec.encode(answer)

        return serve

    def _failed(self, request: IRequest, failure: Failure) -> bytes:
        self._log.failure("request failed", failure=failure)
        self._refuse(Internal.code)
        return written(request, Internal())


def make_site(node: NodeFacade, refuse: Refuse, clock: IReactorTime) -> QuietSite:
    """Return the factory of HTTP connections that serves a node's API."""
    return QuietSite(
        Api(node, refuse).resource,
        timeout=IDLE_S,
        reactor=clock,
        parsePOSTFormSubmission=False,
    )


def _rule(operation: Operation) -> str:
    rule = operation.path
    for parameter in operation.parameters:
        converter = f"<path:{parameter.name}>" if parameter.spans else f"<{parameter.name}>"
        rule = rule.replace("{" + parameter.name + "}", converter)
    return rule


def _body(operation: Operation, request: Request) -> object:
    if operation.body is None:
        return None
    content_type = request.getHeader(b"content-type") or b""
    if content_type.partition(b";")[0].strip().lower() != JSON:
        raise errors.UnsupportedMediaType("application/json is expected")
    body: object = codec.decode(request.content.read() if request.content else b"", operation.body)
    return body


def _openapi(request: Request) -> bytes:
    request.setHeader(b"content-type", JSON)
    return openapi.document()


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
