"""The store's rules: every refusal leaves it as it was, and nothing grows without bound."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.dht import record as records
from streembit.dht.grouping import Grouping
from streembit.dht.keyspace import K
from streembit.dht.memory import MemoryShelf
from streembit.dht.record import MAX_LIFE_S, Blob, Item, Record
from streembit.dht.shelf import StoredItem, Usage
from streembit.dht.store import DAY_S, SWEEP, TRIM_EVERY, Store, StoreLimits
from streembit.errors import (
    AddressQuota,
    NotNear,
    OwnerQuota,
    RecordExpired,
    RecordRefused,
    SeqConflict,
    SeqTooLow,
    StoreFull,
)
from streembit.jose.keys import PrivateKey

UNIX = 1_800_000_000.0  # the wall clock at the store's time 0
KEYS = [PrivateKey.from_scalar(bytes(31) + bytes([n])) for n in range(1, 6)]
OLD = StoreLimits(young_least_s=1e9)  # a node that has been up for long


class VersionTests(SynchronousTestCase):
    """Which version stays."""

    def test_A3_the_matrix_of_numbers(self) -> None:
        """Lower is refused, equal refreshes or conflicts, higher replaces."""
        for seq, value, error in (
            (4, b"old", SeqTooLow),
            (4, b"value", SeqTooLow),
            (5, b"value", None),
            (5, b"other", SeqConflict),
            (6, b"new", None),
            (2**53 - 1, b"last", None),
        ):
            store = fresh()
            put(store, make(b"value", seq=5))
            before = contents(store)
            if error is not None:
                with self.assertRaises(error):
                    put(store, make(value, seq=seq), 1.0)
                self.assertEqual(contents(store), before)
            else:
                self.assertEqual(put(store, make(value, seq=seq), 1.0).seq, seq)

    def test_A3_a_replay_refreshes_up_to_the_signed_end_and_never_past_it(self) -> None:
        """However often and however late it comes."""
        store, item = fresh(), make(b"x", life_s=7200)
        for at_s in (0.0, 10.0, 3600.0, 7199.0):
            kept = put(store, item, at_s)
            self.assertEqual(kept.kept_until_s, 7200.0)
            self.assertEqual(kept.stored_s, 0.0)
        with self.assertRaises(RecordExpired):
            put(store, item, 7200.0)
        self.assertIsNone(store.get(item.place, 7200.0))

    def test_A3_a_refresh_lengthens_a_life_that_a_young_node_cut_short(self) -> None:
        """Which is what publishing again each hour is for."""
        store = Store(MemoryShelf(), StoreLimits(), grouping=Grouping())
        item = make(b"x", life_s=MAX_LIFE_S)
        first = put(store, item, 0.0, host="198.51.100.1")
        self.assertEqual(first.kept_until_s, 3600.0)
        later = put(store, item, 3000.0, host="198.51.100.1")
        self.assertEqual(later.kept_until_s, 6600.0)
        self.assertEqual(put(store, item, 80_000.0, host="198.51.100.1").kept_until_s, 86_400.0)

    def test_A3_what_a_clock_ahead_signed_lives_a_day_at_most(self) -> None:
        """An `exp` of 25 hours ahead is taken as 24."""
        kept = put(fresh(), make(b"x", life_s=MAX_LIFE_S + 3600))
        self.assertEqual(kept.kept_until_s, MAX_LIFE_S)

    def test_A3_replaying_the_dead_does_not_wake_them(self) -> None:
        """After its end, the sweep and the owner's next version, the old one stays out."""
        store = fresh()
        put(store, make(b"one", seq=1, life_s=100))
        put(store, make(b"two", seq=2, life_s=200))
        store.expire(201.0)
        self.assertEqual(store.shelf.total(), Usage())
        with self.assertRaises(SeqTooLow):
            put(store, make(b"one", seq=1, life_s=5_000), 300.0)
        self.assertEqual(put(store, make(b"two", seq=2, life_s=5_000), 300.0).seq, 2)

    def test_D4_all_orders_of_five_versions_converge(self) -> None:
        """Whatever order they come in, the highest number is kept, here and everywhere."""
        versions = [make(bytes([n]), seq=n) for n in range(1, 6)]
        for order in permutations(versions):
            store = fresh()
            for item in order:
                offer(store, item)
            self.assertEqual(held(store, versions[0]).digest, versions[4].digest)

    def test_D4_of_two_with_one_number_the_first_stays_and_it_is_counted(self) -> None:
        """Readers that meet both prefer the smaller digest (test_record)."""
        one, two = make(b"one", seq=3), make(b"two", seq=3)
        for first, second in ((one, two), (two, one)):
            store = fresh()
            put(store, first)
            for _ in range(3):
                offer(store, second)
            self.assertEqual(held(store, one).digest, first.digest)
            self.assertEqual(store.conflicts, 3)

    def test_D4_the_floor_is_kept_thirty_days_past_the_end(self) -> None:
        """Then the place is free again."""
        store = fresh()
        put(store, make(b"x", seq=9, life_s=100))
        store.expire(100.0)
        store.expire(100.0 + 30 * DAY_S - 1)
        self.assertEqual(store.shelf.floor(make(b"x").place), 9)
        with self.assertRaises(SeqTooLow):
            put(store, make(b"x", seq=8, life_s=40 * DAY_S), 100.0 + 29 * DAY_S)
        store.expire(100.0 + 30 * DAY_S)
        self.assertIsNone(store.shelf.floor(make(b"x").place))

    def test_D4_a_tombstone_deletes_and_the_old_value_stays_away(self) -> None:
        """It is a version like any other."""
        store = fresh()
        put(store, make(b"secret", seq=1))
        gone = records.tombstone(KEYS[0], "app", "", 2, int(UNIX) + 500, "test")
        put(store, gone)
        self.assertEqual(held(store, gone).digest, gone.digest)
        with self.assertRaises(SeqTooLow):
            put(store, make(b"secret", seq=1))

    def test_D5_an_owner_that_lost_its_counter_goes_on_from_what_it_finds(self) -> None:
        """The refusal says which number is known; the next higher one is taken."""
        store = fresh()
        put(store, make(b"before", seq=41))
        with self.assertRaises(SeqTooLow) as caught:
            put(store, make(b"after", seq=1))
        known = caught.exception.fields["known"]
        assert isinstance(known, int)
        self.assertEqual(put(store, make(b"after", seq=known + 1)).seq, 42)

    def test_D6_a_wall_clock_that_jumps_moves_no_end(self) -> None:
        """What was taken is dropped by the store's own clock."""
        store, item = fresh(), make(b"x", life_s=100)
        put(store, item, 0.0)
        self.assertIsNotNone(store.get(item.place, 99.0))
        with self.assertRaises(RecordExpired):
            store.put(item, "10.0.0.1", 1.0, UNIX + DAY_S)
        self.assertIsNotNone(store.get(item.place, 99.0))
        self.assertIsNone(store.get(item.place, 100.0))


