"""Accounts on the disk: key files are made once, never overwritten, and never lost."""

from __future__ import annotations

import errno
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from streembit.disk import atomic
from streembit.disk.accounts import Accounts
from streembit.disk.files import Files, exists
from streembit.disk.home import Home
from streembit.errors import (
    BadName,
    DiskFailed,
    DiskFull,
    HomePermissions,
    KeyFileCorrupt,
    KeyFileExists,
    NoSuchAccount,
    StreembitError,
    WeakPasscode,
    WrongPasscode,
)
from streembit.jose import keyfile
from streembit.jose.keys import Identity
from streembit.jose.passcode import LEAST
from tests.disk.faultfiles import FaultFiles, MemoryFiles, PowerCut

HOME = Path("/var/home")
FOLDER = HOME / "accounts"
KEY = FOLDER / "alice" / "key.json"
PASSCODE = "Correct-Horse-7"
OTHER = "Battery/Staple-8"


def a_disk(*accounts: str) -> MemoryFiles:
    files = MemoryFiles()
    home = Home.create(HOME, files)
    for name in accounts:
        home.accounts.create(name, None)
    return files.after_kill()


def on(files: Files) -> Accounts:
    return Accounts(FOLDER, files, LEAST)


class AccountsTest(SynchronousTestCase):
    def test_an_account_is_opened_with_its_passcode(self) -> None:
        """What was created is loaded again, with the right passcode only."""
        accounts = on(a_disk())
        made = accounts.create("alice", PASSCODE)
        self.assertEqual(accounts.load("alice", PASSCODE).public, made.public)
        self.assertEqual(accounts.header("alice").public_key, made.public.hex)
        self.assertRaises(WrongPasscode, accounts.load, "alice", OTHER)
        self.assertRaises(WrongPasscode, accounts.load, "alice", None)

    def test_a_weak_passcode_makes_no_account(self) -> None:
        """Neither a new account nor a new passcode can be weak."""
        accounts = on(a_disk("alice"))
        self.assertRaises(WeakPasscode, accounts.create, "bob", "short")
        self.assertRaises(WeakPasscode, accounts.change_passcode, "alice", None, "short")
        self.assertEqual(accounts.names(), ["alice"])
        accounts.load("alice", None)

    def test_the_first_account_is_the_default(self) -> None:
        """With several accounts it is used when none is named."""
        files = a_disk()
        accounts = on(files)
        self.assertIsNone(accounts.default())
        self.assertRaises(NoSuchAccount, accounts.load, None, None)
        keys = {name: accounts.create(name, None).public for name in ("zoe", "bob")}
        self.assertEqual((accounts.names(), accounts.default()), (["bob", "zoe"], "zoe"))
        self.assertEqual(accounts.load(None, None).public, keys["zoe"])
        for data in (b"", b"carol", b"\xff", b"../zoe"):
            atomic.write(FOLDER / ".default", data, files)
            with self.assertRaises(NoSuchAccount) as caught:
                accounts.load(None, None)
            self.assertEqual(caught.exception.accounts, ["bob", "zoe"])

    def test_names_that_cannot_be(self) -> None:
        """A name is a plain folder name, so that no account lies elsewhere."""
        accounts = on(a_disk("alice"))
        bad = [
            "",
            ".",
            "..",
            ".x",
            "-x",
            "a/b",
            "../x",
            "Alice",
            "a b",
            "é",
            "a\n",
            "x" * 65,
            "a\0",
        ]
        for name in bad:
            self.assertRaises(BadName, accounts.create, name, None)
            self.assertRaises(NoSuchAccount, accounts.load, name, None)
            self.assertRaises(BadName, accounts.add, Identity.generate(name), None)
        self.assertEqual(accounts.names(), ["alice"])
        for name in ["x" * 64, "a.b-c_9", "_", "9"]:
            self.assertEqual(accounts.create(name, None).name, name)

    def test_a_key_file_is_never_overwritten(self) -> None:
        """Creating, restoring and adding refuse a name that has a key file, even a damaged one."""
        files = a_disk("alice")
        accounts = on(files)
        good = atomic.read(KEY, files) or b""
        for data in (good, b"", b"damaged"):
            atomic.write(KEY, data, files)
            self.assertRaises(KeyFileExists, accounts.create, "alice", None)
            self.assertRaises(KeyFileExists, accounts.add, Identity.generate("alice"), None)
            self.assertRaises(KeyFileExists, accounts.restore, good, None)
            self.assertEqual(atomic.read(KEY, files), data)

    def test_no_new_account_where_a_copy_of_the_old_key_lies(self) -> None:
        """A lost key file with its copy beside is for restoring, not for a new identity."""
        files = a_disk("alice")
        files.rename(KEY, KEY.with_name("key.json.previous"))
        self.assertRaises(KeyFileExists, on(files).create, "alice", None)

    def test_L7_a_key_file_that_others_can_read_is_refused(self) -> None:
        """The mode is looked at before the passcode is used."""
        folder = Path(self.mktemp())
        Home.create(folder).accounts.create("alice", None)
        accounts = Accounts(folder / "accounts")
        accounts.key_path("alice").chmod(0o640)
        self.assertRaises(HomePermissions, accounts.load, "alice", None)
        self.assertRaises(HomePermissions, accounts.change_passcode, "alice", None, PASSCODE)
        accounts.key_path("alice").chmod(0o600)
        accounts.load("alice", None)

    def test_L6_the_key_file_says_how_it_is_protected(self) -> None:
        """Without other wishes an account has the full protection of the design."""
        accounts = Accounts(FOLDER, a_disk())
        accounts.create("alice", PASSCODE)
        self.assertEqual(accounts.header("alice").kdf, keyfile.DEFAULT)


