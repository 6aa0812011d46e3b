"""What is refused before any resource sees it: strange hosts, web pages, oversized bodies."""

from __future__ import annotations

import ipaddress
import re
from io import BytesIO
from typing import Final
from urllib.parse import unquote_to_bytes

from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site

from streembit.api.answers import answer_of, status_of
from streembit.errors import BadRequest, ForbiddenHost, ForbiddenOrigin, StreembitError, TooLarge
from streembit.wire import codec

MAX_BODY_BYTES: Final = 256 * 1024  # a message of 16,384 characters, each of them escaped
IDLE_S: Final = 60.0  # a client that sends nothing for so long is gone

_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+)(:[0-9]{1,5})?\Z")
_HEADERS: Final = (
    (b"server", b"streembit"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)


class BoundedRequest(Request):
    """A request that keeps no more than MAX_BODY_BYTES of its body.

    What comes beyond is read and dropped, so that the answer 413 arrives.
    """

    body_bytes = 0

    def gotLength(self, length: int | None) -> None:
        """Make room for the body; what was announced is not believed."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """Keep or drop a part of the body."""
        self.body_bytes += len(data)
        if self.body_bytes <= MAX_BODY_BYTES:
            super().handleContentChunk(data)


class QuietSite(Site):
    """A site for one resource tree that writes no access log."""

    requestFactory = BoundedRequest
    noisy = False

    def log(self, request: object) -> None:
        """Write nothing: names of records are nobody's business."""


class Guarded(Resource):
    """Lets through to `inner` what a program on this machine may ask.

    A Host that is neither `localhost` nor an IP address nor in `hosts` comes
    from a name that somebody else controls (DNS rebinding); a request with an
    Origin, or one that a browser calls cross-site, comes from a web page.
    """

    isLeaf = True

    def __init__(self, inner: IResource, hosts: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self._inner = inner
        self._hosts = hosts | {"localhost"}

    def render(self, request: Request) -> object:
        """Answer a refusal, or what the guarded resource does."""
        for name, value in _HEADERS:
            request.setHeader(name, value)
        try:
            self._check(request)
        except StreembitError as e:
            return written(request, e)
        return self._inner.render(request)

    def _check(self, request: Request) -> None:
        self._check_host(request)
        if request.requestHeaders.hasHeader(b"origin") or _is_from_page(request):
            raise ForbiddenOrigin
        if isinstance(request, BoundedRequest) and request.body_bytes > MAX_BODY_BYTES:
            raise TooLarge("body", limit_bytes=MAX_BODY_BYTES)
        _check_path(request)

    def _check_host(self, request: Request) -> None:
        given = request.requestHeaders.getRawHeaders(b"host") or []
        match = _HOST.match(given[0]) if len(given) == 1 else None
        host = match[1].decode().lower() if match else ""
        if host not in self._hosts and not _is_address(host.strip("[]")):
            raise ForbiddenHost("neither localhost nor an IP address")


def written(request: IRequest, error: StreembitError) -> bytes:
    """Set an error's status and type on the answer, and return its body."""
    request.setResponseCode(status_of(error))
    request.setHeader(b"content-type", b"application/json")
    return codec.encode(answer_of(error))


def _is_from_page(request: Request) -> bool:
    site = request.getHeader(b"sec-fetch-site")
    return site not in (None, b"none", b"same-origin")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _check_path(request: Request) -> None:
    try:
        unquote_to_bytes(request.path).decode("utf-8")
        request.method.decode("ascii")
    except UnicodeDecodeError:
        raise BadRequest("the path is not UTF-8") from None
