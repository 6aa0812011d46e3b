"""A port of the router: asked for, renewed, told to others, given back."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import LibraryMissing, LocalError, MappingRefused, NoRouter
from streembit.router.terms import LEASE_S, Mapped
from streembit.service.mapping import LOOK_EVERY_S, UNMAP_WITHIN_S, Mapping
from streembit.service.node import Node
from streembit.service.people.abode import address_of
from streembit.service.reachability import AGAIN_S as ASK_AGAIN_S
from streembit.service.routers import InTurn
from tests.service.town import PORT, Town

PUBLIC = "11.0.0.1"
RENEWED_S = 0.75 * LEASE_S  # at the latest, with what comes between


class Box:
    """A router: it opens each port that it is asked for, or one beside it, until it has enough."""

    def __init__(self, name: str = "PCP") -> None:
        self.name = name
        self.host = PUBLIC
        self.lease_s = LEASE_S
        self.open: dict[int, int] = {}
        self.taken: set[int] = set()
        self.asked = 0
        self.error: LocalError | None = None
        self.hangs = False

    async def map(self, inner: int, wanted: int) -> Mapped:
        """See `Router`."""
        self.asked += 1
        if self.error is not None:
            raise self.error
        port = wanted + 1 if wanted in self.taken else wanted
        self.open[port] = inner
        return Mapped(self.host, port, self.lease_s, self.name)

    async def holds(self) -> bool:
        """See `Router`."""
        return bool(self.open)

    async def unmap(self) -> None:
        """See `Router`."""
        if self.hangs:
            await Deferred()
        if self.error is not None:
            raise self.error
        self.open.clear()


class MappingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.box = Clock(), Box()
        self.told: list[Mapped | None] = []
        self.mapping = self.make(PORT)

    def tearDown(self) -> None:
        if self.mapping.running:
            self.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def make(self, inner: int) -> Mapping:
        """Return a mapping of a port of ours."""
        return Mapping(self.box, self.clock, lambda: 0.5, lambda: inner, self.told.append)

    def start(self) -> None:
        self.mapping.startService()
        self.clock.advance(0)

    def stop(self) -> None:
        stopped = self.mapping.stopService()
        self.clock.advance(UNMAP_WITHIN_S)
        self.successResultOf(stopped)

    def run_for(self, seconds: float) -> None:
        """Let time pass, second by second."""
        self.clock.pump([1] * int(seconds))

    def test_asked_for_at_once_and_told(self) -> None:
        """The router is asked for the port that we listen at."""
        self.start()
        self.assertEqual(self.box.open, {PORT: PORT})
        self.assertEqual(self.told, [Mapped(PUBLIC, PORT, LEASE_S, "PCP")])
        self.assertIn(f"{PUBLIC} port {PORT}", self.mapping.detail)
        self.assertIn("by PCP", self.mapping.detail)

    def test_renewed_before_its_time_is_over(self) -> None:
        """After a half of the lease and before three quarters; nobody is told of that again."""
        self.start()
        self.run_for(LEASE_S / 2 - 1)
        self.assertEqual(self.box.asked, 1)
        self.run_for(LEASE_S / 4)
        self.assertEqual((self.box.asked, len(self.told)), (2, 1))

    def test_a_short_lease_is_renewed_in_time(self) -> None:
        """The router says how long it is."""
        self.box.lease_s = 60
        self.start()
        self.run_for(600)
        self.assertGreaterEqual(self.box.asked, 1 + 600 // 45)
        self.assertLessEqual(self.box.asked, 1 + 600 // 30)

    def test_a_lease_that_changes_its_length_is_no_news(self) -> None:
        """Another address is."""
        self.start()
        self.box.lease_s //= 2
        self.run_for(RENEWED_S)
        self.assertEqual(len(self.told), 1)
        self.assertIn(f"for {self.box.lease_s} s", self.mapping.detail)
        self.box.host = "11.0.0.2"
        self.run_for(RENEWED_S)
        self.assertEqual([m.host for m in self.told if m], [PUBLIC, "11.0.0.2"])

    def test_a_router_that_has_forgotten_is_asked_anew(self) -> None:
        """It was started again, and says so when it is looked after: after two minutes."""
        self.start()
        self.box.open.clear()
        self.run_for(1.1 * LOOK_EVERY_S)
        self.assertEqual(self.box.open, {PORT: PORT})

    def test_a_router_that_has_forgotten_and_refuses_is_asked_again(self) -> None:
        """That it looks well again later does not mean that it leads to us."""
        self.start()
        self.box.open.clear()
        self.box.error = NoRouter()
        self.run_for(1.1 * LOOK_EVERY_S)
        self.box.open[1] = 1
        self.box.error = None
        self.run_for(1.1 * LOOK_EVERY_S)
        self.assertEqual(self.box.open[PORT], PORT)

    def test_another_port_is_kept(self) -> None:
        """What the router gave in the place of a taken port is what is renewed."""
        self.box.taken.add(PORT)
        self.start()
        self.box.taken.clear()
        self.run_for(RENEWED_S)
        self.assertEqual(self.box.asked, 2)
        self.assertEqual(self.box.open, {PORT + 1: PORT})
        self.assertEqual([m.port for m in self.told if m], [PORT + 1])

    def test_given_back_at_the_end(self) -> None:
        """Nothing of ours is left in the router."""
        self.start()
        self.stop()
        self.assertEqual(self.box.open, {})

    def test_the_end_does_not_wait_for_the_router(self) -> None:
        """One that does not answer any more delays the end by two seconds."""
        self.start()
        self.box.hangs = True
        stopped = self.mapping.stopService()
        self.assertNoResult(stopped)
        self.clock.advance(UNMAP_WITHIN_S)
        self.successResultOf(stopped)

    def test_an_end_at_which_the_router_refuses(self) -> None:
        """Its lease ends by itself."""
        self.start()
        self.box.error = MappingRefused()
        self.stop()

    def test_a_refusal_is_told_and_tried_again(self) -> None:
        """Why there is no port is what status shows; it is asked for again in two minutes."""
        self.box.error = MappingRefused("not authorised")
        self.start()
        self.assertEqual(self.told, [])
        self.assertIn("not authorised", self.mapping.detail)
        self.box.error = None
        self.run_for(1.1 * LOOK_EVERY_S)
        self.assertEqual(len(self.told), 1)
        self.assertIsNone(self.mapping.trouble)

    def test_what_is_not_renewed_ends_with_its_lease(self) -> None:
        """A router that is gone leads to us as long as it promised, and no longer."""
        self.start()
        self.box.error = NoRouter()
        self.run_for(RENEWED_S)
        self.assertIn("not renewed", self.mapping.detail)
        self.assertEqual(len(self.told), 1)
        self.run_for(LEASE_S - RENEWED_S + LOOK_EVERY_S * 1.1)
        self.assertEqual(self.told[1:], [None])

    def test_nobody_is_asked_for_nothing(self) -> None:
        """A node that listens nowhere needs no port."""
        self.mapping = self.make(0)
        self.start()
        self.assertEqual(self.box.asked, 0)


class InTurnTests(SynchronousTestCase):
    """Several protocols, of which a router may speak one."""

    def setUp(self) -> None:
        self.first, self.second = Box("PCP"), Box("UPnP")
        self.both = InTurn([self.first, self.second])

    def map(self) -> Mapped:
        """Ask for a port."""
        mapped: Mapped = self.successResultOf(self.both.map(PORT, PORT))
        return mapped

    def test_the_first_one_does(self) -> None:
        """Nobody else is asked: one port is enough."""
        self.assertEqual(self.map().by, "PCP")
        self.assertEqual(self.second.asked, 0)

    def test_the_next_one_where_the_first_does_not(self) -> None:
        """It is what is looked after and given back then."""
        self.first.error = NoRouter()
        self.assertEqual(self.map().by, "UPnP")
        self.assertTrue(self.successResultOf(self.both.holds()))
        self.second.open.clear()
        self.assertFalse(self.successResultOf(self.both.holds()))
        self.map()
        self.successResultOf(self.both.unmap())
        self.assertEqual(self.second.open, {})

    def test_what_each_of_them_said(self) -> None:
        """Is told; a refusal is more than silence."""
        self.first.error = NoRouter("no answer")
        self.second.error = LibraryMissing("not asked: pip install streembit[upnp]")
        error = self.failureResultOf(self.both.map(PORT, PORT), NoRouter).value
        self.assertEqual(
            error.detail, "PCP: no answer; UPnP: not asked: pip install streembit[upnp]"
        )
        self.second.error = MappingRefused("not authorised")
        self.failureResultOf(self.both.map(PORT, PORT), MappingRefused)

    def test_nothing_is_given_back_that_was_not_got(self) -> None:
        """Nor is it looked after."""
        self.assertFalse(self.successResultOf(self.both.holds()))
        self.successResultOf(self.both.unmap())


class LedTests(SynchronousTestCase):
    """What a node makes of a router that leads to it."""

    def setUp(self) -> None:
        self.town = Town(self)
        self.town.grow(5)
        self.town.join()

    def hidden(self) -> Node:
        """Return a node that has found out that nobody reaches it."""
        hidden = self.town.add("10.9.0.1", listen=False)
        self.town.join()
        self.town.run(90)
        self.assertEqual(hidden.reach.reachability.verdict, "unreachable")
        return hidden

    def test_others_are_told_the_routers_port(self) -> None:
        """It is what a hello says from now on, and where the node is asked to be dialled back."""
        node = self.town.nodes[1]
        node.reach.led(Mapped("10.0.1.1", PORT + 1, LEASE_S, "PCP"))
        self.assertEqual(node.network.hello("10.0.0.1", 1).port, PORT + 1)
        self.assertEqual(node.reach.reachability.mapped, f"10.0.1.1:{PORT + 1}")
        node.reach.led(None)
        self.assertEqual(node.network.hello("10.0.0.1", 1).port, PORT)
        self.assertEqual(node.reach.reachability.mapped, "")
        self.assertIsNone(address_of(node.reach.reachability.mapped))

    def test_D10_what_was_known_of_another_way_is_forgotten(self) -> None:
        """A node that nobody reached is asked after anew, at once, when a router leads to it."""
        town, hidden = self.town, self.hidden()
        self.assertTrue(hidden.network.client_only)
        town.host(hidden).listen(PORT, hidden.carriers.factory)
        hidden.reach.led(Mapped("10.9.0.1", PORT, LEASE_S, "PCP"))
        town.run(20)
        self.assertEqual(hidden.reach.reachability.verdict, "reachable")
        self.assertFalse(hidden.network.client_only)

    def test_D10_an_answer_about_another_way_counts_for_nothing(self) -> None:
        """Who was asked before the router led to us may answer after that."""
        town, hidden = self.town, self.hidden()
        asked = Deferred.fromCoroutine(hidden.reach.reachability.ask(hidden.network.roster))
        hidden.reach.reachability.led(Mapped("10.9.0.1", PORT, LEASE_S, "PCP"))
        self.assertGreaterEqual(len(town.result(asked)), 2)
        self.assertEqual(hidden.reach.reachability.verdict, "unknown")

    def test_D10_who_is_busy_with_our_last_way_is_asked_again(self) -> None:
        """A dial-back to where packets vanish takes its time; the way that is new waits for it.

        So it does where the router has another port, and all links are made anew.
        """
        for port in (PORT, PORT + 1):
            self.assertEqual(self.verdict_at(port), "reachable", port)

    def verdict_at(self, port: int) -> str:
        """Return what a node thinks soon after a router leads to it at a port."""
        town = Town(self)
        town.grow(5)
        town.join()
        hidden = town.add("10.9.0.1", listen=False)
        mute = town.host(hidden).listen(PORT, Factory.forProtocol(Protocol))
        hidden.startService()
        self.assertTrue(town.run_until(lambda: hidden.dht.membership.joined))
        town.run(1)  # peers are dialling us back, for three seconds
        mute.stopListening()
        town.host(hidden).listen(port, hidden.carriers.factory)
        hidden.reach.led(Mapped("10.9.0.1", port, LEASE_S, "PCP"))
        town.run(3 * ASK_AGAIN_S)
        return hidden.reach.reachability.verdict

    def test_a_router_behind_another_one_is_no_address(self) -> None:
        """Where others see the node elsewhere, what the router calls its address helps nobody."""
        node = self.town.nodes[1]
        node.reach.led(Mapped("192.168.7.7", PORT, LEASE_S, "PCP"))
        self.assertEqual(node.reach.reachability.observed, f"10.0.1.1:{PORT}")
        self.assertEqual(node.reach.reachability.mapped, "")
