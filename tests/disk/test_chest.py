"""The chest of an account: what was committed is there, sealed, and an older copy is known."""

from __future__ import annotations

import contextlib
import errno
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from streembit.disk.chest import CHECK_PAGE, Chest, Kept
from streembit.disk.erasure import wipe
from streembit.disk.files import SYSTEM
from streembit.errors import (
    ChestDamaged,
    DiskFailed,
    DiskFull,
    HomePermissions,
    HomeTooNew,
    TooLarge,
)
from streembit.jose.atrest import MAX_POSITION, MAX_ROW_BYTES
from streembit.testing import MemoryChest
from tests.disk.dying import Trouble
from tests.disk.faultfiles import FaultFiles, PowerCut
from tests.disk.places import a_folder

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
AnyChest = Chest | MemoryChest


class MemoryChestTest(SynchronousTestCase):
    """What holds for every chest, on the double of the tests."""

    def opened(self) -> AnyChest:
        """Return a new, empty chest."""
        return MemoryChest(KEY)

    def test_rows_are_found_by_room_and_key(self) -> None:
        """A row lies in one room under one key, and numbers are other keys than their bytes."""
        chest = self.opened()
        chest.commit([Kept("a", b"1", b"x"), Kept("b", b"1", b"y"), Kept("a", 1, b"z")])
        self.assertEqual([chest.get("a", b"1"), chest.get("b", b"1")], [b"x", b"y"])
        self.assertEqual(chest.get("a", 1), b"z")
        self.assertEqual([chest.get("b", 1), chest.get("a", b""), chest.get("c", 1)], [None] * 3)

    def test_rows_come_by_number(self) -> None:
        """All rows of a room come in the order of their numbers, pages the other way round."""
        chest = self.opened()
        numbers = [7, 0, 300, 2, MAX_POSITION, 256]
        chest.commit([Kept("a", n, b"%d" % n) for n in numbers] + [Kept("b", 5, b"other")])
        self.assertEqual(chest.all("a"), [b"%d" % n for n in sorted(numbers)])
        self.assertEqual([n for n, _ in chest.page("a", None, 2)], [MAX_POSITION, 300])
        self.assertEqual(chest.page("a", 300, 9), [(n, b"%d" % n) for n in (256, 7, 2, 0)])
        self.assertEqual(chest.page("a", 300, 2), [(256, b"256"), (7, b"7")])
        self.assertEqual((chest.page("a", 0, 9), chest.page("c", None, 9)), ([], []))

    def test_pages_have_numbers_only(self) -> None:
        """A row that has a name is in no page, but in the room."""
        chest = self.opened()
        chest.commit([Kept("a", b"head", b"h"), Kept("a", 1, b"one")])
        self.assertEqual(chest.page("a", None, 9), [(1, b"one")])
        self.assertEqual(sorted(chest.all("a")), [b"h", b"one"])

    def test_the_last_change_of_a_row_counts(self) -> None:
        """Changes are made in their order, within a commit too; to delete nothing is no error."""
        chest = self.opened()
        chest.commit([Kept("a", 1, b"x"), Kept("a", 1, b"y"), Kept("a", 2, None)])
        self.assertEqual(chest.all("a"), [b"y"])
        chest.commit([Kept("a", 1, None), Kept("a", 1, b"z"), Kept("a", 3, b"w")])
        chest.commit([Kept("a", 3, None)])
        self.assertEqual(chest.all("a"), [b"z"])

    def test_rows_of_every_length(self) -> None:
        """A row comes back as long as it was, up to the longest; beyond, nothing is changed."""
        chest = self.opened()
        for size in (0, 1, 251, 252, 253, 255, 256, 257, 65_536, MAX_ROW_BYTES):
            chest.commit([Kept("a", b"k", bytes(size))])
            self.assertEqual(chest.get("a", b"k"), bytes(size))
        longer = [Kept("a", b"k", b"short"), Kept("a", b"l", bytes(MAX_ROW_BYTES + 1))]
        self.assertRaises(TooLarge, chest.commit, longer)
        self.assertEqual(chest.get("a", b"k"), bytes(MAX_ROW_BYTES))

    def test_what_is_no_position_is_refused(self) -> None:
        """A number that the file could not keep as it is changes nothing."""
        chest = self.opened()
        for number in (-1, MAX_POSITION + 1):
            wrong = [Kept("a", 1, b"x"), Kept("a", number, b"x")]
            self.assertRaises(ValueError, chest.commit, wrong)
        self.assertEqual(chest.all("a"), [])

    def test_renewing_commits_and_ends_the_restore(self) -> None:
        """What makes up for a restore is committed with the word that it is over."""
        chest = self.opened()
        chest.renew([Kept("a", 1, b"x")])
        self.assertEqual((chest.get("a", 1), chest.restored), (b"x", False))

    def test_only_a_key_that_has_a_lock_can_be_the_only_one(self) -> None:
        """A chest never loses its last lock."""
        chest = self.opened()
        self.assertRaises(ValueError, chest.drop_other_locks, OTHER)
        chest.add_lock(OTHER)
        chest.drop_other_locks(OTHER)
        self.assertRaises(ValueError, chest.drop_other_locks, KEY)

    def test_a_wiped_or_closed_chest_is_of_no_use(self) -> None:
        """Nothing is read from it and nothing is made anew by a late caller."""
        for wiped in (False, True):
            chest = self.opened()
            chest.commit([Kept("a", 1, b"x")])
            chest.wipe() if wiped else chest.close()
            self.assertRaises(DiskFailed, chest.get, "a", 1)
            self.assertRaises(DiskFailed, chest.commit, [])

    def test_it_is_a_dictionary(self) -> None:
        """Whatever is committed, what is read is what a dictionary would hold."""
        chance = Random(5)
        chest = self.opened()
        model: dict[tuple[str, bytes | int], bytes] = {}
        for _ in range(200):
            changes = [a_change(chance) for _ in range(chance.randrange(8))]
            chest.commit(changes)
            for room, key, row in changes:
                model.pop((room, key), None)
                if row is not None:
                    model[room, key] = row
            self.check_model(chest, model)

    def check_model(self, chest: AnyChest, model: dict[tuple[str, bytes | int], bytes]) -> None:
        for room in ("a", "b"):
            expected = {key: row for (there, key), row in model.items() if there == room}
            self.assertEqual({key: chest.get(room, key) for key in expected}, expected)
            self.assertCountEqual(chest.all(room), expected.values())
            numbers = sorted((key for key in expected if isinstance(key, int)), reverse=True)
            self.assertEqual([key for key, _ in chest.page(room, None, 99)], numbers)


