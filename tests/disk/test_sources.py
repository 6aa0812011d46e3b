"""Files on their way out: what is found, what is left out, what has changed."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from streembit.disk.sources import (
    MAX_OPEN_FILES,
    Found,
    Reading,
    pack_sources,
    read_sources,
    walk,
)
from streembit.errors import DiskFailed, FileChanged, NotFound, TooLarge
from streembit.files import manifest as manifests


class WalkTests(SynchronousTestCase):
    """What lies below the paths."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def make(self, *names: str) -> None:
        """Write files whose contents are their names."""
        for name in names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)

    def names(self, found: Found) -> list[str]:
        return ["/".join(parts) for parts in found.names]

    def test_files_and_folders(self) -> None:
        """In the order given, then of names; paths begin with what the user named."""
        self.make("z", "d/b", "d/a", "d/e/c")
        (self.folder / "d" / "empty").mkdir()
        found = walk([self.folder / "z", self.folder / "d"])
        self.assertEqual(self.names(found), ["z", "d/a", "d/b", "d/e/c", "d/empty/"])
        self.assertEqual(found.left_out, [])
        self.assertEqual([size for _, size in found.files], [1, 3, 3, 5, 0])
        manifests.make(found.files)

    def test_L2_links_are_not_followed_out(self) -> None:
        """Those on the way are left out, with a word; one that the user names is meant."""
        self.make("secret/key", "d/a")
        (self.folder / "d" / "link").symlink_to(self.folder / "secret" / "key")
        (self.folder / "d" / "linked").symlink_to(self.folder / "secret")
        (self.folder / "d" / "loop").symlink_to(self.folder / "d")
        (self.folder / "named").symlink_to(self.folder / "d")
        found = walk([self.folder / "named"])
        self.assertEqual(self.names(found), ["named/a"])
        self.assertEqual(len(found.left_out), 3)

    def test_no_more_is_told_than_people_read(self) -> None:
        """The rest is counted."""
        self.make("d/a")
        for n in range(70):
            (self.folder / "d" / f"link{n}").symlink_to(self.folder)
        found = walk([self.folder / "d"])
        self.assertEqual((len(found.left_out), found.more), (64, 6))

    def test_what_is_no_file(self) -> None:
        """Pipes and the like are left out, and never waited for."""
        self.make("d/a")
        os.mkfifo(self.folder / "d" / "pipe")
        found = walk([self.folder / "d"])
        self.assertEqual(self.names(found), ["d/a"])
        self.assertIn("pipe", found.left_out[0])
        for path in (self.folder / "d" / "pipe", self.folder / "missing", Path("/dev/null")):
            with self.assertRaises(NotFound):
                walk([path])

    def test_folders_without_files(self) -> None:
        """The innermost ones are sent, also one that the user names, or of which nothing can be."""
        for name in ("d/e/f", "d/g", "pipes"):
            (self.folder / name).mkdir(parents=True)
        os.mkfifo(self.folder / "pipes" / "pipe")
        found = walk([self.folder / "d", self.folder / "d" / "g", self.folder / "pipes"])
        self.assertEqual(self.names(found), ["d/e/f/", "d/g/", "g/", "pipes/"])
        self.assertEqual({size for _, size in found.files}, {0})
        again = manifests.make(found.files)
        manifests.read(again.data, again.offer(bytes(16), "d"))

    def test_nothing_to_send(self) -> None:
        """Nothing is not offered."""
        for paths in ([], [self.folder / "d"]):
            with self.assertRaises(NotFound):
                walk(paths)

    def test_names_that_are_no_unicode(self) -> None:
        """They are sent with a mark in the place of each strange byte, and read all the same."""
        with open(os.fsencode(self.folder) + b"/a\xff", "wb") as file:
            file.write(b"x")
        found = walk([self.folder])
        self.assertEqual(found.names[0][1], "a\N{REPLACEMENT CHARACTER}")
        manifests.make(found.files)
        self.assertEqual(Reading(found.sources).read(0, 0, 9), b"x")

    def test_too_deep(self) -> None:
        """It is said before anything is offered."""
        self.make("/".join("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"))
        with self.assertRaises(TooLarge):
            walk([self.folder])


class ReadingTests(SynchronousTestCase):
    """Their bytes, later."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.path = self.folder / "a"
        self.path.write_bytes(b"0123456789")
        self.sources = walk([self.path]).sources

    def reading(self) -> Reading:
        """Return the files as another process would have them."""
        reading = Reading(read_sources(pack_sources(self.sources)))
        self.addCleanup(reading.close)
        return reading

    def test_bytes(self) -> None:
        """From anywhere, to the end."""
        reading = self.reading()
        self.assertEqual(reading.read(0, 2, 3), b"234")
        self.assertEqual(reading.read(0, 8, 30), b"89")

    def test_what_is_in_memory_is_at_hand(self) -> None:
        """After a first read; bytes beyond the end never are, nor those of a file not opened."""
        reading = self.reading()
        self.assertIsNone(reading.at_hand(0, 0, 5))
        reading.read(0, 0, 1)
        found = reading.at_hand(0, 2, 3)
        if found is None:
            raise SkipTest("this system does not tell what it has in memory")
        self.assertEqual(bytes(found), b"234")
        self.assertIsNone(reading.at_hand(0, 8, 5))
        self.path.write_bytes(b"9876543210")
        os.utime(self.path, ns=(1, 1))
        with self.assertRaises(FileChanged):
            reading.at_hand(0, 0, 1)

    def test_changes_are_noticed(self) -> None:
        """Before the first read and between two: longer, other bytes, another file, none."""

        def append() -> None:
            with self.path.open("ab") as file:
                file.write(b"x")

        def rewrite() -> None:
            self.path.write_bytes(b"9876543210")
            os.utime(self.path, ns=(1, 1))

        def replace() -> None:
            (self.folder / "b").write_bytes(b"0123456789")
            (self.folder / "b").rename(self.path)

        for change in (append, rewrite, replace, self.path.unlink):
            self.path.write_bytes(b"0123456789")
            self.sources = walk([self.path]).sources
            early, late = self.reading(), self.reading()
            early.read(0, 0, 1)
            change()
            if change in (append, rewrite):
                with self.assertRaises(FileChanged):
                    early.read(0, 1, 1)
            with self.assertRaises(FileChanged):
                late.read(0, 0, 1)

    def test_L2_a_link_in_its_place(self) -> None:
        """It is not followed."""
        self.path.rename(self.folder / "b")
        self.path.symlink_to("b")
        with self.assertRaises(DiskFailed):
            self.reading().read(0, 0, 1)

    def test_many_files(self) -> None:
        """More than are held open."""
        for n in range(3 * MAX_OPEN_FILES):
            (self.folder / f"{n:03}").write_text(f"{n}")
        self.sources = walk([self.folder]).sources
        reading = self.reading()
        for _ in range(2):
            for n in range(3 * MAX_OPEN_FILES):
                self.assertEqual(reading.read(n, 0, 9), b"%d" % n)
