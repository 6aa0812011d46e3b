"""Row D1: nobody in the public network makes a node knock at doors of its own network."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol

from streembit.dht.record import make
from streembit.jose import base64url
from streembit.jose.keys import PrivateKey
from streembit.service.finder import Search
from streembit.wire.message import (
    Body,
    Contact,
    FindNode,
    FindValue,
    Nodes,
    Pong,
    Rpc,
    Store,
    Stored,
)
from tests.attacks.watched import AttackTests
from tests.rig.evil import EvilLink
from tests.service.town import NETWORK, PORT

INSIDE = ("10.77.0.1", "192.168.7.7", "127.0.0.1", "169.254.1.1", "localhost", "printer.lan")


class InwardTests(AttackTests):
    """A liar at a public address, and doors of which each is watched."""

    def setUp(self) -> None:
        super().setUp()
        self.knocks: list[str] = []
        for host in INSIDE:
            self.town.memory.host(host).listen(PORT, self.door(host))
        self.liar = self.watch.neighbour(self.lie, host="45.33.7.1")
        self.watch.node.network.table.remove(self.watch.friend.network.id)
        self.item = make(PrivateKey.generate(), "name", "x", b"v", 1, self.now() + 60, NETWORK)

    def door(self, host: str) -> Factory:
        """Return a factory that notes who knocks."""

        def knock() -> Protocol:
            self.knocks.append(host)
            return Protocol()

        return Factory.forProtocol(knock)

    def lie(self, _link: EvilLink, request: Rpc) -> Body:
        """Tell of nodes at those doors, in every kind of answer that tells of nodes."""
        doors = [Contact(PrivateKey.generate().public.text, host, PORT) for host in INSIDE]
        if isinstance(request.body, FindNode | FindValue):
            return Nodes(doors)
        if not isinstance(request.body, Store):
            return Pong("")
        place = self.item.place.to_bytes(20)
        digest = base64url.encode(self.item.digest)
        return Stored(base64url.encode(place), digest, 1, self.item.exp, doors)

    def assert_no_knock(self, work: Deferred[Any]) -> None:
        """Wait until it is over, and for a while."""
        self.town.run(120)
        self.successResultOf(work)
        self.assertTrue(any(link.heard for link in self.liar.links), "nobody asked the liar")
        self.assertEqual(self.knocks, [])

    def test_D1_look_ups(self) -> None:
        """Whom a look-up asks next is not for a public liar to say."""
        finder = self.watch.node.dht.finder
        nodes: Deferred[Search] = Deferred.fromCoroutine(finder.nodes(1))
        self.assert_no_knock(nodes)
        self.assert_no_knock(Deferred.fromCoroutine(finder.first(2)))
        self.assert_no_knock(Deferred.fromCoroutine(finder.latest(3)))

    def test_D1_receipts(self) -> None:
        """Neither whom a put goes to as well."""
        self.assert_no_knock(Deferred.fromCoroutine(self.watch.node.dht.finder.put(self.item)))

    def test_D1_a_liar_within_may_tell_of_those_within(self) -> None:
        """In a private network private addresses are all there is."""
        self.watch.neighbour(self.lie)
        self.watch.node.network.table.remove(self.liar_id())
        looked = Deferred.fromCoroutine(self.watch.node.dht.finder.nodes(1))
        self.town.run(120)
        self.successResultOf(looked)
        self.assertIn("192.168.7.7", self.knocks)

    def liar_id(self) -> int:
        """Return the public liar's id."""
        (known,) = [n.id for n in self.watch.node.network.table if n.contact.host == "45.33.7.1"]
        return known
