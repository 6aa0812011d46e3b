"""Rows A3, C5 and D4: records played again, too many, in any order, and in two versions."""

from __future__ import annotations

from itertools import permutations
from typing import Any, Final

from streembit.dht.keyspace import blob_place
from streembit.dht.record import Record, make
from streembit.dht.shelf import StoredItem
from streembit.dht.store import DAY_S, StoreLimits
from streembit.jose import base64url
from streembit.jose.envelope import sign_record
from streembit.jose.keys import PrivateKey
from streembit.service.limits import NodeLimits
from streembit.service.node import Node
from streembit.service.settings import NetworkSettings
from streembit.service.storeclock import StoreClock
from streembit.wire.message import (
    MAX_VALUE_BYTES,
    FindValue,
    Nodes,
    RecordClaims,
    Refused,
    Store,
    Stored,
    Value,
)
from tests.attacks.watched import AttackTests
from tests.rig.evil import EvilLink
from tests.rig.refusal import HOST, Watch
from tests.service.town import NETWORK, PORT, Town

KIB: Final = 1024
HOUR_S: Final = 3600
FRIEND: Final = "10.0.1.1"


class RecordTests(AttackTests):
    """What a stranger brings to a whole node."""

    def made(
        self,
        key: PrivateKey,
        seq: int = 1,
        value: bytes = b"value",
        life_s: int = HOUR_S,
        salt: str = "a/name",
    ) -> Record:
        """Return a record that lives for so long from now."""
        return make(key, "name", salt, value, seq, self.now() + life_s, NETWORK)

    def bring(self, link: EvilLink, record: Record) -> Any:
        """Return the body of the answer to a store."""
        return self.town.result(link.ask(Store(record.token, "record"))).body

    def taken(self, link: EvilLink, *records: Record) -> None:
        """Assert that each of these is taken, with a receipt for as long as it is kept."""
        for record in records:
            answer = self.bring(link, record)
            assert isinstance(answer, Stored), answer
            self.assertEqual(answer.seq, record.seq)
            self.assertLessEqual(answer.exp, record.exp)
            kept_until_s = self.watch.node.network.now_s() + self.kept_s(record.place)
            self.assertLessEqual(abs(answer.exp - min(kept_until_s, record.exp)), 2)

    def turned_away(self, reason: str, link: EvilLink, record: Record) -> None:
        """Assert that it is refused for this reason, with all that belongs to a refusal."""
        self.watch.refused(reason, link.ask, Store(record.token, "record"), verified=1)

    def held(self, place: int, node: Node | None = None) -> StoredItem | None:
        """Return what lies at a place of the node's shelf."""
        for page in (node or self.watch.node).dht.deposit.pages(100):
            for item in page:
                if item.place == place:
                    return item
        return None

    def kept_s(self, place: int) -> float:
        """Return for how long from now the node keeps what lies at a place."""
        item = self.held(place)
        assert item is not None
        return item.kept_until_s - self.town.memory.clock.seconds()


class ReplayTests(RecordTests):
    """A3."""

    def test_A3_the_matrix_of_numbers(self) -> None:
        """One lower: refused; equal bytes: nothing new; other bytes: refused; one higher: taken."""
        key = PrivateKey.generate()
        link, five = self.watch.link(), self.made(key, 5)
        self.taken(link, self.made(key, 4), five)
        self.turned_away("seq-too-low", link, self.made(key, 4))
        self.turned_away("seq-too-low", link, self.made(key, 4, b"other"))
        self.turned_away("seq-conflict", link, self.made(key, 5, b"other"))
        for other in (link, self.watch.link()):
            before = self.held(five.place)
            self.taken(other, five)
            self.assertEqual(self.held(five.place), before)
        self.taken(link, self.made(key, 6), self.made(key, 2**53 - 1))
        self.turned_away("seq-too-low", link, self.made(key, 2**53 - 2))
        self.assertEqual(self.watch.node.dht.deposit.conflicts, 1)

    def test_A3_times_that_cannot_be(self) -> None:
        """Over already, or a life beyond the day and the hour that clocks may differ."""
        link, key = self.watch.link(), PrivateKey.generate()
        for life_s, reason in (
            (0, "record-expired"),
            (-HOUR_S, "record-expired"),
            (25 * HOUR_S + 2, "record-lives-too-long"),
            (2**40, "record-lives-too-long"),
        ):
            self.turned_away(reason, link, self.made(key, life_s=life_s))

    def test_A3_equal_bytes_lengthen_up_to_the_signed_end(self) -> None:
        """A young node gives an hour each time; it never adds up to more than was signed."""
        key = PrivateKey.generate()
        record = self.made(key, life_s=2 * HOUR_S)
        self.taken(self.watch.link(), record)
        self.assertLessEqual(abs(self.kept_s(record.place) - HOUR_S), 2)
        for after_s, kept_s in ((1800, HOUR_S), (1800, HOUR_S), (1800, 1800), (1700, 100)):
            self.town.run(after_s)
            self.taken(self.watch.link(), record)
            self.assertLessEqual(abs(self.kept_s(record.place) - kept_s), 5)
        self.town.run(200)
        self.assertIsNone(self.held(record.place))
        self.turned_away("record-expired", self.watch.link(), record)


