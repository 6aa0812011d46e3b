"""Members use the distributed table through the hub's own node."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht import keyspace
from streembit.dht.record import Blob, make
from streembit.errors import BadSignature, BadToken, NotReady, NotThere, RecordExpired
from streembit.service.hub.table import NodeTable
from tests.hubs.house import identity
from tests.service.town import NETWORK, Town


class TableTests(SynchronousTestCase):
    """Records and blobs, put and got through a node."""

    def setUp(self) -> None:
        self.town = Town(self)
        nodes = self.town.grow(8)
        self.town.join()
        self.table = NodeTable(nodes[3])

    def record(self, *, life_s: int = 600) -> tuple[str, str]:
        """Return the token of a record of a member's, and its place."""
        exp = int(self.town.memory.clock.seconds()) + life_s
        record = make(identity(1).signing, "name", "salt", b"value", 1, exp, NETWORK)
        return record.token, keyspace.to_text(record.place)

    def test_what_is_put_is_found(self) -> None:
        """By its place, a record and a blob alike; several nodes keep it."""
        token, place = self.record()
        self.assertGreater(self.town.result(self.table.put(token, "record")), 1)
        found = self.town.result(self.table.get(place))
        self.assertEqual((found.item, found.kind), (token, "record"))
        blob = Blob.of(b"some bytes")
        self.town.result(self.table.put(blob.token, "blob"))
        found = self.town.result(self.table.get(keyspace.to_text(blob.place)))
        self.assertEqual((found.item, found.kind), (blob.token, "blob"))

    def test_what_is_not_there_is_refused(self) -> None:
        """And what is no place."""
        with self.assertRaises(NotThere):
            self.town.result(self.table.get("A" * 27))
        with self.assertRaises(BadToken):
            self.table.get("!" * 27)

    def test_A4_what_was_altered_or_is_over_is_given_to_nobody(self) -> None:
        """It is verified before a single node is asked."""
        token, _ = self.record()
        before = self.kept()
        altered = token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:]
        with self.assertRaises(BadSignature):
            self.town.result(self.table.put(altered, "record"))
        with self.assertRaises(RecordExpired):
            self.town.result(self.table.put(self.record(life_s=-60)[0], "record"))
        self.assertEqual(self.kept(), before)

    def kept(self) -> int:
        """Return how many items all nodes keep for others."""
        desks = [self.town.desk(node) for node in self.town.nodes]
        return sum(self.town.result(desk.status()).records for desk in desks)

    def test_a_node_without_peers_says_so(self) -> None:
        """Nothing was put, and nobody is made to believe it."""
        alone = self.town.add("10.0.99.1", seeds=[])
        alone.startService()
        with self.assertRaises(NotReady):
            self.town.result(NodeTable(alone).put(self.record()[0], "record"))
