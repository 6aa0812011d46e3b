"""A disk that is full, broken or read-only under a running node: refused, said, and over alone."""

from __future__ import annotations

import sqlite3

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from streembit.disk.published import PublishedRecords
from streembit.errors import DiskFailed, DiskFull, NotFound
from streembit.service.facade import PutResult
from streembit.service.node import Node
from tests.disk.dying import Trouble
from tests.disk.places import a_folder
from tests.service.sick import SickShelfCase
from tests.service.town import Town

TTL_S = 3600
FAULTS = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)


class FullDiskTests(SickShelfCase):
    def setUp(self) -> None:
        super().setUp()
        self.town.grow(4)
        self.sick = self.town.add("10.9.0.1", shelf=self.shelf)
        self.town.join()
        self.town.run(60)

    def put(self, name: str, value: bytes = b"value") -> PutResult:
        """Put a record by the first node."""
        desk = self.town.desk(self.town.nodes[0])
        return self.town.result(desk.put_record(name, value, TTL_S))

    def is_among(self, put: PutResult, node: Node) -> bool:
        """Tell whether a node gave a receipt."""
        return f"{node.network.id:040x}" in {replica.node_id for replica in put.replicas}

    def ended(self) -> None:
        """End the trouble, and wait for the node's own look at it."""
        self.trouble.code, self.trouble.reads_too = None, False
        self.town.run(90)

    def test_S3_stores_are_refused_and_reads_served(self) -> None:
        """The publisher hears the code and is told of the others; the old record is given out."""
        for fault in FAULTS:
            old = self.put(f"old/{fault}")
            self.assertTrue(self.is_among(old, self.sick))
            usage = self.sick.dht.deposit.usage()
            self.trouble.code = fault
            with capturedLogs() as events:
                put = self.put(f"new/{fault}")
            self.assertEqual((len(put.replicas), put.refused), (3, {"store-degraded": 1}))
            self.assertFalse(self.is_among(put, self.sick))
            self.assertEqual(self.sick.dht.deposit.usage(), usage)
            lines = [e for e in events if e.get("reason") == "store-degraded"]
            self.assertEqual(len(lines), 1)
            self.assertIsNotNone(self.sick.dht.deposit.answer(int(old.place, 16)))
            self.assertIsNone(self.sick.dht.deposit.answer(int(put.place, 16)))
            self.ended()
        self.assertEqual(self.sick.refusals.counts()["store-degraded"], 3)

    def test_S3_status_and_doctor_say_it_until_it_is_over(self) -> None:
        """Degraded as soon as it is met, well again by itself although nobody stores anything."""
        self.trouble.code = sqlite3.SQLITE_FULL
        self.put("name")
        desk = self.town.desk(self.sick)
        store = self.town.result(desk.status()).store
        self.assertEqual((store.ok, bool(store.detail)), (False, True))
        (check,) = (c for c in self.town.result(desk.doctor()) if c.name == "store")
        self.assertFalse(check.ok)
        self.assertIn("make room", check.advice)
        self.town.run(200)
        self.assertFalse(self.town.result(desk.status()).store.ok)
        self.ended()
        store = self.town.result(desk.status()).store
        self.assertEqual((store.ok, store.detail), (True, ""))
        self.assertTrue(self.is_among(self.put("name"), self.sick))

    def test_S3_a_disk_that_cannot_be_read_hurts_nobody_else(self) -> None:
        """The node answers that it has nothing; it stays linked, looks up, and reads of others."""
        self.put("name")
        self.trouble.code, self.trouble.reads_too = sqlite3.SQLITE_IOERR, True
        owner = self.town.nodes[0].identity.public.hex
        for node in self.town.nodes:
            found = self.town.result(self.town.desk(node).get_record(owner, "name"))
            assert found is not None
            self.assertEqual(found.value, b"value")
        self.town.run(600)
        self.assertEqual(len(self.sick.network.table), 4)
        self.assertFalse(self.sick.dht.deposit.health()[0])
        self.ended()
        self.assertTrue(self.sick.dht.deposit.health()[0])
        self.assertTrue(self.is_among(self.put("name"), self.sick))


class OwnDiskTests(SynchronousTestCase):
    """The disk that holds our own sequence numbers."""

    def test_S3_nothing_leaves_without_its_number_on_the_disk(self) -> None:
        """A put says what failed and sends nothing; when there is room again it goes through."""
        town = Town(self)
        town.grow(4)
        trouble = Trouble()
        path = a_folder(self) / "published.sqlite"
        own = PublishedRecords(path, dial=trouble.connect())
        self.addCleanup(own.close)
        node = town.add("10.9.0.1", own=own)
        town.join()
        desk = town.desk(node)
        before = [other.dht.deposit.usage() for other in town.nodes[:4]]
        for code, kind in ((sqlite3.SQLITE_FULL, DiskFull), (sqlite3.SQLITE_IOERR, DiskFailed)):
            trouble.code = code
            with self.assertRaises(kind):
                town.result(desk.put_record("name", b"value", TTL_S))
        self.assertEqual([other.dht.deposit.usage() for other in town.nodes[:4]], before)
        trouble.code = None
        with self.assertRaises(NotFound):
            town.result(desk.delete_record("name"))
        put = town.result(desk.put_record("name", b"value", TTL_S))
        self.assertEqual((put.seq, len(put.replicas)), (1, 4))