class QuotaTests(RecordTests):
    """C5: the matrix of quotas, with limits small enough to reach."""

    LIMITS: Final = StoreLimits(
        total_bytes=180 * KIB,
        owner_items=8,
        address_bytes=50 * KIB,  # three of the largest records
        group_bytes=80 * KIB,  # five
    )

    def make_watch(self, town: Town, **more: Any) -> Watch:
        return Watch(self, town, limits=NodeLimits(store=self.LIMITS))

    def link_from(self, address: str) -> EvilLink:
        """Return an open link of a hostile peer at this address."""
        return self.town.result(self.watch.evil(address).open(HOST, PORT))

    def big(self, size: int = MAX_VALUE_BYTES, key: PrivateKey | None = None) -> Record:
        """Return a record with a value of this size, by somebody new."""
        return self.made(key or PrivateKey.generate(), value=bytes(size))

    def fill(self, link: EvilLink) -> list[Record]:
        """Bring large records until one is refused; return those that were taken."""
        taken: list[Record] = []
        while True:
            record = self.big()
            if not isinstance(self.bring(link, record), Stored):
                return taken
            taken.append(record)

    def test_C5_a_value_of_8_KiB_and_no_byte_more(self) -> None:
        """As a record and as a blob."""
        link, key = self.watch.link(), PrivateKey.generate()
        self.taken(link, self.big())
        value = base64url.encode(bytes(MAX_VALUE_BYTES + 1))
        claims = RecordClaims(key.public.text, NETWORK, "name", "a", 1, self.now() + 60, value)
        store = Store(sign_record(key, claims), "record")
        self.watch.refused("bad-json", link.ask, store, verified=1)
        self.watch.refused("record-too-large", link.ask, Store(value, "blob"), verified=1)
        self.assertFalse(link.gone)

    def test_C5_an_owners_records(self) -> None:
        """Eight here, whoever brings them; a new version of one of them is no ninth."""
        key = PrivateKey.generate()
        records = [self.made(key, salt=f"a/{n}") for n in range(8)]
        for record in records:
            self.taken(self.watch.link(), record)
        for link in (self.watch.link(), self.watch.link()):
            self.turned_away("owner-quota", link, self.made(key, salt="a/8"))
        self.taken(self.watch.link(), self.made(key, 2, salt="a/3"))
        self.taken(self.watch.link(), self.made(PrivateKey.generate()))

    def test_C5_an_addresss_bytes(self) -> None:
        """50 KiB here; the neighbour in the same /24 still has its own."""
        link = self.link_from("10.91.0.1")
        taken = self.fill(link)
        self.assertEqual(len(taken), 3)
        self.turned_away("address-quota", link, self.big())
        self.turned_away("address-quota", self.link_from("10.91.0.1"), self.big())
        self.taken(self.link_from("10.91.0.2"), self.big())

    def test_C5_a_networks_bytes(self) -> None:
        """80 KiB here for a /24, however many addresses it has."""
        links = [self.link_from(f"10.92.0.{n}") for n in range(1, 5)]
        taken = [record for link in links for record in self.fill(link)]
        self.assertEqual(len(taken), 5)
        for link in links:
            self.turned_away("address-quota", link, self.big())
        self.taken(self.link_from("10.92.1.1"), self.big())

    def test_C5_all_together(self) -> None:
        """When the store is full, the oldest of the largest user goes, and nobody else's."""
        modest = self.big(key=PrivateKey.generate())
        self.taken(self.link_from("10.93.0.1"), modest)
        friends = {
            item.place
            for page in self.watch.node.dht.deposit.pages(100)
            for item in page
            if item.address == FRIEND
        }
        self.assertTrue(friends, "the friend has nothing here")
        greedy: list[Record] = []
        for n in range(4):
            for host in range(1, 3):
                greedy += self.fill(self.link_from(f"10.94.{n}.{host}"))
        usage, deposit = self.watch.node.dht.deposit.usage(), self.watch.node.dht.deposit
        self.assertLessEqual(usage.size_bytes, self.LIMITS.total_bytes)
        self.assertEqual(deposit.evicted, len(greedy) - len(self.still(greedy)))
        self.assertGreater(deposit.evicted, 5)
        self.assertIsNotNone(self.held(modest.place))
        self.assertEqual([place for place in friends if self.held(place) is None], [])
        self.assertIsNone(self.held(greedy[0].place))
        self.assertIsNotNone(self.held(greedy[-1].place))
        self.watch.harmless()

    def still(self, records: list[Record]) -> list[Record]:
        """Return those of the records that lie here."""
        return [record for record in records if self.held(record.place) is not None]

    def test_C5_a_young_node_keeps_what_strangers_bring_for_an_hour(self) -> None:
        """Then for a quarter of the time that it has been up; a day at most."""
        for up_s, kept_s in ((0, HOUR_S), (6 * HOUR_S, 1.5 * HOUR_S), (14 * HOUR_S, 5 * HOUR_S)):
            self.town.run(up_s)
            record = self.made(PrivateKey.generate(), life_s=24 * HOUR_S)
            self.taken(self.watch.link(), record)
            self.assertLessEqual(abs(self.kept_s(record.place) - kept_s), 60)
        blob = base64url.encode(b"bytes")
        self.town.result(self.watch.link().ask(Store(blob, "blob")))
        place = next(
            item.place
            for page in self.watch.node.dht.deposit.pages(100)
            for item in page
            if item.kind == "blob"
        )
        self.assertLessEqual(self.kept_s(place), DAY_S)
        self.assertEqual(place, blob_place(self.held(place).digest))  # type: ignore[union-attr]


