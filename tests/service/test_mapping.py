"""A port of the router: asked for, renewed, told to others, given back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import LocalError, MappingRefused, NoRouter
from streembit.net.upnp import LEASE_S, Mapped
from streembit.service.mapping import AGAIN_S, RENEW_S, UNMAP_WITHIN_S, Mapping
from streembit.service.people.showing import address_of
from streembit.service.reachability import AGAIN_S as ASK_AGAIN_S
from tests.service.town import PORT, Town

T = TypeVar("T")
PUBLIC = "11.0.0.1"


class Box:
    """A router: it opens each port that it is asked for, or one beside it, until it has enough."""

    def __init__(self) -> None:
        self.open: dict[int, int] = {}
        self.taken: set[int] = set()
        self.asked = 0
        self.error: LocalError | None = None

    def map(self, inner: int, wanted: int) -> Mapped:
        """See `Router`."""
        self.asked += 1
        if self.error is not None:
            raise self.error
        port = wanted + 1 if wanted in self.taken else wanted
        self.open[port] = inner
        return Mapped(PUBLIC, port, LEASE_S)

    def unmap(self, port: int) -> None:
        """See `Router`."""
        if self.error is not None:
            raise self.error
        del self.open[port]


class AtOnce:
    """Makes a call at once; or never, once it hangs."""

    def __init__(self, clock: Clock) -> None:
        self.hangs = False
        self._clock = clock

    def run(self, call: Callable[[], T], within_s: float) -> Deferred[T]:
        """See `Aside`."""
        done: Deferred[T] = Deferred() if self.hangs else maybeDeferred(call)

        def late(_result: object, _s: float) -> T:
            raise NoRouter("no answer")

        return done.addTimeout(within_s, self._clock, late)


class MappingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.box = Clock(), Box()
        self.aside = AtOnce(self.clock)
        self.told: list[Mapped | None] = []
        self.mapping = Mapping(
            self.box, self.aside, self.clock, lambda: 0.5, lambda: PORT, self.told.append
        )

    def tearDown(self) -> None:
        if self.mapping.running:
            self.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def start(self) -> None:
        self.mapping.startService()
        self.clock.advance(0)

    def stop(self) -> None:
        stopped = self.mapping.stopService()
        self.clock.advance(UNMAP_WITHIN_S)
        self.successResultOf(stopped)

    def test_asked_for_at_once_and_told(self) -> None:
        """The router is asked for the port that we listen at."""
        self.start()
        self.assertEqual(self.box.open, {PORT: PORT})
        self.assertEqual(self.told, [Mapped(PUBLIC, PORT, LEASE_S)])
        self.assertIn(f"{PUBLIC} port {PORT}", self.mapping.detail)

    def test_renewed_before_its_time_is_over(self) -> None:
        """Twice in a lease, and nobody is told of that again."""
        self.start()
        self.clock.advance(RENEW_S)
        self.clock.advance(RENEW_S)
        self.assertEqual((self.box.asked, len(self.told)), (3, 1))

    def test_another_port_is_kept(self) -> None:
        """What the router gave in the place of a taken port is what is renewed."""
        self.box.taken.add(PORT)
        self.start()
        self.clock.advance(RENEW_S)
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
        self.aside.hangs = True
        stopped = self.mapping.stopService()
        self.assertNoResult(stopped)
        self.clock.advance(UNMAP_WITHIN_S)
        self.successResultOf(stopped)

    def test_a_refusal_is_told_and_tried_again(self) -> None:
        """Why there is no port is what status shows; it is asked for again in two minutes."""
        self.box.error = MappingRefused("not authorised")
        self.start()
        self.assertEqual(self.told, [])
        self.assertIn("not authorised", self.mapping.detail)
        self.box.error = None
        self.clock.advance(AGAIN_S)
        self.assertEqual(len(self.told), 1)
        self.assertIsNone(self.mapping.trouble)

    def test_what_is_not_renewed_ends_with_its_lease(self) -> None:
        """A router that is gone leads to us as long as it promised, and no longer."""
        self.start()
        self.box.error = NoRouter()
        self.clock.advance(RENEW_S)
        self.assertIn("not renewed", self.mapping.detail)
        self.assertEqual(len(self.told), 1)
        for _ in range(int(RENEW_S // AGAIN_S) + 1):
            self.clock.advance(AGAIN_S)
        self.assertEqual(self.told[1:], [None])

    def test_nobody_is_asked_for_nothing(self) -> None:
        """A node that listens nowhere needs no port."""
        self.mapping = Mapping(
            self.box, self.aside, self.clock, lambda: 0.5, lambda: 0, self.told.append
        )
        self.start()
        self.assertEqual(self.box.asked, 0)


class LedTests(SynchronousTestCase):
    """What a node makes of a router that leads to it."""

    def test_others_are_told_the_routers_port(self) -> None:
        """It is what a hello says from now on, and where the node is asked to be dialled back."""
        town = Town(self)
        town.grow(4)
        town.join()
        node = town.nodes[1]
        node.reach.led(Mapped("10.0.1.1", PORT + 1, LEASE_S))
        self.assertEqual(node.network.hello("10.0.0.1", 1).port, PORT + 1)
        self.assertEqual(node.reach.reachability.mapped, f"10.0.1.1:{PORT + 1}")
        node.reach.led(None)
        self.assertEqual(node.network.hello("10.0.0.1", 1).port, PORT)
        self.assertEqual(node.reach.reachability.mapped, "")
        self.assertIsNone(address_of(node.reach.reachability.mapped))

    def test_D10_what_was_known_of_another_way_is_forgotten(self) -> None:
        """A node that nobody reached is asked after anew, at once, when a router leads to it."""
        town = Town(self)
        town.grow(5)
        town.join()
        hidden = town.add("10.9.0.1", listen=False)
        town.join()
        town.run(90)
        self.assertEqual(hidden.reach.reachability.verdict, "unreachable")
        self.assertTrue(hidden.network.client_only)
        town.host(hidden).listen(PORT, hidden.carriers.factory)
        hidden.reach.led(Mapped("10.9.0.1", PORT, LEASE_S))
        town.run(20)
        self.assertEqual(hidden.reach.reachability.verdict, "reachable")
        self.assertFalse(hidden.network.client_only)

    def test_D10_an_answer_about_another_way_counts_for_nothing(self) -> None:
        """Who was asked before the router led to us may answer after that."""
        town = Town(self)
        town.grow(5)
        town.join()
        hidden = town.add("10.9.0.1", listen=False)
        town.join()
        town.run(90)
        asked = Deferred.fromCoroutine(hidden.reach.reachability.ask(hidden.network.roster))
        hidden.reach.reachability.led(Mapped("10.9.0.1", PORT, LEASE_S))
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
        hidden.reach.led(Mapped("10.9.0.1", port, LEASE_S))
        town.run(3 * ASK_AGAIN_S)
        return hidden.reach.reachability.verdict

    def test_a_router_behind_another_one_is_no_address(self) -> None:
        """Where others see the node elsewhere, what the router calls its address helps nobody."""
        town = Town(self)
        town.grow(4)
        town.join()
        node = town.nodes[1]
        node.reach.led(Mapped("192.168.7.7", PORT, LEASE_S))
        self.assertEqual(node.reach.reachability.observed, f"10.0.1.1:{PORT}")
        self.assertEqual(node.reach.reachability.mapped, "")
