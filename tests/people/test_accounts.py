"""Two accounts in one process: what they say to others tells of each, and never of both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from streembit.jose import base64url
from streembit.service.membership import Address
from streembit.testing import START_S
from streembit.wire.message import Answer, FindNode, FindValue, Nodes, Ping, Pong, Rpc
from tests.people.village import DyingChest, Person, Village
from tests.rig.evil import EvilLink, EvilPeer
from tests.service.town import NETWORK, PORT

WATCHER = "10.9.0.1"
SHARED = "10.8.0.1"  # where both accounts live
MIN_WORD_CHARS = 6  # shorter texts are kinds and codes of the protocol
RUNS_S = 4 * 3600
# What a canary holds: the second when it was put, which two nodes may have in common.
TIMES = {base64url.encode(b"%d" % at_s) for at_s in range(int(START_S), int(START_S) + RUNS_S)}


class Watcher(EvilPeer):
    """A seed that answers as it should, and keeps all that it is told."""

    said: dict[str, set[str]]

    def told(self, _link: EvilLink, request: Rpc) -> Answer | None:
        """Keep what a request says, under the key of who says it."""
        self.said.setdefault(request.iss, set()).update(words(msgspec.to_builtins(request)))
        match request.body:
            case Ping():
                return Pong("")
            case FindNode() | FindValue():
                return Nodes([])
            case _:
                return None


def words(value: Any) -> Iterator[str]:
    """Yield every text in a value, also within the signed records in it."""
    if isinstance(value, dict):
        for each in value.values():
            yield from words(each)
    elif isinstance(value, list):
        for each in value:
            yield from words(each)
    elif isinstance(value, str) and len(value) >= MIN_WORD_CHARS and value not in TIMES:
        yield value
        if value.count(".") == 2:
            yield from words(json.loads(base64url.decode(value.split(".")[1])))


class AccountsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.village = Village(self, seeds=0)
        memory = self.village.town.memory
        host = memory.host(WATCHER)
        self.watcher = Watcher(host.connect, memory.clock, NETWORK, port=PORT, alive=True)
        self.watcher.said, self.watcher.respond = {}, self.watcher.told
        host.listen(PORT, self.watcher.factory)
        self.addCleanup(self.watcher.leave)

    def account(self, port: int) -> Person:
        """Add an account that lives at the shared address, on a port of its own."""
        town = self.village.town
        node = town.add(SHARED, listen=False, seeds=[Address(WATCHER, PORT)])
        town.memory.host(SHARED).listen(port, node.carriers.factory)
        node.reach.listening_on(port, [f"{SHARED}:{port}"])
        return self.joined(node)

    def friend(self) -> Person:
        """Add somebody at an address of their own."""
        town = self.village.town
        return self.joined(town.add(f"10.0.{len(town.nodes)}.1", seeds=[Address(WATCHER, PORT)]))

    def joined(self, node: Any) -> Person:
        """Give a node people, and start it."""
        number = self.village.town.nodes.index(node)
        person = Person(self.village, node, DyingChest(), number)
        self.village.persons.append(person)
        self.village.town.join(node)
        return person

    def test_nothing_links_two_accounts_but_their_address(self) -> None:
        """A stranger who keeps all words of both finds none that only they have in common."""
        ann, bob, dora, eve = self.account(8906), self.account(8907), self.friend(), self.friend()
        self.village.acquaint(dora, ann)
        self.village.acquaint(eve, bob)
        ann.say(dora, "a secret of ann")
        bob.say(eve, "a secret of bob")
        self.village.town.run(3 * 3600)
        said = {
            person.name: self.watcher.said.get(person.node.identity.public.text, set())
            for person in (ann, bob, dora, eve)
        }
        for name, each in said.items():
            self.assertGreater(len(each), 20, name)
            self.assertIn("sealed", each, name)
        common = said[ann.name] & said[bob.name]
        everybodys = said[dora.name] | said[eve.name] | {SHARED}
        self.assertEqual(common - everybodys, set())
        for one, other in ((ann, bob), (bob, ann)):
            self.assertIn(one.node.identity.public.text, said[one.name])
            for word in said[one.name]:
                for secret in (other.key, other.name, other.node.identity.public.text, "secret"):
                    self.assertNotIn(secret, word)
