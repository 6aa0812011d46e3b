"""Whole files: old or new after any crash, error or lack of space."""

from __future__ import annotations

import errno
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from streembit.disk import atomic
from streembit.disk.files import SYSTEM, exists
from streembit.errors import DiskFailed, DiskFull, TooLarge
from tests.disk.faultfiles import FaultFiles, MemoryFiles, PowerCut

FILE = Path("/file")
OLD = b"the old contents" * 10
NEW = b"and the new contents" * 20


def disk_with_old(*, links: bool = True) -> MemoryFiles:
    disk = MemoryFiles(links=links)
    atomic.write(FILE, OLD, disk)
    return disk


def calls_of_write() -> int:
    files = FaultFiles(disk_with_old())
    atomic.write(FILE, NEW, files)
    return len(files.calls)


class WriteTest(SynchronousTestCase):
    def test_what_was_written_is_read(self) -> None:
        """A file is read as it was written, and replaced whole; nothing else is left behind."""
        folder = Path(self.mktemp())
        folder.mkdir()
        for data in (NEW, b"", OLD):
            atomic.write(folder / "x", data)
            self.assertEqual(atomic.read(folder / "x"), data)
        self.assertEqual(SYSTEM.names(folder), ["x"])
        self.assertEqual(SYSTEM.status(folder / "x").mode, 0o600)

    def test_no_file_is_none(self) -> None:
        """A file that is not there reads as None."""
        self.assertIsNone(atomic.read(FILE, MemoryFiles()))

    def test_a_long_file_is_not_read(self) -> None:
        """One byte above the limit is too long, the limit itself is not."""
        disk = disk_with_old()
        self.assertEqual(atomic.read(FILE, disk, limit_bytes=len(OLD)), OLD)
        with self.assertRaises(TooLarge):
            atomic.read(FILE, disk, limit_bytes=len(OLD) - 1)

    def test_S1_power_cut_at_every_call_leaves_old_or_new(self) -> None:
        """Whenever the power goes during a write, the file is the old or the new one, whole."""
        seen = set()
        for at in range(1, calls_of_write() + 1):
            disk = disk_with_old()
            with self.assertRaises(PowerCut):
                atomic.write(FILE, NEW, FaultFiles(disk, at=at))
            for survivor in disk.after_power_cut():
                found = atomic.read(FILE, survivor)
                self.assertIn(found, (OLD, NEW), f"cut at call {at}")
                seen.add(found)
                atomic.write(FILE, b"again", survivor)
                self.assertEqual(atomic.read(FILE, survivor), b"again")
                self.assertEqual(survivor.names(FILE.parent), ["file"])
        self.assertEqual(seen, {OLD, NEW})

    def test_S1_after_the_write_the_new_one_is_on_the_medium(self) -> None:
        """When `write` has returned, no power cut brings the old file back."""
        disk = disk_with_old()
        atomic.write(FILE, NEW, disk)
        for survivor in disk.after_power_cut():
            self.assertEqual(atomic.read(FILE, survivor), NEW)

    def test_S1_the_disk_of_these_tests_can_lose_a_careless_write(self) -> None:
        """Without the syncs, a power cut leaves the file empty: the test above can fail."""
        disk = disk_with_old()
        fresh = Path("/fresh")
        fd = disk.open(fresh, 0o101)
        disk.write(fd, NEW)
        disk.rename(fresh, FILE)
        found = [atomic.read(FILE, survivor) for survivor in disk.after_power_cut()]
        self.assertIn(b"", found)

    def test_S3_every_failing_call_keeps_the_old_or_new_file(self) -> None:
        """No space or a broken disk at any call is named, and leaves a whole file behind."""
        kinds = ((errno.ENOSPC, DiskFull), (errno.EIO, DiskFailed), (errno.EROFS, DiskFailed))
        for number, kind in kinds:
            for at in range(1, calls_of_write() + 1):
                disk = disk_with_old()
                files = FaultFiles(disk, at=at, error=number)
                if not failing(files, NEW):
                    continue
                self.assertRaises(kind, atomic.write, FILE, b"more", files)
                self.assertIn(atomic.read(FILE, disk), (OLD, NEW))
                atomic.write(FILE, NEW, disk)
                self.assertEqual(disk.names(FILE.parent), ["file"])

    def test_S3_one_failing_call_leaves_nothing_beside(self) -> None:
        """After a single failure the folder holds the file and nothing else."""
        for at in range(1, calls_of_write() + 1):
            disk = disk_with_old()
            failing(FaultFiles(disk, at=at, error=errno.ENOSPC, times=1), NEW)
            self.assertEqual(disk.names(FILE.parent), ["file"], f"call {at}")


