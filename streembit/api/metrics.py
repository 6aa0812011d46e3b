"""The metrics endpoint: the node's figures for Prometheus at /metrics."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import Request

from streembit.api.guard import IDLE_S, Guarded, QuietSite
from streembit.service.metrics import CONTENT_TYPE, Metrics


class MetricsPage(Resource):
    """Shows the figures of a registry."""

    isLeaf = True

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def render_GET(self, request: Request) -> bytes:
        """Answer the figures as they are now."""
        if request.path != b"/metrics":
            request.setResponseCode(404)
            return b"see /metrics\n"
        request.setHeader(b"content-type", CONTENT_TYPE)
        return self._metrics.text()


def make_metrics_site(
    metrics: Metrics, clock: IReactorTime, hosts: frozenset[str] = frozenset()
) -> QuietSite:
    """Return the factory of HTTP connections for `--metrics`.

    It serves requests whose Host is `localhost`, an IP address or one of
    `hosts`.
    """
    return QuietSite(
        Guarded(MetricsPage(metrics), hosts),
        timeout=IDLE_S,
        reactor=clock,
        parsePOSTFormSubmission=False,
    )
