"""Finding, copying and repairing among whole nodes, of which each test says who holds what."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.peer import Node
from streembit.dht.record import Blob, Item, Record, make
from streembit.jose.keys import PrivateKey
from streembit.service.settings import NetworkSettings
from tests.service.town import NETWORK, Town

NODES: Final = 8
SETTLED_S: Final = 60.0  # what nodes tell of themselves at the start is told


class FinderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = Town(self)
        self.town.grow(NODES)
        self.town.join()
        self.town.run(SETTLED_S)
        self.reader = self.town.nodes[-1]
        self.key = PrivateKey.generate()

    def record(self, seq: int = 1, value: bytes = b"value") -> Record:
        """Return a version of the record that the tests look for."""
        exp = int(self.town.memory.clock.seconds()) + 3600
        return make(self.key, "name", "a/name", value, seq, exp, NETWORK)

    def lay(self, item: Item, *numbers: int) -> None:
        """Put an item in these nodes' own stores."""
        for number in numbers:
            self.assertTrue(self.town.nodes[number].dht.deposit.keep(item))

    def holders(self, item: Item) -> set[int]:
        """Return which nodes hold exactly this item."""
        held = [(n, node.dht.deposit.item(item.place)) for n, node in enumerate(self.town.nodes)]
        return {n for n, found in held if found is not None and found.digest == item.digest}

    # --- reading
    def test_what_lies_here_is_taken_without_asking(self) -> None:
        """By `first` only; `elsewhere` asks others all the same."""
        record = self.record()
        self.lay(record, NODES - 1)
        before = self.reader.network.requests
        search = self.town.result(self.reader.dht.finder.first(record.place))
        self.assertEqual((search.item, search.local, search.requests), (search.item, True, 0))
        self.assertEqual(self.reader.network.requests, before)
        self.assertIsNone(self.town.result(self.reader.dht.finder.elsewhere(record.place)).item)
        self.assertGreater(self.reader.network.requests, before)

    def test_first_ends_with_the_first_answer(self) -> None:
        """Two requests where two of seven hold it; the answer says who gave it."""
        record = self.record()
        self.lay(record, *range(NODES - 1))
        search = self.town.result(self.reader.dht.finder.first(record.place))
        assert search.item is not None
        self.assertEqual(search.item.digest, record.digest)
        self.assertLessEqual(search.requests, 2)
        self.assertEqual(len(search.via), 1)
        self.assertFalse(search.local)

    def test_first_finds_the_only_copy(self) -> None:
        """Whoever of them holds it."""
        for number in range(NODES - 1):
            self.key = PrivateKey.generate()
            record = self.record()
            self.lay(record, number)
            search = self.town.result(self.reader.dht.finder.first(record.place))
            assert search.item is not None
            self.assertEqual(search.item.digest, record.digest)

    def test_nothing_is_none_after_all_were_asked(self) -> None:
        """By each of the ways to look."""
        finder, place = self.reader.dht.finder, self.record().place
        for look in (finder.first, finder.latest, finder.surely, finder.elsewhere):
            search = self.town.result(look(place))
            self.assertIsNone(search.item)
            self.assertGreaterEqual(search.requests, NODES - 1)

    def test_latest_and_surely_take_the_newest(self) -> None:
        """Though most have an older version; our own store's counts in as well."""
        for look in ("latest", "surely"):
            self.key = PrivateKey.generate()
            self.lay(self.record(1, b"old"), 0, 1, 2, 3, 4, 5)
            new = self.record(2, b"new")
            self.lay(new, 6, 5)
            newer = self.record(3, b"newer")
            search = self.town.result(getattr(self.reader.dht.finder, look)(new.place))
            assert search.item is not None
            if look == "surely":
                self.assertEqual(search.item.seq, 2)
            self.lay(newer, NODES - 1)
            search = self.town.result(getattr(self.reader.dht.finder, look)(new.place))
            assert search.item is not None
            self.assertEqual((search.item.seq, search.local), (3, True))

    def test_latest_reads_past_who_lacks_it(self) -> None:
        """Three answers are collected where there are three."""
        record = self.record()
        self.lay(record, 0, 3, 6)
        search = self.town.result(self.reader.dht.finder.latest(record.place))
        self.assertEqual(len(search.via), 3)

    # --- repair and copies
    def test_who_lacked_it_gets_it(self) -> None:
        """A careful read puts the newest where it was missing among those it asked."""
        record = self.record()
        self.lay(record, 0)
        self.town.result(self.reader.dht.finder.latest(record.place))
        self.town.run(5)
        self.assertEqual(self.holders(record), set(range(NODES - 1)))

    def test_a_quick_read_repairs_nothing(self) -> None:
        """It is quick because it asks few."""
        record = self.record()
        self.lay(record, 0)
        self.town.result(self.reader.dht.finder.first(record.place))
        self.town.run(5)
        self.assertEqual(self.holders(record), {0})

    def test_who_does_not_store_gets_no_copy(self) -> None:
        """Nodes that only use the network are asked for nothing."""
        settings = NetworkSettings(network=NETWORK, client_only=True)
        client = self.town.add("10.0.99.1", settings=settings)
        self.town.join()
        record = self.record()
        self.lay(record, 0)
        self.town.result(self.reader.dht.finder.latest(record.place))
        self.town.run(5)
        self.assertIsNone(client.dht.deposit.item(record.place))
        self.assertFalse(client.dht.deposit.keep(record))

    def test_copies_are_counted_by_who_took_them(self) -> None:
        """Not who has a newer version, and not who is gone; blobs as well as records."""
        old, new = self.record(1), self.record(2)
        self.lay(new, 1)
        targets = [self.known(number) for number in (0, 1, 2, 3)]
        self.town.memory.kill("10.0.3.1")
        self.town.end(self.town.nodes[3])
        self.assertEqual(self.town.result(self.reader.dht.finder.copy(old, targets)), 2)
        self.assertEqual(self.holders(old), {0, 2})
        self.assertEqual(self.holders(new), {1})
        blob = Blob.of(b"bytes")
        self.assertEqual(self.town.result(self.reader.dht.finder.copy(blob, targets[:2])), 2)

    def test_an_end_amid_copies_leaves_no_error_behind(self) -> None:
        """All of them were asked, and none will answer."""
        record = self.record()
        self.lay(record, 0)
        self.town.memory.silence(*(f"10.0.{n}.1" for n in range(NODES - 1)))
        targets = [self.known(number) for number in range(NODES - 1)]
        copying = Deferred.fromCoroutine(self.reader.dht.finder.copy(record, targets))
        self.town.run(1)
        stopped = self.reader.stopService()
        self.town.run(1)
        self.successResultOf(stopped)
        self.assertEqual(self.successResultOf(copying), 0)

    def test_copies_given_up_are_given_up_all(self) -> None:
        """Cancelling leaves no request waiting."""
        self.town.memory.silence(*(f"10.0.{n}.1" for n in range(NODES - 1)))
        targets = [self.known(number) for number in range(NODES - 1)]
        copying = Deferred.fromCoroutine(self.reader.dht.finder.copy(self.record(), targets))
        self.town.run(0.1)
        copying.cancel()
        self.failureResultOf(copying)
        self.assertEqual([peer.waiting for peer in self.reader.network.roster if peer.waiting], [])

    def known(self, number: int) -> Node:
        """Return a node as the reader's table has it."""
        known = self.reader.network.table.get(self.town.nodes[number].network.id)
        assert known is not None
        return known
