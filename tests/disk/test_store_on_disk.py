"""The store's rules on the real shelf: floods, quotas, restarts and a disk in trouble."""

from __future__ import annotations

import sqlite3

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht import record as records
from streembit.dht.record import Blob, Record
from streembit.dht.store import Store, StoreLimits
from streembit.disk.records import SqliteShelf
from streembit.errors import RecordRefused, SeqTooLow, StoreDegraded
from streembit.jose.keys import PrivateKey
from tests.disk.dying import Trouble
from tests.disk.places import a_folder

NOW_S = 1_800_000_000.0
LIMITS = StoreLimits(total_bytes=400_000, address_bytes=100_000, group_bytes=300_000)
NETWORK = "test"


def a_record(key: PrivateKey, name: str, seq: int = 1) -> Record:
    return records.make(key, "name", name, b"value", seq, int(NOW_S) + 3600, NETWORK)


class StoreOnDiskTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = a_folder(self) / "records.sqlite"
        self.trouble = Trouble()
        self.reopen()

    def reopen(self) -> None:
        self.shelf = SqliteShelf(self.path, dial=self.trouble.connect())
        self.addCleanup(self.shelf.close)
        self.store = Store(self.shelf, LIMITS)

    def put(self, item: Record | Blob, host: str, now_s: float = NOW_S) -> None:
        self.store.put(item, host, now_s, now_s)

    def test_C5_a_flood_from_one_group_costs_nobody_else_a_record(self) -> None:
        """Thousands of puts from one /24: all records of others stay, also over a restart."""
        others = [a_record(PrivateKey.generate(), f"n{n}") for n in range(60)]
        for number, record in enumerate(others):
            self.put(record, f"198.51.{number}.7")
        refused = 0
        for number in range(4000):
            try:
                self.put(Blob.of(b"%d" % number * 100), f"192.0.2.{number % 250}", NOW_S + number)
            except RecordRefused:
                refused += 1
            if number % 20 == 0:
                self.shelf.commit()
        self.assertGreater(refused, 3000)
        for _ in range(2):
            self.assertLessEqual(self.shelf.total().size_bytes, LIMITS.total_bytes)
            used = self.shelf.used_by_user("192.0.2.0/24")
            self.assertLessEqual(used.size_bytes, LIMITS.group_bytes)
            for record in others:
                self.assertIsNotNone(self.store.get(record.place, NOW_S))
            self.shelf.close()
            self.reopen()

    def test_D4_a_floor_outlives_its_record_and_a_restart(self) -> None:
        """After its end a record's number still refuses older versions."""
        key = PrivateKey.generate()
        self.put(a_record(key, "x", seq=5), "198.51.100.1")
        self.store.expire(NOW_S + 24 * 3600)
        self.shelf.close()
        self.reopen()
        self.assertIsNone(self.store.get(a_record(key, "x").place, NOW_S))
        self.assertRaises(SeqTooLow, self.put, a_record(key, "x", seq=4), "198.51.100.1")
        self.put(a_record(key, "x", seq=6), "198.51.100.1")

    def test_S3_puts_are_refused_and_gets_served_while_the_disk_is_in_trouble(self) -> None:
        """With the disk full, broken or read-only the code says so, and reads go on."""
        kept, late = (a_record(PrivateKey.generate(), name) for name in "ab")
        self.put(kept, "198.51.100.1")
        self.shelf.commit()
        for code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY):
            self.trouble.code = code
            self.assertRaises(StoreDegraded, self.put, late, "198.51.100.1")
            self.assertIsNotNone(self.store.get(kept.place, NOW_S))
            self.assertIsNone(self.store.get(late.place, NOW_S))
        self.trouble.code = None
        self.put(late, "198.51.100.1")
        self.shelf.commit()
        self.assertEqual(self.shelf.trouble, "")
        self.assertIsNotNone(self.store.get(late.place, NOW_S))