class BackupTest(SynchronousTestCase):
    def test_a_backup_restores_the_account(self) -> None:
        """A backup, kept anywhere, brings the same keys back in another home."""
        files = a_disk()
        made = on(files).create("alice", PASSCODE)
        on(files).backup("alice", Path("/stick"))
        data = atomic.read(Path("/stick"), files) or b""
        self.assertEqual(files.status(Path("/stick")).mode, 0o600)
        elsewhere = on(a_disk())
        self.assertRaises(WrongPasscode, elsewhere.restore, data, OTHER)
        self.assertEqual(elsewhere.names(), [])
        self.assertEqual(elsewhere.restore(data, PASSCODE).public, made.public)
        self.assertEqual(elsewhere.load(None, PASSCODE).public, made.public)

    def test_a_restored_account_can_have_another_name(self) -> None:
        """Two homes' accounts of one name fit in one home."""
        files = a_disk("alice")
        accounts = on(files)
        foreign = Identity.generate("alice")
        data = keyfile.lock(foreign, PASSCODE, params=LEAST)
        self.assertRaises(KeyFileExists, accounts.restore, data, PASSCODE)
        self.assertRaises(BadName, accounts.restore, data, PASSCODE, "../alice")
        accounts.restore(data, PASSCODE, "alice-2")
        found = accounts.load("alice-2", PASSCODE)
        self.assertEqual((found.name, found.public), ("alice-2", foreign.public))

    def test_a_hostile_name_in_a_backup(self) -> None:
        """The name inside a backup does not lead out of the home."""
        data = keyfile.lock(Identity.generate("../../x"), None)
        self.assertRaises(BadName, on(a_disk()).restore, data, None)

    def test_a_backup_overwrites_nothing(self) -> None:
        """The file of a backup must be new, and the key file worth it."""
        files = a_disk("alice")
        self.assertRaises(KeyFileExists, on(files).backup, "alice", KEY)
        on(files).backup("alice", Path("/stick"))
        self.assertRaises(KeyFileExists, on(files).backup, "alice", Path("/stick"))
        atomic.write(KEY, b"damaged", files)
        self.assertRaises(KeyFileCorrupt, on(files).backup, "alice", Path("/stick2"))
        self.assertFalse(exists(Path("/stick2"), files))

    def test_S2_a_damaged_key_file_names_the_copies_that_exist(self) -> None:
        """The error says where backups went, as far as they are still there; nothing changes."""
        files = a_disk("alice")
        accounts = on(files)
        for name in ("/stick-1", "/stick-2", "/stick-3"):
            accounts.backup("alice", Path(name))
        files.remove(Path("/stick-2"))
        good = atomic.read(KEY, files) or b""
        atomic.write(KEY.with_name("key.json.previous"), good, files)
        atomic.write(KEY, good[:-40], files)
        with self.assertRaises(KeyFileCorrupt) as caught:
            accounts.load("alice", None)
        expected = ["/var/home/accounts/alice/key.json.previous", "/stick-1", "/stick-3"]
        self.assertEqual(caught.exception.backups, expected)
        self.assertEqual(caught.exception.file, str(KEY))
        self.assertEqual(atomic.read(KEY, files), good[:-40])

    def test_the_list_of_backups_is_bounded_and_may_be_damaged(self) -> None:
        """Only the newest backups are remembered; a list that cannot be read counts as empty."""
        files = a_disk("alice")
        accounts = on(files)
        for number in range(20):
            accounts.backup("alice", Path(f"/stick-{number}"))
        self.assertEqual(len(accounts.backups("alice")), 16)
        self.assertEqual(accounts.backups("alice")[-1], Path("/stick-19"))
        for data in (b"", b"{", b"7", b"[7]", b"\xff", b"[" * 100_000):
            atomic.write(FOLDER / "alice" / "backups.json", data, files)
            self.assertEqual(accounts.backups("alice"), [])

    def test_S2_every_truncation_of_a_key_file_is_refused(self) -> None:
        """A key file cut at any byte is refused and stays as it is; its backup is restored."""
        files = a_disk()
        made = on(files).create("alice", PASSCODE)
        on(files).backup("alice", Path("/stick"))
        good = atomic.read(KEY, files) or b""
        for length in range(len(good) - 1):  # the last byte is a line feed
            atomic.write(KEY, good[:length], files)
            with self.assertRaises(KeyFileCorrupt) as caught:
                on(files).load("alice", PASSCODE)
            self.assertEqual(caught.exception.backups, ["/stick"])
            self.assertEqual(atomic.read(KEY, files), good[:length])
        files.rename(KEY, KEY.with_name("damaged"))
        on(files).restore(atomic.read(Path("/stick"), files) or b"", PASSCODE)
        self.assertEqual(on(files).load("alice", PASSCODE).public, made.public)

    def test_S2_zeros_and_other_files_are_no_key_file(self) -> None:
        """A zeroed, foreign or endless key file is refused as damaged."""
        files = a_disk("alice")
        length = len(atomic.read(KEY, files) or b"")
        for data in (b"", bytes(length), b"{}", b"null", b"[" * 4000, b" " * 5000):
            atomic.write(KEY, data, files)
            self.assertRaises(KeyFileCorrupt, on(files).load, "alice", None)
            self.assertRaises(KeyFileCorrupt, on(files).header, "alice")


