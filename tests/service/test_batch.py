"""Receipts leave when what they promise is on the disk, and a turn's stores share one commit."""

from __future__ import annotations

import sqlite3

from twisted.internet.defer import Deferred

from streembit.dht.record import make
from streembit.dht.shelf import StoredItem
from streembit.errors import StoreDegraded
from streembit.jose.keys import Identity
from tests.service.sick import SickShelfCase
from tests.service.town import NETWORK

HOST = "10.0.5.1"


class BatchTests(SickShelfCase):
    def setUp(self) -> None:
        super().setUp()
        self.node = self.town.add("10.9.0.1", shelf=self.shelf)
        self.key = Identity.from_seed(bytes(32), "owner").signing

    def put(self, salt: str) -> Deferred[StoredItem]:
        """Store a record as a peer's request does."""
        exp = int(self.town.memory.clock.seconds()) + 600
        record = make(self.key, "name", salt, b"value", 1, exp, NETWORK)
        stored = self.node.dht.deposit.put(record.token, "record", HOST)
        assert isinstance(stored, Deferred)
        return stored

    def test_S1_a_turn_has_one_commit(self) -> None:
        """No receipt before it, all of them after it."""
        puts = [self.put(f"{number}") for number in range(20)]
        before = self.trouble.commits
        for put in puts:
            self.assertNoResult(put)
        self.town.run(0)
        self.assertEqual(self.trouble.commits - before, 1)
        for put in puts:
            self.assertEqual(self.successResultOf(put).seq, 1)
        self.town.run(1)
        self.assertEqual(self.trouble.commits - before, 1)

    def test_S3_a_commit_that_fails_is_a_refusal_for_all(self) -> None:
        """Nobody gets a receipt for what is not there; the next turn is a new one."""
        puts = [self.put(f"{number}") for number in range(3)]
        self.trouble.code = sqlite3.SQLITE_FULL
        self.town.run(0)
        for put in puts:
            self.failureResultOf(put, StoreDegraded)
        self.assertEqual((self.node.dht.deposit.usage().items, self.shelf.total().items), (0, 0))
        self.trouble.code = None
        again = self.put("0")
        self.town.run(0)
        self.assertEqual(self.successResultOf(again).seq, 1)
        self.assertEqual(self.shelf.total().items, 1)

    def test_S3_a_store_that_fails_loses_the_turns_others(self) -> None:
        """They hear of it, whether it was the third that failed or a read in between."""
        for reads_too in (False, True):
            puts = [self.put(f"{number}") for number in range(2)]
            self.trouble.code, self.trouble.reads_too = sqlite3.SQLITE_IOERR, reads_too
            with self.assertRaises(StoreDegraded):
                self.put("2")
            self.trouble.code, self.trouble.reads_too = None, False
            self.town.run(0)
            for put in puts:
                self.failureResultOf(put, StoreDegraded)
            third = self.put("3")
            self.town.run(0)
            stored = self.successResultOf(third)
            self.assertEqual(self.shelf.total().items, 1)
            self.shelf.delete(stored.place)
            self.shelf.commit()

    def test_S3_upkeep_ends_a_lost_batch(self) -> None:
        """After a failed round of upkeep, stores work as soon as the disk does."""
        self.trouble.code = sqlite3.SQLITE_FULL
        with self.assertRaises(StoreDegraded):
            self.put("1")
        for _ in range(2):
            self.assertRaises(StoreDegraded, self.node.dht.deposit.expire)
        self.trouble.code = None
        self.node.dht.deposit.expire()
        self.assertEqual(self.node.dht.deposit.health(), (True, ""))
        put = self.put("1")
        self.town.run(0)
        self.successResultOf(put)

    def test_what_changes_nothing_waits_for_nothing(self) -> None:
        """The same record again is answered at once, and needs no commit."""
        first = self.put("1")
        self.town.run(0)
        self.successResultOf(first)
        exp = int(self.town.memory.clock.seconds()) + 600
        record = make(self.key, "name", "2", b"value", 1, exp, NETWORK)
        self.node.dht.deposit.put(record.token, "record", HOST)
        self.town.run(0)
        before = self.trouble.commits
        again = self.node.dht.deposit.put(record.token, "record", HOST)
        self.assertIsInstance(again, StoredItem)
        self.town.run(1)
        self.assertEqual(self.trouble.commits, before)

    def test_S5_an_end_leaves_no_receipt_behind(self) -> None:
        """Who stops commits what the last turn took."""
        put = self.put("1")
        self.node.startService()
        self.node.stopService()
        self.successResultOf(put)
        self.assertEqual(self.shelf.total().items, 1)
