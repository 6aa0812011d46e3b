"""The home folder: made, opened, locked, kept private, and brought forward."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from streembit.disk import atomic
from streembit.disk.files import SYSTEM, Files, exists
from streembit.disk.home import Home
from streembit.disk.schema import SCHEMA, Schema
from streembit.errors import (
    DiskFailed,
    DiskFull,
    HomeLocked,
    HomeMissing,
    HomePermissions,
    HomeTooNew,
)
from tests.disk.faultfiles import FaultFiles, MemoryFiles, PowerCut

HOME = Path("/var/home")


class CreateTest(SynchronousTestCase):
    def test_L7_a_new_home_is_private(self) -> None:
        """A home, whatever the umask, is its owner's only."""
        path = Path(self.mktemp()) / "deep" / "home"
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        home = Home.create(path)
        with home.lock:
            for found in [path, *path.rglob("*")]:
                mode = found.stat().st_mode & 0o777
                self.assertEqual(mode, 0o700 if found.is_dir() else 0o600, str(found))
        self.assertEqual(home.accounts.names(), [])

    def test_a_home_is_made_once(self) -> None:
        """Making a home that exists opens it and changes nothing."""
        files = MemoryFiles()
        Home.create(HOME, files)
        atomic.write(HOME / "peers.json", b"kept", files)
        Home.create(HOME, files)
        Home.open(HOME, files)
        self.assertEqual(files.names(HOME), ["accounts", "home.json", "peers.json"])

    def test_an_empty_folder_is_taken_into_use(self) -> None:
        """A folder made beforehand, empty or with a configuration, becomes a home."""
        path = Path(self.mktemp())
        path.mkdir(mode=0o755)
        (path / "node.toml").write_text("")
        Home.create(path)
        self.assertEqual(path.stat().st_mode & 0o777, 0o700)

    def test_a_folder_with_other_files_is_left_alone(self) -> None:
        """A folder with something else in it is never taken for a home."""
        path = Path(self.mktemp())
        path.mkdir(mode=0o755)
        (path / "letters.txt").write_text("dear")
        with self.assertRaises(HomeMissing) as caught:
            Home.create(path)
        self.assertEqual(caught.exception.holds, "letters.txt")
        self.assertEqual(path.stat().st_mode & 0o777, 0o755)
        self.assertRaises(HomeMissing, Home.open, path)
        self.assertEqual([p.name for p in path.iterdir()], ["letters.txt"])

    def test_no_home(self) -> None:
        """Opening does not make a home."""
        path = Path(self.mktemp())
        self.assertRaises(HomeMissing, Home.open, path)
        self.assertFalse(path.exists())

    def test_S1_power_cut_at_every_call_while_creating(self) -> None:
        """However far it came, creating again makes a whole home."""
        at, done = 0, False
        while not done:
            at += 1
            files = MemoryFiles()
            try:
                Home.create(HOME, FaultFiles(files, at=at))
                done = True
            except PowerCut:
                pass
            for survivor in files.after_power_cut():
                Home.create(HOME, survivor)
                self.assertEqual(survivor.names(HOME), ["accounts", "home.json"])
        self.assertGreater(at, 10)

    def test_S3_a_failing_disk_is_said(self) -> None:
        """No space and a broken disk are named, at whatever call they show."""
        for number, kind in ((errno.ENOSPC, DiskFull), (errno.EIO, DiskFailed)):
            for at in range(1, 12):
                files = FaultFiles(MemoryFiles(), at=at, error=number)
                self.assertRaises(kind, Home.create, HOME, files)


class ModesTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.home = Home.create(self.path)
        self.home.accounts.create("alice", None)
        (self.path / "peers.json").touch(mode=0o600)

    def test_L7_files_that_others_can_use_are_refused(self) -> None:
        """At the start, anything in the home that others can read or change is named."""
        account = self.path / "accounts" / "alice"
        for path in (self.path, account.parent, account, account / "key.json"):
            self.assert_refused(path)
        self.assert_refused(self.path / "peers.json")

    def assert_refused(self, path: Path) -> None:
        good = path.stat().st_mode & 0o777
        for bad in (good | 0o040, good | 0o004, good | 0o020, good | 0o001):
            path.chmod(bad)
            with self.assertRaises(HomePermissions) as caught:
                Home.open(self.path)
            error = caught.exception
            self.assertEqual((error.file, error.mode), (str(path), f"{bad:04o}"))
            self.assertIn(f"chmod {good:o} {path}", error.detail)
        path.chmod(good)
        Home.open(self.path)

    def test_L7_a_configuration_may_be_read_but_not_written_by_others(self) -> None:
        """A configuration holds no secret, but who can change it decides what the node does."""
        config = self.home.config_path("node")
        config.touch()
        config.chmod(0o644)
        Home.open(self.path)
        config.chmod(0o664)
        self.assertRaises(HomePermissions, Home.open, self.path)

    def test_links_are_judged_by_where_they_lead(self) -> None:
        """A home may be a link, and hold one to a file elsewhere."""
        link = self.path.with_name(self.path.name + "-link")
        link.symlink_to(self.path.absolute())
        (self.path / "node.toml").symlink_to("/nowhere/at/all")
        self.assertEqual(Home.open(link).accounts.names(), ["alice"])

    def test_a_home_of_another_user_is_refused(self) -> None:
        """What belongs to somebody else is left alone, so that it stays usable by them."""

        class Foreign(MemoryFiles):
            def status(self, path: Path, *, follow: bool = True):  # type: ignore[no-untyped-def]
                return super().status(path)._replace(owner=os.geteuid() + 1)

        self.assertRaises(HomePermissions, Home.create, HOME, Foreign())


