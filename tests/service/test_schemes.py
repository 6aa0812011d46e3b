"""Three ways to make a node's id, each computed again by whoever meets the node."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht import keyspace
from streembit.service.node import Node
from streembit.service.settings import NetworkSettings
from streembit.wire.message import Scheme
from tests.service.town import NETWORK, PORT, Town

HOST = "10.0.99.1"


class SchemeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = Town(self)
        self.town.grow(5)

    def add(self, scheme: Scheme = "key", advertise: str = "") -> Node:
        settings = NetworkSettings(network=NETWORK, scheme=scheme, advertise=advertise)
        node = self.town.add(HOST, settings=settings)
        self.town.join()
        return node

    def met_as(self, node: Node) -> set[int]:
        """Return the ids under which the others know a node."""
        key = node.identity.public.text
        return {
            met.id
            for other in self.town.nodes
            for met in other.network.table
            if met.contact.key == key
        }

    def test_the_id_of_a_key(self) -> None:
        """SHA-1 of the key, as most have it."""
        node = self.add()
        self.assertEqual(self.met_as(node), {keyspace.node_id(node.identity.public.point)})

    def test_the_composite_id(self) -> None:
        """Of key and account name; its key record is found by that id as well."""
        node = self.add(scheme="composite")
        own_id = keyspace.composite_id(node.identity.public.point, node.identity.name)
        self.assertEqual(node.network.id, own_id)
        self.assertEqual(self.met_as(node), {own_id})
        self.town.run(30)
        self.town.result(self.town.desk(node).put_record("A/B", b"1", 3600))
        found = self.town.result(
            self.town.desk(self.town.nodes[0]).get_record(keyspace.to_hex(own_id), "A/B")
        )
        assert found is not None
        self.assertEqual((found.value, found.signer), (b"1", node.identity.public.hex))

    def test_the_id_of_an_address_is_no_storage_target(self) -> None:
        """It is computed from the address that was dialled, and nothing is stored there."""
        node = self.add("address", f"{HOST}:{PORT}")
        self.assertEqual(self.met_as(node), {keyspace.address_id(HOST, PORT)})
        stores = [
            met.storage
            for other in self.town.nodes
            for met in other.network.table
            if met.contact.key == node.identity.public.text
        ]
        self.assertTrue(stores)
        self.assertNotIn(True, stores)
        self.town.result(self.town.desk(self.town.nodes[0]).put_record("A/B", b"1", 3600))
        records = [held for page in node.dht.deposit.pages(100) for held in page if held.address]
        self.assertEqual(records, [])
