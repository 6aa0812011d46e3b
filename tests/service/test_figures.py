"""What Prometheus is told by a real node, and that it is so."""

from __future__ import annotations

import re
from math import inf, isnan
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.store import StoreLimits
from streembit.service.limits import NodeLimits
from tests.service.test_metrics import shown
from tests.service.town import Town

MANUAL = Path(__file__).parents[2] / "docs/api.md"
TTL_S = 3600


class FigureTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = Town(self)

    def test_a_node_alone(self) -> None:
        """Everything is there from the start; what is not known yet is no number of ours."""
        figures = shown(self.town.add("10.0.0.1").metrics)
        self.assertEqual((figures["streembit_links"], figures["streembit_peers"]), (0, 0))
        self.assertEqual((figures["streembit_ready"], figures["streembit_store_ok"]), (0, 1))
        self.assertEqual(figures["streembit_canary_age_seconds"], inf)
        self.assertTrue(isnan(figures["streembit_clock_ahead_seconds"]))

    def test_a_node_among_others(self) -> None:
        """Each figure is what the node itself says of it."""
        self.town.grow(5)
        self.town.join()
        self.town.result(self.town.desk(self.town.nodes[1]).put_record("name", b"v", TTL_S))
        self.town.run(130)
        node = self.town.nodes[0]
        self.town.result(self.town.desk(self.town.nodes[1]).ping(f"{node.network.id:040x}"))
        figures = shown(node.metrics)
        status = self.town.result(self.town.desk(node).status())
        for name, figure in (
            ("streembit_links", status.links),
            ("streembit_peers", status.peers),
            ("streembit_records", status.records),
            ("streembit_record_bytes", status.bytes),
            ("streembit_signatures_good_total", status.signed_checked),
            ("streembit_signatures_bad_total", 0),
            ("streembit_ready", 1),
            ("streembit_canary_age_seconds", status.readiness.canary_age_s),
            ("streembit_clock_ahead_seconds", status.clock_skew_s),
            ("streembit_client_only", 0),
            ("streembit_connections_unknown", 0),
        ):
            self.assertEqual(figures[name], figure, name)
        self.assertGreaterEqual(figures["streembit_connections"], 4)
        for kind in ("ping", "find_node", "store", "dial_back"):
            self.assertGreaterEqual(figures[f"streembit_requests_total[{kind}]"], 1, kind)

    def test_the_bytes_of_a_whole_network_are_those_that_it_carried(self) -> None:
        """What all nodes sent is what the network saw, and what all received."""
        self.town.grow(4)
        self.town.join()
        self.town.run(100)
        for node in self.town.nodes:
            node.stopService()
        self.town.run(1)
        figures = [shown(node.metrics) for node in self.town.nodes]
        sent = sum(figure["streembit_sent_bytes_total"] for figure in figures)
        received = sum(figure["streembit_received_bytes_total"] for figure in figures)
        self.assertEqual(sent, self.town.memory.bytes_sent)
        self.assertApproximates(received, sent, 0.02 * sent)

    def test_C5_what_gives_way_is_counted(self) -> None:
        """A full store shows its evictions."""
        self.town.grow(3)
        small = self.town.add("10.9.0.1", limits=NodeLimits(store=StoreLimits(total_bytes=8_000)))
        self.town.join()
        desk = self.town.desk(self.town.nodes[1])
        for number in range(5):
            self.town.result(desk.put_record(f"name/{number}", bytes(1500), TTL_S))
        self.assertGreater(shown(small.metrics)["streembit_evicted_total"], 0)
        self.assertLessEqual(shown(small.metrics)["streembit_record_bytes"], 8_000)

    def test_every_figure_is_in_the_manual(self) -> None:
        """And the manual names none that is not there."""
        self.town.grow(2)
        self.town.join()
        found = {name.partition("[")[0] for name in shown(self.town.nodes[0].metrics)}
        told = set(re.findall(r"`(streembit_[a-z_]+)(?:\{[a-z]+\})?`", MANUAL.read_text()))
        self.assertEqual(found | {"streembit_rejected_total"}, told)
