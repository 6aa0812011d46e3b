"""How a look-up's requests become messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.keyspace import K
from streembit.dht.lookup import Lookup, Wait
from streembit.dht.nodes import FindNodes
from streembit.dht.peer import Node
from streembit.dht.put import Send
from streembit.errors import PeerGone
from streembit.rpc.crawl import Crawl, LookupPlan, Over, Reply
from tests.dht.made import OPEN, at
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
                        plan.failed(node, now_s)
                        continue
                    lookup.answered(node.id, network.contacts(other, step.about, host), now_s)
            truth = set(network.truth(target, without=host))
        self.assertEqual({node.id for node in step.result.nodes}, truth)
        self.assertEqual(asked, step.result.requests)
        self.assertIn(target, abouts)
        self.assertGreater(len(abouts), 1)


class Running(Clock):
    """A clock that goes on while it is read, as the real one does."""

    timers = 0

    def seconds(self) -> float:
        """Return the time, a microsecond later at each look."""
        self.rightNow += 1e-6
        return float(super().seconds())

    def callLater(
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002
        *args: object,
        **kw: object,
    ) -> IDelayedCall:
        """Count the timers that are set."""
        self.timers += 1
        return super().callLater(delay, callable, *args, **kw)


class Patient:
    """A plan that asks ten nodes and waits a second, whatever it hears."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = tuple(nodes)
        self.failures = 0

    def next(self, now_s: float) -> Send | Wait | Over[int]:
        """Send once, wait, and end with the number of failures."""
        if self.nodes:
            nodes, self.nodes = self.nodes, ()
            return Send(nodes, ())
        return Over(self.failures) if now_s >= 1.0 else Wait(1.0)

    def failed(self, node: Node, now_s: float) -> None:
        """Count."""
        self.failures += 1


class TimerTests(SynchronousTestCase):
    """A look-up sets a timer when the moment to wake changes, not at each answer."""

    def test_answers_that_change_nothing_set_no_timer(self) -> None:
        """One timer for ten answers, one more when it was woken a little early."""
        clock = Running()
        replies: list[Reply] = [Deferred() for _ in range(10)]
        plan = Patient([at(n, n) for n in range(10)])
        crawl = Crawl(plan, lambda _: replies, _ignore, clock, _ignore, _ignore)
        done = crawl.start()
        for reply in replies:
            reply.errback(PeerGone("away"))
        self.assertEqual(clock.timers, 1)
        self.assertNoResult(done)
        clock.advance(1.0)
        self.assertEqual(self.successResultOf(done), 10)
        self.assertEqual(clock.getDelayedCalls(), [])


def _ignore(node: Node, what: object) -> None:
    """Take note of nothing."""
