"""The peers cache on the disk: read as it was written, or not at all."""

from __future__ import annotations

import errno
from pathlib import Path
from random import Random

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.peers import PeersCache, PeersDocument
from streembit.disk import atomic
from streembit.disk.peers import EMPTY, PeersFile
from streembit.errors import DiskFailed, DiskFull, HomeTooNew
from streembit.jose.keys import PrivateKey
from streembit.wire.message import Contact
from tests.disk.faultfiles import FaultFiles, MemoryFiles, PowerCut

PATH = Path("/peers.json")


def a_document(count: int) -> PeersDocument:
    cache = PeersCache()
    for number in range(count):
        key = PrivateKey.generate().public.text
        cache.met(Contact(key, f"192.0.2.{number}", 8905), 1000.0 + number)
    return cache.document()


class PeersFileTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.files = MemoryFiles()
        self.file = PeersFile(PATH, self.files, lambda: 1000.0)
        self.document = a_document(3)

    def whole(self) -> bytes:
        self.file.save(self.document)
        return atomic.read(PATH, self.files) or b""

    def test_what_was_saved_is_loaded(self) -> None:
        """A cache goes through its file unchanged; without a file it is empty."""
        self.assertEqual(self.file.load(), EMPTY)
        for count in (0, 1, 256):
            document = a_document(count)
            self.file.save(document)
            self.assertEqual(self.file.load(), document)
        self.assertEqual(self.files.names(Path("/")), ["peers.json"])

    def assert_lost(self, data: bytes) -> None:
        atomic.write(PATH, data, self.files)
        self.file.moved_aside.clear()
        self.assertEqual(self.file.load(), EMPTY)
        (aside,) = self.file.moved_aside
        self.assertEqual(atomic.read(aside, self.files), data)
        self.assertEqual(self.file.load(), EMPTY)
        self.assertEqual(len(self.file.moved_aside), 1)

    def test_S2_every_truncation_is_put_aside(self) -> None:
        """A file cut anywhere is kept beside, and the node goes on with an empty cache."""
        whole = self.whole()
        for length in range(len(whole) - 1):  # the last byte is a line feed
            self.assert_lost(whole[:length])

    def test_S2_every_altered_byte_is_put_aside(self) -> None:
        """No altered contact is ever dialled: any altered byte loses the file."""
        whole = self.whole()
        chance = Random(5)
        for place in range(len(whole) - 1):
            altered = bytes([whole[place] ^ (1 << chance.randrange(8))])
            self.assert_lost(whole[:place] + altered + whole[place + 1 :])

    def test_S2_other_contents(self) -> None:
        """Zeros, other JSON and endless files are put aside."""
        for data in (b"", bytes(500), b"null", b"[]", b"{}", b"\xff", b"[" * 100_000):
            self.assert_lost(data)
        self.assert_lost(b'{"sha256": "x", "document": ' + b"[" * 100_000)
        atomic.write(PATH, b" " * (atomic.MAX_FILE_BYTES + 1), self.files)
        self.assertEqual(self.file.load(), EMPTY)

    def test_S6_a_newer_file_is_refused(self) -> None:
        """What a newer program wrote is left alone, whatever its shape is."""
        self.file.save(PeersDocument(2, []))
        before = self.files.names(Path("/"))
        self.assertRaises(HomeTooNew, self.file.load)
        self.assertEqual(self.files.names(Path("/")), before)

    def test_S1_power_cut_at_every_call(self) -> None:
        """Whenever the power goes, the cache is the old or the new one."""
        for at in range(1, 9):
            self.file.save(EMPTY)
            cutting = FaultFiles(self.files, at=at)
            try:
                PeersFile(PATH, cutting).save(self.document)
            except PowerCut:
                pass
            for survivor in self.files.after_power_cut():
                found = PeersFile(PATH, survivor)
                self.assertIn(found.load(), (EMPTY, self.document))
                self.assertEqual(found.moved_aside, [])

    def test_S3_a_full_or_failing_disk(self) -> None:
        """What cannot be written or read is said, and the old cache stays."""
        self.file.save(self.document)
        for number, kind in ((errno.ENOSPC, DiskFull), (errno.EIO, DiskFailed)):
            broken = PeersFile(PATH, FaultFiles(self.files, at=1, error=number))
            self.assertRaises(kind, broken.save, EMPTY)
            self.assertRaises(kind, broken.load)
        self.assertEqual(self.file.load(), self.document)
        self.assertEqual(self.file.moved_aside, [])

    def test_the_largest_cache_is_far_below_what_is_read(self) -> None:
        """A full cache fits well into the limit for files."""
        self.file.save(a_document(256))
        size_bytes = len(atomic.read(PATH, self.files) or b"")
        self.assertLess(size_bytes * 4, atomic.MAX_FILE_BYTES)
        self.assertGreater(msgspec.json.decode(self.whole())["document"]["version"], 0)
