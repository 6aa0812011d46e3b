"""The backplane over a real Redis: two processes of a hub, and what they know of each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import DeferredList
from twisted.internet.task import deferLater
from twisted.logger import LogEvent, LogLevel, capturedLogs
from twisted.trial.unittest import TestCase

from streembit.disk.mailbox import DAY_S, DEFAULTS, MAIL_OVERHEAD_BYTES, MailLimits
from streembit.errors import (
    BadConfig,
    DirectoryFull,
    MailboxDegraded,
    MailboxFull,
    MailQuota,
    PresenceFull,
    StreembitError,
)
from streembit.hub.mail import Listing, Mail
from streembit.hub.presence import MAX_PAIRS
from streembit.service.hub.backplane import Claim, Routed
from streembit.service.hub.redis.address import RedisAddress, parse
from streembit.service.hub.redis.backplane import END_S, RedisBackplane
from streembit.wire.hub import MAX_KEYS, MailName
from tests.rig.redisserver import RedisServer

reactor: Any = installed

PATIENCE_S = 30.0
LEASE_S = 1.0
ANN, BOB, EVE = ("A" * 44, "B" * 44, "E" * 44)
NOW_S = 1_800_000_000


class Events:
    """Writes down what a process is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.tokens: list[bytes] = []
        self.takes: Routed = "taken"

    def routed(self, recipient: str, token: bytes) -> Routed:
        self.heard.append(("routed", recipient))
        self.tokens.append(token)
        return self.takes

    def superseded(self, session: str) -> None:
        self.heard.append(("superseded", session))

    def kicked(self, key: str) -> None:
        self.heard.append(("kicked", key))

    def changed(self, key: str) -> None:
        self.heard.append(("changed", key))

    def mailed(self, recipient: str) -> None:
        self.heard.append(("mailed", recipient))

    def eased(self, key: str) -> None:
        self.heard.append(("eased", key))

    def relisted(self) -> None:
        self.heard.append(("relisted", ""))


def a_mail(number: int, *, to: str = BOB, by: str = ANN, token: bytes = b"") -> Mail:
    return Mail(to, by, f"{number:022d}", token or b"token %d" % number, NOW_S)


def logged_as(logged: Sequence[LogEvent], level: Any, member: str) -> list[LogEvent]:
    """Return what was logged at a level and has a member of this name."""
    return [event for event in logged if event.get("log_level") is level and member in event]


