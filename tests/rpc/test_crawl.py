"""How a look-up's requests become messages."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.keyspace import K
from streembit.dht.lookup import Lookup, Wait
from streembit.dht.nodes import FindNodes
from streembit.dht.put import Send
from streembit.rpc.crawl import LookupPlan, Over
from tests.dht.made import OPEN
from tests.dht.network import settled


class LookupPlanTests(SynchronousTestCase):
    """Requests of one moment go out together, each about the place that the look-up names."""

    def test_D7_behind_the_dead_other_places_are_asked_about(self) -> None:
        """And never in one message with requests about the target."""
        network = settled(200)
        abouts: set[int] = set()
        with network.frozen():
            network.kill(0.3)
            host, target = network.anyone(), network.target()
            start = host.table.nearest(target, K)
            lookup = Lookup(
                target, start, FindNodes(confirm=True), now_s=0.0, own_id=host.id, grouping=OPEN
            )
            plan, now_s, asked = LookupPlan(lookup), 0.0, 0
            while not isinstance(step := plan.next(now_s), Over):
                if isinstance(step, Wait):
                    now_s = step.until_s
                    continue
                assert isinstance(step, Send)
                abouts.add(step.about)
                asked += len(step.nodes)
                for node in step.nodes:
                    other = network.hosts[node.id]
                    if not other.alive:
                        plan.failed(node.id, now_s)
                        continue
                    lookup.answered(node.id, network.contacts(other, step.about, host), now_s)
            truth = set(network.truth(target, without=host))
        self.assertEqual({node.id for node in step.result.nodes}, truth)
        self.assertEqual(asked, step.result.requests)
        self.assertIn(target, abouts)
        self.assertGreater(len(abouts), 1)
