"""An account that is wiped leaves nothing of itself, and touches nothing of others."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

from streembit.disk import schema
from streembit.disk.chest import Chest, Kept
from streembit.disk.downloads import make_private
from streembit.disk.files import SYSTEM, SystemFiles
from streembit.disk.home import Home
from streembit.disk.noted import NOTES
from streembit.disk.published import PublishedRecords
from streembit.disk.wiping import wipe_account
from streembit.errors import BadName, DiskFailed, NoSuchAccount
from streembit.jose.keys import Identity


class Watching(SystemFiles):
    """Keeps what was done; dies before a step if told so."""

    def __init__(self, steps: int = 10**6) -> None:
        self.done: list[str] = []
        self._steps = steps

    def _step(self, what: str) -> None:
        if len(self.done) >= self._steps:
            raise OSError(5, "the power went")
        self.done.append(what)

    def open(self, path: Path, flags: int, mode: int = 0o600) -> int:
        if flags & os.O_WRONLY:
            self._step(f"open {path.name}")
        return super().open(path, flags, mode)

    def remove(self, path: Path) -> None:
        self._step(f"remove {path.name}")
        super().remove(path)


class WipingTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Home.create(Path(folder.name) / "home")
        for name in ("ann", "bob"):
            self.furnish(self.home.accounts.create(name, None))

    def furnish(self, identity: Identity) -> None:
        """Give an account stores."""
        place = self.home.settle(identity.name)
        PublishedRecords(place.published_path).close()
        chest = Chest(place.chest_path, identity.at_rest_key())
        chest.commit([Kept("room", b"key", b"precious")])
        chest.close()
        place.peers_path.write_bytes(b"{}")
        (place.folder / "downloads" / "tree").mkdir(parents=True)
        (place.folder / "downloads" / "tree" / "plan.pdf").write_bytes(b"from a contact")

    def test_all_of_one_account_goes_and_all_of_the_other_stays(self) -> None:
        """Whichever of them has the home itself."""
        for doomed, other in (("ann", "bob"), ("bob", "ann")):
            stays = self.files_of(other)
            wipe_account(self.home, doomed)
            self.assertEqual(self.home.accounts.names(), [other])
            self.assertEqual(self.files_of(other), stays)
            self.assertTrue((self.home.place(other).folder / "downloads").is_dir())
            self.furnish(self.home.accounts.create(doomed, None))

    def test_nothing_of_the_account_is_left(self) -> None:
        """When both are gone, the home has its marker and its locks."""
        for name in ("ann", "bob"):
            wipe_account(self.home, name)
        left = {path.name for path in self.home.path.rglob("*") if path.is_file()}
        self.assertLessEqual(left, {"home.json", "lock", ".lock", ".first", ".default"})

    def test_keys_are_overwritten_before_anything_is_removed(self) -> None:
        """Copies from before a migration too."""
        copy = self.home.path / "backup-schema-1" / "accounts" / "ann"
        copy.mkdir(parents=True)
        (copy / "key.json").write_bytes(self.home.accounts.key_path("ann").read_bytes())
        (self.home.accounts.key_path("ann").parent / "key.json.previous").write_bytes(b"old")
        files = Watching()
        wipe_account(self.home, "ann", files)
        first_removal = next(n for n, what in enumerate(files.done) if what.startswith("remove"))
        overwritten = files.done[:first_removal]
        self.assertEqual(overwritten.count("open key.json"), 2)
        self.assertIn("open key.json.previous", overwritten)
        self.assertIn("open chest.sqlite", overwritten)
        self.assertFalse(copy.exists())

    def test_chests_of_copies_are_overwritten_and_removed(self) -> None:
        """Of the account whose end it is, whichever has the home itself, and of no other."""
        schema.backup(self.home.path, 1, SYSTEM)
        copies = self.home.path / "backup-schema-1"
        within = {
            name: self.home.place(name).chest_path.relative_to(self.home.path)
            for name in ("ann", "bob")
        }
        for doomed, other in (("bob", "ann"), ("ann", "")):
            files = Watching()
            wipe_account(self.home, doomed, files)
            self.assertEqual(files.done.count("open chest.sqlite"), 2)
            self.assertEqual(
                [path.name for path in (copies / within[doomed]).parent.glob("chest*")], []
            )
            if other:
                self.assertTrue((copies / within[other]).exists())
        left = {path.name for path in self.home.path.rglob("*") if path.is_file()}
        self.assertLessEqual(left, {"home.json", "lock", ".lock", ".first", ".default"})

    def test_files_on_their_way_to_other_folders_go_too(self) -> None:
        """What arrived there stays; links in their places lead nowhere."""
        folder, precious = self.home.path.parent / "films", self.home.path.parent / "precious"
        precious.mkdir()
        (precious / "file").write_bytes(b"kept")
        notes = self.home.place("bob").folder / NOTES
        private = make_private(folder, "x", notes=notes)
        (folder / private / "0.part").write_bytes(b"half a film")
        (folder / "whole").write_bytes(b"a film")
        linked = make_private(folder, "y", notes=notes)
        (folder / linked).rmdir()
        (folder / linked).symlink_to(precious)
        gone = make_private(self.home.path.parent / "stick", "z", notes=notes)
        (self.home.path.parent / "stick" / gone).rmdir()
        (notes / "w").write_bytes(bytes(precious))
        wipe_account(self.home, "bob")
        self.assertEqual([path.name for path in folder.iterdir()], ["whole"])
        self.assertEqual((precious / "file").read_bytes(), b"kept")
        self.assertFalse(notes.exists())

    def test_notes_of_folders_that_are_gone_are_forgotten(self) -> None:
        """So they do not grow with each transfer."""
        folder, notes = self.home.path.parent / "films", self.home.path / NOTES
        for n in range(5):
            (folder / make_private(folder, f"{n}", notes=notes)).rmdir()
        self.assertEqual(len(list(notes.iterdir())), 1)

    def test_S2_a_crash_at_every_step_is_made_up_for(self) -> None:
        """Called again it comes to the same end; the key is void from the first step on."""
        for steps in range(1, 100):
            files = Watching(steps)
            try:
                wipe_account(self.home, "bob", files)
            except DiskFailed:
                key_file = self.home.accounts.key_path("bob")
                self.assertFalse(key_file.exists() and key_file.read_bytes().strip(b"\0"))
                wipe_account(self.home, "bob")
            self.assertEqual(self.home.accounts.names(), ["ann"])
            if len(files.done) < steps:
                return
            self.furnish(self.home.accounts.create("bob", None))
        self.fail("it never ended")

    def test_links_are_not_followed(self) -> None:
        """A download folder that leads elsewhere is left where it is."""
        elsewhere = self.home.path.parent / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "precious").write_bytes(b"kept")
        folder = self.home.place("bob").folder
        (folder / "downloads" / "link").symlink_to(elsewhere)
        (folder / "downloads2").symlink_to(elsewhere)
        wipe_account(self.home, "bob")
        self.assertEqual((elsewhere / "precious").read_bytes(), b"kept")
        self.assertFalse(folder.exists())

    def test_who_is_not_there(self) -> None:
        """A name without an account, and what is no name."""
        self.assertRaises(NoSuchAccount, wipe_account, self.home, "carol")
        self.assertRaises(BadName, wipe_account, self.home, "../ann")

    def files_of(self, name: str) -> dict[str, bytes]:
        """Return the key and the stores of an account."""
        place = self.home.place(name)
        paths = [
            self.home.accounts.key_path(name),
            *(place.published_path, place.chest_path, place.peers_path),
        ]
        return {str(path): path.read_bytes() for path in paths}
