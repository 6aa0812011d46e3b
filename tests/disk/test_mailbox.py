"""The mailbox on SQLite: what was kept is there, until it is acknowledged or too old."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.disk.database import Connect, connect
from streembit.disk.mailbox import (
    DAY_S,
    EXPIRED_AT_ONCE,
    LOOKED_AT_ONCE,
    MAIL_OVERHEAD_BYTES,
    Mailbox,
    MailLimits,
    Sum,
)
from streembit.errors import (
    DirectoryFull,
    HomePermissions,
    HomeTooNew,
    MailboxDegraded,
    MailboxFull,
    MailQuota,
    MailRefused,
)
from streembit.hub.mail import Listing, Mail
from streembit.wire.hub import MailName
from tests.disk.dying import FailsOnce, Trouble
from tests.disk.faultfiles import PowerCut
from tests.disk.places import a_folder

KEYS = ["A" * 43 + "1", "B" * 43 + "2", "C" * 43 + "3"]
SAFE = {"journal_mode": "wal", "synchronous": 2, "locking_mode": "exclusive"}  # 2 is FULL
LIMITS = MailLimits()
SMALL = MailLimits(
    box_messages=4,
    box_bytes=4 * (MAIL_OVERHEAD_BYTES + 100),
    sender_messages=6,
    sender_bytes=6 * (MAIL_OVERHEAD_BYTES + 80),
    total_bytes=8 * (MAIL_OVERHEAD_BYTES + 90),
    days=3,
)


def a_mail(
    number: int, recipient: int = 0, sender: int = 1, token: bytes = b"", kept_s: int = 1000
) -> Mail:
    """Return a mail whose id is made of the number."""
    token = token or b"token of %d " % number * 9
    return Mail(KEYS[recipient], KEYS[sender], f"{number:022d}", token, kept_s)


def a_listing(key: str, name: str, expires_s: int = 2000) -> Listing:
    """Return an entry whose token tells what it is."""
    return Listing(key, name, expires_s, f"entry of {name} until {expires_s}")


def tokens(mails: Iterable[Mail]) -> list[bytes]:
    """Return the tokens of mails."""
    return [mail.token for mail in mails]


def got(box: Mailbox, mail: Mail) -> bool:
    """Acknowledge one mail; return whether it was there."""
    return bool(box.ack(mail.recipient, [MailName(mail.sender, mail.id)]))


class OnDisk(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = a_folder(self) / "mailbox.sqlite"
        self.boxes: list[Mailbox] = []

    def opened(self, limits: MailLimits = LIMITS, dial: Connect = connect) -> Mailbox:
        box = Mailbox(self.path, limits, dial=dial)
        self.boxes.append(box)
        self.addCleanup(box.close)
        return box

    def filled(self, count: int = 20) -> tuple[Mailbox, list[Mail]]:
        box, mails = self.opened(), [a_mail(number) for number in range(count)]
        for mail in mails:
            box.keep(mail)
        box.commit()
        return box, mails

    def opened_again(self) -> Mailbox:
        for db in self.boxes:
            db.close()
        return self.opened()


def tokens_of(box: Mailbox, recipient: int = 0) -> list[bytes]:
    """Return what waits for a recipient."""
    return [waiting.token for waiting in box.waiting(KEYS[recipient], "", 1000)]


class MailboxTest(OnDisk):
    def test_mails_wait_in_their_order(self) -> None:
        """They are there after a restart, byte for byte, for their recipient only."""
        box = self.opened()
        mails = [a_mail(n, token=bytes(range(256)) * n) for n in (3, 1, 200, 2)]
        for mail in mails:
            box.keep(mail)
        box.keep(a_mail(9, recipient=2))
        box.close()
        again = self.opened()
        self.assertEqual(tokens_of(again), tokens(mails))
        self.assertEqual(tokens_of(again, 2), tokens([a_mail(9)]))
        self.assertEqual((tokens_of(again, 1), again.count(KEYS[0])), ([], 4))

    def test_pages_of_a_box(self) -> None:
        """What is behind a position comes next, also when much was acknowledged since."""
        box, mails = self.filled(10)
        first = box.waiting(KEYS[0], "", 4)
        self.assertEqual([w.token for w in first], tokens(mails[:4]))
        self.assertEqual(sorted(first, key=lambda w: w.position), first)
        for mail in mails[2:6]:
            got(box, mail)
        rest = box.waiting(KEYS[0], first[-1].position, 100)
        self.assertEqual([w.token for w in rest], tokens(mails[6:]))

    def test_a_position_is_never_used_again(self) -> None:
        """Who has read up to a position misses nothing that comes in behind it."""
        box, mails = self.filled(2)
        last = box.waiting(KEYS[0], "", 9)[-1].position
        for mail in mails:
            got(box, mail)
        box.keep(a_mail(7))
        self.assertEqual([w.token for w in box.waiting(KEYS[0], last, 9)], tokens([a_mail(7)]))

    def test_the_same_name_is_the_same_mail(self) -> None:
        """A mail that is sent again is kept once, as it came first."""
        box, mails = self.filled(1)
        self.assertFalse(box.keep(replace(mails[0], token=b"signed anew")))
        self.assertEqual((tokens_of(box), box.held()[0]), (tokens(mails), 1))
        self.assertTrue(box.keep(a_mail(0, sender=2)))
        self.assertTrue(box.keep(a_mail(0, recipient=1)))

    def test_what_is_acknowledged_is_gone(self) -> None:
        """By its whole name only, and once."""
        box, mails = self.filled(3)
        self.assertFalse(got(box, replace(mails[1], sender=KEYS[2])))
        self.assertFalse(got(box, replace(mails[1], recipient=KEYS[1])))
        self.assertTrue(got(box, mails[1]))
        self.assertFalse(got(box, mails[1]))
        box.close()
        self.assertEqual(tokens_of(self.opened()), tokens([mails[0], mails[2]]))
        names = [MailName(mail.sender, mail.id) for mail in mails]
        self.assertEqual(self.opened_again().ack(KEYS[0], names), 2)

    def test_mail_expires_after_its_days(self) -> None:
        """The oldest first, and no more at once than takes a moment."""
        box = self.opened(SMALL)
        mails = [a_mail(n, kept_s=kept_s) for n, kept_s in ((1, 30), (2, 10), (3, 20))]
        for mail in mails:
            box.keep(mail)
        self.assertEqual(box.expire(3 * DAY_S + 9), 0)
        self.assertEqual(box.expire(3 * DAY_S + 20), 2)
        self.assertEqual((tokens_of(box), box.held()[0]), (tokens(mails[:1]), 1))

    def test_only_some_expire_at_once(self) -> None:
        """A hub that was off for weeks does not stand still when it begins."""
        box = self.opened(MailLimits(box_messages=1000))
        for number in range(EXPIRED_AT_ONCE + 5):
            box.keep(a_mail(number))
        self.assertEqual([box.expire(10**9) for _ in range(3)], [EXPIRED_AT_ONCE, 5, 0])

    def test_the_bounds_of_the_design(self) -> None:
        """128 messages or 8 MiB a member, 14 days."""
        found = (LIMITS.box_messages, LIMITS.box_bytes, LIMITS.days)
        self.assertEqual(found, (128, 8 * 1024 * 1024, 14))

    def test_each_bound(self) -> None:
        """A mail over one of them is refused and nothing changes; room that is made is used."""
        for limits, error in (
            (MailLimits(box_messages=3), MailboxFull),
            (MailLimits(box_bytes=3 * (MAIL_OVERHEAD_BYTES + 200)), MailboxFull),
            (MailLimits(total_bytes=3 * (MAIL_OVERHEAD_BYTES + 200)), MailboxFull),
            (MailLimits(sender_messages=3), MailQuota),
            (MailLimits(sender_bytes=3 * (MAIL_OVERHEAD_BYTES + 200)), MailQuota),
        ):
            box = self.opened(limits)
            mails = [a_mail(n, token=b"x" * 200) for n in range(4)]
            for mail in mails[:3]:
                box.keep(mail)
            self.assertRaises(error, box.keep, mails[3])
            box.commit()
            self.assertEqual(tokens_of(box), tokens(mails[:3]), limits)
            got(box, mails[0])
            box.keep(mails[3])
            self.assertEqual(tokens_of(box), tokens(mails[1:]))
            box.close()
            self.path.unlink()

    def test_L7_only_the_owner_can_read_the_files(self) -> None:
        """Database and log have mode 0600, and a file that others can read is refused."""
        box, _ = self.filled()
        for path in self.path.parent.iterdir():
            self.assertEqual(path.stat().st_mode & 0o777, 0o600, path.name)
        box.close()
        self.path.chmod(0o644)
        self.assertRaises(HomePermissions, Mailbox, self.path)

    def test_S6_a_newer_file_is_refused(self) -> None:
        """A file of a newer program is left alone."""
        self.filled(3)[0].close()
        db = sqlite3.connect(self.path)
        db.execute("PRAGMA user_version=2")
        db.close()
        self.assertRaises(HomeTooNew, Mailbox, self.path)


class DirectoryTest(OnDisk):
    def test_entries_are_found_by_the_beginning_of_their_name(self) -> None:
        """By name, after a restart too, and no more than are asked for."""
        box = self.opened()
        names = ["bob", "alice", "al", "alma", "álma", "b"]
        for number, name in enumerate(names):
            box.publish(a_listing(f"key {number}", name))
        box.close()
        box = self.opened()
        for prefix, found in (
            ("al", ["al", "alice", "alma"]),
            ("", ["al", "alice", "alma", "b", "bob", "álma"]),
            ("á", ["álma"]),
            ("bobo", []),
            ("%", []),
        ):
            expected = [a_listing("", name).token for name in found]
            self.assertEqual(box.search(prefix, 1000, 20), expected)
            self.assertEqual(box.search(prefix, 1000, 2), expected[:2])

    def test_one_entry_a_member(self) -> None:
        """A new one takes the place of the one before, and it can be taken back."""
        box = self.opened()
        box.publish(a_listing("a", "anna"))
        box.publish(a_listing("a", "berta"))
        self.assertEqual((box.search("a", 1, 9), len(box.search("b", 1, 9))), ([], 1))
        box.withdraw("a")
        self.assertEqual(box.search("", 1, 9), [])

    def test_an_entry_is_over(self) -> None:
        """From its time on nobody finds it, and it makes room."""
        box = self.opened(MailLimits(entries=1))
        box.publish(a_listing("a", "anna", 2000))
        self.assertRaises(DirectoryFull, box.publish, a_listing("b", "berta"))
        box.publish(a_listing("a", "anna", 2001))
        self.assertEqual((len(box.search("", 2000, 9)), box.search("", 2001, 9)), (1, []))
        self.assertEqual((box.expire(2000), box.expire(2001)), (0, 1))
        box.publish(a_listing("b", "berta"))

    def test_S2_an_altered_entry_is_found_out(self) -> None:
        """It is not shown, and the file is not used."""
        box = self.opened()
        box.publish(a_listing("a", "anna"))
        box.close()
        db = sqlite3.connect(self.path)
        db.execute("UPDATE entries SET token='other'")
        db.commit()
        db.close()
        self.assertIn("not as it was written", self.opened().trouble)


class LookTest(OnDisk):
    """A long file is looked through in steps; whoever opens it does not wait for that."""

    COUNT = 3 * LOOKED_AT_ONCE

    def setUp(self) -> None:
        super().setUp()
        box = self.opened(MailLimits(box_messages=self.COUNT, sender_messages=self.COUNT))
        for number in range(self.COUNT):
            box.keep(a_mail(number))
        box.publish(a_listing("a", "anna"))
        box.close()
        self.statements: list[str] = []

    def begun(self) -> Mailbox:
        """Return a mailbox that was opened, and is to be looked through."""

        def traced(path: str) -> sqlite3.Connection:
            made = connect(path)
            made.set_trace_callback(self.statements.append)
            return made

        box = Mailbox(self.path, dial=traced, at_once=False)
        self.addCleanup(box.close)
        return box

    def altered(self, change: str) -> None:
        db = sqlite3.connect(self.path)
        db.execute(change)
        db.commit()
        db.close()

    def test_S2_the_start_reads_no_mail(self) -> None:
        """Neither mails nor pages; each step reads some, and the last one ends it."""
        box = self.begun()
        reading = ("FROM mails", "FROM entries", "integrity_check")
        self.assertEqual([s for s in self.statements if any(r in s for r in reading)], [])
        steps = 1
        while box.look():
            steps += 1
        self.assertGreaterEqual(steps, self.COUNT // LOOKED_AT_ONCE)
        self.assertFalse(box.look())
        self.assertEqual((box.trouble, box.held()[0]), ("", self.COUNT))
        box.keep(a_mail(1, recipient=2))
        box.commit()

    def test_S2_nothing_is_given_out_or_taken_before_all_was_seen(self) -> None:
        """What to wait for is said, and the file is as it was."""
        before = self.path.read_bytes()
        box = self.begun()
        looking = True
        while looking:
            for use in (
                lambda: box.keep(a_mail(1)),
                lambda: tokens_of(box),
                lambda: box.publish(a_listing("b", "berta")),
                box.held,
            ):
                self.assertRaises(MailboxDegraded, use)
            self.assertIn("looked through", box.trouble)
            looking = box.look()
        self.assertEqual(self.path.read_bytes(), before)

    def test_S2_damage_is_found_by_the_look(self) -> None:
        """Wherever it is: then the file is left alone, as when it is looked through at once."""
        whole = self.path.read_bytes()
        for change, words in (
            (f"UPDATE mails SET token='x' WHERE number={self.COUNT}", "not as it was written"),
            ("UPDATE sums SET mails=3 WHERE side='to'", "sums"),
            ("UPDATE entries SET token='other'", "not as it was written"),
        ):
            self.altered(change)
            box = self.begun()
            while box.look():
                self.assertNotIn("is damaged", box.trouble)
            self.assertIn("is damaged", box.trouble)
            self.assertIn(words, box.trouble)
            self.assertRaises(MailboxDegraded, tokens_of, box)
            box.close()
            self.path.write_bytes(whole)

    def test_S5_who_stops_does_not_wait_for_the_look(self) -> None:
        """Between two steps it reads no more; nothing is taken for damage, nor used."""
        box = self.begun()
        self.assertTrue(box.look())
        box.stop_looking()
        self.statements.clear()
        self.assertFalse(box.look())
        self.assertEqual([s for s in self.statements if "FROM" in s], [])
        self.assert_given_up(box)

    def test_S5_who_stops_does_not_wait_for_a_step_either(self) -> None:
        """The pages of a long file are looked at in one, which takes seconds."""
        boxes: list[Mailbox] = []
        calls = 0

        def stop() -> int:
            nonlocal calls
            for box in boxes:
                box.stop_looking()
                calls += 1
            return 0

        def slow(path: str) -> sqlite3.Connection:
            made = connect(path)
            made.set_progress_handler(stop, 1)  # called for each instruction of the database
            return made

        boxes.append(Mailbox(self.path, dial=slow, at_once=False))
        self.assertFalse(boxes[0].look())
        self.assertIn(calls, range(1, 10))
        self.assert_given_up(boxes[0])

    def assert_given_up(self, box: Mailbox) -> None:
        """Nothing is taken for damage, nor used; the next start looks anew."""
        self.assertNotIn("damaged", box.trouble)
        self.assertRaises(MailboxDegraded, tokens_of, box)
        box.close()
        self.assertEqual(len(tokens_of(self.opened())), self.COUNT)

    def test_S3_a_disk_that_fails_meanwhile_is_taken_up_later(self) -> None:
        """Then it is looked through at once, by whoever uses it first."""
        trouble = Trouble()
        box = self.opened(dial=trouble.connect())
        box.close()
        box = Mailbox(self.path, dial=trouble.connect(), at_once=False)
        trouble.code, trouble.reads_too = sqlite3.SQLITE_IOERR, True
        while box.look():
            pass
        self.assertTrue(box.trouble)
        trouble.code = None
        self.assertEqual(len(tokens_of(box)), self.COUNT)
        box.close()


class Plain:
    """The promises of a mailbox, spelled out over a list."""

    def __init__(self, limits: MailLimits) -> None:
        self.limits = limits
        self.mails: list[Mail] = []

    def sum(self, recipient: str = "", sender: str = "") -> Sum:
        sizes = [
            len(mail.token) + MAIL_OVERHEAD_BYTES
            for mail in self.mails
            if mail.recipient == (recipient or mail.recipient)
            and mail.sender == (sender or mail.sender)
        ]
        return Sum(len(sizes), sum(sizes))

    def keep(self, mail: Mail) -> str:
        if any(name_of(mail) == name_of(other) for other in self.mails):
            return "again"
        limits, size = self.limits, len(mail.token) + MAIL_OVERHEAD_BYTES
        box, sent = self.sum(recipient=mail.recipient), self.sum(sender=mail.sender)
        full = box.mails == limits.box_messages or box.size_bytes + size > limits.box_bytes
        if full or self.sum().size_bytes + size > limits.total_bytes:
            return "mailbox-full"
        if sent.mails == limits.sender_messages or sent.size_bytes + size > limits.sender_bytes:
            return "mail-quota"
        self.mails.append(mail)
        return "kept"

    def expire(self, now_s: int) -> None:
        oldest_s = now_s - self.limits.days * DAY_S
        self.mails = [mail for mail in self.mails if mail.kept_s > oldest_s]


def name_of(mail: Mail) -> tuple[str, str, str]:
    return mail.recipient, mail.sender, mail.id


NAMES = st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 2))
STEPS = st.one_of(
    st.tuples(st.just("keep"), NAMES, st.integers(1, 150)),
    st.tuples(st.just("keep"), NAMES, st.integers(1, 150)),
    st.tuples(st.just("ack"), NAMES),
    st.tuples(st.just("later"), st.integers(0, 2)),
    st.tuples(st.sampled_from(["commit", "fail", "reopen"])),
)


class SameAsPlainTest(OnDisk):
    @settings(deadline=None, derandomize=True, database=None, max_examples=150)
    @given(st.lists(STEPS, max_size=30))
    def test_same_as_plain(self, steps: list[tuple[object, ...]]) -> None:
        """Whatever is done, the mailbox answers as a plain list would, lost batches included."""
        for path in self.path.parent.iterdir():
            path.unlink()
        trouble, now_s = Trouble(), 0
        box = Mailbox(self.path, SMALL, dial=trouble.connect())
        plain, committed = Plain(SMALL), list[Mail]()
        for step in [*steps, ("commit",)]:
            match step:
                case ("keep", (int(n), int(to), int(by)), int(size)):
                    mail = a_mail(n, to, by, b"x" * size, now_s)
                    self.assertEqual(keep(box, mail), plain.keep(mail))
                case ("ack", (int(n), int(to), int(by))):
                    name = name_of(a_mail(n, to, by))
                    left = [each for each in plain.mails if name_of(each) != name]
                    self.assertEqual(got(box, a_mail(n, to, by)), len(left) < len(plain.mails))
                    plain.mails = left
                case ("later", int(days)):
                    now_s += days * DAY_S
                    plain.expire(now_s)
                    box.expire(now_s)
                case ("fail",):
                    lose(box, trouble)
                    plain.mails = list(committed)
                case _:
                    box.commit()
                    committed = list(plain.mails)
                    if step == ("reopen",):
                        box.close()
                        box = Mailbox(self.path, SMALL, dial=trouble.connect())
            self.assert_same(box, plain)
        box.close()

    def assert_same(self, box: Mailbox, plain: Plain) -> None:
        self.assertEqual(box.held(), plain.sum())
        for number, key in enumerate(KEYS):
            waits = [mail for mail in plain.mails if mail.recipient == key]
            self.assertEqual(tokens_of(box, number), tokens(waits))
            self.assertEqual(box.held_for(key), plain.sum(recipient=key))
            self.assertEqual(box.held_by(key), plain.sum(sender=key))


def keep(box: Mailbox, mail: Mail) -> str:
    try:
        return "kept" if box.keep(mail) else "again"
    except MailRefused as e:
        return e.code


def lose(box: Mailbox, trouble: Trouble) -> None:
    """Let the open batch fail at its end."""
    trouble.code = sqlite3.SQLITE_FULL
    try:
        box.commit()
    except MailboxDegraded:
        pass
    trouble.code = None


class BadDiskTest(OnDisk):
    def test_S1_power_lost_at_every_step(self) -> None:
        """Before or behind any statement: what a commit told of is there, and nothing half."""
        at, died = 0, True
        while died:
            at += 1
            for after in (False, True):
                died = self.die_once(at, after)
        self.assertGreater(at, 40)

    def die_once(self, at: int, after: bool) -> bool:
        """Work until the n-th statement; check what is found; return whether it came so far."""
        trouble = Trouble()
        trouble.die_at, trouble.die_after = at, after
        told, doing = set[bytes](), set[bytes]()
        try:
            work(self.path, trouble.connect(), told, doing)
        except PowerCut:
            pass
        for db in trouble.opened:
            db.close()
        box = self.opened()
        found = set(tokens_of(box))
        self.assertEqual(box.trouble, "")
        self.assertIn(found, (told, doing), f"statement {at} {after}")
        self.assertEqual(box.held()[0], len(found))
        box.close()
        for path in self.path.parent.iterdir():
            path.unlink()
        return trouble.dead

    def test_S1_a_commit_is_on_the_medium_when_it_returns(self) -> None:
        """SQLite is told to wait for that, not only for its log to be in order."""
        made: list[sqlite3.Connection] = []

        def dial(path: str) -> sqlite3.Connection:
            made.append(connect(path))
            return made[-1]

        self.opened(dial=dial).keep(a_mail(1))
        settings_ = [made[-1].execute(f"PRAGMA {name}").fetchone()[0] for name in SAFE]
        self.assertEqual(dict(zip(SAFE, settings_, strict=True)), SAFE)

    def test_S3_reads_go_on_while_writes_fail_and_all_recovers(self) -> None:
        """On a full, broken or read-only disk: mail refused, mail delivered, then all is well."""
        self.filled(5)[0].close()
        trouble = Trouble()
        box = self.opened(dial=trouble.connect())
        for code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY):
            trouble.code = code
            for change in (
                lambda: box.keep(a_mail(99)),
                lambda: got(box, a_mail(1)),
                lambda: box.expire(10**12),
                lambda: box.publish(a_listing("a", "anna")),
            ):
                self.assertRaises(MailboxDegraded, change)
                self.assertTrue(box.trouble)
                self.assertEqual(tokens_of(box), tokens(a_mail(n) for n in range(5)))
            trouble.code = None
            box.keep(a_mail(99))
            box.commit()
            self.assertEqual((box.trouble, len(tokens_of(box))), ("", 6))
            got(box, a_mail(99))
            box.commit()

    def test_S3_a_disk_that_fails_at_the_start_is_taken_up_later(self) -> None:
        """A mailbox that could not be opened opens with the first use that can."""
        trouble = Trouble()
        trouble.code, trouble.reads_too = sqlite3.SQLITE_IOERR, True
        box = self.opened(dial=trouble.connect())
        self.assertTrue(box.trouble)
        self.assertRaises(MailboxDegraded, tokens_of, box)
        trouble.code = None
        box.keep(a_mail(1))
        box.commit()
        self.assertEqual((tokens_of(box), box.trouble), (tokens([a_mail(1)]), ""))

    def test_S3_no_failed_batch_is_ever_acknowledged(self) -> None:
        """Fail at any one statement of a batch: commit raises unless everything is there."""
        for at in range(1, 40):
            trouble = FailsOnce(at)
            box = Mailbox(self.path, dial=trouble.connect())
            try:
                done = [a_mail(n) for n in (1, 2) if box.keep(a_mail(n))]
                box.commit()
            except MailboxDegraded:
                done = []
            try:
                box.close()
            except MailboxDegraded:
                pass
            found = self.opened()
            self.assertEqual(tokens_of(found), tokens(done), f"statement {at}")
            found.close()
            self.path.unlink()

    def test_S2_a_damaged_file_is_left_as_it_is(self) -> None:
        """Mail is refused, what to do is said, and not one byte of the file is changed."""
        self.path.write_bytes(b"this is no database, and never was one" * 100)
        self.path.chmod(0o600)
        before = self.path.read_bytes()
        box = self.opened()
        self.assertIn("mailbox.sqlite is damaged", box.trouble)
        self.assertIn("move it away", box.trouble)
        for use in (
            lambda: box.keep(a_mail(1)),
            lambda: tokens_of(box),
            lambda: box.expire(10**12),
            lambda: box.search("", 1, 9),
            box.held,
        ):
            self.assertRaises(MailboxDegraded, use)
        box.close()
        self.assertEqual(self.path.read_bytes(), before)
        self.assertEqual(list(self.path.parent.iterdir()), [self.path])

    def test_S2_a_truncated_file_is_whole_or_refused(self) -> None:
        """Cut anywhere: all mails are there, or none is given out and that is said."""
        box, mails = self.filled()
        box.close()
        whole = self.path.read_bytes()
        for length in [*range(110), *range(110, len(whole), 499)]:
            self.path.write_bytes(whole[:length])
            self.assert_whole_or_refused(mails)

    def test_S2_an_empty_file_beside_its_log_is_refused(self) -> None:
        """Nothing of the log is thrown away: a copy of the file may still go with it."""
        box, _ = self.filled()
        log = self.path.with_name(self.path.name + "-wal")
        kept = log.read_bytes()
        copy = self.path.with_name("copy.sqlite")
        copy_log = copy.with_name(copy.name + "-wal")
        copy.touch(mode=0o600)
        copy_log.write_bytes(kept)
        box.close()
        found = Mailbox(copy)
        self.addCleanup(found.close)
        self.assertIn("is damaged", found.trouble)
        self.assertEqual((copy.read_bytes(), copy_log.read_bytes()), (b"", kept))

    def test_S2_a_log_that_was_torn_gives_whole_commits(self) -> None:
        """Cut anywhere, or with a byte altered: the mails of the first commits are there."""
        box = self.opened()
        mails = [a_mail(number) for number in range(6)]
        for mail in mails:
            box.keep(mail)
            box.commit()
        log = self.path.with_name(self.path.name + "-wal")
        file, whole = self.path.read_bytes(), log.read_bytes()
        box.close()
        chance, found = Random(6), set()
        for _ in range(60):
            cut, flip = chance.randrange(len(whole)), chance.randrange(len(whole))
            for torn in (whole[:cut], whole[:flip] + b"\xff" + whole[flip + 1 :]):
                self.path.write_bytes(file)
                log.write_bytes(torn)
                again = self.opened()
                got_ = tokens_of(again)
                self.assertEqual(got_, tokens(mails[: len(got_)]))
                self.assertEqual((again.trouble, again.held()[0]), ("", len(got_)))
                found.add(len(got_))
                again.close()
        self.assertEqual(found, set(range(6)))

    def test_S2_what_is_no_file_is_refused(self) -> None:
        """A folder, a pipe: mail is refused, and nobody waits for a writer."""
        for make in (Path.mkdir, os.mkfifo):
            path = self.path.with_name(make.__name__)
            make(path, 0o600)
            box = Mailbox(path)
            self.addCleanup(box.close)
            self.assertTrue(box.trouble, make.__name__)
            self.assertRaises(MailboxDegraded, box.keep, a_mail(1))

    def test_S3_a_file_that_another_program_has_open(self) -> None:
        """Who looks into it holds it up; when it lets go, mail is kept again."""
        self.filled(2)[0].close()
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN EXCLUSIVE")
        box = self.opened()
        self.assertIn("locked", box.trouble)
        self.assertRaises(MailboxDegraded, box.keep, a_mail(9))
        other.execute("ROLLBACK")
        other.close()
        box.keep(a_mail(9))
        box.commit()
        self.assertEqual((len(tokens_of(box)), box.trouble), (3, ""))
        late = sqlite3.connect(self.path, timeout=0.0)
        self.addCleanup(late.close)
        self.assertRaises(sqlite3.OperationalError, late.execute, "SELECT * FROM mails")

    def test_S2_an_altered_file_never_gives_an_altered_mail(self) -> None:
        """Flip bytes and empty pages anywhere: the mails are as they were, or refused."""
        box, mails = self.filled()
        box.close()
        whole = self.path.read_bytes()
        used = [i for i, byte in enumerate(whole) if byte]
        chance, refused = Random(4), 0
        for place in [*range(0, 100, 3), *chance.sample(used, 250)]:
            value = whole[place] ^ chance.randrange(1, 256)
            self.path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            refused += self.assert_whole_or_refused(mails)
        self.assertGreater(refused, 150)
        for start in range(0, len(whole), 4096):
            self.path.write_bytes(whole[:start] + bytes(4096) + whole[start + 4096 :])
            self.assertTrue(self.assert_whole_or_refused(mails))

    def assert_whole_or_refused(self, mails: list[Mail]) -> bool:
        """Return whether it was refused."""
        try:
            box = self.opened()
        except HomeTooNew:
            return True
        try:
            found = tokens_of(box)
        except MailboxDegraded:
            self.assertIn("is damaged", box.trouble)
            return True
        finally:
            box.close()
            for path in self.path.parent.iterdir():
                if path != self.path:
                    path.unlink()
        self.assertEqual(found, tokens(mails))
        return False

    def test_S2_sums_that_are_not_those_of_the_mails(self) -> None:
        """A box that only seems to be full, or empty, is found out."""
        self.filled()[0].close()
        db = sqlite3.connect(self.path)
        db.execute("UPDATE sums SET mails=3 WHERE side='to'")
        db.commit()
        db.close()
        self.assertIn("sums", self.opened().trouble)

    def test_S2_damage_that_shows_later(self) -> None:
        """A mail whose bytes change while the hub runs is not delivered, nor any other."""
        box, _ = self.filled(3)
        box.close()
        altering = Altering()
        box = self.opened(dial=altering.connect)
        altering.alters = True
        self.assertRaises(MailboxDegraded, tokens_of, box)
        altering.alters = False
        self.assertRaises(MailboxDegraded, box.keep, a_mail(9))
        self.assertIn("not as it was written", box.trouble)


class Altering:
    """Connections whose disk gives other bytes of a mail than were written, from now on."""

    def __init__(self) -> None:
        self.alters = False

    def connect(self, path: str) -> sqlite3.Connection:
        def texts(data: bytes) -> str:
            return data.decode() if not self.alters else data.decode().lower()

        made = connect(path)
        made.text_factory = texts
        return made


def work(path: Path, dial: Connect, told: set[bytes], doing: set[bytes]) -> None:
    """Keep and acknowledge in three batches; `told` is what was committed, `doing` the next."""
    box = Mailbox(path, dial=dial)
    steps: list[list[Callable[[], object]]] = [
        [partial(box.keep, a_mail(n)) for n in (1, 2, 3)],
        [partial(got, box, a_mail(2)), partial(box.keep, a_mail(4))],
        [partial(box.expire, 10**12)],
    ]
    after = [tokens(a_mail(n) for n in numbers) for numbers in ((1, 2, 3), (1, 3, 4), ())]
    for batch, held in zip(steps, after, strict=True):
        doing.clear()
        doing.update(held)
        for step in batch:
            step()
        box.commit()
        told.clear()
        told.update(held)