class RedisCase(TestCase):
    """Two processes, `here` and `there`, of one hub."""

    timeout = 180
    options: tuple[str, ...] = ()

    async def setUp(self) -> None:  # type: ignore[override]
        self.redis = RedisServer(self, *self.options)
        self.here_events, self.there_events = Events(), Events()
        self.here = await self.process("here", self.here_events)
        self.there = await self.process("there", self.there_events)

    def made(
        self,
        name: str,
        events: Events,
        limits: MailLimits = DEFAULTS,
        prefix: str = "hub:",
        password: str = "",
    ) -> RedisBackplane:
        """Return a process that looks for Redis."""
        made = RedisBackplane(
            reactor,
            parse(self.redis.url),
            password,
            prefix,
            name,
            Random(1).random,
            limits,
            LEASE_S,
        )
        made.events = events
        made.startService()
        self.addCleanup(made.stopService)
        return made

    async def process(self, name: str, events: Events, **more: Any) -> RedisBackplane:
        """Return a process that has found Redis."""
        made = self.made(name, events, **more)
        await self.until(lambda: made.link.is_ready and "not asked" not in made.trouble)
        return made

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds; fail where it does not."""
        end_s = reactor.seconds() + PATIENCE_S
        while not holds():
            self.assertLess(reactor.seconds(), end_s, "it never came to that")
            await deferLater(reactor, 0.01)

    async def until_heard(self, events: Events, what: str, whom: str) -> None:
        await self.until(lambda: (what, whom) in events.heard)

    async def assert_refused(
        self, kind: type[StreembitError], asked: Callable[[], Awaitable[object]]
    ) -> None:
        try:
            await asked()
        except kind:
            return
        self.fail(f"{kind} was not raised")


class PresenceTests(RedisCase):
    async def test_an_envelope_goes_to_the_process_that_has_its_recipient(self) -> None:
        """Byte for byte and in order; where nobody has it, or does not take it, that is told."""
        self.assertTrue(await self.there.claim(Claim(BOB, "s" * 22, 5)))
        tokens = [b"%d " % n + bytes(range(33, 127)) * 20 for n in range(50)]
        taken = [self.here.route(BOB, token) for token in tokens]
        self.assertEqual([await each for each in taken], ["taken"] * 50)
        self.assertEqual(self.there_events.tokens, tokens)
        self.assertEqual(await self.here.route(EVE, b"x"), "gone")
        self.assertEqual(await self.there.route(BOB, b"its own process knows better"), "gone")
        for answer in ("gone", "busy"):
            self.there_events.takes = answer
            self.assertEqual(await self.here.route(BOB, b"x"), answer)

    async def test_C8_all_processes_hear_that_a_member_takes_more(self) -> None:
        """That it was busy was the answer to what they sent it."""
        self.there.ease(BOB)
        await self.until_heard(self.here_events, "eased", BOB)

    async def test_one_session_a_key(self) -> None:
        """The newer one holds, wherever it is; the older is told to end, and cannot come back."""
        old, new = Claim(BOB, "old", 5), Claim(BOB, "new", 6)
        self.assertTrue(await self.here.claim(old))
        self.assertTrue(await self.there.claim(new))
        await self.until_heard(self.here_events, "superseded", "old")
        self.assertFalse(await self.here.claim(Claim(BOB, "older", 4)))
        await self.here.release(old)
        self.assertEqual(await self.here.route(BOB, b"x"), "taken")
        self.assertTrue(await self.there.claim(Claim(BOB, "same time", 6)))
        await self.until_heard(self.there_events, "superseded", "new")
        self.assertNotIn(("superseded", "same time"), self.there_events.heard)

    async def test_who_leaves_is_gone(self) -> None:
        """For routes, and for who watches, on every process."""
        claim = Claim(BOB, "s", 5)
        await self.there.claim(claim)
        await self.until_heard(self.here_events, "changed", BOB)
        self.here_events.heard.clear()
        await self.there.release(claim)
        await self.until_heard(self.here_events, "changed", BOB)
        self.assertEqual(await self.here.route(BOB, b"x"), "gone")

    async def test_presence_is_shown_to_whom_the_member_names(self) -> None:
        """And to nobody else, nor after it left; joining anew shows nobody anything."""
        await self.there.claim(Claim(BOB, "s", 5))
        self.assertEqual(await self.here.visible(ANN, [BOB, EVE]), [])
        await self.there.show(BOB, [ANN])
        self.assertEqual(await self.here.visible(ANN, [BOB, EVE]), [BOB])
        self.assertEqual(await self.here.visible(EVE, [BOB]), [])
        await self.there.show(BOB, [EVE])
        self.assertEqual(await self.here.visible(ANN, [BOB]), [])
        await self.here.claim(Claim(BOB, "t", 6))
        self.assertEqual(await self.here.visible(EVE, [BOB]), [])

    async def test_what_members_show_is_bounded(self) -> None:
        """Nobody fills the server with names of others."""
        keys = [f"{n:044d}" for n in range(MAX_KEYS)]
        for number in range(MAX_PAIRS // MAX_KEYS):
            await self.here.show(f"{number}", keys)
        await self.assert_refused(PresenceFull, lambda: self.here.show(BOB, keys))

    async def test_a_member_is_kicked_wherever_it_is(self) -> None:
        """One session is ended, or none is there."""
        await self.there.claim(Claim(BOB, "s", 5))
        self.assertEqual((await self.here.kick(BOB), await self.here.kick(EVE)), (1, 0))
        await self.until_heard(self.there_events, "kicked", BOB)

    async def test_H2_a_list_that_one_process_was_told_of_is_read_by_all(self) -> None:
        """By the others; and by who was away, when Redis is back."""
        self.here.relist()
        await self.until_heard(self.there_events, "relisted", "")
        self.assertNotIn(("relisted", ""), self.here_events.heard)
        self.redis.kill()
        await self.until(lambda: not self.here.link.is_ready and not self.there.link.is_ready)
        self.redis.start()
        await self.until_heard(self.here_events, "relisted", "")

    async def test_the_members_of_a_dead_process_are_gone_with_its_lease(self) -> None:
        """Nobody swept up behind it: the others do, and tell who watches."""
        await self.there.claim(Claim(BOB, "s", 5))
        self.redis.cli("DEL", "hub:lease:there")
        self.assertEqual(await self.here.route(BOB, b"x"), "gone")
        self.assertEqual(await self.here.visible(ANN, [BOB]), [])
        self.here_events.heard.clear()
        await self.until_heard(self.here_events, "changed", BOB)
        usage = await self.here.usage()
        self.assertIn(usage.processes, (1, 2))

    async def test_a_process_that_lost_its_lease_claims_all_anew(self) -> None:
        """One that stood still for a while finds its members again."""
        await self.there.claim(Claim(BOB, "s", 5))
        await self.there.show(BOB, [ANN])
        self.redis.cli("FLUSHALL")
        await self.until(lambda: self.redis.cli("HLEN", "hub:who") == "1")
        self.assertEqual(await self.here.visible(ANN, [BOB]), [BOB])
        self.assertEqual(await self.here.route(BOB, b"x"), "taken")

    async def test_a_process_that_ends_takes_its_members_along_at_once(self) -> None:
        """Nobody waits for its lease."""
        await self.there.claim(Claim(BOB, "s", 5))
        await self.there.stopService()
        await self.until_heard(self.here_events, "changed", BOB)
        self.assertEqual(await self.here.route(BOB, b"x"), "gone")
        usage = await self.here.usage()
        self.assertEqual((usage.joined, usage.processes), (0, 1))

    async def test_hubs_of_other_prefixes_know_nothing_of_it(self) -> None:
        """One server can serve several hubs."""
        other = await self.process("other", Events(), prefix="other:")
        await self.there.claim(Claim(BOB, "s", 5))
        await self.there.keep(a_mail(1))
        self.assertEqual(await other.route(BOB, b"x"), "gone")
        self.assertEqual(await other.count(BOB), 0)


class MailTests(RedisCase):
    async def test_mail_waits_in_its_order(self) -> None:
        """For its recipient, on every process, page by page; the same name is the same mail."""
        mails = [a_mail(n, token=bytes(range(33, 127)) * (n + 1)) for n in range(12)]
        for mail in mails:
            await self.here.keep(mail)
        await self.there.keep(a_mail(3, token=b"signed anew"))
        first = await self.there.waiting(BOB, "", 5)
        rest = await self.there.waiting(BOB, first[-1].position, 100)
        self.assertEqual([w.token for w in first + rest], [mail.token for mail in mails])
        self.assertEqual(sorted(rest, key=lambda w: w.position), rest)
        self.assertEqual((await self.here.count(BOB), await self.here.count(ANN)), (12, 0))

    async def test_what_is_acknowledged_is_gone(self) -> None:
        """And its room is free; positions go on behind it."""
        for number in range(3):
            await self.here.keep(a_mail(number))
        last = (await self.here.waiting(BOB, "", 9))[-1].position
        names = [MailName(ANN, a_mail(n).id) for n in range(3)]
        self.assertEqual(await self.there.ack(BOB, [MailName(EVE, names[0].id)]), 0)
        self.assertEqual(await self.there.ack(BOB, names), 3)
        self.assertEqual(await self.there.ack(BOB, names), 0)
        usage = await self.here.usage()
        self.assertEqual((usage.mails, usage.mail_bytes), (0, 0))
        await self.here.keep(a_mail(7))
        self.assertEqual(len(await self.here.waiting(BOB, last, 9)), 1)
        await self.here.ack(BOB, [MailName(ANN, a_mail(7).id)])
        kept = self.redis.cli("KEYS", "*").split()
        self.assertEqual([k for k in kept if "box" in k or "names" in k or "kept" in k], [])

    async def test_who_is_joined_hears_of_new_mail(self) -> None:
        """On whichever process it is."""
        await self.there.claim(Claim(BOB, "s", 5))
        await self.here.keep(a_mail(1))
        await self.until_heard(self.there_events, "mailed", BOB)
        self.assertNotIn(("mailed", BOB), self.here_events.heard)

    async def test_each_bound(self) -> None:
        """As that of the mailbox on the disk: refused, and nothing changed."""
        size = MAIL_OVERHEAD_BYTES + 200
        for number, (limits, error) in enumerate(
            (
                (MailLimits(box_messages=3), MailboxFull),
                (MailLimits(box_bytes=3 * size), MailboxFull),
                (MailLimits(total_bytes=3 * size), MailboxFull),
                (MailLimits(sender_messages=3), MailQuota),
                (MailLimits(sender_bytes=3 * size), MailQuota),
            )
        ):
            hub = await self.process("x", Events(), limits=limits, prefix=f"{number}:")
            mails = [a_mail(n, token=b"x" * 200) for n in range(4)]
            for mail in mails[:3]:
                await hub.keep(mail)
            await self.assert_refused(error, partial(hub.keep, mails[3]))
            usage = await hub.usage()
            self.assertEqual((usage.mails, usage.mail_bytes), (3, 3 * size))
            await hub.ack(BOB, [MailName(ANN, mails[0].id)])
            await hub.keep(mails[3])
            await hub.stopService()

    async def test_mail_and_entries_expire(self) -> None:
        """Mail after its days, entries when they are over."""
        await self.here.keep(a_mail(1))
        await self.here.publish(Listing(ANN, "anna", NOW_S + 20 * DAY_S, "t"))
        self.assertEqual(await self.here.expire(NOW_S + 14 * DAY_S - 1), 0)
        self.assertEqual(await self.here.expire(NOW_S + 14 * DAY_S), 1)
        self.assertEqual(await self.here.count(BOB), 0)
        self.assertEqual(await self.here.expire(NOW_S + 20 * DAY_S), 1)
        self.assertEqual(await self.here.search("a", 0, 9), [])

    async def test_S1_mail_that_was_kept_survives_a_kill_of_redis(self) -> None:
        """All that was told as kept is there again; the processes find back by themselves."""
        kept: list[bytes] = []
        for batch in range(26):
            mails = [a_mail(number) for number in range(batch * 4, batch * 4 + 4)]
            asked = DeferredList([self.here.keep(mail) for mail in mails], consumeErrors=True)
            if batch == 25:
                self.redis.kill()
            done = await asked
            kept += [mail.token for mail, (well, _) in zip(mails, done, strict=True) if well]
        self.assertGreaterEqual(len(kept), 100)
        await self.until(lambda: not self.there.link.is_ready)
        self.redis.start()
        await self.until(lambda: self.there.link.is_ready)
        found = [each.token for each in await self.there.waiting(BOB, "", 200)]
        self.assertEqual(found[: len(kept)], kept)


class DirectoryTests(RedisCase):
    async def test_entries_are_found_by_the_beginning_of_their_name(self) -> None:
        """By name, on every process, no more than are asked for, and none that is over."""
        names = ["bob", "alice", "al", "alma", "álma", "b"]
        for number, name in enumerate(names):
            await self.here.publish(Listing(f"key {number}", name, NOW_S, f"entry of {name}"))
        await self.here.publish(Listing("over", "alfa", NOW_S - 10, "entry of alfa"))
        for prefix, found in (
            ("al", ["al", "alice", "alma"]),
            ("á", ["álma"]),
            ("bobo", []),
            ("[", []),
        ):
            expected = [f"entry of {name}" for name in found]
            self.assertEqual(await self.there.search(prefix, NOW_S - 5, 20), expected)
            self.assertEqual(await self.there.search(prefix, NOW_S - 5, 2), expected[:2])

    async def test_one_entry_a_member(self) -> None:
        """A new one takes the place of the one before; it can be taken back; there is a bound."""
        hub = await self.process("x", Events(), limits=MailLimits(entries=1), prefix="small:")
        await hub.publish(Listing("a", "anna", NOW_S, "1"))
        await hub.publish(Listing("a", "berta", NOW_S, "2"))
        self.assertEqual((await hub.search("an", 1, 9), await hub.search("be", 1, 9)), ([], ["2"]))
        other = Listing("b", "carl", NOW_S, "3")
        await self.assert_refused(DirectoryFull, lambda: hub.publish(other))
        await hub.withdraw("a")
        await hub.publish(other)


class AwayTests(RedisCase):
    async def test_S3_without_redis_mail_is_refused_and_members_stay(self) -> None:
        """Who is here stays, who comes may join; when it is back, others find them again."""
        await self.here.claim(Claim(BOB, "s", 5))
        await self.here.show(BOB, [ANN])
        self.redis.kill()
        await self.until(lambda: not self.here.link.is_ready and not self.there.link.is_ready)
        self.assertIn("cannot be reached", self.here.trouble)
        await self.assert_refused(MailboxDegraded, lambda: self.here.keep(a_mail(1)))
        await self.assert_refused(MailboxDegraded, lambda: self.here.waiting(BOB, "", 9))
        await self.assert_refused(MailboxDegraded, lambda: self.here.search("a", 0, 9))
        self.assertEqual(await self.there.route(BOB, b"x"), "gone")
        self.assertTrue(await self.here.claim(Claim(EVE, "e", 7)))
        self.assertEqual(await self.here.visible(ANN, [BOB]), [BOB])
        self.redis.start()
        await self.until(lambda: self.here.link.is_ready and self.there.link.is_ready)
        await self.until(lambda: self.redis.cli("HLEN", "hub:who") == "2")
        self.assertEqual(await self.there.route(BOB, b"x"), "taken")
        self.assertEqual(await self.there.route(EVE, b"x"), "taken")
        self.assertEqual(await self.there.visible(ANN, [BOB]), [BOB])
        await self.until_heard(self.here_events, "mailed", BOB)
        self.assertEqual(self.here.trouble, "")
        await self.here.keep(a_mail(1))

    async def test_S3_one_that_is_away_is_told_once(self) -> None:
        """At the start too, however often it is tried; and again when it was back meanwhile."""
        self.redis.kill()
        await self.until(lambda: not self.here.link.is_ready and not self.there.link.is_ready)
        with capturedLogs() as logged:
            late = self.made("late", Events())
            await self.until(lambda: len(logged_as(logged, LogLevel.info, "attempt")) >= 9)
            self.assertEqual(len(logged_as(logged, LogLevel.error, "trouble")), 1)
            self.assertIn("cannot be reached", late.trouble)
            links = [each.link for each in (self.here, self.there, late)]
            self.redis.start()
            await self.until(lambda: all(link.is_ready for link in links))
            self.redis.kill()
            await self.until(lambda: not any(link.is_ready for link in links))
            self.assertEqual(len(logged_as(logged, LogLevel.error, "trouble")), 1 + len(links))

    async def test_S3_a_redis_that_hangs_is_one_that_is_away(self) -> None:
        """Within seconds what waits for it is refused; nothing holds up the end of a process."""
        await self.here.claim(Claim(BOB, "s", 5))
        self.redis.hang()
        await self.assert_refused(MailboxDegraded, lambda: self.here.keep(a_mail(1)))
        await self.until(lambda: not self.here.link.is_ready)
        self.assertEqual(await self.here.route(EVE, b"x"), "gone")
        begun_s = reactor.seconds()
        await self.there.stopService()
        self.assertLess(reactor.seconds() - begun_s, END_S + 1.0)

    async def test_of_two_that_joined_meanwhile_the_newer_holds(self) -> None:
        """The older one is told to end when Redis is back."""
        self.redis.kill()
        await self.until(lambda: not self.here.link.is_ready and not self.there.link.is_ready)
        await self.here.claim(Claim(BOB, "newer", 9))
        await self.there.claim(Claim(BOB, "older", 8))
        self.redis.start()
        await self.until_heard(self.there_events, "superseded", "older")
        self.assertNotIn(("superseded", "newer"), self.here_events.heard)
        self.assertEqual(await self.there.route(BOB, b"x"), "taken")

    async def test_a_server_that_forgot_our_scripts_is_asked_again(self) -> None:
        """What comes meanwhile fails, what comes after is served."""
        self.redis.cli("SCRIPT", "FLUSH")
        await self.assert_refused(MailboxDegraded, lambda: self.here.keep(a_mail(1)))
        self.assertFalse(self.here.link.is_ready)
        await self.until(lambda: self.here.link.is_ready)
        await self.here.keep(a_mail(1))


class ForgetfulTests(RedisCase):
    options = ("--appendonly", "yes", "--appendfsync", "everysec")

    async def test_S1_a_redis_that_may_lose_mail_is_given_none(self) -> None:
        """It says what to set; all else is served."""
        await self.until(lambda: self.here.trouble)
        self.assertIn("appendfsync", self.here.trouble)
        await self.assert_refused(MailboxDegraded, lambda: self.here.keep(a_mail(1)))
        await self.there.claim(Claim(BOB, "s", 5))
        self.assertEqual(await self.here.route(BOB, b"x"), "taken")
        self.redis.cli("CONFIG", "SET", "appendfsync", "always")
        await self.until(lambda: not self.here.trouble)
        await self.here.keep(a_mail(1))
        self.redis.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        await self.until(lambda: "maxmemory-policy" in self.here.trouble)


class AddressTests(TestCase):
    def test_addresses(self) -> None:
        """Of TCP, of TLS and of a Unix socket."""
        for text, expected in (
            ("redis://localhost", RedisAddress("localhost")),
            ("redis://10.0.0.1:7000/2", RedisAddress("10.0.0.1", 7000, None, 2)),
            ("rediss://hub@r.example.org/", RedisAddress("r.example.org", user="hub", tls=True)),
            ("unix:///run/redis.sock", RedisAddress(path=Path("/run/redis.sock"))),
            ("unix:///r.sock?db=3", RedisAddress(path=Path("/r.sock"), database=3)),
        ):
            self.assertEqual(parse(text), expected)
        for text in (
            "redis://",
            "http://x",
            "localhost:6379",
            "redis://x:0",
            "redis://x/y",
            "unix://host/path",
            "unix:///r.sock?x=3",
            "redis://x/1?db=2",
        ):
            self.assertRaises(BadConfig, parse, text)

    def test_L7_a_password_is_not_a_part_of_it(self) -> None:
        """It would stand in the list of processes; the error does not repeat it."""
        error = self.assertRaises(BadConfig, parse, "redis://user:Canary-7@localhost")
        self.assertNotIn("Canary-7", str(error))


class PasswordTests(RedisCase):
    password = "Canary-7"

    async def test_L7_a_password(self) -> None:
        """With it all is served; without it nothing is, and that is told."""
        self.redis.cli("CONFIG", "SET", "requirepass", self.password)
        known = await self.process("known", Events(), password=self.password)
        self.assertTrue(await known.claim(Claim(BOB, "s", 5)))
        with capturedLogs() as logged:
            stranger = self.made("stranger", Events())
            await self.until(lambda: "refuses us: NOAUTH" in stranger.trouble)
            await self.until(lambda: len(logged_as(logged, LogLevel.info, "attempt")) >= 4)
        self.assertEqual(len(logged_as(logged, LogLevel.error, "trouble")), 1)
        self.assertFalse(stranger.link.is_ready)
