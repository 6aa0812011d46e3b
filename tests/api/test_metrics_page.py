"""The metrics endpoint: Prometheus text at one path, for callers on this machine."""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from streembit.api.metrics import make_metrics_site
from streembit.service.metrics import Metrics
from tests.api.test_http import Answered, taken_apart


class MetricsPageTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.metrics = Metrics()
        self.found: Metrics | None = self.metrics
        self.factory = make_metrics_site(lambda: self.found, Clock())

    def ask(self, path: str = "/metrics", host: str = "127.0.0.1:9109", **more: str) -> Answered:
        lines = {"host": host, "connection": "close", **more}
        head = f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
        protocol = self.factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
        transport = StringTransport()
        protocol.makeConnection(transport)
        protocol.dataReceived(head.encode() + b"\r\n")
        return taken_apart(transport.value())

    def test_figures_as_they_are_now(self) -> None:
        """Each scrape reads the figures anew."""
        self.metrics.rejected.add("bad-signature")
        self.assertIn(b'streembit_rejected_total{reason="bad-signature"} 1.0\n', self.ask().body)
        self.metrics.rejected.add("bad-signature")
        answer = self.ask()
        self.assertIn(b'streembit_rejected_total{reason="bad-signature"} 2.0\n', answer.body)
        self.assertTrue(answer.headers["content-type"].startswith("text/plain; version="))

    def test_no_figures_while_one_node_takes_the_place_of_another(self) -> None:
        """Who scrapes in that moment is told so, and scrapes the other's next time."""
        self.found = None
        self.assertEqual(self.ask().status, 503)
        self.found = Metrics()
        self.assertEqual(self.ask().status, 200)

    def test_L4_host_and_origin(self) -> None:
        """A web page on another host, or under a rebound name, reads nothing."""
        for host in ("localhost:9109", "[::1]:9109", "10.0.0.7:9109"):
            self.assertEqual(self.ask(host=host).status, 200)
        for answer in (
            self.ask(host="evil.example:9109"),
            self.ask(host="127.0.0.1.evil.example"),
            self.ask(origin="https://evil.example"),
        ):
            self.assertEqual(answer.status, 403)
            self.assertNotIn(b"streembit_", answer.body)

    def test_other_paths(self) -> None:
        """There is one page."""
        for path in ("/", "/metrics/x", "/metric"):
            self.assertEqual(self.ask(path).status, 404)
