"""The metrics endpoint: the node's figures for Prometheus at /metrics."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import Request

from streembit.api.guard import IDLE_S, Guarded, QuietSite
from streembit.service.metrics import CONTENT_TYPE, Metrics

Find = Callable[[], Metrics | None]


class MetricsPage(Resource):
    """Shows the figures of the registry that is found at each request."""

    isLeaf = True

    def __init__(self, find: Find) -> None:
        super().__init__()
        self._find = find

    def render_GET(self, request: Request) -> bytes:
        """Answer the figures as they are now."""
        if request.path != b"/metrics":
            request.setResponseCode(404)
            return b"see /metrics\n"
        metrics = self._find()
        if metrics is None:
            request.setResponseCode(503)
            return b"no node runs at this moment\n"
        request.setHeader(b"content-type", CONTENT_TYPE)
        return metrics.text()


def make_metrics_site(
    find: Find, clock: IReactorTime, hosts: frozenset[str] = frozenset()
) -> QuietSite:
    """Return the factory of HTTP connections for `--metrics`.

    `find` returns the figures of the node that runs, None while there is none: status 503. It
    serves requests whose Host is `localhost`, an IP address or one of `hosts`.
    """
    return QuietSite(
        Guarded(MetricsPage(find), hosts),
        timeout=IDLE_S,
        reactor=clock,
        parsePOSTFormSubmission=False,
    )
