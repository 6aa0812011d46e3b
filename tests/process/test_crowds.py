"""Rows C1, C2, C3, C5 and C6 from many addresses: nobody on loopback is exempt here."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Sequence
from random import Random
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredList, gatherResults

from demo.members import Member
from streembit.dht.keyspace import ID_BITS, to_text
from streembit.dht.record import Record, make
from streembit.disk.home import Home
from streembit.errors import StreembitError
from streembit.jose.keys import PrivateKey
from streembit.wire.message import FindNode, FindValue, Ping, Pong, Refused, Store, Value
from tests.attacks.watched import broken
from tests.rig.crowd import Crowd
from tests.rig.evil import EvilLink
from tests.rig.procnet import LONG, NETWORK, ProcessCase, memory_bytes, pause, reactor

CLOSED: Final = ("--no-passcode",)  # loopback is counted like any other network
JOIN_WITHIN_S: Final = 5.0
DESCRIPTORS: Final = 128
STRANGERS: Final = 64
KNOWN: Final = 10  # links of those who are honest, and files that are open for a moment
TAKEN_AT_ONCE: Final = 50  # waiting in the kernel; who has to make room for them goes a turn later
SPAM: Final = 100_000 if LONG else 2_000
SLOPE_S: Final = 1800.0 if LONG else 5.0
SLOPE_BYTES: Final = (30 if LONG else 2) * 1024 * 1024  # a MiB a minute; in CI what noise there is


def record(key: PrivateKey, salt: str, value: bytes) -> Record:
    """Return a record of the network that the processes are of."""
    return make(key, "name", salt, value, 1, int(time.time()) + 3600, NETWORK)


def descriptors(member: Member) -> int:
    """Return how many files and sockets a member has open now."""
    return len(os.listdir(f"/proc/{member.pid}/fd"))


class CrowdCase(ProcessCase):
    """A process that exempts nobody, and a crowd before it."""

    async def target(self, options: Sequence[str] = CLOSED) -> Member:
        """Start the process; the crowd leaves before it ends."""
        member = await self.net.start("target", options=options)
        self.crowd = Crowd(*self.net.place(member))
        self.addCleanup(self.crowd.leave)
        return member

    async def limited(self) -> Member:
        """Start the process with few descriptors."""
        few = ["/bin/sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@"', "sh"]
        member = await self.net.start("target", options=CLOSED, within=few)
        self.crowd = Crowd(*self.net.place(member))
        self.addCleanup(self.crowd.leave)
        return member

    async def served(self, address: str) -> float:
        """Return how long a newcomer that tries again and again takes until it is answered."""
        began_s = reactor.seconds()
        while reactor.seconds() - began_s < 2 * JOIN_WITHIN_S:
            try:
                link = await self.crowd.open(address)
                self.assertIsInstance((await link.ask(Ping())).body, Pong)
            except StreembitError:
                await pause(0.25)
            else:
                link.leave()
                break
        return reactor.seconds() - began_s


class FloodTests(CrowdCase):
    """Connections, more than anybody wants."""

    ending = False

    async def test_C1_three_thousand_connections_from_forty_addresses(self) -> None:
        """Sixty-four strangers are held; an honest client and a node join within 5 s meanwhile."""
        member = await self.target()
        friend = await self.crowd.open("127.99.0.1")
        await friend.ask(Ping())
        before = descriptors(member)
        floods = [self.flood(f"127.66.{n}.1", 75) for n in range(40)]
        flooding = DeferredList([Deferred.fromCoroutine(flood) for flood in floods])
        self.addCleanup(lambda: flooding)
        watching = Deferred.fromCoroutine(self.most_descriptors(member, flooding))
        self.addCleanup(setattr, self, "ending", True)
        await pause(0.2)
        self.assertLess(await self.served("127.99.1.1"), JOIN_WITHIN_S)
        began_s = reactor.seconds()
        newcomer = await self.net.start(
            "newcomer", seeds=[self.net.places["target"]], options=CLOSED
        )

        async def knows() -> bool:
            return (await newcomer.api.status()).peers > 0

        await self.until(knows, 10, "a peer")
        self.assertLess(reactor.seconds() - began_s, 2 * JOIN_WITHIN_S)  # with its own start
        await flooding
        most = await watching
        self.assertLess(most - before, STRANGERS + KNOWN + TAKEN_AT_ONCE)
        # What the crowd believes to hold counts for nothing: the kernel says yes for the process.
        held = STRANGERS + KNOWN
        await self.until(lambda: descriptors(member) - before <= held, 5, "the dropped to be gone")
        self.assertIsInstance((await friend.ask(Ping())).body, Pong)
        refused = await self.refusals(member)
        self.assertGreater(refused["too-many-connections"] + refused["rate-limited"], 2000)
        self.assertLess(len(member.log.read_bytes().splitlines()), 500)

    async def most_descriptors(self, member: Member, during: Deferred[Any]) -> int:
        """Return how many descriptors a member had at most meanwhile."""
        most = 0
        while not during.called:
            most = max(most, descriptors(member))
            await pause(0.01)
        return most

    async def flood(self, address: str, count: int) -> None:
        """Connect again and again from one address."""
        peer = self.crowd.peer(address)
        for _ in range(count):
            if not self.ending:
                await DeferredList([peer.dial(*self.crowd.place)], consumeErrors=True)

    async def test_C2_descriptors_run_out(self) -> None:
        """Told so while it runs: it stays up, and serves again when they are free."""
        member = await self.target()
        await self.served("127.99.0.1")
        resource.prlimit(member.pid, resource.RLIMIT_NOFILE, (40, 40))
        dialling = [self.crowd.dial(f"127.70.{n}.1") for n in range(60)]
        await DeferredList(dialling, consumeErrors=True)
        await pause(1.0)
        self.assertTrue(member.runs)
        await self.crowd.leave()
        self.assertLess(await self.served("127.99.0.2"), JOIN_WITHIN_S)
        self.assertTrue((await member.api.status()).listening)

    async def test_C2_a_fifth_is_kept_for_files(self) -> None:
        """Started with 128: connections take 102 at most, and its store and API work meanwhile."""
        member = await self.limited()
        keeper = await self.net.start("keeper", seeds=[self.net.places["target"]], options=CLOSED)
        dialling = [self.crowd.open(f"127.{70 + n % 4}.{n}.1") for n in range(200)]
        await DeferredList(dialling, consumeErrors=True)
        self.assertLessEqual(len(self.crowd.links), 102)
        self.assertGreaterEqual(len(self.crowd.links), 60)
        self.assertTrue((await self.put(member, "a/name")).replicas)
        await self.put(keeper, "a/other")
        self.assertGreater((await self.refusals(member))["too-many-connections"], 90)

    async def test_C3_three_bad_signatures(self) -> None:
        """The link ends, and the address is not let in again; its neighbour is."""
        member = await self.target()
        link = await self.crowd.open("127.66.0.1")
        for _ in range(10):
            link.say(broken(link.token(Ping())))
        await self.gone(link)
        refused = await self.refusals(member)
        self.assertEqual(refused, {"bad-signature": 3})
        again = await self.crowd.dial("127.66.0.1")
        await self.gone(again)
        self.assertEqual((await self.refusals(member))["discouraged"], 1)
        await self.served("127.66.0.2")


class SpamTests(CrowdCase):
    """Records and ids, more than anybody wants."""

    async def test_C5_a_flood_of_stores_from_one_network(self) -> None:
        """Hundreds of owners in one /24 fill their own share; others' records are all there."""
        home = Home.create(self.net.folder / "target")
        limits = "[limits]\nstore_bytes = 2_000_000\nbytes_per_group = 500_000\n"
        home.config_path("node").write_text(limits + "bytes_per_address = 200_000\n")
        member = await self.target()
        honest = await self.crowd.open("127.99.0.1")
        kept = [record(PrivateKey.generate(), "a/name", bytes(200)) for _ in range(50)]
        for one in kept:
            await honest.ask(Store(one.token, "record"))
        links = await gatherResults([self.crowd.open(f"127.66.0.{n + 1}") for n in range(8)])
        each = [Deferred.fromCoroutine(self.spam(link, SPAM // 8)) for link in links]
        taken = sum(await gatherResults(each))
        self.assertLess(taken, SPAM)
        status = await member.api.status()
        self.assertLessEqual(status.bytes, 500_000 + 50 * 1000)
        self.assertGreater((await self.refusals(member))["address-quota"], SPAM // 2)
        for one in kept:
            answer = (await honest.ask(FindValue(to_text(one.place)))).body
            self.assertEqual(answer, Value(one.token, "record"))

    async def spam(self, link: EvilLink, count: int) -> int:
        """Store so many records, a few at a time; return how many were taken."""
        taken = 0
        for number in range(count // 10):
            owner = PrivateKey.generate()
            spam = [record(owner, f"a/{number}-{n}", bytes(500)) for n in range(10)]
            answers = await gatherResults([link.ask(Store(s.token, "record")) for s in spam])
            taken += sum(not isinstance(answer.body, Refused) for answer in answers)
        return taken

    async def test_C6_ids_without_end(self) -> None:
        """New identities, places and targets all the time: memory stays what it was."""
        member, chance = await self.target(("--no-passcode", "--exempt", "127.0.0.0/8")), Random(6)
        await self.ids(chance, 3.0)
        before = memory_bytes(member)
        asked = await self.ids(chance, SLOPE_S)
        self.assertGreater(asked, 100)
        self.assertLess(memory_bytes(member) - before, SLOPE_BYTES)

    async def ids(self, chance: Random, seconds: float) -> int:
        """Ask about random ids as many new peers for so long; return how many requests it was."""
        until_s, asked = reactor.seconds() + seconds, 0
        while reactor.seconds() < until_s:
            link = await self.crowd.open(f"127.66.{chance.randrange(256)}.1")
            ids = [to_text(chance.getrandbits(ID_BITS)) for _ in range(40)]
            about = [FindNode(one) if n % 2 else FindValue(one) for n, one in enumerate(ids)]
            await gatherResults([link.ask(body) for body in about])
            asked += len(about)
            self.crowd.forget(link)
        return asked
