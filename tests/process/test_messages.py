"""Rows A3 to A5, B4, B6, B8 and L1: what no honest peer sends, to a process over TCP."""

from __future__ import annotations

import time
from collections import Counter
from random import Random
from typing import Final

from twisted.internet.defer import gatherResults

from streembit.dht.keyspace import to_text
from streembit.dht.record import Record, make
from streembit.jose import base64url
from streembit.jose.keys import PrivateKey
from streembit.wire.frame import MAX_FRAME_PEER
from streembit.wire.message import FindValue, Ping, Pong, Refused, Store, Stored, Value
from tests.link.hostile import CRITICAL, OPTIONAL
from tests.link.second import hello_bytes
from tests.rig.evil import EvilLink, flipped, framed, signed
from tests.rig.procnet import LONG, NETWORK, SharedCase, events, memory_bytes
from tests.rig.shake import MakeShake, twisted_by
from tests.rig.tokens import with_other_headers

MIB: Final = 1024 * 1024
AT_ONCE: Final = 20
FRAMES: Final = 10_000 if LONG else 200
HEADER: Final = b'{"alg":"ES256","typ":"rpc+jwt"}'

# Each within what a hello holds, 255 bytes of UTF-8.
HOSTILE: Final = (
    "line\r\nfeed\n{}",
    '\n{"time":"0","level":"warn","system":"streembit.refused","msg":"refused reason=x peer=9.9',
    "\x1b[2J\x1b]0;owned\x07",
    "\u202egnp.exe\u2066\u200b\ufeff",
    "{x} {x.__class__} {0} %s %n",
    "\x00\x7f\x85\u2028\u2029",
    "n" * 255,
)


def record(key: PrivateKey, seq: int, life_s: float = 3600, value: bytes = b"value") -> Record:
    """Return a record of the network that the processes are of."""
    return make(key, "name", "a/name", value, seq, int(time.time() + life_s), NETWORK)


