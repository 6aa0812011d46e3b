"""The node as a whole: what it joins, tells, refuses, and leaves behind when it stops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from streembit.errors import BadToken, PeerGone, TooManyConnections
from streembit.net.gate import GateLimits
from streembit.service.limits import NodeLimits, in_force
from streembit.service.log import LINES_PER_S, SETTLE_EVERY_S
from streembit.service.node import Node
from streembit.wire.message import Ping
from tests.rig.refusal import QUIET
from tests.service.town import PORT, Town

HOST = "192.0.2.7"


@implementer(ILogObserver)
class Lines:
    """What was logged of refusals."""

    def __init__(self, test: SynchronousTestCase) -> None:
        self.seen: list[tuple[str, int]] = []
        globalLogPublisher.addObserver(self)
        test.addCleanup(globalLogPublisher.removeObserver, self)

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_namespace") == "streembit.refused":
            self.seen.append((event["reason"], event.get("suppressed", 0)))


class NodeCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = Town(self)

    def pair(self, **more: Any) -> tuple[Node, Node]:
        """Return two nodes that joined; the first is made with `more`."""
        first = self.town.add("10.0.0.1", settings=QUIET, **more)
        second = self.town.add("10.0.1.1", settings=QUIET)
        self.town.join()
        return first, second


class RefusalTests(NodeCase):
    def test_what_a_flood_was_spared_is_told_soon(self) -> None:
        """Without another refusal, and without an end: within ten seconds, and once."""
        lines = Lines(self)
        node = self.town.add("10.0.0.1", seeds=[])
        node.startService()
        for _ in range(1000):
            node.refused(HOST, BadToken("x"))
        self.assertEqual(lines.seen, [("bad-token", 0)] * LINES_PER_S)
        self.town.run(SETTLE_EVERY_S)
        self.assertEqual(lines.seen[LINES_PER_S:], [("bad-token", 1000 - LINES_PER_S)])
        self.town.run(10 * SETTLE_EVERY_S)
        self.assertEqual(len(lines.seen), LINES_PER_S + 1)

    def test_what_was_spared_is_told_at_the_end_at_the_latest(self) -> None:
        """By a node that stops amid a flood."""
        lines = Lines(self)
        node = self.town.add("10.0.0.1", seeds=[])
        node.startService()
        for _ in range(10):
            node.refused(HOST, BadToken("x"))
        self.successResultOf(node.stopService())
        self.assertEqual(lines.seen[LINES_PER_S:], [("bad-token", 10 - LINES_PER_S)])

    def test_refusals_are_counted_by_reason(self) -> None:
        """As its figures and its status show them."""
        node = self.town.add("10.0.0.1", seeds=[])
        for error in (BadToken("x"), PeerGone("x"), BadToken("y")):
            node.refused(HOST, error)
        self.assertEqual(node.refusals.counts(), {"bad-token": 2, "peer-gone": 1})

    def test_C3_an_address_that_misbehaved_stays_away(self) -> None:
        """Ten minutes."""
        node = self.town.add("10.0.0.1", seeds=[])
        node.misbehaved(HOST)
        clock = self.town.memory.clock
        self.assertTrue(node.carriers.gate.is_discouraged(HOST, clock.seconds()))
        self.assertFalse(node.carriers.gate.is_discouraged(HOST, clock.seconds() + 601))


class MemberTests(NodeCase):
    def test_C3_who_is_in_the_table_has_the_members_budget(self) -> None:
        """With the very key that the table has, and no other under the same id."""
        settings = replace(QUIET, checks_per_node_per_s=4)
        node = self.town.add("10.0.0.1", settings=settings)
        friend = self.town.add("10.0.1.1", settings=QUIET)
        self.town.join()
        self.town.run(2)  # what joining took of the budgets is there again
        (peer,) = node.network.roster
        node.carriers._budgets._all.spend(1000.0)
        self.assertEqual(node._wait_s(peer), 0.0)
        node.network.table.remove(friend.network.id)
        node.carriers._budgets._members.spend(-1.0)
        self.assertGreater(node._wait_s(peer), 1.0)

    def test_C1_dials_of_our_own_are_counted(self) -> None:
        """A node whose places are taken opens no more links."""
        node, other = self.pair(limits=NodeLimits(GateLimits(total=3)))
        third = self.town.add("10.0.2.1", settings=QUIET, seeds=[])
        while node.carriers.gate.total < 3:
            node.carriers.gate.dialled()
        dial = node.network.dialler.dial("10.0.2.1", PORT, third.identity.public)
        self.failureResultOf(dial, TooManyConnections)
        self.assertIsNotNone(node.network.roster.get(other.identity.public))


class StatusTests(NodeCase):
    def test_where_it_listens_is_told_in_its_handshakes(self) -> None:
        """From the moment that somebody says so."""
        node = self.town.add("10.0.0.1", seeds=[])
        node.reach.listening_on(1234, ["10.0.0.1:1234"])
        hello = node.network.hello("198.51.100.1", 4000)
        self.assertEqual((hello.port, hello.observed), (1234, "198.51.100.1:4000"))
        self.assertEqual((node.reach.listening, node.name), (["10.0.0.1:1234"], "node"))

    def test_the_limits_are_those_that_it_was_made_with(self) -> None:
        """By the names of the configuration."""
        node = self.town.add("10.0.0.1", limits=NodeLimits(GateLimits(total=99)))
        shown = in_force(node.settings, node.limits)
        self.assertEqual(shown["connections_total"], 99)
        self.assertEqual(shown["queue_bytes_total"], node.carriers.backlog.limit_bytes)


class EndTests(NodeCase):
    def test_S5_a_node_that_stops_leaves_nothing_running(self) -> None:
        """Links, dials, requests and rounds; the town looks at the clock afterwards."""
        node, other = self.pair()
        self.town.memory.silence("10.0.9.9")
        dial = node.network.dialler.dial("10.0.9.9", PORT, None)
        asked = node.network.roster.get(other.identity.public)
        assert asked is not None
        request = asked.request(Ping())
        stopped = node.stopService()
        self.town.run(0.1)
        self.successResultOf(stopped)
        self.failureResultOf(request, PeerGone)
        self.assertEqual((len(node.network.roster), node.errands.start(self.nothing)), (0, False))
        self.town.run(60)
        self.failureResultOf(dial)
        self.assertEqual(node.carriers.gate.total, 0)

    async def nothing(self) -> None:
        """Do nothing."""

    def test_S5_who_comes_while_it_stops_is_turned_away(self) -> None:
        """Their link opens and ends."""
        node, other = self.pair()
        self.successResultOf(self.stop(node))
        other.network.dialler.dial("10.0.0.1", PORT, node.identity.public).addErrback(lambda _: 0)
        self.town.run(5)
        self.assertEqual((len(node.network.roster), node.carriers.gate.total), (0, 0))
        self.assertIsNone(other.network.roster.get(node.identity.public))

    def stop(self, node: Node) -> Deferred[None]:
        """Stop a node, and wait until it has."""
        stopped = node.stopService()
        self.town.run(0.1)
        return stopped

    def test_a_node_may_be_stopped_before_it_was_started(self) -> None:
        """As twistd does when a port is taken."""
        node = self.town.add("10.0.0.1", seeds=[])
        self.successResultOf(node.stopService())


class SettledTests(NodeCase):
    def test_when_it_has_joined_it_proves_it_at_once(self) -> None:
        """The canary does not wait for its round, and the keys are told."""
        first, second = self.pair()
        self.town.run(5)
        for node in (first, second):
            self.assertTrue(node.dht.canary.readiness().ready)
        self.assertTrue(second.dht.publishing.announced)

    def test_D8_what_was_told_before_is_told_again_in_a_while(self) -> None:
        """After a restart the records are in the network still: no herd."""
        _, second = self.pair()
        self.town.run(60)
        self.town.end(second)
        again = self.town.again(second, settings=replace(QUIET, replicate_jitter_s=600))
        self.town.join(again)
        before = again.dht.jobs["republish"].rounds
        self.town.run(1)
        self.assertEqual(again.dht.jobs["republish"].rounds, before)
        self.town.run(600)
        self.assertEqual(again.dht.jobs["republish"].rounds, before + 1)
