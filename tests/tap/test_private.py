"""A private node: what it leaves, what it connects to, and where its stores lie."""

from __future__ import annotations

from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.contacts import beacon
from streembit.contacts.beacon import SALT_BYTES
from streembit.disk.config import Config, amend
from streembit.disk.home import Place
from streembit.errors import BadConfig, PeerGone
from streembit.hub.allowlist import network_of
from streembit.jose.keys import Identity
from streembit.net.mdns import Announcement
from streembit.net.relayed import PORT as RELAYED_PORT
from streembit.net.relayed import read_hub_host
from streembit.service.lan import Here, Lan
from streembit.service.node import Node
from streembit.service.settings import NetworkSettings
from streembit.tap.private import LEAVE_WITHIN_S, HubOnly, Leaving, plan_of, seed_of
from streembit.wire.hubtext import read
from tests.people.village import Village
from tests.service.test_lan import Ether, draw

HUB = Identity.from_seed(b"h" * 32, "hub").public
URL = f"wss://hub.example:32318#{HUB.hex}"
SEED = "seed.example:32319"


def config(**changes: object) -> Config:
    """Return a node's configuration with a private hub."""
    return amend(Config(listen=("tcp:8905",)), "node", {"private": URL, **changes})


class Going(Node):
    """A node in its last life in public."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.reach.forwarding = read(URL)


class PlanTests(SynchronousTestCase):
    def test_first_in_public_then_in_private(self) -> None:
        """Where there is a seed the contacts are told first; the networks have other names."""
        given = config(seeds=[SEED], network="town")
        first = plan_of(given, NetworkSettings(), has_left=False)
        self.assertEqual((first.is_private, first.settings.network), (False, "town"))
        self.assertTrue(first.settings.client_only)
        then = plan_of(given, NetworkSettings(), has_left=True)
        self.assertEqual((then.is_private, then.settings.network), (True, network_of(HUB)))
        self.assertTrue(then.settings.relayed_members)

    def test_who_has_nobody_in_public_is_never_there(self) -> None:
        """Without a seed there is nobody to tell."""
        self.assertTrue(plan_of(config(), NetworkSettings(), has_left=False).is_private)

    def test_the_list_may_name_its_network(self) -> None:
        """Then the configuration names it, too, and the other one is the public one."""
        given = config(network="private.plant", seeds=[SEED])
        first, then = (plan_of(given, NetworkSettings(), has_left=left) for left in (False, True))
        self.assertEqual(
            (first.settings.network, then.settings.network), ("streembit", "private.plant")
        )

    def test_a_member_begins_at_the_hub(self) -> None:
        """Through itself, and expecting its key."""
        seed = seed_of(plan_of(config(), NetworkSettings(), has_left=True))
        self.assertEqual((read_hub_host(seed.host), seed.port), ((HUB, ""), RELAYED_PORT))
        self.assertEqual(seed.key, HUB)

    def test_H5_nothing_of_one_network_lies_in_anothers_stores(self) -> None:
        """Records, what was published, peers: each network has its own; the chest is one."""
        place = Place(Path("/home"))
        public = plan_of(config(seeds=[SEED]), NetworkSettings(), has_left=False).place(place)
        self.assertEqual(public, place)
        places = [place, place.within("private.a"), place.within("private.b")]
        for name in ("records_path", "published_path", "peers_path"):
            self.assertEqual(len({getattr(each, name) for each in places}), 3, name)
        self.assertEqual(len({each.chest_path for each in places}), 1)

    def test_what_contradicts_itself_is_refused(self) -> None:
        """A private node has one hub, whose key is known, and listens nowhere."""
        for changes in (
            {"map_port": True},
            {"hubs": [URL]},
            {"private": URL.partition("#")[0]},
            {"private": "hub.example:32318"},
            {"private": URL.replace("02", "0x", 1).replace("03", "0x", 1)},
            {"id_scheme": "address", "advertise": "a.example:1"},
        ):
            with self.assertRaises(BadConfig, msg=str(changes)) as refused:
                config(**changes)
            self.assertIn("private", str(refused.exception))
        for role in ("seed", "hub"):
            with self.assertRaises(BadConfig):
                amend(Config(listen=("tcp:1",)), role, {"private": URL})


class DoorTests(SynchronousTestCase):
    """H5: whatever in a node wants to connect, there is one place where it can."""

    def setUp(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.there: set[tuple[str, int]] = {("hub.example", 32318)}
        self.door = HubOnly(self.connect, read(URL))
        self.factory = Factory.forProtocol(Protocol)

    def connect(self, host: str, port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect, as the reactor does."""
        self.asked.append((host, port))
        return succeed(Protocol()) if (host, port) in self.there else fail(ConnectError())

    def test_H5_the_hub_and_nothing_else(self) -> None:
        """Nor another port of the hub's machine."""
        for host, port in (("hub.example", 1), ("seed.example", 32318), ("192.0.2.1", 8905)):
            self.failureResultOf(self.door(host, port, self.factory), PeerGone)
        self.assertEqual(self.asked, [])
        self.successResultOf(self.door("hub.example", 32318, self.factory))

    def test_a_hub_in_the_local_network(self) -> None:
        """Where its own address leads nowhere, and only as far as it is announced with its key."""
        self.there = {("192.168.1.9", 5)}
        lan = Lan(
            Ether().make,
            Identity.from_seed(b"n" * 32, "n").public,
            "private.a",
            "node",
            lambda: Here([], 0),
            Clock(),
            lambda: 0.5,
            draw(),
        )
        for number, key in ((8, Identity.from_seed(b"e" * 32, "eve").public), (9, HUB)):
            said = beacon.make(key, "private.a", "hub", bytes(SALT_BYTES))
            members: dict[bytes, bytes | None] = {
                name.encode(): text.encode() for name, text in beacon.write(said).items()
            }
            lan.seen(Announcement(f"{number}", [f"192.168.1.{number}"], 5, members))
        self.failureResultOf(self.door("hub.example", 32318, self.factory), ConnectError)
        self.door.lan = partial(next, repeat(lan))
        self.successResultOf(self.door("hub.example", 32318, self.factory))
        self.assertEqual(self.asked[1:], [("hub.example", 32318), ("192.168.1.9", 5)])