def a_change(chance: Random) -> Kept:
    """Return a change of one of few rows, so that rows are replaced and deleted."""
    number = chance.randrange(9)
    key = number if chance.random() < 0.5 else b"%d" % number
    row = chance.choice([None, chance.randbytes(chance.randrange(600))])
    return Kept(chance.choice("ab"), key, row)


class RefusalTest(SynchronousTestCase):
    def test_a_refusal_is_raised_instead_of_a_commit(self) -> None:
        """Tests can let the double's disk be full."""
        chest = MemoryChest()
        chest.refusal = DiskFull("made by the test")
        self.assertRaises(DiskFull, chest.commit, [Kept("a", 1, b"x")])
        chest.refusal = None
        self.assertEqual((chest.get("a", 1), chest.commits), (None, 0))


class ChestTest(MemoryChestTest):
    """The same on the disk, and what only a file can do."""

    def setUp(self) -> None:
        self.folder = a_folder(self)
        self.path = self.folder / "chest.sqlite"
        self.made = 0

    def opened(self) -> Chest:
        self.made += 1
        return self.at(self.folder / f"chest-{self.made}.sqlite")

    def at(self, path: Path, key: bytes = KEY, trouble: Trouble | None = None) -> Chest:
        chest = Chest(path, key, dial=(trouble or Trouble()).connect())
        self.addCleanup(chest.close)
        return chest

    def is_restored(self) -> bool:
        """Open the chest in `path` for a look."""
        chest = self.at(self.path)
        chest.close()
        return chest.restored

    def filled(self) -> bytes:
        """Make a chest with some rows in `path`, and return its file."""
        chest = self.at(self.path)
        chest.commit([Kept("a", n, b"%d" % n) for n in range(20)])
        chest.close()
        return self.path.read_bytes()

    def test_rows_outlive_the_process(self) -> None:
        """What was committed is there when the file is opened again."""
        self.filled()
        chest = self.at(self.path)
        self.assertEqual(chest.all("a"), [b"%d" % n for n in range(20)])
        self.assertFalse(chest.restored)

    # --- an older copy -----------------------------------------------------------------------

    def test_S1_a_chest_put_back_is_known(self) -> None:
        """A copy laid over the file that is newer is known as older until it is renewed."""
        older = self.filled()
        chest = self.at(self.path)
        chest.commit([Kept("a", 1, b"newer")])
        chest.close()
        self.path.write_bytes(older)  # into the same file: its inode stays
        for _ in range(2):
            chest = self.at(self.path)
            self.assertTrue(chest.restored)
            chest.commit([Kept("a", 2, b"more")] * 3)
            chest.close()
        chest = self.at(self.path)
        chest.renew([Kept("a", 1, None)])
        chest.close()
        self.assertFalse(self.is_restored())
        self.assertEqual(self.at(self.path).get("a", 1), None)

    def test_S1_a_home_put_back_is_known(self) -> None:
        """A copy of the file together with its tally is known by being another file."""
        self.filled()
        copy = self.folder / "elsewhere"
        copy.mkdir()
        for path in (self.path, self.path.with_name("chest.sqlite.tally")):
            shutil.copy(path, copy)
        self.assertFalse(self.at(self.path).restored)
        self.assertTrue(self.at(copy / "chest.sqlite").restored)

    def test_S1_a_tally_of_another_chest_is_known(self) -> None:
        """A chest with the tally of another one is not the one that was written last."""
        other = self.opened()
        self.filled()
        tally = other.path.with_name(other.path.name + ".tally").read_bytes()
        self.path.with_name("chest.sqlite.tally").write_bytes(tally)
        chest = self.at(self.path)
        self.assertTrue(chest.restored)
        chest.renew([])
        chest.close()
        self.assertFalse(self.at(self.path).restored)

    def test_S1_a_lost_tally_is_no_restore(self) -> None:
        """A tally that is missing, damaged or behind says nothing, and is made again."""
        self.filled()
        tally = self.path.with_name("chest.sqlite.tally")
        whole = tally.read_bytes()
        for data in (None, b"", b"x", whole[:-1], whole + b"x", bytes(len(whole))):
            tally.unlink()
            if data is not None:
                tally.write_bytes(data)
            chest = self.at(self.path)
            self.assertFalse(chest.restored)
            chest.commit([])
            chest.close()
            self.assertEqual(len(tally.read_bytes()), len(whole))

    # --- crashes -----------------------------------------------------------------------------

    def test_S1_a_crash_at_every_statement_leaves_all_or_nothing(self) -> None:
        """Die before or behind any statement: each commit is there whole or not at all."""
        told = 0
        for behind in (False, True):
            at, finished = 0, False
            while not finished:
                at += 1
                told, finished = self.commit_until(at, told, behind)
            self.assertGreater(at, 12)
        self.assertGreater(told, 8)

    def commit_until(self, at: int, told: int, behind: bool) -> tuple[int, bool]:
        """Commit twice and die at a statement; return the number found, and if all was done."""
        trouble = Trouble()
        trouble.die_at, trouble.die_after = at, behind
        finished = False
        try:
            chest = self.at(self.path, trouble=trouble)
            for _ in range(2):
                chest.commit([Kept("a", n, b"%d" % (told + 1)) for n in range(3)])
                told += 1
            chest.close()
            finished = True
        except PowerCut:
            self.as_after_a_kill(trouble)
        chest = self.at(self.path)
        numbers = {int(row) for row in chest.all("a")} or {0}
        self.assertEqual((len(numbers), chest.restored), (1, False))
        (found,) = numbers
        self.assertIn(found, (told, told + 1))
        chest.close()
        return found, finished

    def as_after_a_kill(self, trouble: Trouble) -> None:
        """Leave the files as a killed process leaves them: without the closing work."""
        copies = {path: path.read_bytes() for path in self.folder.iterdir()}
        for connection in trouble.opened:
            connection.close()
        for path, data in copies.items():
            path.write_bytes(data)

    # --- damage ------------------------------------------------------------------------------

    def test_S2_every_truncation_is_refused_or_read(self) -> None:
        """A file cut anywhere stops the start with a word what to do, and is left as it is."""
        whole = self.filled()
        for length in [*range(200), *range(200, len(whole), 509)]:
            self.path.write_bytes(whole[:length])
            e = self.assertRaises(ChestDamaged, self.at, self.path)
            self.assertIn("put a copy of chest.sqlite in its place", e.detail)
            self.assertEqual(self.path.read_bytes(), whole[:length])
        self.path.write_bytes(whole)
        self.assertEqual(len(self.at(self.path).all("a")), 20)

    def test_S2_a_file_that_is_gone_is_missed(self) -> None:
        """A lost file is not silently begun anew."""
        self.filled()
        self.path.unlink()
        self.assertRaises(ChestDamaged, self.at, self.path)
        self.assertFalse(self.path.exists())
        self.path.with_name("chest.sqlite.tally").unlink()
        self.assertEqual(self.at(self.path).all("a"), [])

    def test_S2_every_flipped_byte_is_refused_or_harmless(self) -> None:
        """With any byte altered, what is read is what was written, or nothing is."""
        whole = self.filled()
        used = [i for i, byte in enumerate(whole) if byte or i < 100]
        for place in used[:: max(1, len(used) // 500)]:
            altered = whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :]
            self.path.write_bytes(altered)
            with contextlib.suppress(ChestDamaged, HomeTooNew):
                self.check_rows(place)

    def check_rows(self, place: int) -> None:
        with closing(self.at(self.path)) as chest:
            rows = [b"%d" % n for n in range(20)]
            self.assertEqual([chest.get("a", n) for n in range(20)], rows, place)
            self.assertEqual(chest.all("a"), rows, place)

    def test_S2_a_log_that_lost_its_end_is_known(self) -> None:
        """Commits that were acknowledged and are lost with the log do not pass unnoticed."""
        trouble = Trouble()
        chest = self.at(self.path, trouble=trouble)
        for n in range(4):
            chest.commit([Kept("a", n, b"%d" % n)])
        self.as_after_a_kill(trouble)
        log = self.path.with_name("chest.sqlite-wal")
        files = {path: path.read_bytes() for path in self.folder.iterdir()}
        for cut in range(1, len(files[log]), 997):
            for path, data in files.items():
                path.write_bytes(data[: len(data) - cut] if path == log else data)
            try:
                chest = self.at(self.path)
            except ChestDamaged:
                continue
            self.assertTrue(chest.restored or len(chest.all("a")) == 4)
            chest.close()

    def test_S2_a_log_that_is_gone_is_known(self) -> None:
        """Without its log a chest opens, also a new one, and knows that it is behind."""
        trouble = Trouble()
        chest = self.at(self.path, trouble=trouble)
        chest.commit([Kept("a", 1, b"one")])
        self.as_after_a_kill(trouble)
        self.path.with_name("chest.sqlite-wal").unlink()
        chest = self.at(self.path)
        self.assertEqual((chest.all("a"), chest.restored), ([], True))

    def test_S2_an_altered_row_is_refused_when_it_is_read(self) -> None:
        """A row that was exchanged for another one, in a sound file, does not open."""
        self.filled()
        db = sqlite3.connect(self.path)
        (one,), (other,) = db.execute("SELECT sealed FROM rows WHERE key IN (1, 2)").fetchall()
        db.execute("UPDATE rows SET sealed=? WHERE key=1", (other,))
        db.execute("UPDATE rows SET sealed=? WHERE key=2", (one,))
        db.commit()
        db.close()
        chest = self.at(self.path)
        self.assertEqual(chest.get("a", 3), b"3")
        self.assertRaises(ChestDamaged, chest.get, "a", 1)
        self.assertRaises(ChestDamaged, chest.all, "a")
        self.assertRaises(ChestDamaged, chest.page, "a", None, 99)

    def test_S2_a_look_through_finds_every_altered_row(self) -> None:
        """Of any room, by name or number; a sound chest passes."""
        chest = self.at(self.path)
        names = [Kept("book", b"%d" % n, b"somebody") for n in range(CHECK_PAGE + 3)]
        numbers = [Kept("history", n, b"said") for n in range(CHECK_PAGE + 3)]
        chest.commit([*names, *numbers])
        chest.check()
        chest.close()
        for number in (*range(1, 2 * CHECK_PAGE, 37), 2 * len(names)):
            with closing(sqlite3.connect(self.path)) as db, db:
                where = "WHERE rowid=(SELECT rowid FROM rows ORDER BY rowid LIMIT 1 OFFSET ?)"
                (sound,) = db.execute(f"SELECT sealed FROM rows {where}", (number,)).fetchone()
                altered = bytes([sound[0] ^ 1]) + sound[1:]
                db.execute(f"UPDATE rows SET sealed=? {where}", (altered, number))
            chest = self.at(self.path)
            self.assertRaises(ChestDamaged, chest.check)
            chest.close()
            with closing(sqlite3.connect(self.path)) as db, db:
                db.execute(f"UPDATE rows SET sealed=? {where}", (sound, number))
        self.at(self.path).check()

    # --- trouble -----------------------------------------------------------------------------

    def test_S3_a_full_or_broken_disk_is_said_and_passes(self) -> None:
        """What cannot be written is refused whole, what was written is read; it passes."""
        trouble = Trouble()
        chest = self.at(self.path, trouble=trouble)
        chest.commit([Kept("a", 1, b"old"), Kept("a", 2, b"old")])
        for code, kind in (
            (sqlite3.SQLITE_FULL, DiskFull),
            (sqlite3.SQLITE_IOERR, DiskFailed),
            (sqlite3.SQLITE_READONLY, DiskFailed),
        ):
            trouble.code = code
            self.assertRaises(kind, chest.commit, [Kept("a", 1, b"new")])
            self.assertEqual(chest.all("a"), [b"old", b"old"])
        trouble.code = None
        chest.commit([Kept("a", 1, b"new")])
        self.assertEqual(chest.all("a"), [b"new", b"old"])

    def test_S3_a_commit_that_fails_half_way_leaves_nothing(self) -> None:
        """Whichever statement of a commit fails, nothing of it is seen, then or later."""
        chest = self.at(self.path)
        chest.commit([Kept("a", n, b"old") for n in range(3)])
        chest.close()
        for at in range(1, 6):
            failing = FailsAt(at)
            chest = Chest(self.path, KEY, dial=failing.connect)
            failing.armed = True
            self.assertRaises(DiskFull, chest.commit, [Kept("a", n, b"new") for n in range(3)])
            failing.armed = False
            self.assertEqual(chest.all("a"), [b"old"] * 3)
            chest.commit([])
            chest.close()
            self.assertFalse(self.is_restored())

    def test_S3_a_disk_that_fails_at_the_start_stops_it(self) -> None:
        """Without its contacts an account does not go on the network."""
        self.filled()
        trouble = Trouble()
        trouble.code, trouble.reads_too = sqlite3.SQLITE_IOERR, True
        self.assertRaises(DiskFailed, self.at, self.path, trouble=trouble)
        self.assertEqual(len(self.at(self.path).all("a")), 20)

    def test_S3_a_tally_that_cannot_be_written_hinders_no_commit(self) -> None:
        """The tally may lag: commits go on without it, and the next start is as any."""
        self.filled()
        counted = FaultFiles(SYSTEM)
        Chest(self.path, KEY, files=counted).close()
        broken = FaultFiles(SYSTEM, at=len(counted.calls) + 1, error=errno.EIO)
        chest = Chest(self.path, KEY, files=broken)
        chest.commit([Kept("a", 1, b"x")])
        chest.close()
        chest = self.at(self.path)
        self.assertEqual((chest.get("a", 1), chest.restored), (b"x", False))

    def test_S6_a_newer_file_is_refused(self) -> None:
        """A file of a newer program stops the start and is left as it is."""
        self.filled()
        db = sqlite3.connect(self.path)
        db.execute("PRAGMA user_version=2")
        db.close()
        before = self.path.read_bytes()
        self.assertRaises(HomeTooNew, self.at, self.path)
        self.assertEqual(self.path.read_bytes(), before)

    # --- keys --------------------------------------------------------------------------------

    def test_another_account_cannot_open_it(self) -> None:
        """The wrong key opens nothing and changes nothing."""
        whole = self.filled()
        self.assertRaises(ChestDamaged, self.at, self.path, OTHER)
        self.assertEqual(self.path.read_bytes(), whole)

    def test_a_new_identity_takes_the_chest_over(self) -> None:
        """Both keys open it until the new one is the only one; the rows stay."""
        self.filled()
        chest = self.at(self.path)
        self.assertRaises(ValueError, chest.drop_other_locks, OTHER)
        chest.add_lock(OTHER)
        chest.add_lock(OTHER)
        chest.close()
        for key in (KEY, OTHER):
            chest = self.at(self.path, key)
            self.assertEqual(chest.get("a", 7), b"7")
            chest.close()
        chest = self.at(self.path, OTHER)
        chest.drop_other_locks(OTHER)
        chest.close()
        self.assertRaises(ChestDamaged, self.at, self.path, KEY)
        self.assertEqual(self.at(self.path, OTHER).get("a", 7), b"7")

    def test_L7_only_the_owner_may_read_the_files(self) -> None:
        """Files are made with mode 0600, and a file that others can read is refused."""
        chest = self.at(self.path)
        chest.commit([Kept("a", 1, b"x")])
        modes = {path.name: path.stat().st_mode & 0o777 for path in self.folder.iterdir()}
        self.assertEqual(set(modes.values()), {0o600})
        self.assertLessEqual({"chest.sqlite", "chest.sqlite-wal", "chest.sqlite.tally"}, set(modes))
        chest.close()
        self.path.chmod(0o640)
        self.assertRaises(HomePermissions, self.at, self.path)

    # --- wiping ------------------------------------------------------------------------------

    def test_a_wiped_chest_is_overwritten_before_it_is_removed(self) -> None:
        """Every file is overwritten, and then nothing of it is left."""
        chest = self.at(self.path)
        chest.commit([Kept("a", 1, b"x" * 100_000)])
        links = self.folder / "links"
        links.mkdir()
        for path in self.folder.glob("chest*"):
            (links / path.name).hardlink_to(path)
        chest.wipe()
        self.assertEqual(list(self.folder.glob("chest*")), [])
        left = [path.read_bytes() for path in links.iterdir()]
        self.assertGreaterEqual(len(left), 3)
        self.assertEqual([any(data) for data in left], [False] * len(left))

    def test_wiping_can_be_taken_up_again(self) -> None:
        """Wherever it failed or died, called again it removes the rest."""
        for error in (errno.EIO, None):
            at = 0
            while True:
                at += 1
                self.filled()
                files = FaultFiles(SYSTEM, at=at, error=error)
                try:
                    wipe(self.path, files)
                    break
                except (DiskFailed, PowerCut):
                    wipe(self.path)
                self.assertEqual(list(self.folder.iterdir()), [])
            self.assertEqual(list(self.folder.iterdir()), [])
            self.assertGreater(at, 8)

    # --- what is on the disk -----------------------------------------------------------------

    def test_L7_nothing_is_on_the_disk_in_the_clear(self) -> None:
        """No text, name, room or key, nor the account's key, is in any of the files."""
        canaries = [b"canary-text", b"canary-name", b"canary-key", b"canary-room", KEY, OTHER]
        canaries += [word[n : n + 6] for word in canaries[:4] for n in range(5)]
        chest = self.at(self.path)
        chest.commit([Kept("canary-room", b"canary-key", b"canary-text canary-name")])
        chest.commit([Kept("canary-room", n, b"canary-text %d" % n) for n in range(500)])
        chest.add_lock(OTHER)
        chest.commit([Kept("canary-room", n, None) for n in range(250)])
        self.assertEqual(chest.get("canary-room", b"canary-key"), b"canary-text canary-name")
        for _ in range(2):  # while it is open, with its log, and closed
            for path in self.folder.iterdir():
                data = path.read_bytes()
                self.assertEqual([c for c in canaries if c in data or c.hex().encode() in data], [])
            chest.close()

    def test_L7_lengths_tell_little(self) -> None:
        """Rows of most lengths look the same, and each is sealed otherwise each time."""
        chest = self.at(self.path)
        chest.commit([Kept("a", n, bytes(n)) for n in range(600)])
        chest.commit([Kept("a", 600, b""), Kept("b", 600, b"")])
        chest.close()
        db = sqlite3.connect(self.path)
        rows = [sealed for (sealed,) in db.execute("SELECT sealed FROM rows")]
        db.close()
        self.assertEqual({len(row) - 28 for row in rows}, {256, 512, 1024})
        self.assertEqual(len({row[:12] for row in rows}), len(rows))

    def test_deleted_rows_leave_nothing_behind(self) -> None:
        """What is deleted is overwritten in the file, not only marked as free."""
        chest = self.at(self.path)
        chest.commit([Kept("a", n, bytes(5000)) for n in range(20)])
        chest.close()
        db = sqlite3.connect(self.path)
        sealed = [row[100:200] for (row,) in db.execute("SELECT sealed FROM rows WHERE key<20")]
        db.close()
        chest = self.at(self.path)
        chest.commit([Kept("a", n, None) for n in range(20)])
        chest.close()
        data = self.path.read_bytes()
        self.assertEqual([row for row in sealed[:20] if row in data], [])


class FailsAt:
    """Connections whose n-th statement from now on finds the disk full, when armed."""

    def __init__(self, at: int) -> None:
        self.at, self.armed = at, False

    def connect(self, path: str) -> sqlite3.Connection:
        outer = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
                outer.at -= outer.armed
                if outer.armed and outer.at == 0:
                    error = sqlite3.OperationalError("full")
                    error.sqlite_errorcode = sqlite3.SQLITE_FULL
                    raise error
                return super().execute(sql, parameters)

        return sqlite3.connect(path, isolation_level=None, timeout=0.0, factory=Connection)
