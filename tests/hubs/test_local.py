"""The backplane of one process: commits together, answers after, and never out of order."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from streembit.disk.mailbox import Mailbox, MailLimits
from streembit.errors import MailboxDegraded, MailboxFull, PresenceFull
from streembit.hub.mail import Listing, Mail
from streembit.hub.presence import Shown
from streembit.jose import base64url
from streembit.service.hub.backplane import Claim, Routed
from streembit.service.hub.local import LocalBackplane, Shelving
from streembit.wire.hub import MailName, Refused
from tests.disk.dying import Trouble
from tests.hubs.house import Held, House, identity

ANN, BOB = identity(1).public.text, identity(2).public.text


def mail(number: int, to: str = BOB) -> Mail:
    """Return a mail of Ann's."""
    return Mail(to, ANN, f"{number:022}", b"token %d" % number, 1_800_000_000)


class Events:
    """What the backplane tells."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def routed(self, recipient: str, token: bytes) -> Routed:
        return "gone"

    def superseded(self, session: str) -> None:
        self.told.append(("superseded", session))

    def kicked(self, key: str) -> None:
        self.told.append(("kicked", key))

    def changed(self, key: str) -> None:
        self.told.append(("changed", key))

    def mailed(self, recipient: str) -> None:
        self.told.append(("mailed", recipient))

    def eased(self, key: str) -> None:
        self.told.append(("eased", key))

    def relisted(self) -> None:
        self.told.append(("relisted", ""))


class Thread:
    """A disk's thread that works when it is told to; `batches` counts what it was given."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self._waiting: list[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = []

    def __call__(self, work: Callable[..., Any], *args: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self._waiting.append((done, work, args))
        self.batches.append(len(args[0]))
        return done

    def work(self) -> None:
        """Do all that waits, and what follows from it."""
        while self._waiting:
            done, work, args = self._waiting.pop(0)
            done.callback(work(*args))


class LocalCase(SynchronousTestCase):
    """A backplane over a real mailbox."""

    def setUp(self) -> None:
        self.thread, self.events = Thread(), Events()
        self.shelf = Mailbox(Path(self.mktemp()), MailLimits(box_messages=5))
        self.addCleanup(self.shelf.close)
        self.back = LocalBackplane(self.shelf, self.thread)
        self.back.events = self.events

    def done(self, answer: Deferred[Any]) -> Any:
        """Return what something fires with, after the thread has worked."""
        self.thread.work()
        return self.successResultOf(answer)


class ShelvingTests(LocalCase):
    """One commit for what came together."""

    def test_what_comes_while_the_thread_works_is_one_batch(self) -> None:
        """Nothing is said to be kept before its commit."""
        first = self.back.keep(mail(0))
        more = [self.back.keep(mail(n)) for n in range(1, 4)]
        self.assertNoResult(first)
        self.thread.work()
        self.assertEqual(self.thread.batches, [1, 3])
        for kept in (first, *more):
            self.successResultOf(kept)
        self.assertEqual(self.done(self.back.count(BOB)), 4)

    def test_one_that_is_refused_does_not_touch_the_others_of_its_batch(self) -> None:
        """Each hears its own."""
        kept = [self.back.keep(mail(n)) for n in range(7)]
        self.thread.work()
        for each in kept[:5]:
            self.successResultOf(each)
        for each in kept[5:]:
            self.failureResultOf(each, MailboxFull)

    def test_S3_where_the_commit_fails_nobody_is_told_to_be_kept(self) -> None:
        """Nor is what was read besides answered with what is not there; later all is well."""
        trouble = Trouble()
        shelf = Mailbox(Path(self.mktemp()), dial=trouble.connect())
        self.addCleanup(shelf.close)
        line = Shelving(shelf, self.thread)

        def fill_the_disk(_: object) -> None:
            trouble.code = sqlite3.SQLITE_FULL

        line.submit(lambda _: None)  # the thread is busy: what follows is one batch
        kept = line.submit(lambda shelf: shelf.keep(mail(0)))
        count = line.submit(lambda shelf: shelf.count(BOB))
        full = line.submit(fill_the_disk)
        self.thread.work()
        for each in (kept, count, full):
            self.failureResultOf(each, MailboxDegraded)
        trouble.code = None
        again = line.submit(lambda shelf: shelf.keep(mail(0)))
        self.assertTrue(self.done(again))

    def test_S3_what_is_rolled_back_half_way_is_told_to_nobody(self) -> None:
        """Though the disk works again before the commit: all of the batch is lost, and no more."""
        trouble = Trouble()
        shelf = Mailbox(Path(self.mktemp()), dial=trouble.connect())
        self.addCleanup(shelf.close)
        line = Shelving(shelf, self.thread)

        def trouble_is(code: int | None) -> Callable[[object], None]:
            return lambda _: setattr(trouble, "code", code)

        line.submit(lambda _: None)  # the thread is busy: what follows is one batch
        before = line.submit(lambda shelf: shelf.keep(mail(0)))
        line.submit(trouble_is(sqlite3.SQLITE_FULL)).addErrback(lambda _: None)
        during = line.submit(lambda shelf: shelf.keep(mail(1)))
        line.submit(trouble_is(None)).addErrback(lambda _: None)
        after = line.submit(lambda shelf: shelf.keep(mail(2)))
        self.thread.work()
        for each in (before, during, after):
            self.failureResultOf(each, MailboxDegraded)
        again = line.submit(lambda shelf: shelf.keep(mail(3)))
        self.assertTrue(self.done(again))
        held = self.done(line.submit(lambda shelf: shelf.held()))
        self.assertEqual(held[0], 1)

    def test_the_end_waits_for_what_is_on_its_way(self) -> None:
        """A mail that was taken is kept, or refused."""
        self.back.startService()
        self.thread.work()  # it has looked through what there was: nothing
        kept = self.back.keep(mail(0))
        stopped = self.back.stopService()
        self.assertNoResult(stopped)
        self.thread.work()
        self.successResultOf(kept)
        self.successResultOf(stopped)


class PresenceTests(LocalCase):
    """Who is here."""

    def test_the_newer_of_two_sessions_holds(self) -> None:
        """The other is told; one that was older from the beginning is turned away."""
        old, new = Claim(ANN, "old", 1), Claim(ANN, "new", 2)
        self.assertTrue(self.done(self.back.claim(old)))
        self.assertTrue(self.done(self.back.claim(new)))
        self.assertIn(("superseded", "old"), self.events.told)
        self.assertFalse(self.done(self.back.claim(old)))
        self.done(self.back.release(old))
        self.done(self.back.show(ANN, [BOB]))
        self.assertEqual(self.done(self.back.visible(BOB, [ANN])), [ANN])
        self.done(self.back.release(new))
        self.assertEqual(self.done(self.back.visible(BOB, [ANN])), [])
        self.assertEqual(self.events.told[-1], ("changed", ANN))

    def test_what_was_shown_is_forgotten_with_the_session(self) -> None:
        """The next one shows itself anew, or to nobody."""
        self.done(self.back.claim(Claim(ANN, "one", 1)))
        self.done(self.back.show(ANN, [BOB]))
        self.done(self.back.claim(Claim(ANN, "two", 2)))
        self.assertEqual(self.done(self.back.visible(BOB, [ANN])), [])

    def test_too_many_lists_are_refused(self) -> None:
        """What was shown before stays."""
        back = LocalBackplane(self.shelf, self.thread, Shown(max_pairs=2))
        back.events = self.events
        self.done(back.claim(Claim(ANN, "one", 1)))
        self.done(back.show(ANN, [BOB]))
        self.failureResultOf(back.show(ANN, [BOB, ANN, "x"]), PresenceFull)
        self.assertEqual(self.done(back.visible(BOB, [ANN])), [ANN])

    def test_who_is_kicked_is_told_once(self) -> None:
        """Of one that is not here there is nothing to tell."""
        self.assertEqual(self.done(self.back.kick(ANN)), 0)
        self.done(self.back.claim(Claim(ANN, "one", 1)))
        self.assertEqual(self.done(self.back.kick(ANN)), 1)
        self.assertEqual(self.events.told.count(("kicked", ANN)), 1)


class PostTests(LocalCase):
    """Mail and directory, through the thread."""

    def test_a_recipient_that_is_here_is_told_of_what_was_kept(self) -> None:
        """After it was; one that is away is not told."""
        self.back.keep(mail(0))
        self.thread.work()
        self.assertNotIn(("mailed", BOB), self.events.told)
        self.done(self.back.claim(Claim(BOB, "one", 1)))
        self.back.keep(mail(1))
        self.assertNotIn(("mailed", BOB), self.events.told)
        self.thread.work()
        self.assertIn(("mailed", BOB), self.events.told)
        waiting = self.done(self.back.waiting(BOB, "", 10))
        self.assertEqual([each.token for each in waiting], [b"token 0", b"token 1"])
        self.assertEqual(self.done(self.back.ack(BOB, [MailName(ANN, mail(0).id)])), 1)
        usage = self.done(self.back.usage())
        self.assertEqual((usage.mails, usage.joined, usage.processes), (1, 1, 1))

    def test_what_is_over_is_deleted(self) -> None:
        """Entries by their own time, mail by the box's."""
        self.back.keep(mail(0))
        self.done(self.back.publish(Listing(ANN, "ann", 2_000_000_000, "token")))
        self.assertEqual(self.done(self.back.search("an", 1_800_000_000, 5)), ["token"])
        self.assertEqual(self.done(self.back.expire(1_800_000_000 + 15 * 86_400)), 1)
        self.assertEqual(self.done(self.back.expire(2_000_000_001)), 1)
        self.assertEqual(self.done(self.back.search("an", 1_800_000_000, 5)), [])


class LookTests(SynchronousTestCase):
    """A hub whose mailbox is long begins at once, and looks through it in the background."""

    def setUp(self) -> None:
        before = House(self)
        before.joined(1).mail(identity(2).public, 1, b"before the start")
        before.run()
        before.stop()
        self.disk = Held()
        self.disk.holds = True
        self.house = House(self, disk=self.disk, shelf=before.shelf.path, at_once=False)
        self.addCleanup(self.house.stop)

    def look(self) -> None:
        """Have the disk's thread do what waits for it."""
        self.disk.holds = False
        self.disk.work()
        self.house.run(1.0)

    def test_S2_members_talk_while_it_is_looked_through(self) -> None:
        """They join and relay; mail is refused with a code that says to try again."""
        ann, bob = self.house.joined(1), self.house.joined(2)
        ann.live(bob, b"now")
        ann.mail(bob, 2, b"later")
        self.house.run(1.0)
        self.assertEqual([base64url.decode(each.val) for each in bob.envelopes()], [b"now"])
        (answer,) = ann.answers()
        assert isinstance(answer, Refused)
        self.assertEqual(answer.code, "mailbox-degraded")
        self.assertIn("looked through", self.house.hub.backplane.trouble)
        self.look()
        self.assertEqual(self.house.hub.backplane.trouble, "")

    def test_S2_who_joined_meanwhile_is_given_what_waited(self) -> None:
        """As soon as all was seen; and from then on mail is kept."""
        bob = self.house.joined(2)
        assert bob.welcome is not None
        self.assertEqual((bob.welcome.waiting, bob.envelopes()), (0, []))
        self.look()
        got = [base64url.decode(each.val) for each in bob.envelopes()]
        self.assertEqual(got, [b"before the start"])
        ann = self.house.joined(1)
        ann.mail(bob, 3, b"after")
        self.house.run(1.0)
        self.assertEqual(len(bob.envelopes()), 2)

    def test_S5_a_hub_that_stops_looks_no_further(self) -> None:
        """It waits for the part that is being looked at, and no other."""
        stopped = self.house.hub.stopService()
        self.house.run(5.0)
        self.assertNoResult(stopped)
        self.disk.work()
        self.house.run(1.0)
        self.successResultOf(stopped)
        self.assertIn("looked through", self.house.shelf.trouble)
        self.assertEqual(self.disk.waiting, [])