class LeavingTests(SynchronousTestCase):
    """The last life in public, in which contacts hear where to look from then on."""

    def setUp(self) -> None:
        self.village = Village(self)
        self.left = 0

    def leave(self) -> Deferred[None]:
        self.left += 1
        return succeed(None)

    def watched(self, node: Node) -> None:
        """End the node's life in public when it is time."""
        Leaving(node.clock, node, self.leave).setServiceParent(node)

    def test_the_contacts_read_where_the_hub_is(self) -> None:
        """The record lies in the public network when the node is gone, and names the hub alone."""
        ann, bob, *_ = (self.village.person() for _ in range(4))
        self.village.acquaint(ann, bob)
        self.village.town.end(ann.node, bob.node)
        ann = self.village.again(ann, kind=Going)
        self.watched(ann.node)
        self.village.until(lambda: self.left == 1, LEAVE_WITHIN_S - 1)
        self.village.town.end(ann.node)
        bob = self.village.again(bob)
        key = ann.node.identity.public
        self.village.until(lambda: bob.people.held.places.of(key)[0] == read(URL))

    def test_it_does_not_wait_for_ever(self) -> None:
        """Where nobody takes a record, the public network is left all the same."""
        node = self.village.town.add("10.0.9.1", seeds=[])
        node.startService()
        self.watched(node)
        self.village.town.run(LEAVE_WITHIN_S - 1)
        self.assertEqual(self.left, 0)
        self.village.town.run(2)
        self.assertEqual(self.left, 1)
