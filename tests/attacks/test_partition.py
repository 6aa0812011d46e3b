"""Row D9: a network that falls into two halves, lives on in both, and is one again."""

from __future__ import annotations

from random import Random
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from streembit.service.facade import GetResult
from streembit.service.membership import Address
from streembit.service.node import Node
from streembit.service.settings import NetworkSettings
from tests.service.town import NETWORK, PORT, Town

TTL_S: Final = 24 * 3600
ROUND_S: Final = 600.0
BRISK: Final = NetworkSettings(
    network=NETWORK, refresh_every_s=ROUND_S, replicate_every_s=ROUND_S, replicate_jitter_s=100
)


class PartitionTests(SynchronousTestCase):
    HALF: Final = 8

    def setUp(self) -> None:
        self.town = Town(self)
        self.chance = Random(9)
        for number in range(2 * self.HALF):
            self.town.add(f"10.0.{number}.1", settings=BRISK)
        self.town.join()
        self.town.run(60)
        self.left, self.right = self.town.nodes[: self.HALF], self.town.nodes[self.HALF :]

    def part(self) -> None:
        """Let the halves hear nothing of each other, until each has noticed it."""
        hosts = [[self.town.host(n).address for n in half] for half in (self.left, self.right)]
        self.town.memory.partition(*hosts)
        self.town.run(300)

    def put(self, owner: Node, name: str, value: bytes) -> int:
        """Let a node publish; return the version's number."""
        return self.town.result(self.town.desk(owner).put_record(name, value, TTL_S)).seq

    def read(self, reader: Node, owner: Node, name: str) -> GetResult | None:
        """Return what a node finds."""
        return self.town.result(self.town.desk(reader).get_record(owner.identity.public.hex, name))

    def seen(self, nodes: list[Node], owner: Node, name: str) -> set[tuple[int, bytes] | None]:
        """Return the versions that these nodes find."""
        found = [self.read(node, owner, name) for node in nodes]
        return {None if each is None else (each.seq, each.value) for each in found}

    def test_D9_both_halves_live_and_the_newest_wins_everywhere(self) -> None:
        """Each reads what it had and what its own publish; after the heal all read the newest."""
        left, right = self.left[1], self.right[1]
        for owner in (left, right):
            self.assertEqual(self.put(owner, "a/name", b"before"), 1)
        self.part()
        for half in (self.left, self.right):
            for owner in (left, right):
                self.assertEqual(self.seen(half, owner, "a/name"), {(1, b"before")})
        for owner, half in ((left, self.left), (right, self.right)):
            for number in (2, 3):
                self.assertEqual(self.put(owner, "a/name", b"%d" % number), number)
            self.put(owner, "new", b"here only")
            self.assertEqual(self.seen(half, owner, "a/name"), {(3, b"3")})
        self.assertEqual(self.seen(self.left, right, "new"), {None})
        self.town.memory.heal()
        self.town.run(2 * ROUND_S)
        for owner in (left, right):
            self.assertEqual(self.seen(self.town.nodes, owner, "a/name"), {(3, b"3")})
            self.assertEqual(self.seen(self.town.nodes, owner, "new"), {(1, b"here only")})

    def test_D9_the_tables_merge(self) -> None:
        """Within two rounds of refreshing everybody knows everybody again, as before."""
        everybody = {node.network.id for node in self.town.nodes}
        self.part()
        for half in (self.left, self.right):
            for node in half:
                known = {known.id for known in node.network.table}
                self.assertEqual(known, {other.network.id for other in half} - {node.network.id})
        self.town.memory.heal()
        self.town.run(2 * ROUND_S)
        for node in self.town.nodes:
            known = {known.id for known in node.network.table}
            self.assertEqual(known, everybody - {node.network.id})

    def test_D9_whoever_joins_meanwhile_is_found_by_all(self) -> None:
        """One newcomer a half, each with a record."""
        self.part()
        newcomers = []
        for number, half in enumerate((self.left, self.right)):
            address = f"10.1.{number}.1"
            sides = [[self.town.host(n).address for n in each] for each in (self.left, self.right)]
            sides[number].append(address)
            self.town.memory.partition(*sides)
            newcomer = self.town.add(
                address, settings=BRISK, seeds=[Address(self.town.host(half[0]).address, PORT)]
            )
            half.append(newcomer)
            self.town.join(newcomer)
            self.put(newcomer, "mine", b"mine")
            newcomers.append(newcomer)
        self.town.memory.heal()
        self.town.run(2 * ROUND_S)
        for newcomer in newcomers:
            self.assertEqual(self.seen(self.town.nodes, newcomer, "mine"), {(1, b"mine")})