class QuotaTests(SynchronousTestCase):
    """Nobody takes more than a share."""

    def test_C5_the_matrix_of_quotas(self) -> None:
        """Each limit on its own: at the limit it is taken, one more is refused."""
        size = stored_size(b"x" * 100)
        for limits, hosts, owners, error in (
            (StoreLimits(owner_items=3), HOSTS, [0, 0, 0, 0], OwnerQuota),
            (StoreLimits(address_bytes=3 * size), ["198.51.100.1"] * 4, [0, 1, 2, 3], AddressQuota),
            (StoreLimits(group_bytes=3 * size), HOSTS, [0, 1, 2, 3], AddressQuota),
        ):
            store = Store(MemoryShelf(), limits)
            for number in range(3):
                item = make(b"x" * 100, salt=f"{number:03}", owner=owners[number])
                put(store, item, host=hosts[number])
            before = contents(store)
            with self.assertRaises(error):
                put(store, make(b"x" * 100, salt="003", owner=owners[3]), host=hosts[3])
            self.assertEqual(contents(store), before)

    def test_C5_replacing_ones_own_record_needs_no_further_share(self) -> None:
        """A full owner, address and group may still publish newer versions."""
        size = stored_size(b"x" * 100)
        limits = StoreLimits(owner_items=1, address_bytes=size, group_bytes=size)
        store = Store(MemoryShelf(), limits)
        for seq in range(1, 5):
            put(store, make(b"x" * 100, salt="000", seq=seq), host="198.51.100.1")
        self.assertEqual(store.shelf.total(), Usage(1, size))

    def test_C5_the_oldest_of_the_largest_user_goes(self) -> None:
        """A flood from one /24 displaces itself; the others' records are all still there."""
        store = Store(MemoryShelf(), StoreLimits(total_bytes=40 * 1024, owner_items=999))
        quiet = [make(b"x" * 500, salt=f"q{n}", owner=1) for n in range(8)]
        for number, item in enumerate(quiet):
            put(store, item, host=f"203.0.{number}.1")
        flood = [make(b"x" * 500, salt=f"f{n:04}", owner=2) for n in range(200)]
        for number, item in enumerate(flood):
            put(store, item, float(number), host=f"198.51.100.{number % 250}")
        for item in quiet:
            self.assertIsNotNone(store.get(item.place, 0.0))
        self.assertIsNone(store.get(flood[0].place, 0.0))
        self.assertIsNotNone(store.get(flood[-1].place, 0.0))
        self.assertLessEqual(store.shelf.total().size_bytes, 40 * 1024)
        self.assertGreater(store.evicted, 100)

    def test_C5_what_was_displaced_does_not_come_back_older(self) -> None:
        """Its floor stays, so a flood cannot bring old versions back."""
        store = Store(MemoryShelf(), StoreLimits(total_bytes=4_000, owner_items=999))
        put(store, make(b"x" * 500, salt="victim", seq=7), host="198.51.100.1")
        for number in range(9):
            put(store, make(b"x" * 500, salt=f"{number}", owner=1), 1.0, host="198.51.100.1")
        with self.assertRaises(SeqTooLow):
            put(store, make(b"x", salt="victim", seq=6), host="198.51.100.1")

    def test_C5_what_is_larger_than_the_store_is_refused(self) -> None:
        """And nobody is displaced for it."""
        store = Store(MemoryShelf(), StoreLimits(total_bytes=2_000))
        put(store, make(b"x" * 10))
        before = contents(store)
        with self.assertRaises(StoreFull):
            put(store, make(b"x" * 3_000, salt="large"))
        self.assertEqual(contents(store), before)

    def test_C5_a_young_node_keeps_strangers_records_for_a_short_time(self) -> None:
        """A quarter of its own uptime, at least an hour; its own and exempt ones in full."""
        rule = Grouping(exempt=["127.0.0.0/8"])
        store = Store(MemoryShelf(), StoreLimits(), grouping=rule, started_s=1_000.0)
        for host, at_s, expected in (
            ("198.51.100.1", 1_000.0, 3_600.0),
            ("198.51.100.1", 41_000.0, 10_000.0),
            ("127.0.0.1", 1_000.0, 20_000.0),
            ("", 1_000.0, 20_000.0),
        ):
            item = make(b"x", salt=f"{host}{at_s}", life_s=20_000 + int(at_s))
            self.assertEqual(put(store, item, at_s, host=host).kept_until_s - at_s, expected)

    def test_C5_exempt_addresses_have_no_quota_but_owners_do(self) -> None:
        """A test network on one machine is not one address; the whole is bounded all the same."""
        rule = Grouping(exempt=["127.0.0.0/8"])
        limits = StoreLimits(address_bytes=1, group_bytes=1, owner_items=9)
        store = Store(MemoryShelf(), limits, grouping=rule)
        for number in range(9):
            put(store, make(b"x", salt=f"{number}"), host="127.0.0.1")
        with self.assertRaises(OwnerQuota):
            put(store, make(b"x", salt="9"), host="127.0.0.1")

    def test_C6_only_what_lies_near_us_is_taken(self) -> None:
        """Twice as many as hold a record may be nearer, no more."""
        store = fresh()
        item = make(b"x")
        with self.assertRaises(NotNear):
            store.put(item, "10.0.0.1", 0.0, UNIX, rank=2 * K)
        self.assertEqual(contents(store), {})
        store.put(item, "10.0.0.1", 0.0, UNIX, rank=2 * K - 1)

    def test_a_blob_is_kept_a_day_and_has_no_versions(self) -> None:
        """Its bytes are its name."""
        store, blob = fresh(), Blob.of(b"data")
        kept = put(store, blob)
        self.assertEqual((kept.kind, kept.body, kept.owner), ("blob", b"data", b""))
        self.assertEqual(kept.kept_until_s, MAX_LIFE_S)
        self.assertEqual(put(store, blob, 100.0).kept_until_s, MAX_LIFE_S + 100.0)
        store.expire(2 * DAY_S)
        self.assertIsNone(store.shelf.floor(blob.place))


