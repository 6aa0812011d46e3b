"""Files on their way in: nothing outside of the folder, nothing overwritten, nothing lost."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from streembit.disk.downloads import SYNC_BYTES, Download, free_bytes, make_private
from streembit.disk.folder import SYSTEM, Calls, Folder
from streembit.disk.noted import PREFIX
from streembit.errors import DiskFailed, DiskFull
from streembit.wire.transfer import FileEntry
from tests.disk.failing import FailingCalls, failing
from tests.disk.faultfiles import PowerCut
from tests.files.test_names import HOSTILE

Files = dict[tuple[str, ...], bytes]
FILES: Final[Files] = {("d", "a"): b"alpha" * 100, ("d", "e", "b"): b"", ("c.txt",): b"gamma"}


def entries_of(files: Files) -> list[FileEntry]:
    """Return the list of these files."""
    return [FileEntry(list(path), len(data)) for path, data in files.items()]


def tree(folder: Path) -> dict[str, bytes]:
    """Return all plain files below a folder, hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def receive(download: Download, files: Files, start: Sequence[int] = ()) -> list[str]:
    """Do what a transfer of these files does; it may be begun already."""
    held, whole = download.found(entries_of(files))
    for number, data in enumerate(files.values()):
        if number in whole:
            continue
        begun = held.get(number, 0)
        download.write(number, begun, [data[begun : begun + 7], data[begun + 7 :]])
        assert download.read(number, 0, len(data) + 1) == data
        download.finish(number)
    return download.complete()