class MessageTests(SharedCase):
    """One process, hostile peers."""

    async def links(self, count: int) -> list[EvilLink]:
        """Return open links of so many hostile peers."""
        host, port = self.net.place(self.target)
        return await gatherResults([self.evil().open(host, port) for _ in range(count)])

    async def is_served(self) -> None:
        """Assert that an honest request is answered."""
        link = await self.link(self.target)
        self.assertIsInstance((await link.ask(Ping())).body, Pong)

    async def accepted(self) -> int:
        """Return how many signatures of requests were good."""
        return (await self.target.api.status()).signed_checked

    # --- A
    async def test_A3_records_stored_again(self) -> None:
        """An older one and one past its end are refused; the same one is given no longer life."""
        link, key = await self.link(self.target), PrivateKey.generate()
        old, new = record(key, 1), record(key, 2)
        first = (await link.ask(Store(new.token, "record"))).body
        again = (await link.ask(Store(new.token, "record"))).body
        assert isinstance(first, Stored) and isinstance(again, Stored)
        self.assertEqual((first.seq, again.seq), (2, 2))
        for receipt in (first, again):  # in whole seconds of a time that is measured each time
            self.assertIn(receipt.exp, (new.exp - 1, new.exp))
        other = record(key, 2, value=b"other")
        for refused, code in (
            (old, "seq-too-low"),
            (other, "seq-conflict"),
            (record(key, 3, life_s=-1), "record-expired"),
            (record(key, 3, life_s=-86_400), "record-expired"),
            (record(key, 3, life_s=26 * 3600), "record-lives-too-long"),
        ):
            body = (await link.ask(Store(refused.token, "record"))).body
            assert isinstance(body, Refused), body
            self.assertEqual(body.code, code)
        kept = (await link.ask(FindValue(to_text(new.place)))).body
        self.assertEqual(kept, Value(new.token, "record"))

    async def test_A4_flipped_bits(self) -> None:
        """One bit in any frame, in the handshake or behind it: not one is accepted."""
        chance = Random(4)
        for _ in range(FRAMES // AT_ONCE):
            before, links = await self.refusals(self.target), await self.links(AT_ONCE)
            good = await self.accepted()
            for link in links:
                sealed = link.seal(link.token(Ping()))
                link.frame(flipped(sealed, chance.randrange(8 * len(sealed))))
            found = await self.rejected(self.target, before, AT_ONCE)
            self.assertEqual(found, Counter({"decrypt-failed": AT_ONCE}))
            self.assertEqual(await self.accepted(), good)
            for link in links:
                await self.gone(link)
        for _ in range(AT_ONCE):
            link = await self.dial(self.target)
            link.greet()
            await self.until(lambda link=link: bool(link.frames), 10)  # type: ignore[misc]
            last = link.last_frame(link.frames[0])
            link.frame(flipped(last, chance.randrange(8 * len(last))))
            await self.gone(link)
        await self.is_served()

    async def test_A4_bytes_of_an_altered_message(self) -> None:
        """A bit of the signed message, sealed as it should be: refused, whatever it was."""
        chance = Random(5)
        before, links = await self.refusals(self.target), await self.links(3 * AT_ONCE)
        good = await self.accepted()
        for link in links:
            token = link.token(Ping())
            link.say(flipped(token, chance.randrange(8 * len(token))))
        await self.rejected(self.target, before, len(links))
        self.assertEqual(await self.accepted(), good)

    async def test_A5_headers_that_choose(self) -> None:
        """No algorithm, another one, a key or a flag in the header: the link ends."""
        good, before = await self.accepted(), await self.refusals(self.target)
        count = len(list(with_other_headers(b"{}", "rpc+jwt", PrivateKey.generate())))
        links = await self.links(count)
        for number, link in enumerate(links):
            payload = base64url.decode(link.token(Ping()).split(b".")[1])
            link.say(list(with_other_headers(payload, "rpc+jwt", link.peer.key))[number][1])
        found = await self.rejected(self.target, before, count)
        self.assertLessEqual(set(found), {"bad-header", "bad-token"})
        for link in links:
            await self.gone(link)
        self.assertEqual(await self.accepted(), good)

    # --- B
    async def test_B4_deep_json(self) -> None:
        """Deeper than 16, whatever the depth: refused before it is parsed; the process lives."""
        before = await self.refusals(self.target)
        texts = [b"[" * n + b"]" * n for n in (17, 1_000, 10_000, 20_000)]
        texts += [b"[" * 45_000, b'{"a":' * 9_000, b'{"x":' + b"[" * 17 + b"]" * 17 + b"}"]
        links = await self.links(len(texts))
        for link, text in zip(links, texts, strict=True):
            link.say(signed(HEADER, text, link.peer.key))
        found = await self.rejected(self.target, before, len(texts))
        self.assertEqual(found, Counter({"bad-json": len(texts)}))
        await self.is_served()

    async def test_B6_the_largest_frames_full_of_small_things(self) -> None:
        """Two hundred links, each with 64 KiB of empty objects: below 400 MB in all."""
        text = b"[" + b"{}," * (15 * 1024) + b"{}]"
        before, most = await self.refusals(self.target), memory_bytes(self.target)
        for _ in range(200 // AT_ONCE):
            links = await self.links(AT_ONCE)
            for link in links:
                token = signed(HEADER, text, link.peer.key)
                self.assertLess(len(token), MAX_FRAME_PEER)
                link.say(token)
            most = max(most, memory_bytes(self.target))
        found = await self.rejected(self.target, before, 200)
        self.assertEqual(found, Counter({"bad-json": 200}))
        self.assertLess(max(most, memory_bytes(self.target)), 400 * 1_000_000)
        await self.is_served()

    async def test_B8_versions_and_extensions(self) -> None:
        """What both speak is spoken, what is optional skipped; the rest is no link."""
        extra = [bytes((kind,)) + (3).to_bytes(2) + b"new" for kind in (OPTIONAL, CRITICAL)]
        good = [twisted_by(versions=v) for v in ((1, 1), (1, 9), (0, 255))]
        good += [twisted_by(extensions=extra[0]), twisted_by(hello=hello_bytes() + extra[0])]
        for shake in good:
            link = await self.link(self.target, shake=shake)
            self.assertIsInstance((await link.ask(Ping())).body, Pong)
        bad: list[tuple[MakeShake, str]] = [
            (twisted_by(versions=v), "version-mismatch") for v in ((2, 9), (0, 0))
        ]
        bad.append((twisted_by(extensions=extra[1]), "handshake-failed"))
        for shake, reason in bad:
            before = await self.refusals(self.target)
            link = await self.dial(self.target, shake=shake)
            link.attempt()
            self.assertEqual(await self.rejected(self.target, before, 1), Counter([reason]))

    # --- L
    async def test_L1_hostile_names(self) -> None:
        """In hellos, networks, records and raw bytes: the log stays lines of printable JSON."""
        link, key = await self.link(self.target), PrivateKey.generate()
        before = len(events(self.target))
        for name in HOSTILE:
            for hello in (
                hello_bytes(name=name),
                hello_bytes(agent=name),
                hello_bytes(observed=name),
            ):
                dialled = await self.dial(self.target, shake=twisted_by(hello=hello))
                dialled.attempt()
                await self.until(lambda d=dialled: d.gone or d.opened is not None, 10)  # type: ignore[misc]
            raw = await self.dial(self.target)
            raw.raw(framed(name.encode()))
            await self.gone(raw)
            stored = Store(str(signed(b"{}", name.encode(), key), "ascii"), "record")
            self.assertIsInstance((await link.ask(stored)).body, Refused)
            spoken = await self.link(self.target)
            spoken.say(spoken.token(Ping(), net=name[:64]))
            await self.gone(spoken)
        self.assertGreater(len(events(self.target)), before)
        for line in self.target.log.read_bytes().split(b"\n"):
            text = line.decode()
            self.assertTrue(text.isascii() and (text.isprintable() or not text), text)
            self.assertFalse(text.startswith(HOSTILE[1][1:20]), text)
