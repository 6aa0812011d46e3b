"""The store's front desk: what is verified before it is kept, given out, and found amiss later."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.keyspace import ID_BITS
from streembit.dht.record import Blob, Record, make
from streembit.dht.shelf import StoredItem
from streembit.disk.records import SqliteShelf
from streembit.errors import BadSignature, NotNear, RemoteError, StreembitError, WrongNetwork
from streembit.jose import base64url
from streembit.jose.keys import PrivateKey
from streembit.service.deposit import MAX_HEARD
from streembit.service.settings import NetworkSettings
from tests.dht.made import node as made_node
from tests.disk.places import a_folder
from tests.service.town import NETWORK, Town

HOST: Final = "10.5.0.1"


class DepositCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = Town(self)
        self.node = self.town.add("10.0.0.1")
        self.deposit = self.node.dht.deposit
        self.key = PrivateKey.generate()

    def record(self, salt: str = "a", network: str = NETWORK) -> Record:
        """Return a record of somebody's that is good for an hour."""
        exp = int(self.town.memory.clock.seconds()) + 3600
        return make(self.key, "name", salt, b"value", 1, exp, network)

    def put(self, record: Record) -> StoredItem:
        """Store a record as a peer's request does."""
        stored = self.deposit.put(record.token, "record", HOST)
        assert isinstance(stored, StoredItem)
        return stored


class TakingTests(DepositCase):
    def test_what_is_kept_is_what_was_verified(self) -> None:
        """A record comes back as it is, and so does a blob; each by its place."""
        record, blob = self.record(), Blob.of(b"\x00 any bytes \xff")
        self.put(record)
        self.deposit.put(base64url.encode(blob.data), "blob", HOST)
        for item, kind, text in (
            (record, "record", record.token),
            (blob, "blob", base64url.encode(blob.data)),
        ):
            value = self.deposit.answer(item.place)
            assert value is not None
            self.assertEqual((value.kind, value.item), (kind, text))
            found = self.deposit.item(item.place)
            assert found is not None
            self.assertEqual(found.digest, item.digest)
        self.assertEqual(self.deposit.usage().items, 2)

    def test_A4_what_is_not_good_changes_nothing(self) -> None:
        """Neither the store nor what was heard of the place."""
        good = self.record()
        forged = good.token[:-8] + ("AAAAAAAA" if good.token[-8:] != "AAAAAAAA" else "BAAAAAAA")
        for text, kind, error in (
            (forged, "record", BadSignature),
            (self.record(network="other").token, "record", WrongNetwork),
            (good.token, "blob", RemoteError),
            ("", "record", RemoteError),
            ("=", "blob", RemoteError),
        ):
            with self.assertRaises(error):
                self.deposit.put(text, kind, HOST)  # type: ignore[arg-type]
        self.assertEqual(self.deposit.usage().items, 0)
        self.assertFalse(self.deposit.is_fresh(good.place, 1e9))

    def test_what_does_not_belong_here_is_refused(self) -> None:
        """Where too many are nearer to the place."""
        table = self.node.network.table
        for number in range(300):
            table.add(made_node(number, f"198.{number}.100.100"), 1.0)
        record = self.record()
        while table.rank(record.place) < self.deposit._store.limits.max_rank:
            self.key = PrivateKey.generate()
            record = self.record()
        with self.assertRaises(NotNear):
            self.put(record)
        self.assertFalse(self.deposit.keep(record))

    def test_S1_a_receipt_waits_for_the_commit(self) -> None:
        """Where there is a disk."""
        shelf = SqliteShelf(a_folder(self) / "records.sqlite")
        self.addCleanup(shelf.close)
        node = self.town.add("10.0.1.1", shelf=shelf)
        stored = node.dht.deposit.put(self.record().token, "record", HOST)
        assert isinstance(stored, Deferred)
        self.assertNoResult(stored)
        self.town.run(0)
        self.successResultOf(stored)

    def test_S1_settling_commits_now(self) -> None:
        """A node that stops keeps what came last."""
        shelf = SqliteShelf(a_folder(self) / "records.sqlite")
        self.addCleanup(shelf.close)
        node = self.town.add("10.0.1.1", shelf=shelf)
        stored = node.dht.deposit.put(self.record().token, "record", HOST)
        assert isinstance(stored, Deferred)
        node.dht.deposit.settle()
        self.successResultOf(stored)


class OwnTests(DepositCase):
    def test_a_client_keeps_nothing_of_its_own(self) -> None:
        """Nobody would ask it."""
        settings = NetworkSettings(network=NETWORK, client_only=True)
        client = self.town.add("10.0.1.1", settings=settings)
        self.assertFalse(client.dht.deposit.keep(self.record()))
        self.assertTrue(self.deposit.keep(self.record()))

    def test_A4_what_was_damaged_in_the_store_is_not_given_out_as_ours(self) -> None:
        """Whoever reads it here checks it again."""
        record = self.record()
        held = self.put(record)
        broken = held.body.replace(b".", b"A.", 1)
        self.deposit._store.shelf.save(
            StoredItem(**{f: getattr(held, f) for f in held.__slots__} | {"body": broken})
        )
        self.assertIsNone(self.deposit.item(record.place))
        (page,) = self.deposit.pages(10)
        self.assertIsNone(self.deposit.read(page[0]))

    def test_all_pages_are_everything_once(self) -> None:
        """In the order of their places."""
        places = sorted(self.put(self.record(f"{number}")).place for number in range(25))
        pages = list(self.deposit.pages(10))
        self.assertEqual([len(page) for page in pages], [10, 10, 5])
        self.assertEqual([item.place for page in pages for item in page], places)


class HeardTests(DepositCase):
    def test_what_was_stored_lately_is_fresh(self) -> None:
        """By somebody here, or by us elsewhere; for as long as is asked."""
        place = self.put(self.record()).place
        self.town.run(100)
        self.assertTrue(self.deposit.is_fresh(place, 101))
        self.assertFalse(self.deposit.is_fresh(place, 99))
        self.deposit.renewed(place)
        self.assertTrue(self.deposit.is_fresh(place, 1))

    def test_C6_places_that_were_heard_of_are_bounded(self) -> None:
        """The oldest are forgotten, which costs a copy at most."""
        for place in range(MAX_HEARD + 10):
            self.deposit.renewed(place)
        self.assertEqual(len(self.deposit._heard_s), MAX_HEARD)
        self.assertFalse(self.deposit.is_fresh(9, 1e9))
        self.assertTrue(self.deposit.is_fresh(10, 1e9))


class ExpiryTests(DepositCase):
    def test_what_is_past_its_time_is_not_given_out_and_then_dropped(self) -> None:
        """An hour after it was stored."""
        place = self.put(self.record()).place
        self.town.run(3601)
        self.assertIsNone(self.deposit.answer(place))
        self.assertEqual(self.deposit.usage().items, 1)
        self.deposit.expire()
        self.assertEqual(self.deposit.usage().items, 0)

    def test_where_nothing_lies_nothing_is_said(self) -> None:
        """At the first and the last place there is."""
        for place in (0, (1 << ID_BITS) - 1):
            self.assertIsNone(self.deposit.answer(place))
            self.assertIsNone(self.deposit.item(place))

    def test_a_medium_that_works_is_no_trouble(self) -> None:
        """`test_full_disk` tells of those that do not."""
        self.assertEqual(self.deposit.health(), (True, ""))
        try:
            self.deposit.expire()
        except StreembitError as error:
            self.fail(f"it failed: {error}")
