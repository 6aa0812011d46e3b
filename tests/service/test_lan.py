"""The local network: announced under another name each day, heard, and dialled."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.contacts import beacon
from streembit.contacts.beacon import SALT_BYTES, Kind
from streembit.errors import LanSilent
from streembit.jose.keys import Identity, PublicKey
from streembit.net.mdns import AirEvents, Announcement
from streembit.service.lan import (
    AGAIN_S,
    DAY_S,
    INSTANCE_BYTES,
    LOOK_EVERY_S,
    MAX_SEEN,
    Here,
    Lan,
    Neighbour,
)
from streembit.service.membership import Address
from streembit.service.neighbours import LOOK_EVERY_S as DIAL_EVERY_S
from streembit.service.neighbours import Neighbours
from streembit.service.node import Node
from tests.service.town import NETWORK, PORT, Town

ANN = Identity.from_seed(b"a" * 32, "ann").public
BOB = Identity.from_seed(b"b" * 32, "bob").public
CAROL = Identity.from_seed(b"c" * 32, "carol").public
NETWORKS = ["2001:db8:1::/64", "fe80::/64"]


class Ether:
    """A local network in memory: what is announced is heard by all who listen, at once."""

    def __init__(self) -> None:
        self.announced: dict[str, Announcement] = {}
        self.listening: list[AirEvents] = []

    def make(self, ours: Announcement | None, events: AirEvents) -> Wave:
        """See `lan.MakeAir`."""
        return Wave(self, ours, events)

    def announce(self, found: Announcement) -> None:
        """Have all hear an announcement."""
        self.announced[found.instance] = found
        for events in list(self.listening):
            events.seen(found)

    def take_back(self, instance: str) -> None:
        """Have all hear that an announcement is over."""
        del self.announced[instance]
        for events in list(self.listening):
            events.gone(instance)


class Wave:
    """One who announces and listens."""

    def __init__(self, ether: Ether, ours: Announcement | None, events: AirEvents) -> None:
        self._ether, self._ours, self._events = ether, ours, events

    def start(self) -> None:
        """See `lan.Air`."""
        self._ether.listening.append(self._events)
        for found in list(self._ether.announced.values()):
            self._events.seen(found)
        if self._ours is not None:
            self._ether.announce(self._ours)

    def stop(self) -> Deferred[None]:
        """See `lan.Air`."""
        self._ether.listening.remove(self._events)
        if self._ours is not None:
            self._ether.take_back(self._ours.instance)
        return succeed(None)


def draw() -> Callable[[int], bytes]:
    """Return a source of chance that draws nothing twice."""
    numbers = count(1)
    return lambda size: next(numbers).to_bytes(size)


def announced(
    key: PublicKey, host: str, *, network: str = NETWORK, kind: Kind = "node", name: str = "x"
) -> Announcement:
    """Return an announcement, as the air carries it."""
    said = beacon.make(key, network, kind, bytes(SALT_BYTES))
    members: dict[bytes, bytes | None] = {
        member.encode(): text.encode() for member, text in beacon.write(said).items()
    }
    return Announcement(name, [host], PORT, members)


class Knocked(Factory):
    """Counts who connects, and lets nobody in."""

    def __init__(self, knocks: list[object]) -> None:
        self._knocks = knocks

    def buildProtocol(self, addr: object) -> None:  # noqa: N802 - Twisted's name
        """Count."""
        self._knocks.append(addr)


class LanTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.ether, self.chance = Clock(), Ether(), draw()
        self.met: list[Neighbour] = []
        self.lans: list[Lan] = []
        self.here: dict[PublicKey, Here] = {}

    def tearDown(self) -> None:
        for lan in self.lans:
            if lan.running:
                self.successResultOf(lan.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def lan(self, key: PublicKey, host: str = "192.168.1.2", kind: Kind = "node") -> Lan:
        """Return who is in the local network from now on."""
        self.here[key] = Here([host] if host else [], PORT, NETWORKS)
        lan = Lan(
            self.ether.make,
            key,
            NETWORK,
            kind,
            lambda: self.here[key],
            self.clock,
            lambda: 0.5,
            self.chance,
            self.met.append,
        )
        self.lans.append(lan)
        lan.startService()
        self.clock.advance(0)
        return lan

    def test_two_find_each_other(self) -> None:
        """Whoever comes first."""
        ann, bob = self.lan(ANN), self.lan(BOB, "192.168.1.3")
        self.assertEqual([n.hosts for n in ann.of(BOB)], [["192.168.1.3"]])
        self.assertEqual([n.hosts for n in bob.of(ANN)], [["192.168.1.2"]])
        self.assertEqual((ann.of(ANN), bob.of(BOB), len(self.met)), ([], [], 2))

    def test_who_leaves_is_forgotten(self) -> None:
        """What was announced is taken back at the end."""
        ann, bob = self.lan(ANN), self.lan(BOB)
        self.successResultOf(bob.stopService())
        self.assertEqual(ann.of(BOB), [])
        self.assertEqual(len(self.ether.announced), 1)

    def test_another_name_and_salt_each_day(self) -> None:
        """Who watches cannot tell by the announcement that it is the node of yesterday."""
        self.lan(ANN)
        (first,) = self.ether.announced.values()
        self.clock.advance(DAY_S * 1.1)
        (second,) = self.ether.announced.values()
        self.assertNotEqual(first.instance, second.instance)
        self.assertNotEqual(first.members[b"k"], second.members[b"k"])
        self.assertEqual(len(first.instance), 2 * INSTANCE_BYTES)

    def test_other_networks_are_passed_over(self) -> None:
        """And what is no beacon, or leads out of the local network."""
        ann = self.lan(ANN)
        self.ether.announce(announced(BOB, "192.168.1.9", network="plant"))
        self.ether.announce(announced(BOB, "8.8.8.8", name="y"))
        self.ether.announce(Announcement("z", ["192.168.1.9"], 1, {b"v": b"1"}))
        self.assertEqual(list(ann.neighbours()), [])

    def test_addresses_of_ipv6(self) -> None:
        """Unique-local ones, and what lies in our own network; nothing beyond it, nor of a link."""
        ann, bob = self.lan(ANN, "fd00::2"), self.lan(BOB, "2001:db8:1::3")
        self.assertEqual([n.hosts for n in bob.of(ANN)], [["fd00::2"]])
        self.assertEqual([n.hosts for n in ann.of(BOB)], [["2001:db8:1::3"]])
        self.ether.announce(announced(CAROL, "2001:db8:2::3"))
        self.ether.announce(announced(CAROL, "fe80::3", name="y"))
        self.assertEqual(ann.of(CAROL), [])

    def test_another_address_is_announced_within_a_minute(self) -> None:
        """Under another name; a machine that is where it was keeps its own."""
        ann, bob = self.lan(ANN), self.lan(BOB)
        before = set(self.ether.announced)
        self.clock.pump([1] * int(2 * LOOK_EVERY_S))
        self.assertEqual(set(self.ether.announced), before)
        self.here[ANN] = Here(["192.168.1.2", "fd00::2"], PORT, NETWORKS)
        self.clock.pump([1] * int(LOOK_EVERY_S))
        self.assertEqual([n.hosts for n in bob.of(ANN)], [["192.168.1.2", "fd00::2"]])
        self.assertEqual(len(set(self.ether.announced) & before), 1)
        self.assertEqual(len(ann.of(BOB)), 1)

    def test_who_left_while_we_began_anew_is_forgotten(self) -> None:
        """Nobody tells of it any more."""
        ann = self.lan(ANN)
        self.ether.announce(announced(BOB, "192.168.1.9"))
        self.assertEqual(len(ann.of(BOB)), 1)
        self.ether.announced.pop("x")
        self.clock.advance(DAY_S * 1.1)
        self.assertEqual(ann.of(BOB), [])

    def test_nothing_is_announced_without_a_host(self) -> None:
        """Who listens nowhere hears the others all the same."""
        self.lan(BOB)
        ann = self.lan(ANN, "")
        self.assertEqual(len(self.ether.announced), 1)
        self.assertEqual(len(ann.of(BOB)), 1)

    def test_announcements_are_bounded(self) -> None:
        """The one not heard of for longest is forgotten."""
        ann = self.lan(ANN)
        for number in range(MAX_SEEN + 1):
            self.ether.announce(announced(BOB, "192.168.1.9", name=f"{number}"))
        self.assertEqual(len(list(ann.neighbours())), MAX_SEEN)

    def test_a_network_that_cannot_be_asked_is_asked_again(self) -> None:
        """Why nothing is heard is what status shows meanwhile."""
        ann = self.lan(ANN)
        (events,) = self.ether.listening
        events.failed(LanSilent("no such device"))
        self.assertIn("no such device", ann.detail)
        self.lan(BOB)
        self.clock.advance(AGAIN_S)
        self.assertEqual(ann.trouble, "")
        self.assertEqual(len(ann.of(BOB)), 1)

    def test_a_system_that_does_not_tell_our_addresses(self) -> None:
        """It is said, and tried again."""
        refusals = [OSError(97, "not supported")]

        def where() -> Here:
            if refusals:
                raise refusals.pop()
            return Here(["192.168.1.2"], PORT)

        lan = Lan(
            self.ether.make, ANN, NETWORK, "node", where, self.clock, lambda: 0.5, self.chance
        )
        self.lans.append(lan)
        lan.startService()
        self.clock.advance(0)
        self.assertIn("not supported", lan.detail)
        self.clock.advance(AGAIN_S)
        self.assertEqual((lan.trouble, len(self.ether.announced)), ("", 1))

    def test_an_air_that_was_left_tells_nothing(self) -> None:
        """Nor what it had on its way."""
        ann = self.lan(ANN)
        (events,) = self.ether.listening
        self.successResultOf(ann.stopService())
        events.seen(announced(BOB, "192.168.1.9"))
        events.failed(LanSilent())
        self.assertEqual((list(ann.neighbours()), ann.trouble), ([], ""))


class NeighboursTests(SynchronousTestCase):
    """Real nodes, which meet in the local network only."""

    def setUp(self) -> None:
        self.town, self.ether, self.chance = Town(self), Ether(), draw()
        self.ann = self.town.add("192.168.1.2", seeds=[])
        self.bob = self.town.add("192.168.1.3", seeds=[])
        self.contacts: set[PublicKey] = set()

    def live(self, node: Node) -> Lan:
        """Let a node live in the local network."""
        neighbours = Neighbours(node.network, node.errands, self.contact, lambda: 0.5)
        host = self.town.host(node).address
        lan = Lan(
            self.ether.make,
            node.identity.public,
            NETWORK,
            "node",
            lambda: Here([host], PORT),
            node.clock,
            lambda: 0.5,
            self.chance,
            neighbours.met,
        )
        neighbours.live_in(lan)
        neighbours.setServiceParent(node)
        lan.setServiceParent(node)
        return lan

    def contact(self, test: Callable[[PublicKey], bool]) -> PublicKey | None:
        """Return the contact whose key passes."""
        return next(filter(test, self.contacts), None)

    def linked(self, node: Node, other: Node) -> bool:
        """Tell whether there is a link."""
        return other.identity.public.text in node.network.roster

    def begin(self, *nodes: Node) -> None:
        """Start nodes, and let a moment pass."""
        for node in nodes:
            self.live(node)
            node.startService()
        self.town.run(5)

    def test_nodes_without_a_seed_meet(self) -> None:
        """And are in each other's table."""
        self.begin(self.ann, self.bob)
        self.assertTrue(self.linked(self.ann, self.bob))
        self.assertEqual(len(self.ann.network.table), 1)
        self.assertEqual(len(self.bob.network.table), 1)

    def test_a_contact_is_dialled_again_and_again(self) -> None:
        """As long as it is announced; a stranger only when it appears."""
        self.begin(self.ann)
        self.bob.startService()
        port = self.town.host(self.bob).ports.pop(PORT)
        self.ether.announce(announced(self.bob.identity.public, "192.168.1.3"))
        self.town.run(5)
        self.town.host(self.bob).ports[PORT] = port
        self.town.run(DIAL_EVERY_S + 5)
        self.assertFalse(self.linked(self.ann, self.bob))
        self.contacts.add(self.bob.identity.public)
        self.town.run(DIAL_EVERY_S + 5)
        self.assertTrue(self.linked(self.ann, self.bob))

    def test_a_link_over_a_socket_of_both_is_known(self) -> None:
        """One that listens on IPv6 sees an IPv4 neighbour wrapped; it is not dialled again."""
        town = self.town
        bob = town.add("::ffff:192.168.1.7", seeds=[Address("192.168.1.2", PORT)])
        knocks: list[object] = []
        town.memory.host("192.168.1.7").listen(PORT, Knocked(knocks))
        self.contacts.add(bob.identity.public)
        self.begin(self.ann)
        bob.startService()
        town.run(5)
        self.assertTrue(self.linked(self.ann, bob))
        self.ether.announce(announced(bob.identity.public, "192.168.1.7"))
        town.run(2 * DIAL_EVERY_S)
        self.assertEqual(knocks, [])

    def test_who_repeats_an_announcement_learns_nothing(self) -> None:
        """The key is expected that is announced: nobody else's link opens."""
        self.contacts.add(BOB)
        self.begin(self.ann)
        self.bob.startService()
        self.ether.announce(announced(BOB, "192.168.1.3"))
        self.town.run(5)
        self.assertFalse(self.linked(self.ann, self.bob))
        self.assertFalse(self.linked(self.bob, self.ann))
        self.assertIn("wrong-identity", self.ann.refusals.counts())

    def test_hubs_are_not_dialled(self) -> None:
        """They speak something else; who wants one asks where it is."""
        lan = self.live(self.ann)
        self.ann.startService()
        self.bob.startService()
        self.town.run(1)
        self.ether.announce(announced(self.bob.identity.public, "192.168.1.3", kind="hub"))
        self.town.run(5)
        self.assertFalse(self.linked(self.ann, self.bob))
        self.assertEqual(len(lan.of(self.bob.identity.public)), 1)