class BoundTests(SynchronousTestCase):
    """What strangers send decides nothing about how much is remembered."""

    def test_C6_floors_are_bounded(self) -> None:
        """Those that end first go first."""
        store = Store(MemoryShelf(), StoreLimits(floors=10, owner_items=99, total_bytes=MIB))
        for number in range(30):
            put(store, make(b"x", salt=f"{number}", life_s=100 + number))
        store.expire(500.0)
        kept = [
            n for n in range(30) if store.shelf.floor(make(b"x", salt=f"{n}").place) is not None
        ]
        self.assertEqual(kept, list(range(20, 30)))

    def test_C6_floors_are_trimmed_even_if_nobody_sweeps(self) -> None:
        """A flood that displaces itself leaves no trail."""
        store = Store(MemoryShelf(), StoreLimits(floors=10, total_bytes=600))
        for number in range(TRIM_EVERY + 5):
            fake = stored(number, b"x" * 200)
            store._make_room(fake, 0.0)
            store.shelf.save(fake)
        left = sum(store.shelf.floor(number) is not None for number in range(TRIM_EVERY + 5))
        self.assertLessEqual(left, 20)

    def test_a_sweep_is_short(self) -> None:
        """What it leaves, the next one takes."""
        store = fresh()
        for number in range(SWEEP + 10):
            store.shelf.save(stored(number, b"x"))
        self.assertEqual([store.expire(1e9), store.expire(1e9), store.expire(1e9)], [SWEEP, 10, 0])

    @settings(deadline=None, derandomize=True, database=None, max_examples=60)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["save", "delete", "expire"]),
                st.integers(0, 12),
                st.integers(1, 300),
                st.integers(0, 3),
            ),
            max_size=60,
        )
    )
    def test_the_shelf_counts_exactly(self, steps: list[tuple[str, int, int, int]]) -> None:
        """Totals, owners, addresses and users always equal a count over all items."""
        shelf = MemoryShelf()
        for what, place, size, who in steps:
            if what == "save":
                shelf.save(stored(place, b"x" * size, who=who))
            elif what == "delete":
                shelf.delete(place)
            else:
                for gone in shelf.expired(float(size), 3):
                    shelf.delete(gone)
            items = shelf.iterate(99)
            self.assertEqual(shelf.total(), counted(items))
            for who_ in range(4):
                mine = [item for item in items if item.user == f"u{who_}"]
                self.assertEqual(shelf.used_by_user(f"u{who_}"), counted(mine))
                self.assertEqual(shelf.used_by_owner(bytes([who_])), counted(mine))
                self.assertEqual(shelf.used_by_address(f"a{who_}"), counted(mine))
                oldest = min(mine, key=lambda item: (item.stored_s, item.place), default=None)
                self.assertEqual(shelf.oldest_of(f"u{who_}"), oldest)
            largest = shelf.largest_user()
            self.assertEqual(largest is None, not items)
            if largest is not None:
                most = max(counted([i for i in items if i.user == u]).size_bytes for u in USERS)
                self.assertEqual(shelf.used_by_user(largest).size_bytes, most)


