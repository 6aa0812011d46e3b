"""Rows A1, A4, A5, A8, B4 and B6 at a hub: what no member says, and who alters what they say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from random import Random
from typing import Final

from twisted.internet.defer import DeferredList, gatherResults, maybeDeferred

from streembit.hub import cargo
from streembit.jose import base64url
from streembit.net.dial import over_tcp
from streembit.wire.hub import MAX_FRAME_MEMBER, Observe
from tests.process.test_hub import Home, HubCase, identity
from tests.rig.evil import signed
from tests.rig.hubguest import HubGuest
from tests.rig.procnet import memory_of, pause, reactor
from tests.rig.tampering import Change, Flip, Swap, Tampering, nothing
from tests.rig.tokens import of_every_kind, with_other_headers

TYP: Final = "hub+jwt"
HEADER: Final = b'{"alg":"ES256","typ":"hub+jwt"}'
WORDS: Final = 60
MIB: Final = 1024 * 1024


def claims_of(token: bytes) -> bytes:
    """Return the claims of a token, as their JSON."""
    return base64url.decode(token.split(b".")[1])


class HostileTests(HubCase):
    """One hub; an honest member, and those who are not."""

    timeout = 180

    async def setUp(self) -> None:  # type: ignore[override]
        super().setUp()
        self.target = await self.hub()
        self.honest = await self.guest(1).connect(self.port(self.target)).joined

    async def is_served(self) -> None:
        """Assert that the honest member gets its answer."""
        count = len(self.honest.answers)
        self.honest.ask(Observe())
        await self.until(lambda: len(self.honest.answers) > count, 5.0, "an answer")

    async def strangers(self, count: int) -> list[HubGuest]:
        """Return so many who were challenged and have not said anything."""
        guests = [self.guest(2, joins=False).connect(self.port(self.target)) for _ in range(count)]
        await gatherResults([guest.challenged for guest in guests])
        return guests

    async def refused(self, guests: Iterable[HubGuest], frames: Iterable[bytes]) -> set[str]:
        """Let each say one of these, and wait for its end; return why, by the hub's count."""
        before = await self.refusals(self.target)
        pairs = list(zip(guests, frames, strict=True))
        for guest, frame in pairs:
            guest.send(frame)
        await DeferredList([guest.gone for guest, _ in pairs])
        found = await self.rejected(self.target, before, len(pairs))
        self.assertEqual(found.total(), len(pairs), found)
        await self.is_served()
        return set(found)

    async def test_A5_headers_that_choose(self) -> None:
        """No algorithm, another one, a key or a flag in the header: nobody joins by that."""
        count = len(list(with_other_headers(b"{}", TYP, identity(2).signing)))
        guests = await self.strangers(count)
        frames = [
            list(with_other_headers(claims_of(guest.join()), TYP, guest.who.signing))[number][1]
            for number, guest in enumerate(guests)
        ]
        self.assertLessEqual(await self.refused(guests, frames), {"bad-header", "bad-token"})

    async def test_A8_B4_what_is_no_join(self) -> None:
        """Signed as every other kind, other frames of a member, JSON deeper than may be."""
        key = identity(2).signing
        kinds = [name for name, _ in of_every_kind(b"{}", key) if name != TYP]
        deep = [b"[" * n + b"]" * n for n in (17, 1_000, 5_000)] + [b"[" * 10_000]
        member = await self.guest(4).connect(self.port(self.target)).joined
        guests = await self.strangers(len(kinds) + len(deep) + 2)
        frames = [
            dict(of_every_kind(claims_of(guest.join()), key))[kind]
            for guest, kind in zip(guests, kinds, strict=False)
        ]
        frames += [signed(HEADER, text, key) for text in deep]
        frames += [member.own.command(Observe())[1], member.own.live(member.who.public, b"x")[1]]
        found = await self.refused(guests, frames)
        self.assertNotIn("internal-error", found)

    async def test_B6_B8_the_largest_frames_full_of_small_things(self) -> None:
        """A hundred members, 64 KiB each of what nobody knows: served, and little memory taken."""
        port = self.port(self.target)
        members = [self.guest(n).connect(port) for n in range(10, 110)]
        await gatherResults([member.joined for member in members])
        before = memory_of(self.target.pid)
        for member in members:
            frame = signed(HEADER, crowded(member), member.who.signing)
            self.assertLess(len(frame), MAX_FRAME_MEMBER)
            member.send(frame)
        await self.until(lambda: all(member.answers for member in members), 20.0, "answers")
        self.assertLess(memory_of(self.target.pid) - before, 50 * MIB)
        await self.is_served()

    async def test_A1_A4_a_proxy_that_alters_and_reorders(self) -> None:
        """Between a member and the hub, either way: what is heard was said, once and in order."""
        for change in (Flip(5, Random(3)), Swap(5)):
            for forth, back in ((change, nothing), (nothing, change)):
                await self.tampered(forth, back)
        await self.is_served()
        self.assertNotIn("internal-error", await self.refusals(self.target))

    async def tampered(self, forth: Change, back: Change) -> None:
        """Let a member behind such a proxy and the honest one talk for a while."""
        middle, heard = Tampering(over_tcp(reactor), self.port(self.target)), Heard()
        session = self.session(self.target, 2, heard, middle.connect)
        session.startService()
        self.addCleanup(lambda: session.stopService() if session.running else None)
        await self.until(lambda: heard.seat is not None, 10.0, "a seat")
        first = len(self.honest.envelopes)
        middle.forth, middle.back = forth, back
        said = [cargo.pack(cargo.STREAM, b"%d" % number) for number in range(WORDS)]
        for word in said:
            if heard.seat is not None:
                heard.seat.live(self.honest.who.public, word)
            self.honest.send(self.honest.own.live(identity(3).public, word)[1])
            await pause(0.002)
        middle.stop()
        await maybeDeferred(session.stopService)
        came = [base64url.decode(each.val) for each in self.honest.envelopes[first:]]
        for words in (came, heard.words):
            self.assertEqual(words, [word for word in said if word in words])
            self.assertGreater(len(words), 0)
        self.assertLess(len(came) + len(heard.words), 2 * WORDS)


class Heard(Home):
    """Keeps what it is told live."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[bytes] = []

    def live(self, *told: object) -> None:
        *_, said = told
        assert isinstance(said, bytes)
        self.words.append(said)


def crowded(member: HubGuest) -> bytes:
    """Return claims of a member's next frame, with as many small things in them as fit."""
    claims = json.loads(claims_of(member.own.command(Observe())[1]))
    return json.dumps({**claims, "x": [{}] * 15_000}, separators=(",", ":")).encode()
