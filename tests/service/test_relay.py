"""A node's hubs: joined and joined again, one session each, streams through them, and left."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import PeerGone, RequestTimeout, StreembitError, WrongIdentity
from streembit.hub.grant import EVERYBODY, Grant
from streembit.hub.stream import WINDOW_BYTES
from streembit.jose.keys import Identity
from streembit.net.certificate import ServerTls
from streembit.net.hublisten import SecureFactory
from streembit.net.relayed import hub_host
from streembit.service.relay.asked import ANSWER_S
from streembit.service.relay.hub import Hub
from streembit.service.relay.hubs import IDLE_S, JOINS, Hubs
from streembit.service.relay.lines import BUSY_S
from streembit.service.relay.session import MOST_S, over
from streembit.wire.hub import Observe, Seen
from streembit.wire.offer import Address
from tests.hubs.house import PEM
from tests.hubs.middle import Middle, made
from tests.service.hubs import PORT, TownHub
from tests.service.town import NETWORK, Town


class Pipe(Protocol):
    """One end of a stream, with all that came."""

    transport: Any

    def __init__(self) -> None:
        self.received = b""
        self.lost = False
        self.full = False

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        self.received += data

    def connectionLost(self, reason: Any = None) -> None:  # noqa: N802
        self.lost = True

    def pauseProducing(self) -> None:  # noqa: N802
        self.full = True

    def resumeProducing(self) -> None:  # noqa: N802
        self.full = False


class Pipes(Factory):
    """Makes pipes, and keeps them."""

    noisy = False

    def __init__(self) -> None:
        self.all: list[Pipe] = []

    def buildProtocol(self, addr: object) -> Pipe:  # noqa: N802
        self.all.append(Pipe())
        return self.all[-1]


class Guest:
    """Somebody with hubs, and nothing else of a node."""

    def __init__(self, town: Town, number: int, *own: Address) -> None:
        self.identity = Identity.from_seed(number.to_bytes(32), f"guest{number}")
        self.refusals: list[str] = []
        self.factory = Pipes()
        clock = town.memory.clock
        self.hubs = Hubs(
            self.identity.signing,
            NETWORK,
            own,
            over(town.memory.host(f"10.1.0.{number}").connect, clock),
            clock,
            Random(number).random,
            lambda: self.factory,
            lambda _host, error: self.refusals.append(error.code),
            lambda host: host.startswith("127.0."),
        )
        self.hubs.startService()

    @property
    def own(self) -> Hub:
        """The first of its own hubs."""
        return self.hubs.own[0]

    @property
    def pipes(self) -> list[Pipe]:
        """The streams that came."""
        return self.factory.all


class Few:
    """Lets some keys in."""

    def __init__(self, *keys: str) -> None:
        self.keys = set(keys)

    def find(self, key: str) -> Grant | None:
        """See `Members`."""
        return EVERYBODY if key in self.keys else None


class RelayCase(SynchronousTestCase):
    """A town without nodes, a hub, and guests."""

    def setUp(self) -> None:
        self.town = Town(self)
        self.guests: list[Guest] = []
        self.addCleanup(self.end)
        self.hub = self.a_hub()

    def a_hub(self, **more: Any) -> TownHub:
        """Add a hub."""
        hub = TownHub(self.town, **more)
        self.addCleanup(hub.end)
        return hub

    def guest(self, *own: Address) -> Guest:
        """Add a guest; its hub is `hub`, unless others are given."""
        guest = Guest(self.town, len(self.guests) + 1, *(own or (self.hub.address,)))
        self.guests.append(guest)
        return guest

    def end(self) -> None:
        """Stop all guests; nothing of theirs is left on the clock (see Town)."""
        for guest in self.guests:
            if guest.hubs.running:
                self.town.result(guest.hubs.stopService())

    def until(self, done: Any, within_s: float = 60.0) -> None:
        """Let time go by until it is so."""
        self.assertTrue(self.town.run_until(done, within_s), "it takes too long")

    def joined(self, guest: Guest) -> bool:
        """Tell whether a guest is joined to its hub."""
        return guest.own.seat is not None


class JoiningTests(RelayCase):
    def test_H4_all_are_back_soon_after_a_hub_was_started_again(self) -> None:
        """Within half a minute, and not at once: each draws its time."""
        for _ in range(40):
            self.guest()
        self.until(lambda: all(map(self.joined, self.guests)), 5)
        self.town.run(60)
        self.hub.kill()
        self.town.run(3)
        self.assertFalse(any(map(self.joined, self.guests)))
        self.hub.start()
        back: list[int] = []
        for _ in range(int(MOST_S)):
            self.town.run(1)
            back.append(sum(map(self.joined, self.guests)))
        self.assertEqual(back[-1], 40)
        self.assertLess(max(b - a for a, b in zip([0, *back], back, strict=False)), 30)

    def test_H6_another_key_than_the_one_that_is_known(self) -> None:
        """The hub is not joined, learns no key of ours, and is asked ever more rarely."""
        other = Identity.from_seed(bytes([9]) * 32).public.hex
        guest = self.guest(Address(self.hub.address.host, PORT, "ws", other))
        self.town.run(3600)
        row = guest.own.row()
        self.assertEqual((row.state, row.why), ("refused", "wrong-identity"))
        self.assertEqual(self.hub.hub.sessions(), [])
        self.assertLess(guest.refusals.count("wrong-identity"), 60)

    def test_H6_who_takes_tls_off_on_the_way_is_found_out(self) -> None:
        """The hub says truly that it asks for no binding; over TLS that is not enough."""
        memory, place = self.town.memory, "127.0.0.7"

        def to_the_hub(factory: Factory) -> None:
            memory.host(place).connect(self.hub.address.host, PORT, factory)

        middle = made(lambda: Middle(to_the_hub))
        secured = SecureFactory(ServerTls(lambda: PEM), False, middle, memory.clock)
        memory.host(place).listen(PORT, secured)
        guest = self.guest(Address(place, PORT, "wss", self.hub.identity.public.hex))
        self.town.run(60)
        self.assertEqual(guest.own.row().why, "bad-binding")
        self.assertEqual(self.hub.hub.sessions(), [])

    def test_who_is_not_let_in_is_told_and_comes_again(self) -> None:
        """The operator may add the key at any time."""
        few = Few()
        hub = self.a_hub(host="127.0.0.2", members=few, number=201)
        guest = self.guest(hub.address)
        self.until(lambda: guest.own.session.state == "refused")
        self.assertEqual(guest.own.session.why, "not-admitted")
        few.keys.add(guest.identity.public.text)
        self.until(lambda: self.joined(guest), 600)

    def test_one_session_by_two_addresses(self) -> None:
        """What a second one would do to the first, for ever, does not begin."""
        second = Address("127.0.0.9", PORT, "ws")
        self.town.memory.host(second.host).listen(PORT, self.hub.hub.factory)
        guest = self.guest()
        self.until(lambda: self.joined(guest))
        guest.hubs.at(second)
        self.town.run(300)
        self.assertIs(guest.hubs.find(second), guest.own)
        self.assertEqual((guest.own.session.joins, len(guest.hubs.all())), (1, 1))

    def test_a_hub_of_ours_that_a_contact_led_us_to_first(self) -> None:
        """Ours takes the place of the other one."""
        second = Address("127.0.0.9", PORT, "ws")
        guest = self.guest(second)
        guest.hubs.at(self.hub.address)
        self.until(lambda: guest.hubs.all()[1].seat is not None)
        self.town.memory.host(second.host).listen(PORT, self.hub.hub.factory)
        self.until(lambda: self.joined(guest))
        self.town.run(300)
        self.assertIs(guest.hubs.find(self.hub.address), guest.own)
        self.assertEqual((guest.own.session.joins, len(guest.hubs.all())), (1, 1))

    def test_the_same_key_on_two_machines(self) -> None:
        """Each ends the other's session; they do so ever more rarely."""
        one = self.guest()
        twin = Guest(self.town, 1, self.hub.address)
        self.guests.append(twin)
        self.town.run(3600)
        joins = one.own.session.joins + twin.own.session.joins
        self.assertLess(joins, 600)
        self.assertGreater(joins, 100)
        self.until(lambda: len(self.hub.hub.sessions()) == 1, 5)

    def test_S5_an_end_while_the_hub_is_dialled(self) -> None:
        """Nothing is joined after it."""
        guest = self.guest()
        self.town.result(guest.hubs.stopService())
        self.town.run(10)
        self.assertEqual(self.hub.hub.sessions(), [])


