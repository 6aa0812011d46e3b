"""Rows B1, B2, C3, C5 and C8: connections that stall or drip, floods, and who never reads."""

from __future__ import annotations

import socket
import sys
import time
from typing import Final

from twisted.internet.defer import gatherResults

from demo.members import Member
from streembit.dht.keyspace import to_text
from streembit.dht.record import Record, make
from streembit.disk.home import Home
from streembit.jose.keys import PrivateKey
from streembit.wire.frame import MAX_FRAME_PEER, MAX_FRAME_STRANGER
from streembit.wire.message import FindValue, Ping, Pong, Refused, Store, Stored, Value
from tests.process.flooders import READY
from tests.rig.evil import EvilLink, framed
from tests.rig.procnet import (
    NETWORK,
    ProcessCase,
    SharedCase,
    memory_bytes,
    pause,
    reactor,
)
from tests.sources import ROOT
from tests.tap.twistd import Process

MIB: Final = 1024 * 1024
HONEST_P99_S: Final = 0.25
NOISE_S: Final = 0.1  # what other processes on a busy machine add by themselves
REQUESTS: Final = 100


async def delays_s(link: EvilLink, count: int) -> list[float]:
    """Return how long each of so many honest requests took, in order of time taken."""
    found = []
    for _ in range(count):
        began_s = reactor.seconds()
        assert isinstance((await link.ask(Ping())).body, Pong)
        found.append(reactor.seconds() - began_s)
    return sorted(found)