class DownloadTests(SynchronousTestCase):
    """A download folder on a real file system."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(mode=0o755)

    def download(self, calls: Calls = SYSTEM, token: str = "x") -> Download:
        download = Download(self.folder, make_private(self.folder, token), calls)
        self.addCleanup(self.close, download, calls)
        return download

    def close(self, download: Download, calls: Calls) -> None:
        """Let go of the descriptors, also of one whose process is dead."""
        if isinstance(calls, FailingCalls):
            calls.at = 0
        download.close()

    def test_folders_without_files_arrive(self) -> None:
        """Also when the process died in between; only the owner may look."""
        download = self.download()
        entries = [FileEntry(["d", "e", ""], 0), FileEntry(["d", "a"], 1), FileEntry(["g", ""], 0)]
        download.found(entries)
        download.finish(0)
        download.close()
        again = Download(self.folder, PREFIX + "x")
        held, whole = again.found(entries)
        self.assertEqual((held, 0 in whole, 1 in whole), ({}, True, False))
        again.write(1, 0, [b"x"])
        again.finish(1)
        again.finish(2)
        self.assertEqual(again.complete(), ["d", "g"])
        again.discard()
        for name in ("d/e", "g"):
            self.assertEqual(list((self.folder / name).iterdir()), [])
            self.assertEqual((self.folder / name).stat().st_mode & 0o777, 0o700)

    def test_files_arrive(self) -> None:
        """With their folders; nothing is left beside them, and only the owner may look."""
        download = self.download()
        self.assertEqual(receive(download, FILES), ["c.txt", "d"])
        download.discard()
        self.assertEqual(tree(self.folder), {"/".join(path): data for path, data in FILES.items()})
        self.assertEqual(sorted(os.listdir(self.folder)), ["c.txt", "d"])
        self.assertEqual((self.folder / "c.txt").stat().st_mode & 0o777, 0o600)
        self.assertEqual((self.folder / "d").stat().st_mode & 0o777, 0o700)

    def test_nothing_is_seen_before_all_is_there(self) -> None:
        """The folder has its private folder and nothing else."""
        download = self.download()
        download.found(entries_of(FILES))
        download.write(0, 0, [b"x"])
        self.assertEqual(os.listdir(self.folder), [".streembit-x"])
        self.assertEqual((self.folder / ".streembit-x").stat().st_mode & 0o777, 0o700)

    def test_L2_nothing_is_overwritten(self) -> None:
        """Files, folders and links that are there stay as they are."""
        (self.folder / "c.txt").write_bytes(b"old")
        (self.folder / "c (2).txt").symlink_to("nowhere")
        (self.folder / "d").mkdir()
        (self.folder / "d (2)").write_bytes(b"a file")
        given = receive(self.download(), FILES)
        self.assertEqual(given, ["c (3).txt", "d (3)"])
        self.assertEqual((self.folder / "c.txt").read_bytes(), b"old")
        self.assertEqual(os.listdir(self.folder / "d"), [])
        self.assertEqual((self.folder / "d (3)" / "a").read_bytes(), FILES["d", "a"])
        self.assertEqual(os.readlink(self.folder / "c (2).txt"), "nowhere")

    def test_L2_sixty_hostile_names(self) -> None:
        """All land in the folder, under 60 different names, and outside nothing has changed."""
        files: Files = {(hostile or "?",): b"%d" % n for n, (hostile, _) in enumerate(HOSTILE)}
        files |= {("..", hostile or "?"): b"x%d" % n for n, (hostile, _) in enumerate(HOSTILE)}
        before = tree(self.folder.parent)
        download = self.download()
        receive(download, files)
        download.discard()
        after = tree(self.folder.parent)
        inside = {name for name in after if name.startswith(self.folder.name + "/")}
        self.assertEqual({name: after[name] for name in after.keys() - inside}, before)
        self.assertEqual(len(inside), len(files))
        self.assertEqual(sorted(after[name] for name in inside), sorted(files.values()))

    def test_L2_a_link_in_the_place_of_a_part(self) -> None:
        """It is not followed, not even by somebody with our own rights."""
        victim = self.folder / "victim"
        victim.write_bytes(b"keep")
        makes: tuple[Callable[[Path], object], ...] = (
            lambda path: path.symlink_to(victim),
            os.mkfifo,
            Path.mkdir,
        )
        for make in makes:
            download = self.download()
            download.found(entries_of(FILES))
            make(self.folder / ".streembit-x" / "0.part")
            with self.assertRaises(DiskFailed):
                download.write(0, 0, [b"x"])
            download.discard()
            self.assertEqual(victim.read_bytes(), b"keep")

    def test_L2_a_link_in_the_place_of_a_folder(self) -> None:
        """Of the tree, of the private folder: what it leads to stays empty."""
        outside = self.folder / "outside"
        outside.mkdir()
        download = self.download()
        download.found(entries_of(FILES))
        download.write(0, 0, [b"x" * 500])
        (self.folder / ".streembit-x" / "tree").mkdir()
        (self.folder / ".streembit-x" / "tree" / "d").symlink_to(outside)
        with self.assertRaises(DiskFailed):
            download.finish(0)
        download.close()
        (self.folder / ".streembit-x").rename(self.folder / "moved")
        (self.folder / ".streembit-x").symlink_to(outside)
        with self.assertRaises(DiskFailed):
            download.found(entries_of(FILES))
        download.discard()
        self.assertEqual(os.listdir(outside), [])

    def test_L2_a_folder_that_is_moved_away_meanwhile(self) -> None:
        """What was opened stays what it was; the new folder of that name gets nothing."""
        download = self.download()
        download.found(entries_of(FILES))
        download.write(0, 0, [b"x"])
        (self.folder / ".streembit-x").rename(self.folder / "moved")
        (self.folder / ".streembit-x").mkdir()
        download.write(1, 0, [b"y"])
        self.assertEqual(os.listdir(self.folder / ".streembit-x"), [])

    def test_L2_a_private_folder_that_others_may_use(self) -> None:
        """It is not used."""
        download = self.download()
        (self.folder / ".streembit-x").chmod(0o777)
        with self.assertRaises(DiskFailed):
            download.found(entries_of(FILES))

    def test_L2_a_name_that_is_there_already(self) -> None:
        """Whoever made a private folder before us does not get the files."""
        make_private(self.folder, "x")
        with self.assertRaises(FileExistsError):
            make_private(self.folder, "x")

    def test_parts_are_found_again(self) -> None:
        """Their lengths, and what is whole; other names are nobody's."""
        first = self.download()
        first.found(entries_of(FILES))
        first.write(0, 0, [b"alp", b"ha"])
        first.write(2, 0, [b"gamma"])
        first.finish(2)
        first.close()
        private = self.folder / ".streembit-x"
        for name in ("part", "9.part", "x.part", "1", "-1.part"):
            (private / name).write_bytes(b"")
        again = Download(self.folder, private.name)
        self.assertEqual(again.found(entries_of(FILES)), ({0: 5}, frozenset({2})))
        again.cut(0, 3)
        self.assertEqual(again.read(0, 0, 10), b"alp")
        self.assertEqual(receive(again, FILES), ["c.txt", "d"])
        again.close()

    def test_many_parts_at_a_time(self) -> None:
        """More than are held open."""
        files: Files = {(f"{n}",): b"%d" % n * 10 for n in range(50)}
        download = self.download()
        download.found(entries_of(files))
        for offset in (0, 5):
            for n, data in enumerate(files.values()):
                download.write(n, offset, [data[offset : offset + 5], data[offset + 5 :]])
        receive(download, files)
        self.assertEqual(len(tree(self.folder)), 50)

    def test_S1_killed_at_every_call(self) -> None:
        """Wherever the process ends: the next one goes on, and each file is there once."""
        calls, seen = failing()
        receive(self.download(calls), FILES)
        count = len(seen.names)
        self.assertGreater(count, 30)
        expected = {"/".join(path): data for path, data in FILES.items()}
        for at in range(1, count + 1):
            self.setUp()
            calls, _ = failing(at)
            with self.assertRaises(PowerCut):
                receive(self.download(calls), FILES)
            again = Download(self.folder, ".streembit-x")
            receive(again, FILES)
            again.discard()
            found = {name.replace("d (2)/", "d/"): data for name, data in tree(self.folder).items()}
            self.assertEqual(found, expected, f"at call {at}")

    def test_S3_every_call_fails_once(self) -> None:
        """Full or broken: it is said, and the same files arrive when the trouble is over."""
        calls, seen = failing()
        receive(self.download(calls), FILES)
        count = len(seen.names)
        for error, expected, step in ((errno.ENOSPC, DiskFull, 1), (errno.EIO, DiskFailed, 4)):
            for at in range(1, count + 1, step):
                self.setUp()
                calls, look = failing(at, error, times=1)
                download = self.download(calls)
                try:
                    receive(download, FILES)
                except expected:
                    receive(download, FILES)
                else:
                    self.assertIn(look.names[at - 1], {"close", "fstat"})
                download.discard()
                self.assertEqual(len(tree(self.folder)), 3, f"at call {at}")

    def test_S3_a_full_disk_keeps_what_came(self) -> None:
        """The part has what was written, perhaps some of what was not."""
        calls, seen = failing()
        download = self.download(calls)
        download.found(entries_of(FILES))
        download.write(0, 0, [b"a" * 100])
        seen.at, seen.error = len(seen.names) + 1, errno.ENOSPC
        with self.assertRaises(DiskFull):
            download.write(0, 100, [b"b" * 100])
        seen.at = 0
        held, _ = download.found(entries_of(FILES))
        self.assertEqual(held, {0: 150})
        self.assertEqual(download.read(0, 0, 500), b"a" * 100 + b"b" * 50)

    def test_disks_without_hard_links(self) -> None:
        """The name is taken first, then the file is put there."""
        (self.folder / "c.txt").write_bytes(b"old")
        calls, _ = failing(1, errno.EPERM, only="link")
        self.assertEqual(receive(self.download(calls), FILES), ["c (2).txt", "d"])
        self.assertEqual((self.folder / "c.txt").read_bytes(), b"old")
        self.assertEqual((self.folder / "c (2).txt").read_bytes(), b"gamma")

    def test_S1_large_files_are_synced_on_the_way(self) -> None:
        """So a power cut costs little, and the end is not one long wait."""
        calls, seen = failing()
        download = self.download(calls)
        download.found([FileEntry(["a"], 2**40)])
        block, due = bytes(1 << 20), []
        for n in range(SYNC_BYTES // len(block) * 2):
            download.write(0, n * len(block), [block])
            if (work := download.sync_due()) is not None:
                due.append(work)
        download.close()
        self.assertEqual(seen.names.count("fsync"), 0)
        for work in due:
            work()
        self.assertEqual(seen.names.count("fsync"), 2)

    def test_S3_a_sync_that_fails(self) -> None:
        """It is said, and the descriptor is let go all the same."""
        calls, seen = failing()
        download = self.download(calls)
        download.found([FileEntry(["a"], 2**40)])
        download.write(0, 0, [bytes(SYNC_BYTES)])
        work = download.sync_due()
        assert work is not None
        seen.at, seen.error = len(seen.names) + 1, errno.EIO
        with self.assertRaises(DiskFailed):
            work()
        self.assertEqual(seen.names[-1], "close")

    def test_discard_removes_all(self) -> None:
        """Twice, and where there is nothing; links in it are removed, not followed."""
        outside = self.folder / "outside"
        outside.mkdir()
        (outside / "x").write_bytes(b"keep")
        download = self.download()
        download.found(entries_of(FILES))
        download.write(0, 0, [b"x"])
        (self.folder / ".streembit-x" / "link").symlink_to(outside)
        for _ in range(2):
            download.discard()
            self.assertEqual(tree(self.folder), {"outside/x": b"keep"})
        Download(self.folder / "missing", "x").discard()

    def test_free_space(self) -> None:
        """It is what the file system says; where there is no folder, the disk has failed."""
        found = os.statvfs(self.folder)
        free = found.f_bavail * found.f_frsize
        self.assertLess(abs(free_bytes(self.folder) - free), 2**30)  # others write meanwhile
        with self.assertRaises(DiskFailed):
            free_bytes(self.folder / "missing")

    def test_a_download_folder_that_is_a_link(self) -> None:
        """The user chose it."""
        (self.folder / "real").mkdir()
        (self.folder / "link").symlink_to("real")
        private = make_private(self.folder / "link", "x")
        download = Download(self.folder / "link", private)
        receive(download, FILES)
        download.discard()
        self.assertEqual(sorted(os.listdir(self.folder / "real")), ["c.txt", "d"])


class SettleTests(SynchronousTestCase):
    """Names in a folder in which somebody else is busy."""

    def test_L2_a_name_that_is_taken_between_look_and_step(self) -> None:
        """Another one is found, and the other's file is untouched."""
        folder = Path(self.mktemp()).absolute()
        (folder / "from").mkdir(parents=True)
        (folder / "to").mkdir()
        (folder / "from" / "a").write_bytes(b"ours")
        calls, _ = failing(meanwhile={"link": lambda: (folder / "to" / "a").write_bytes(b"theirs")})
        with Folder.at(folder / "from", calls) as source, Folder.at(folder / "to", calls) as target:
            self.assertEqual(source.settle("a", target, "a"), "a (2)")
        self.assertEqual(tree(folder), {"to/a": b"theirs", "to/a (2)": b"ours"})