def failing(files: FaultFiles, data: bytes) -> bool:
    """Write, and say whether that raised."""
    try:
        atomic.write(FILE, data, files)
    except (DiskFull, DiskFailed):
        return True
    return False


class CreateTest(SynchronousTestCase):
    def test_a_taken_name_is_refused(self) -> None:
        """Creating never replaces a file, with and without links in the file system."""
        for links in (True, False):
            disk = disk_with_old(links=links)
            self.assertRaises(FileExistsError, atomic.create, FILE, NEW, disk)
            self.assertEqual(atomic.read(FILE, disk), OLD)
            self.assertEqual(disk.names(FILE.parent), ["file"])

    def test_S1_power_cut_while_creating_leaves_nothing_or_all(self) -> None:
        """A file that was being created is whole or absent."""
        for links in (True, False):
            for at in range(1, 12):
                disk = MemoryFiles(links=links)
                try:
                    atomic.create(FILE, NEW, FaultFiles(disk, at=at))
                except PowerCut:
                    pass
                for survivor in disk.after_power_cut():
                    self.assertIn(atomic.read(FILE, survivor), (None, NEW), f"cut at call {at}")

    def test_created_files_stay(self) -> None:
        """When `create` has returned, the file is on the medium."""
        for links in (True, False):
            disk = MemoryFiles(links=links)
            atomic.create(FILE, NEW, disk)
            for survivor in disk.after_power_cut():
                self.assertEqual(atomic.read(FILE, survivor), NEW)


class AsideTest(SynchronousTestCase):
    def test_S2_a_damaged_file_is_kept_beside(self) -> None:
        """A damaged file is renamed, with the time in its name, and nothing is overwritten."""
        disk = disk_with_old()
        first = atomic.move_aside(FILE, 1000, disk)
        atomic.write(FILE, NEW, disk)
        second = atomic.move_aside(FILE, 1000, disk)
        self.assertEqual([first.name, second.name], ["file.corrupt-1000", "file.corrupt-1001"])
        self.assertEqual(atomic.read(first, disk), OLD)
        self.assertEqual(atomic.read(second, disk), NEW)
        self.assertFalse(exists(FILE, disk))

    def test_S2_damage_that_comes_back_does_not_fill_the_disk(self) -> None:
        """Only the newest three damaged copies are kept, wherever the clock goes."""
        disk = MemoryFiles()
        for number, unix_s in enumerate((7, 100, 90, 90, 2000, 5)):
            atomic.write(FILE, b"%d" % number, disk)
            atomic.move_aside(FILE, unix_s, disk)
        kept = atomic.aside_of(FILE, disk)
        names = ["file.corrupt-102", "file.corrupt-2000", "file.corrupt-2001"]
        self.assertEqual([path.name for path in kept], names)
        self.assertEqual([atomic.read(path, disk) for path in kept], [b"3", b"4", b"5"])

    def test_other_names_are_left_alone(self) -> None:
        """What only looks like a damaged copy is not counted and not removed."""
        disk = MemoryFiles()
        for name in ("file.corrupt-", "file.corrupt-x", "file.corrupt-01", "files.corrupt-1"):
            atomic.write(Path("/") / name, OLD, disk)
        self.assertEqual(atomic.aside_of(FILE, disk), [])
        for _ in range(5):
            atomic.write(FILE, OLD, disk)
            atomic.move_aside(FILE, 1, disk)
        self.assertEqual(len(disk.names(Path("/"))), 4 + atomic.MAX_ASIDE)
