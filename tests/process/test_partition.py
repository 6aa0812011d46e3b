"""Rows D4 and D9: a network in two parts, of which each goes on alone, and becomes whole again."""

from __future__ import annotations

import signal
import time
from typing import Final

from demo.members import Member
from streembit.dht.keyspace import to_text
from streembit.dht.record import Record, make
from streembit.jose.keys import PrivateKey
from streembit.wire.message import FindValue, Store, Stored, Value
from tests.rig.procnet import LONG, NETWORK, ProcessCase, pause

SIDE: Final = 3
APART_S: Final = 75.0 if LONG else 0.0  # longer than a silent peer's links are kept


class PartitionTests(ProcessCase):
    """Two sides of a few processes."""

    async def side(self, name: str, seeds: list[str]) -> list[Member]:
        """Start the nodes of one side; without seeds the first is where the others join."""
        first = await self.net.start(f"{name}-0", seeds=seeds)
        known = seeds or [self.net.places[first.name]]
        others = [self.net.members.start(f"{name}-{n}", "node", known) for n in range(1, SIDE)]
        for other in others:
            await self.net.answers(other)
        return [first, *others]

    # --- D9
    async def test_D9_both_sides_live_and_the_newest_wins(self) -> None:
        """Each side publishes and reads while the other is silent; then all read the newest."""
        left = await self.side("left", [])
        right = await self.side("right", [self.net.places["left-0"]])
        everybody = [*left, *right]
        await self.know(everybody, 2 * SIDE - 1)
        for owner in (left[1], right[1]):
            await self.put(owner, "a/name", b"old")
        for side, other in ((left, right), (right, left)):
            await self.alone(side, other)
        await self.know(everybody, 2 * SIDE - 1)
        for reader in everybody:
            for owner in (left[1], right[1]):
                found = await reader.api.record.get(owner.public_key, "a/name")
                self.assertEqual((found.value, found.seq), (b"new", 2), reader.name)

    async def alone(self, side: list[Member], other: list[Member]) -> None:
        """Silence the other side; this one finds what it had, and publishes."""
        for member in other:
            member.signal(signal.SIGSTOP)
        await pause(APART_S)
        found = await side[2].api.record.get(other[1].public_key, "a/name")
        self.assertIn(found.value, (b"old", b"new"))
        put = await self.put(side[1], "a/name", b"new")
        ids = {(await member.api.status()).node_id for member in side}
        self.assertLessEqual({replica.node_id for replica in put.replicas}, ids)
        self.assertEqual((await side[0].api.record.get(side[1].public_key, "a/name")).value, b"new")
        for member in other:
            member.signal(signal.SIGCONT)

    # --- D4
    async def test_D4_two_sides_that_meet(self) -> None:
        """Of two numbers the higher wins in every store, of two values of one number all read one.

        The sides were written to with one key before they ever met.
        """
        left, right = await self.side("left", []), await self.side("right", [])
        key = PrivateKey.generate()
        versions = [record(key, "a/newer", 2, b"old"), record(key, "a/newer", 3, b"new")]
        twins = [record(key, "a/twins", 1, b"one"), record(key, "a/twins", 1, b"two")]
        for side, written in ((left, (versions[0], twins[0])), (right, (versions[1], twins[1]))):
            await self.know(side, SIDE - 1)
            for member in side:
                await self.store(member, *written)
        seeds = [self.net.places["left-0"], self.net.places["right-0"]]
        bridge = await self.net.start("bridge", seeds=seeds)
        everybody = [*left, *right, bridge]
        bridge_id = (await bridge.api.status()).node_id
        await self.know([bridge], 2 * SIDE)
        await self.know(everybody, SIDE)
        smallest = min(twins, key=lambda twin: twin.digest)
        for reader in everybody:
            found = await reader.api.record.get(key.public.hex, "a/newer")
            self.assertEqual((found.value, found.seq), (b"new", 3), reader.name)
            found = await reader.api.record.get(key.public.hex, "a/twins")
            self.assertEqual(found.value, smallest.value, reader.name)
        for _ in range(2):  # as often as an hourly refresh would have, and for the same thing
            for member in everybody:
                await member.api.peer.find(bridge_id)
        await self.know(everybody, 2 * SIDE)
        for member in left:  # a read brings those up to date that lacked the newest
            await self.until(lambda m=member: self.holds(m, versions[1]), 10, member.name)  # type: ignore[misc]

    async def store(self, member: Member, *records: Record) -> None:
        """Have one member keep these records."""
        link = await self.link(member)
        for written in records:
            body = (await link.ask(Store(written.token, "record"))).body
            self.assertIsInstance(body, Stored)
        link.leave()

    async def holds(self, member: Member, wanted: Record) -> bool:
        """Say whether a record lies in a member's own store."""
        link = await self.link(member)
        answer = (await link.ask(FindValue(to_text(wanted.place)))).body
        link.leave()
        return answer == Value(wanted.token, "record")


def record(key: PrivateKey, name: str, seq: int, value: bytes) -> Record:
    """Return a record of the network that the processes are of."""
    return make(key, "name", name, value, seq, int(time.time()) + 3600, NETWORK)