class PasscodeTest(SynchronousTestCase):
    def test_the_new_passcode_replaces_the_old(self) -> None:
        """After a change only the new passcode opens the account, and no copy takes the old."""
        files = a_disk("alice")
        accounts = on(files)
        made = accounts.load("alice", None)
        accounts.change_passcode("alice", None, PASSCODE)
        accounts.change_passcode("alice", PASSCODE, OTHER)
        self.assertRaises(WrongPasscode, accounts.load, "alice", PASSCODE)
        self.assertEqual(accounts.load("alice", OTHER).public, made.public)
        self.assertEqual(files.names(FOLDER / "alice"), ["key.json"])

    def test_the_old_passcode_is_asked_for(self) -> None:
        """Without the old passcode nothing changes."""
        files = a_disk()
        on(files).create("alice", PASSCODE)
        before = atomic.read(KEY, files)
        self.assertRaises(WrongPasscode, on(files).change_passcode, "alice", OTHER, OTHER)
        self.assertRaises(WrongPasscode, on(files).change_passcode, "alice", None, OTHER)
        self.assertEqual(atomic.read(KEY, files), before)

    def test_S1_power_cut_at_every_call_of_a_passcode_change(self) -> None:
        """Cut at any call, the key file opens with the old or with the new passcode."""
        start = a_disk()
        made = on(start).create("alice", PASSCODE)
        start = start.after_kill()
        at, done, seen = 0, False, set()
        before, after = atomic.read(KEY, start), keyfile.lock(made, None)
        while not done:
            at += 1
            files = start.after_kill()
            try:
                on(FaultFiles(files, at=at)).change_passcode("alice", PASSCODE, None)
                done = True
            except PowerCut:
                pass
            for survivor in (files.after_kill(), *files.after_power_cut()):
                found = atomic.read(KEY, survivor)
                self.assertIn(found, (before, after), f"call {at}")
                seen.add(found)
                if found == after:  # a start tidies up
                    on(survivor).load("alice", None)
                    left = [n for n in survivor.names(FOLDER / "alice") if n[0] != "."]
                    self.assertEqual(left, ["key.json"])
        self.assertEqual(seen, {before, after})
        self.assertGreater(at, 20)

    def test_S3_every_failing_call_of_a_passcode_change(self) -> None:
        """With any call failing, for once or for good, the key file is the old or the new one."""
        start = a_disk("alice")
        made = on(start).load("alice", None)
        for times in (1, 1000):
            for at in range(1, 45):
                files = start.after_kill()
                broken = FaultFiles(files, at=at, error=errno.EIO, times=times)
                try:
                    on(broken).change_passcode("alice", None, None)
                except (DiskFailed, DiskFull):
                    pass
                self.assertEqual(on(files).load("alice", None).public, made.public)

    def test_a_file_that_is_read_back_wrong_is_put_back(self) -> None:
        """When the disk does not give back what was written, the old key file returns."""
        files = a_disk("alice")
        made = on(files).load("alice", None)
        accounts = Accounts(FOLDER, Forgetful(files), LEAST)
        self.assertRaises(DiskFailed, accounts.change_passcode, "alice", None, PASSCODE)
        self.assertEqual(on(files).load("alice", None).public, made.public)

    def test_S1_power_cut_at_every_call_of_creating(self) -> None:
        """A cut leaves no account or a whole one, and creating again works or says it exists."""
        start = a_disk()
        at, done = 0, False
        while not done:
            at += 1
            files = start.after_kill()
            try:
                on(FaultFiles(files, at=at)).create("alice", None)
                done = True
            except PowerCut:
                pass
            for survivor in (files.after_kill(), *files.after_power_cut()):
                names = on(survivor).names()
                self.assertIn(names, ([], ["alice"]))
                if not names:
                    on(survivor).create("alice", None)
                self.assertTrue(on(survivor).load(None, None).public)
        self.assertGreater(at, 15)

    def test_L7_errors_do_not_show_secrets(self) -> None:
        """What goes wrong with accounts is said without passcode or key."""
        files = a_disk()
        accounts = on(files)
        made = accounts.create("alice", PASSCODE)
        clear = keyfile.lock(made, None)
        said = []
        attempts = (
            lambda: accounts.load("alice", OTHER),
            lambda: accounts.create("alice", PASSCODE),
            lambda: accounts.change_passcode("alice", OTHER, PASSCODE),
            lambda: accounts.restore(clear, PASSCODE),
            lambda: accounts.restore(clear[:-50], None),
        )
        for attempt in attempts:
            with self.assertRaises(StreembitError) as caught:
                attempt()
            said.append(f"{caught.exception} {caught.exception!r}")
        text = " ".join(said)
        for secret in (PASSCODE, OTHER, made.seed.hex(), repr(made.seed)):
            self.assertNotIn(secret, text)


class Forgetful(FaultFiles):
    """A disk that loses the contents of the first file that is renamed over the key file."""

    lost = False

    def rename(self, old: Path, new: Path) -> None:
        super().rename(old, new)
        if new == KEY and not self.lost:
            self.lost = True
            fd = self.inner.open(new, 0)
            self.inner.truncate(fd)
            self.inner.close(fd)