MIB = 1024 * 1024
USERS = [f"u{n}" for n in range(4)]
HOSTS = [f"198.51.100.{n}" for n in range(1, 5)]


def fresh() -> Store:
    return Store(MemoryShelf(), OLD)


def make(
    value: bytes, *, seq: int = 1, life_s: float = 5_000, salt: str = "", owner: int = 0
) -> Record:
    return records.make(KEYS[owner], "app", salt, value, seq, int(UNIX + life_s), "test")


def put(store: Store, item: Item, now_s: float = 0.0, host: str = "198.51.100.1") -> StoredItem:
    return store.put(item, host, now_s, UNIX + now_s)


def offer(store: Store, item: Item) -> None:
    try:
        put(store, item)
    except RecordRefused:
        pass


def held(store: Store, item: Item) -> StoredItem:
    found = store.get(item.place, 0.0)
    assert found is not None
    return found


def contents(store: Store) -> dict[int, Any]:
    return {item.place: item for item in store.shelf.iterate(1_000)}


def stored_size(value: bytes) -> int:
    return put(fresh(), make(value, salt="000")).size_bytes


def stored(place: int, body: bytes, who: int = 0) -> StoredItem:
    size = float(len(body))
    return StoredItem(
        place, "record", body, bytes([who]), f"a{who}", f"u{who}", 1, 0, b"", size, size
    )


def counted(items: list[StoredItem]) -> Usage:
    return Usage(len(items), sum(item.size_bytes for item in items))