class LockTest(SynchronousTestCase):
    def test_S4_a_second_process_is_refused(self) -> None:
        """Of two processes the second is refused, with the pid of the first, until that ends."""
        path = Path(self.mktemp()).absolute()
        Home.create(path)
        code = (
            "import sys; from pathlib import Path; from streembit.disk.home import Home;"
            "Home.open(Path(sys.argv[1])).lock.take(); print('taken', flush=True); input()"
        )
        command = [sys.executable, "-c", code, str(path)]
        first = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self.addCleanup(first.communicate)
        self.addCleanup(first.kill)
        assert first.stdout is not None
        self.assertEqual(first.stdout.readline(), b"taken\n")
        with self.assertRaises(HomeLocked) as caught:
            Home.open(path).lock.take()
        self.assertEqual(caught.exception.pid, first.pid)
        first.kill()
        first.wait()
        home = Home.open(path)
        home.lock.take()
        self.assertTrue(home.lock.held)
        home.lock.release()

    def test_S4_within_one_process(self) -> None:
        """Two homes of one folder exclude each other too; letting go is enough to go on."""
        files = MemoryFiles()
        one, other = Home.create(HOME, files), Home.open(HOME, files)
        one.lock.take()
        one.lock.take()
        with self.assertRaises(HomeLocked) as caught:
            other.lock.take()
        self.assertEqual(caught.exception.pid, os.getpid())
        self.assertFalse(other.lock.held)
        one.lock.release()
        one.lock.release()
        other.lock.take()

    def test_a_lock_file_full_of_rubbish(self) -> None:
        """What a lock file says is no more than a hint."""
        files = MemoryFiles()
        Home.create(HOME, files)
        atomic.write(HOME / "lock", b"\xff\x00 rubbish " * 9, files)
        one, other = Home.open(HOME, files), Home.open(HOME, files)
        fd = files.open(HOME / "lock", os.O_RDWR)
        files.lock(fd, wait=False)
        with self.assertRaises(HomeLocked) as caught:
            other.lock.take()
        self.assertEqual(caught.exception.pid, 0)
        files.close(fd)
        one.lock.take()

    def test_S3_a_lock_that_cannot_be_written_is_not_held(self) -> None:
        """On a full disk the lock is refused and let go of."""
        files = MemoryFiles()
        home = Home.create(HOME, files)
        for at in (1, 2, 3, 4):
            broken = FaultFiles(files, at=at, error=errno.ENOSPC)
            lock = Home(HOME, broken).lock
            self.assertRaises(DiskFull, lock.take)
            self.assertFalse(lock.held)
        home.lock.take()


def rename_peers(home: Path, files: Files) -> None:
    """A made-up step: what was called friends.json becomes peers.json, as an object."""
    old, new = home / "friends.json", home / "peers.json"
    data = atomic.read(old, files)
    if data is not None:
        atomic.write(new, json.dumps({"peers": json.loads(data)}).encode(), files)
        files.remove(old)


def add_note(home: Path, files: Files) -> None:
    """A second made-up step."""
    atomic.write(home / "note", b"second", files)


LATER = Schema(version=3, steps={1: rename_peers, 2: add_note})