class ContactsHubTests(RelayCase):
    def test_a_hub_of_a_contact_is_joined_while_it_is_needed(self) -> None:
        """It is left after a minute without use, and joined again."""
        other = self.a_hub(host="127.0.0.2", number=201)
        guest = self.guest()
        for _ in range(2):
            answer = guest.hubs.at(other.address).ask(Observe())
            self.assertIsInstance(self.town.result(answer), Seen)
            self.assertEqual(other.members(), {guest.identity.public.hex})
            self.town.run(IDLE_S + 10)
            self.assertEqual((other.members(), len(guest.hubs.all())), (set(), 1))
        self.assertTrue(self.joined(guest))

    def test_one_that_is_not_there_is_forgotten(self) -> None:
        """Who wanted it hears why; nobody goes on trying."""
        guest = self.guest()
        asked = guest.hubs.at(Address("127.0.0.3", PORT, "ws")).ask(Observe())
        self.town.run(5)
        self.assertEqual(self.failureResultOf(asked, PeerGone).value.fields["why"], "peer-gone")
        self.assertEqual(len(guest.hubs.all()), 1)

    def test_one_with_another_key_is_refused(self) -> None:
        """Also where we are joined to the hub at that address."""
        guest = self.guest()
        self.until(lambda: self.joined(guest))
        other = Identity.from_seed(bytes([9]) * 32).public.hex
        wrong = Address(self.hub.address.host, PORT, "ws", other)
        self.assertRaises(WrongIdentity, guest.hubs.at, wrong)
        right = Address("somewhere.example", 443, "wss", self.hub.identity.public.hex)
        self.assertIs(guest.hubs.at(right), guest.own)

    def test_C1_contacts_cannot_have_us_flood_others(self) -> None:
        """So many hubs at once, and then one now and then."""
        guest = self.guest()
        burst = int(JOINS.burst)
        for n in range(burst):
            guest.hubs.at(Address("127.0.1.1", 1 + n, "ws"))
        self.assertRaises(PeerGone, guest.hubs.at, Address("127.0.1.1", 1 + burst, "ws"))
        self.town.run(1 / JOINS.per_s)
        guest.hubs.at(Address("127.0.1.1", 1 + burst, "ws"))

    def test_plain_websocket_to_another_machine_is_not_dialled(self) -> None:
        """Whatever a contact's card says; nor to this one, but for hubs of our own."""
        listening, guest = Pipes(), self.guest()
        self.town.memory.host("10.1.0.77").listen(PORT, listening)
        for host in ("10.1.0.77", "127.1.0.1", "localhost"):
            self.assertRaises(PeerGone, guest.hubs.at, Address(host, PORT, "ws"))
        own = self.guest(Address("10.1.0.77", PORT, "ws"))
        self.town.run(60)
        self.assertEqual(own.own.session.state, "waiting")
        self.assertEqual(listening.all, [])


