"""Rows D5, S1 and S5: processes killed and ended in the middle of their work."""

from __future__ import annotations

import signal
from typing import Final

from twisted.internet.defer import Deferred, DeferredList, gatherResults

from demo.members import Member
from streembit.disk.home import Home
from streembit.disk.published import PublishedRecords
from streembit.disk.records import SqliteShelf
from tests.process.flooders import flood
from tests.rig.procnet import LONG, TTL_S, ProcessCase, pause, reactor, tried

ROUNDS: Final = 200 if LONG else 5
KILLS: Final = 200 if LONG else 3
NAMES: Final = 30  # published at once; one owner may have 64
NAME: Final = "a/name"
END_WITHIN_S: Final = 5.0


class KillTests(ProcessCase):
    """A node that publishes, and one that keeps what it publishes."""

    async def pair(self) -> tuple[Member, Member]:
        """Return both, joined."""
        keeper = await self.net.start("keeper")
        seeds = [self.net.places["keeper"]]
        return keeper, await self.net.start("publisher", seeds=seeds)

    async def test_D5_killed_between_puts(self) -> None:
        """A number is never used twice, neither by those who heard of it nor in the network."""
        keeper, publisher = await self.pair()
        given = [(await self.put(publisher, NAME, b"first")).seq]
        for number in range(ROUNDS):
            pending = Deferred.fromCoroutine(
                tried(publisher.api.record.put(NAME, b"pending %d" % number, ttl_s=TTL_S))
            )
            await pause(0.004 * number)
            await self.net.kill(publisher)
            found = await pending
            given += [] if found is None else [found.seq]
            seen = await keeper.api.record.get(publisher.public_key, NAME)
            self.assertGreaterEqual(seen.seq, given[-1])
            await self.net.again(publisher)
            given.append((await self.put(publisher, NAME, b"round %d" % number)).seq)
            self.assertGreater(given[-1], seen.seq)
            latest = await keeper.api.record.get(publisher.public_key, NAME)
            self.assertEqual((latest.seq, latest.value), (given[-1], b"round %d" % number))
        self.assertEqual(given, sorted(set(given)))

    async def test_D5_the_counters_lost(self) -> None:
        """Without its file the publisher goes on above what the network still holds."""
        keeper, publisher = await self.pair()
        for number in range(3):
            last = (await self.put(publisher, NAME, b"value %d" % number)).seq
        await self.net.kill(publisher)
        for path in publisher.home.glob("published.sqlite*"):
            path.unlink()
        await self.net.again(publisher)
        await self.know([publisher], 1)
        self.assertGreater((await self.put(publisher, NAME, b"after")).seq, last)
        self.assertEqual((await keeper.api.record.get(publisher.public_key, NAME)).value, b"after")

    async def test_S1_killed_under_load(self) -> None:
        """Again and again: its home can be read, and all that was acknowledged is there."""
        keeper, publisher = await self.pair()
        key = (publisher.home / "accounts" / "publisher" / "key.json").read_bytes()
        acknowledged: dict[str, int] = {}
        for number in range(KILLS):
            work = [
                Deferred.fromCoroutine(self.noted(publisher, f"a/{n}", number, acknowledged))
                for n in range(NAMES)
            ]
            await self.until(
                lambda n=number: list(acknowledged.values()).count(n) > 3,  # type: ignore[misc]
                20,
                "acknowledgements",
            )
            victims = [publisher, keeper] if number % 2 else [publisher]
            for victim in victims:
                await self.net.kill(victim)
            await DeferredList(work)
            for victim in victims:
                self.check_home(victim)
            self.assertLessEqual(acknowledged.keys(), self.published(publisher))
            for victim in reversed(victims):
                await self.net.again(victim)
        self.assertEqual((publisher.home / "accounts" / "publisher" / "key.json").read_bytes(), key)
        await self.know([publisher], 1)
        for name, number in acknowledged.items():
            found = await keeper.api.record.get(publisher.public_key, name)
            self.assertGreaterEqual(int(found.value), number, name)

    async def noted(
        self, member: Member, name: str, number: int, acknowledged: dict[str, int]
    ) -> None:
        """Publish a number, and take note when it was acknowledged."""
        found = await tried(member.api.record.put(name, b"%d" % number, ttl_s=TTL_S))
        if found is not None and found.replicas:
            acknowledged[name] = number

    def check_home(self, member: Member) -> None:
        """Open everything in a home that nobody uses now."""
        home = Home.open(member.home)
        self.assertEqual(home.accounts.load(member.name, None).public.hex, member.public_key)
        shelf = SqliteShelf(home.records_path)
        self.assertGreater(shelf.total().items, 0)
        self.assertEqual(shelf.moved_aside, [])
        shelf.close()
        self.assertEqual(list(member.home.glob("*.corrupt*")), [])

    def published(self, member: Member) -> set[str]:
        """Return the names of what it published, from its disk."""
        home = Home.open(member.home)
        records = PublishedRecords(home.published_path)
        owner = home.accounts.load(member.name, None).public.point
        names = {found.slot.salt for found in records.all(owner)}
        self.assertEqual(records.moved_aside, [])
        records.close()
        return names

    async def test_S5_sigterm_under_load(self) -> None:
        """Flooded, with requests of its own on the way and a byte missing: 0 within 5 s."""
        _, publisher = await self.pair()
        floods = [flood(await self.link(publisher)) for _ in range(2)]
        stalled = await self.link(publisher)
        stalled.claim(1000, b"some")
        puts = [
            Deferred.fromCoroutine(tried(publisher.api.record.put(f"a/{n}", b"value", ttl_s=TTL_S)))
            for n in range(20)
        ]
        await pause(0.1)
        began_s = reactor.seconds()
        publisher.signal(signal.SIGTERM)
        self.assertIn("exit code 0", await publisher.ended)
        self.assertLess(reactor.seconds() - began_s, END_WITHIN_S)
        await gatherResults(floods)
        await gatherResults(puts)
        self.assertFalse((publisher.home / "api.sock").exists())
        self.check_home(publisher)
