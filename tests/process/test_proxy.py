"""Rows A1, A2 and A4: somebody between two processes duplicates, reorders, alters and replays."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from twisted.internet.defer import Deferred, gatherResults

from demo.members import OPEN, Member
from tests.rig.procnet import LONG, TTL_S, ProcessCase, reactor, tried
from tests.rig.proxy import DUPLICATE, SWAP, Proxy, Trick, flip

ROUNDS: Final = 400 if LONG else 4

# The client listens where nobody looks for it: all links are those that it makes itself.
HIDDEN: Final = ("--client-only", "--listen", "tcp:0:interface=127.0.0.2")


class ProxyTests(ProcessCase):
    """A node, and a client that reaches it through the proxy only."""

    async def between(self) -> tuple[Member, Member, Proxy]:
        """Return the node, the client and the proxy, joined."""
        node = await self.net.start("node")
        proxy = Proxy(reactor, *self.net.place(node))
        self.addCleanup(proxy.end)
        client = await self.net.start("client", seeds=[proxy.address], options=[*OPEN, *HIDDEN])
        await self.put(client, "a/first")
        return node, client, proxy

    async def played(self, client: Member, proxy: Proxy, trick: Trick) -> None:
        """Have the proxy play a trick on the client's requests."""
        before = proxy.played
        proxy.tricks.append(trick)

        async def tries() -> bool:
            puts = [
                client.api.record.put(f"a/{proxy.passed}-{n}", b"value", ttl_s=TTL_S)
                for n in range(2)
            ]
            await gatherResults([Deferred.fromCoroutine(tried(put)) for put in puts])
            return proxy.played > before

        await self.until(tries, 20, "the trick")

    async def check(self, tricks: Callable[[int], Trick]) -> None:
        """Play the tricks: each ends a link, nothing of it is accepted, and new links work."""
        node, client, proxy = await self.between()
        for number in range(ROUNDS):
            before, links = await self.refusals(node), len(proxy.recorded)
            await self.played(client, proxy, tricks(number))
            found = await self.rejected(node, before, 1)
            self.assertEqual(found, {"decrypt-failed": 1})
            name, value = f"b/{number}", b"after %d" % number
            await self.put(client, name, value)
            self.assertGreater(len(proxy.recorded), links)
            self.assertEqual((await node.api.record.get(client.public_key, name)).value, value)
        self.assertLessEqual((await node.api.status()).signed_checked, proxy.passed)

    async def test_A1_duplicated_frames(self) -> None:
        """The second one ends the link; what it asks is not done twice."""
        await self.check(lambda _: DUPLICATE)

    async def test_A1_frames_in_another_order(self) -> None:
        """The first one that is out of order ends the link."""
        await self.check(lambda _: SWAP)

    async def test_A4_altered_frames(self) -> None:
        """A bit turned anywhere in a frame ends the link."""
        chance = Random(4)
        await self.check(lambda _: flip(chance.getrandbits(16)))

    async def test_A2_a_recorded_stream(self) -> None:
        """Played to the same node, running, restarted, and to another one: nothing is accepted."""
        node, client, proxy = await self.between()
        for number in range(5):
            await self.put(client, f"a/{number}")
        await self.net.kill(client)
        recorded = [bytes(stream) for stream in proxy.recorded if stream]
        self.assertGreater(sum(map(len, recorded)), 3000)
        other = await self.net.start("other")
        for restarts in (False, True):
            if restarts:
                await self.net.kill(node)
                await self.net.again(node)
            for target in (node, other):
                await self.replay(target, recorded)
        self.assertEqual((await node.api.status()).signed_checked, 0)
        self.assertEqual((await other.api.status()).records, 0)

    async def replay(self, target: Member, recorded: list[bytes]) -> None:
        """Play each stream on a connection of its own; all are refused."""
        good = (await target.api.status()).signed_checked
        for stream in recorded:
            before = await self.refusals(target)
            link = await self.dial(target)
            link.raw(stream)
            await self.gone(link)
            self.assertEqual(await self.rejected(target, before, 1), {"decrypt-failed": 1})
        self.assertEqual((await target.api.status()).signed_checked, good)