class VersionTests(RecordTests):
    """D4."""

    def make_watch(self, town: Town, **more: Any) -> Watch:
        self.ahead_s = 0.0
        clock = town.memory.clock
        monotonic = StoreClock(lambda: clock.seconds() + self.ahead_s, clock.seconds())
        return Watch(self, town, store_clock=monotonic)

    def test_D4_all_120_orders_of_five_versions(self) -> None:
        """Brought to one node forwards and to another backwards: both end with the fifth."""
        here = self.watch.link()
        there = self.town.result(self.watch.evil().open(FRIEND, PORT))
        places = []
        for order in permutations(range(1, 6)):
            key = PrivateKey.generate()
            versions = {seq: self.made(key, seq, bytes([seq])) for seq in order}
            places.append((versions[5].place, versions[5].digest))
            for link, seqs in ((here, order), (there, order[::-1])):
                highest = 0
                for seq in seqs:
                    expected = Stored if seq > highest else Refused
                    self.assertIsInstance(self.bring(link, versions[seq]), expected)
                    highest = max(highest, seq)
        for place, digest in places:
            for node in (self.watch.node, self.watch.friend):
                item = self.held(place, node)
                assert item is not None
                self.assertEqual(item.digest, digest)
        for node in (self.watch.node, self.watch.friend):
            self.assertEqual(set(node.refusals.counts()), {"seq-too-low"})
        self.watch.harmless()

    def test_D4_two_values_of_one_number(self) -> None:
        """Each node keeps the one that it saw first and counts the other; all readers agree."""
        key = PrivateKey.generate()
        here = self.watch.link()
        there = self.town.result(self.watch.evil().open(FRIEND, PORT))
        one, two = self.made(key, 3, b"one"), self.made(key, 3, b"two")
        self.taken(here, one)
        self.taken(there, two)
        self.turned_away("seq-conflict", here, two)
        self.assertIsInstance(self.bring(there, one), Refused)
        self.assertEqual(
            [n.dht.deposit.conflicts for n in (self.watch.node, self.watch.friend)], [1, 1]
        )
        smaller = min(one, two, key=lambda record: record.digest)
        for reader in self.readers():
            self.assertEqual(self.read(reader, one.place), smaller.digest)
        for node, first in ((self.watch.node, one), (self.watch.friend, two)):
            item = self.held(one.place, node)
            assert item is not None
            self.assertEqual(item.digest, first.digest)

    def test_D4_a_higher_number_beats_the_smaller_digest(self) -> None:
        """Whoever has it; and who lacked it gets it from the reader."""
        key = PrivateKey.generate()
        for number, record in enumerate((self.made(key, 4, b"old"), self.made(key, 5, b"new"))):
            address = (HOST, FRIEND)[number]
            self.taken(self.town.result(self.watch.evil().open(address, PORT)), record)
        for reader in self.readers():
            self.assertEqual(self.read(reader, record.place), record.digest)

    def test_D4_the_floor_is_kept_thirty_days(self) -> None:
        """After its end a record's number still holds off older ones, for 30 days."""
        link, key = self.watch.link(), PrivateKey.generate()
        self.taken(link, self.made(key, 5))
        self.ahead_s += HOUR_S + 1
        self.town.run(70)
        place = self.made(key, 5).place
        self.assertIsNone(self.held(place))
        for days in (1, 28):
            self.ahead_s += days * DAY_S
            self.town.run(70)
            self.turned_away("seq-too-low", self.watch.link(), self.made(key, 4))
            answer = self.town.result(self.watch.link().ask(FindValue(text_of(place)))).body
            self.assertIsInstance(answer, Nodes)
        self.ahead_s += 2 * DAY_S
        self.town.run(70)
        self.taken(self.watch.link(), self.made(key, 4))
        answer = self.town.result(self.watch.link().ask(FindValue(text_of(place)))).body
        self.assertIsInstance(answer, Value)

    def readers(self) -> list[Node]:
        """Return two more nodes, which hold nothing themselves."""
        settings = NetworkSettings(network=NETWORK, client_only=True)
        readers = [self.town.add(f"10.0.{n}.1", settings=settings) for n in (21, 22)]
        self.town.join()
        return readers

    def read(self, reader: Node, place: int) -> bytes:
        """Return the digest of what a node reads, the careful way."""
        search = self.town.result(reader.dht.finder.latest(place))
        assert search.item is not None
        return search.item.digest


def text_of(place: int) -> str:
    """Return a place as messages carry it."""
    return base64url.encode(place.to_bytes(20))