class MigrateTest(SynchronousTestCase):
    def old_home(self) -> MemoryFiles:
        files = MemoryFiles()
        Home.create(HOME, files)
        for name in ("a", "b"):
            files.make_folder(HOME / "accounts" / name)
            atomic.write(HOME / "accounts" / name / "key.json", name.encode(), files)
        atomic.write(HOME / "friends.json", b"[1, 2]", files)
        atomic.write(HOME / "x.corrupt-1", b"damaged", files)
        return files.after_kill()  # all of it on the medium

    def assert_new(self, files: MemoryFiles) -> None:
        self.assertEqual(atomic.read(HOME / "peers.json", files), b'{"peers": [1, 2]}')
        self.assertEqual(atomic.read(HOME / "note", files), b"second")
        self.assertFalse(exists(HOME / "friends.json", files))
        self.assertEqual(json.loads(atomic.read(HOME / "home.json", files) or b""), {"schema": 3})

    def assert_backup(self, backup: Path, files: MemoryFiles) -> None:
        self.assertEqual(files.names(backup), ["accounts", "friends.json", "home.json"])
        self.assertEqual(atomic.read(backup / "friends.json", files), b"[1, 2]")
        self.assertEqual(atomic.read(backup / "accounts" / "b" / "key.json", files), b"b")
        marker = json.loads(atomic.read(backup / "home.json", files) or b"")
        self.assertEqual(marker, {"schema": 1})

    def test_S6_an_older_home_is_brought_forward_with_a_backup(self) -> None:
        """All steps are done in order, and the home as it was lies beside."""
        files = self.old_home()
        home = Home.open(HOME, files, LATER)
        assert home.migrated_from is not None
        self.assert_new(files)
        self.assert_backup(home.migrated_from, files)
        self.assertFalse(home.lock.held)
        self.assertIsNone(Home.open(HOME, files, LATER).migrated_from)

    def test_S6_a_newer_home_is_refused_and_left_alone(self) -> None:
        """An older program does not touch what a newer one wrote."""
        files = self.old_home()
        Home.open(HOME, files, LATER)
        before = files.names(HOME)
        with self.assertRaises(HomeTooNew) as caught:
            Home.open(HOME, files)
        self.assertEqual((caught.exception.found, caught.exception.supported), (3, 1))
        self.assertRaises(HomeTooNew, Home.create, HOME, files)
        self.assertEqual(files.names(HOME), before)

    def test_S6_power_cut_at_every_call_of_a_migration(self) -> None:
        """Cut at any call, the next start ends with the new home and a whole backup."""
        at, done = 0, False
        while not done:
            at += 1
            files = self.old_home()
            try:
                Home.open(HOME, FaultFiles(files, at=at), LATER)
                done = True
            except PowerCut:
                pass
            for survivor in (files.after_kill(), *files.after_power_cut()):
                Home.open(HOME, survivor, LATER)
                self.assert_new(survivor)
                self.assert_backup(HOME / "backup-schema-1", survivor)
        self.assertGreater(at, 50)

    def test_S6_no_space_for_the_backup_means_no_migration(self) -> None:
        """Without room for the copy, the home stays as it was."""
        files = self.old_home()
        before = files.names(HOME)
        for at in range(12, 40):
            broken = FaultFiles(files, at=at, error=errno.ENOSPC)
            try:
                Home.open(HOME, broken, Schema(2, {1: rename_peers}))
            except DiskFull:
                left = [n for n in files.names(HOME) if not n.startswith(".") and n != "lock"]
                self.assertEqual(left, before, f"call {at}")
            else:
                self.fail("there was space")

    def test_S6_a_home_in_use_is_not_migrated(self) -> None:
        """While a process holds the older home, nobody changes it."""
        files = self.old_home()
        user = Home.open(HOME, files)
        user.lock.take()
        self.assertRaises(HomeLocked, Home.open, HOME, files, LATER)
        self.assertEqual(atomic.read(HOME / "friends.json", files), b"[1, 2]")

    def test_S2_a_damaged_marker_hinders_nobody(self) -> None:
        """Without a readable version the home counts as the oldest, and steps are done again."""
        good = b'{"schema": 1}\n'
        damaged = [good[:length] for length in range(len(good) - 2)]
        damaged += [b'{"schema": true}', b'{"schema": 0}', b'{"schema": -1}', b"[" * 100_000]
        damaged += [
            b'{"schema": "1"}',
            b'{"schema": 1.0}',
            b"\xff",
            b"x" * (atomic.MAX_FILE_BYTES + 1),
        ]
        for data in damaged:
            files = self.old_home()
            Home.open(HOME, files, LATER)
            atomic.write(HOME / "home.json", data, files)
            Home.open(HOME, files, LATER)
            self.assert_new(files)
        files = self.old_home()
        files.remove(HOME / "home.json")
        Home.open(HOME, files, LATER)
        self.assert_new(files)

    def test_S6_this_release_has_a_step_from_every_older_one(self) -> None:
        """No version is left without a way forward."""
        self.assertEqual(sorted(SCHEMA.steps), list(range(1, SCHEMA.version)))

    def test_the_real_file_layer_migrates_too(self) -> None:
        """The same on the real disk, where folders, modes and locks are real."""
        path = Path(self.mktemp())
        Home.create(path)
        (path / "friends.json").write_bytes(b"[1, 2]")
        (path / "friends.json").chmod(0o600)
        home = Home.open(path, SYSTEM, LATER)
        assert home.migrated_from is not None
        self.assertEqual((path / "peers.json").read_bytes(), b'{"peers": [1, 2]}')
        self.assertEqual((home.migrated_from / "friends.json").read_bytes(), b"[1, 2]")
        Home.open(path, SYSTEM, LATER)