class SilentHubTests(RelayCase):
    def test_B3_a_hub_that_falls_silent(self) -> None:
        """Each question ends in time, the session after a minute; then it is joined anew."""
        guest = self.guest()
        self.until(lambda: self.joined(guest))
        self.town.memory.silence(self.hub.address.host)
        asked = guest.own.ask(Observe())
        self.town.run(ANSWER_S + 1)
        self.failureResultOf(asked, RequestTimeout)
        self.town.run(70)
        self.assertFalse(self.joined(guest))
        self.town.memory.heal()
        self.until(lambda: self.joined(guest), 60)


class StreamTests(RelayCase):
    def setUp(self) -> None:
        super().setUp()
        self.ann, self.bob = self.guest(), self.guest()
        self.until(lambda: self.joined(self.ann) and self.joined(self.bob))

    def connect(self, one: Guest, other: Guest) -> Pipe:
        """Open a stream; return our end of it."""
        host = hub_host(other.identity.public, one.own.label)
        factory = Factory.forProtocol(Pipe)
        pipe = self.town.result(one.hubs.connect(host, 1, factory))
        assert isinstance(pipe, Pipe)
        return pipe

    def test_bytes_both_ways_and_the_end(self) -> None:
        """In order, whole, and each knows the other."""
        ours = self.connect(self.ann, self.bob)
        ours.transport.write(b"hello")
        self.until(lambda: bool(self.bob.pipes))
        (theirs,) = self.bob.pipes
        theirs.transport.write(b"x" * 500_000)
        self.until(lambda: len(ours.received) == 500_000)
        self.assertEqual(theirs.received, b"hello")
        self.assertEqual(theirs.transport.getPeer().host[:66], ours.transport.getHost().host[:66])
        ours.transport.loseConnection()
        self.until(lambda: theirs.lost and ours.lost)
        self.town.run(5)
        self.assertFalse(self.ann.own.is_used or self.bob.own.is_used)

    def test_C8_who_does_not_read_holds_up_nobody_else(self) -> None:
        """The window is all that lies at the hub and the reader; others go on."""
        slow, quick = self.connect(self.ann, self.bob), self.connect(self.ann, self.bob)
        self.until(lambda: len(self.bob.pipes) == 2)
        held, open_ = self.bob.pipes
        held.transport.pauseProducing()
        slow.transport.registerProducer(slow, True)
        slow.transport.write(b"s" * (2 * WINDOW_BYTES))
        quick.transport.write(b"q" * (2 * WINDOW_BYTES))
        self.until(lambda: len(open_.received) == 2 * WINDOW_BYTES)
        self.town.run(60)
        self.assertEqual((held.received, slow.full), (b"", True))
        self.assertEqual(len(self.hub.hub.sessions()), 2)
        held.transport.resumeProducing()
        self.until(lambda: len(held.received) == 2 * WINDOW_BYTES)
        self.assertFalse(slow.full)

    def test_C8_who_reads_nothing_from_the_hub_holds_up_nobody_else(self) -> None:
        """What is for it waits at its sender, who reaches the others; all comes when it reads."""
        carol = self.guest()
        self.until(lambda: self.joined(carol))
        to_bob, to_carol = self.connect(self.ann, self.bob), self.connect(self.ann, carol)
        self.until(lambda: bool(self.bob.pipes) and bool(carol.pipes))
        assert self.bob.own.seat is not None
        deaf = self.bob.own.seat.carrier
        deaf.pause()
        for _ in range(3):  # it has windows open, so that more than a hub keeps is under way
            self.connect(self.ann, self.bob).transport.write(b"b" * WINDOW_BYTES)
            self.town.run(0.1)
        to_bob.transport.write(b"b" * WINDOW_BYTES)
        to_carol.transport.write(b"c" * WINDOW_BYTES)
        self.until(lambda: len(carol.pipes[0].received) == WINDOW_BYTES, 3)
        self.assertEqual(self.hub.hub.router.slow, 1)
        deaf.resume()
        self.until(lambda: len(self.bob.pipes[0].received) == WINDOW_BYTES, 20)
        self.until(lambda: sum(len(p.received) for p in self.bob.pipes) == 4 * WINDOW_BYTES, 20)
        self.assertEqual(
            (to_bob.lost, self.ann.own.findings, self.bob.own.findings), (False, {}, {})
        )

    def test_a_busy_member_of_whom_the_hub_says_no_more_is_tried_again(self) -> None:
        """After a minute: the word that it is ready may have been lost with a process."""
        ours = self.connect(self.ann, self.bob)
        self.until(lambda: bool(self.bob.pipes))
        self.ann.own.busy(self.bob.identity.public.text)
        ours.transport.write(b"are you")
        self.town.run(BUSY_S - 5)
        self.assertEqual(self.bob.pipes[0].received, b"")
        self.town.run(10)
        ours.transport.write(b" there?")
        self.until(lambda: self.bob.pipes[0].received == b"are you there?", 3)

    def test_somebody_who_is_not_there(self) -> None:
        """The stream is lost at once, not after a deadline."""
        self.town.result(self.bob.hubs.stopService())
        ours = self.connect(self.ann, self.bob)
        ours.transport.write(b"hello")
        self.until(lambda: ours.lost, 1)

    def test_all_streams_end_with_the_session_of_either_side(self) -> None:
        """One of them joins anew: nothing of the former session goes on."""
        ours = self.connect(self.ann, self.bob)
        ours.transport.write(b"hello")
        self.until(lambda: bool(self.bob.pipes))
        self.town.result(self.bob.hubs.stopService())
        self.assertTrue(self.bob.pipes[0].lost)
        ours.transport.write(b"are you there?")
        self.until(lambda: ours.lost, 5)

    def test_a_hub_whose_name_moves_a_screen_is_called_by_its_place(self) -> None:
        """Its name is written beside contacts: what it holds has to be seen."""
        for number, name in enumerate(("two\nlines", "\x1b[2J", "\u202ebuh"), start=210):
            hub = TownHub(self.town, host=f"127.0.0.{number}", number=number, name=name)
            self.addCleanup(hub.end)
            guest = Guest(self.town, number, hub.address)
            self.addCleanup(guest.hubs.stopService)
            self.until(lambda guest=guest: guest.own.seat is not None)
            self.assertEqual(guest.own.title, f"127.0.0.{number}:{PORT}")

    def test_a_host_of_no_hub(self) -> None:
        """It cannot be connected to."""
        key = self.bob.identity.public
        for host in (hub_host(key, "0" * 16), "192.0.2.7"):
            connected: Deferred[Any] = self.ann.hubs.connect(host, 1, Factory())
            self.failureResultOf(connected, StreembitError)
        self.assertEqual(self.ann.hubs.named("192.0.2.7"), "")
        self.assertEqual(self.ann.hubs.named(hub_host(key, self.ann.own.label)), "the hub")