def p99_s(delays: list[float]) -> float:
    """Return what 99 of a hundred requests took at most."""
    return sorted(delays)[len(delays) * 99 // 100 - 1]


class LoadTests(SharedCase):
    """One process, and more than it should have to bear."""

    async def connections(self, count: int) -> list[EvilLink]:
        """Return so many connections that have said nothing."""
        evil, (host, port) = self.evil(), self.net.place(self.target)
        return await gatherResults([evil.dial(host, port) for _ in range(count)])

    async def links(self, count: int) -> list[EvilLink]:
        """Return so many open links of as many peers."""
        host, port = self.net.place(self.target)
        return await gatherResults([self.evil().open(host, port) for _ in range(count)])

    async def test_B1_two_hundred_claims_of_the_most(self) -> None:
        """Half of them sent all but one byte: less memory than they claim; a longer claim ends."""
        honest = await self.link(self.target)
        before = memory_bytes(self.target)
        links = await self.connections(200)
        for number, link in enumerate(links):
            some = bytes(MAX_FRAME_STRANGER - 1) if number % 2 else b""
            link.claim(MAX_FRAME_STRANGER, some)
        await delays_s(honest, 20)
        self.assertEqual(sum(link.gone for link in links), 0)
        self.assertLess(memory_bytes(self.target) - before, 200 * MAX_FRAME_PEER)
        for size in (MAX_FRAME_STRANGER + 1, 2**31, 2**32 - 1):
            (link,) = await self.connections(1)
            link.claim(size)
            await self.gone(link, 5)

    async def test_B2_five_hundred_that_drip(self) -> None:
        """A byte now and then, in the handshake or behind it: gone in 31 s; who is honest works."""
        honest = await self.link(self.target)
        usual_s = p99_s(await delays_s(honest, REQUESTS))
        dripping = await self.connections(400) + await self.links(100)
        began_s = reactor.seconds()
        for number, link in enumerate(dripping):
            link.drip(framed(bytes(200)), 0.9 + number / 2000)
        delays = []
        while alive := [link for link in dripping if not link.gone]:
            self.assertLess(reactor.seconds() - began_s, 31.0, f"{len(alive)} are still there")
            delays += await delays_s(honest, 4)
            await pause(0.3)
        self.assertLess(p99_s(delays), 2 * usual_s + NOISE_S)
        self.assertFalse(honest.gone)

    async def test_C3_four_flooders_at_full_speed(self) -> None:
        """Of a hundred honest requests meanwhile 99 are answered in less than 250 ms."""
        await self.flooded("rate-limited")

    async def test_C3_four_flooders_with_answers_that_nobody_asked_for(self) -> None:
        """They are in no budget, for none is ever verified; who is honest waits no longer."""
        good = (await self.target.api.status()).signed_checked
        await self.flooded("unknown-answer", "77")
        checked = (await self.target.api.status()).signed_checked - good
        self.assertLess(checked, 2 * REQUESTS)

    async def flooded(self, reason: str, *more: str) -> None:
        """Have the target flooded, and ask it honestly meanwhile."""
        honest = await self.link(self.target)
        flooders = self.flooders(*more)
        await flooders.said(READY.encode())
        await pause(1.0)
        refused = (await self.refusals(self.target))[reason]
        delays = await delays_s(honest, REQUESTS)
        self.assertFalse(flooders.ended.called, flooders.err)
        self.assertGreater((await self.refusals(self.target))[reason], refused)
        self.assertLess(p99_s(delays), HONEST_P99_S)

    def flooders(self, *more: str) -> Process:
        """Start the flooders in a process of their own."""
        process, (host, port) = Process(), self.net.place(self.target)
        command = [sys.executable, "-m", "tests.process.flooders", host, str(port), *more]
        process.spawned = reactor.spawnProcess(
            process, command[0], command, env=None, path=str(ROOT)
        )
        self.addCleanup(lambda: process.ended)
        self.addCleanup(process.signal, "KILL")
        return process


class LimitTests(ProcessCase):
    """C5 and C8, with a store and a queue that are soon full."""

    async def limited(self, limit: str) -> Member:
        """Return a process with a limit of its own."""
        home = Home.create(self.net.folder / "limited")
        home.config_path("node").write_text(f"[limits]\n{limit}\n")
        return await self.net.start("limited")

    async def test_C5_five_hundred_stores(self) -> None:
        """Ten owners that store as much as they can push out nobody but themselves."""
        target = await self.limited("store_bytes = 1_000_000")
        honest, link = await self.link(target), await self.link(target)
        records = [record(PrivateKey.generate(), "a/name", b"value") for _ in range(20)]
        for kept in records:
            self.assertIsInstance((await honest.ask(Store(kept.token, "record"))).body, Stored)
        spammers = [PrivateKey.generate() for _ in range(7)]
        for number in range(504):
            spam = record(spammers[number % 7], f"a/{number}", bytes(8192))
            await link.ask(Store(spam.token, "record"))
        status = await target.api.status()
        self.assertLessEqual(status.bytes, 1_000_000)
        self.assertLess(status.records, 504)
        for kept in records:
            answer = (await honest.ask(FindValue(to_text(kept.place)))).body
            self.assertEqual(answer, Value(kept.token, "record"))
        one = [record(spammers[0], f"b/{n}", b"") for n in range(65)]
        answers = [(await link.ask(Store(each.token, "record"))).body for each in one]
        assert isinstance(answers[-1], Refused)
        self.assertEqual(answers[-1].code, "owner-quota")

    async def test_C8_a_peer_that_never_reads(self) -> None:
        """It asks for 11 KB again and again: dropped, and little memory was spent on it."""
        target = await self.limited("queue_bytes = 131_072")
        key, honest = PrivateKey.generate(), await self.link(target)
        large = record(key, "a/large", bytes(8192))
        self.assertIsInstance((await honest.ask(Store(large.token, "record"))).body, Stored)
        link = await self.link(target)
        before, counted = memory_bytes(target), await self.refusals(target)
        link.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.deaf()
        token = link.token(FindValue(to_text(large.place)))
        most, until_s = before, reactor.seconds() + 40

        async def dropped() -> bool:
            return (await self.refusals(target) - counted)["slow-reader"] > 0

        while not await dropped():
            self.assertLess(reactor.seconds(), until_s, "it is still there")
            for _ in range(50):
                link.say(token)
            await delays_s(honest, 5)
            most = max(most, memory_bytes(target))
        self.assertLess(most - before, 16 * MIB)


def record(key: PrivateKey, salt: str, value: bytes) -> Record:
    """Return a record of the network that the processes are of."""
    return make(key, "name", salt, value, 1, int(time.time()) + 3600, NETWORK)
