"""Our own records: a sequence number is never used twice, whatever happens in between."""

from __future__ import annotations

import shutil
import sqlite3

from twisted.trial.unittest import SynchronousTestCase

from streembit.disk.published import MAX_SEQ, Published, PublishedRecords, Slot
from streembit.errors import DiskFailed, DiskFull, HomeTooNew, TooLarge
from tests.disk.dying import Trouble
from tests.disk.faultfiles import PowerCut
from tests.disk.places import a_folder

SLOT = Slot(b"\x02" + b"k" * 32, "record", "BusinessName/Usecase")


def signed(slot: Slot, seq: int, *, deleted: bool = False) -> Published:
    return Published(slot, seq, b"token %d" % seq, 3600, 1_800_000_000 + seq, deleted)


class PublishedTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = a_folder(self) / "published.sqlite"

    def opened(self, trouble: Trouble | None = None) -> PublishedRecords:
        dial = (trouble or Trouble()).connect()
        records = PublishedRecords(self.path, dial=dial, unix_s=lambda: 1000.0)
        self.addCleanup(records.close)
        return records

    def test_numbers_rise_for_each_slot(self) -> None:
        """Each record has its own count, beginning with 1."""
        records = self.opened()
        others = [SLOT._replace(salt="x"), SLOT._replace(kind="y"), SLOT._replace(owner=b"z")]
        self.assertEqual([records.reserve(SLOT) for _ in range(3)], [1, 2, 3])
        self.assertEqual([records.reserve(slot) for slot in others], [1, 1, 1])
        self.assertEqual(records.counter(SLOT), 3)

    def test_D5_a_restart_goes_on_counting(self) -> None:
        """What was reserved before a restart is not reserved again."""
        first = self.opened()
        first.reserve(SLOT)
        first.close()
        self.assertEqual(self.opened().reserve(SLOT), 2)

    def test_D5_lost_state_goes_on_above_what_was_seen(self) -> None:
        """Without a counter the number found in the network decides, and never lowers ours."""
        records = self.opened()
        self.assertIsNone(records.counter(SLOT))
        self.assertEqual(records.reserve(SLOT, seen=41), 42)
        self.assertEqual(records.reserve(SLOT, seen=7), 43)

    def test_D5_the_last_number_is_the_last(self) -> None:
        """A counter never passes what JSON can say exactly, nor begins anew."""
        records = self.opened()
        self.assertEqual(records.reserve(SLOT, seen=MAX_SEQ - 1), MAX_SEQ)
        self.assertRaises(TooLarge, records.reserve, SLOT)
        self.assertEqual(records.counter(SLOT), MAX_SEQ)

    def test_D5_a_crash_at_every_statement_never_reuses_a_number(self) -> None:
        """Die before or behind any statement of reserve and keep: no number is used twice."""
        for behind in (False, True):
            at = 0
            published: list[int] = []
            finished = False
            while not finished:
                at += 1
                finished = self.publish_once(published, at, behind)
                self.assertEqual(published, sorted(set(published)))
            self.assertGreater(at, 8)
            self.assertGreater(len(published), 1)

    def publish_once(self, published: list[int], at: int, behind: bool) -> bool:
        """Publish once and die at a statement; return whether all was done before."""
        trouble = Trouble()
        trouble.die_at, trouble.die_after = at, behind
        try:
            records = PublishedRecords(self.path, dial=trouble.connect())
            seq = records.reserve(SLOT)
            published.append(seq)  # from here on others may have seen a signature with it
            records.keep(signed(SLOT, seq))
        except PowerCut:
            self.as_after_a_kill(trouble)
            return False
        records.close()
        return True

    def as_after_a_kill(self, trouble: Trouble) -> None:
        """Leave the files as a killed process leaves them: without the closing work."""
        copies = [(p, p.with_name(p.name + ".copy")) for p in self.path.parent.iterdir()]
        for path, copy in copies:
            shutil.copy(path, copy)
        for connection in trouble.opened:
            connection.close()
        for path, copy in copies:
            copy.rename(path)

    def test_what_is_kept_is_found(self) -> None:
        """Records are found again after a restart, by slot and by owner."""
        records = self.opened()
        slots = [SLOT._replace(salt=salt) for salt in ("b", "a")]
        kept = [signed(slot, records.reserve(slot), deleted=slot.salt == "a") for slot in slots]
        for record in kept:
            records.keep(record)
        records.close()
        again = self.opened()
        self.assertEqual([again.get(slot) for slot in slots], kept)
        self.assertEqual(again.all(SLOT.owner), kept[::-1])
        self.assertEqual(again.all(b"other"), [])
        self.assertIsNone(again.get(SLOT))

    def test_an_older_version_does_not_replace_a_newer(self) -> None:
        """Two puts that overlap end with the newer one."""
        records = self.opened()
        older, newer = (signed(SLOT, records.reserve(SLOT)) for _ in range(2))
        records.keep(newer)
        records.keep(older)
        self.assertEqual(records.get(SLOT), newer)

    def test_a_number_that_was_not_reserved_is_refused(self) -> None:
        """Nothing can be kept under a number that was not reserved first."""
        self.assertRaises(ValueError, self.opened().keep, signed(SLOT, 1))

    def test_forgotten_records_keep_their_counter(self) -> None:
        """A record that is not published any more leaves its number behind."""
        records = self.opened()
        records.keep(signed(SLOT, records.reserve(SLOT)))
        records.forget(SLOT)
        self.assertIsNone(records.get(SLOT))
        self.assertEqual(records.reserve(SLOT), 2)

    def test_S3_a_full_or_broken_disk_is_said_and_passes(self) -> None:
        """While nothing can be written no number is given out; afterwards it goes on."""
        trouble = Trouble()
        records = self.opened(trouble)
        self.assertEqual(records.reserve(SLOT), 1)
        for code, kind in (
            (sqlite3.SQLITE_FULL, DiskFull),
            (sqlite3.SQLITE_IOERR, DiskFailed),
            (sqlite3.SQLITE_READONLY, DiskFailed),
        ):
            trouble.code = code
            self.assertRaises(kind, records.reserve, SLOT)
            self.assertEqual(records.counter(SLOT), 1)
        trouble.code = None
        self.assertEqual(records.reserve(SLOT), 2)
        self.assertEqual(records.moved_aside, [])

    def test_S3_a_disk_that_fails_at_the_start_is_taken_up_later(self) -> None:
        """Numbers are given out as soon as the file can be opened."""
        trouble = Trouble()
        trouble.code, trouble.reads_too = sqlite3.SQLITE_IOERR, True
        records = self.opened(trouble)
        self.assertRaises(DiskFailed, records.reserve, SLOT)
        trouble.code = None
        self.assertEqual(records.reserve(SLOT), 1)

    def test_S6_a_newer_file_is_refused(self) -> None:
        """Before anything is published, a file of a newer program stops the start."""
        self.opened().close()
        db = sqlite3.connect(self.path)
        db.execute("PRAGMA user_version=2")
        db.close()
        self.assertRaises(HomeTooNew, PublishedRecords, self.path)
        self.assertEqual([p.name for p in self.path.parent.iterdir()], ["published.sqlite"])

    def test_S2_every_truncation_is_put_aside_or_read(self) -> None:
        """A file cut anywhere is read as it was or counts as lost; it never hinders."""
        records = self.opened()
        kept = signed(SLOT, records.reserve(SLOT))
        records.keep(kept)
        records.close()
        whole = self.path.read_bytes()
        for length in [*range(200), *range(200, len(whole), 509)]:
            self.path.write_bytes(whole[:length])
            self.assert_usable(kept)

    def test_S2_every_flipped_byte_is_put_aside_or_read(self) -> None:
        """With any byte altered, what is read is what was written, or nothing."""
        records = self.opened()
        kept = signed(SLOT, records.reserve(SLOT))
        records.keep(kept)
        records.close()
        whole = self.path.read_bytes()
        used = [i for i, byte in enumerate(whole) if byte or i < 100]
        for place in used[:: max(1, len(used) // 300)]:
            altered = whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :]
            self.path.write_bytes(altered)
            self.assert_usable(kept)

    def assert_usable(self, kept: Published) -> None:
        try:
            records = self.opened()
        except HomeTooNew:  # the altered byte is the version's: nothing is touched
            self.path.unlink()
            return
        try:
            found, counter = records.get(SLOT), records.counter(SLOT)
        except DiskFailed:
            found, counter = records.get(SLOT), records.counter(SLOT)
        self.assertIn(found, (kept, None))
        self.assertIn(counter, (1, None))
        self.reserved(records)
        records.close()
        for path in self.path.parent.iterdir():
            path.unlink()

    def reserved(self, records: PublishedRecords) -> None:
        try:
            seq = records.reserve(SLOT, seen=1)
        except DiskFailed:
            seq = records.reserve(SLOT, seen=1)
        self.assertEqual(seq, 2)
