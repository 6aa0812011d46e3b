"""The record shelf on SQLite: what a store needs, and what it does on a bad disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from random import Random
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.shelf import ItemKind, Shelf, StoredItem, Usage
from streembit.disk.database import Connect, connect
from streembit.disk.records import SqliteShelf
from streembit.errors import HomeTooNew, StoreDegraded
from tests.disk.dying import FailsOnce, Trouble
from tests.disk.places import a_folder

T = TypeVar("T")
OWNERS = [b"", b"\x02" + b"a" * 32, b"\x03" + b"b" * 32]
ADDRESSES = ["10.0.0.1", "10.0.0.2", "2001:db8::1"]
USERS = ["10.0.0.0/24", "2001:db8::/48", "", "é"]


def an_item(place: int, **changes: object) -> StoredItem:
    kind: ItemKind = "blob" if place % 3 == 0 else "record"
    item = StoredItem(
        place=place,
        kind=kind,
        body=b"token of %d" % place * 20,
        owner=OWNERS[place % 3],
        address=ADDRESSES[place % 3],
        user=USERS[place % 2],
        seq=place % 1000,
        expires_unix_s=1_800_000_000 + place % 1000,
        digest=sha256(b"%d" % place).digest(),
        stored_s=float(place % 7),
        kept_until_s=float(place % 50) + 0.5,
    )
    return replace(item, **changes)  # type: ignore[arg-type]


class OnDisk(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = a_folder(self) / "records.sqlite"

    def opened(self, dial: Connect = connect) -> SqliteShelf:
        shelf = SqliteShelf(self.path, dial=dial, unix_s=lambda: 1000.0)
        self.addCleanup(shelf.close)
        return shelf

    def filled(self, count: int = 30) -> tuple[SqliteShelf, list[StoredItem]]:
        shelf = self.opened()
        items = [an_item(place) for place in range(count)]
        for item in items:
            shelf.save(item)
        shelf.commit()
        return shelf, items


class ShelfTest(OnDisk):
    def test_items_are_found_as_they_were_saved(self) -> None:
        """Every field survives a restart, at the ends of its range too."""
        extremes = [
            an_item(2**160 - 1, seq=2**53 - 1, expires_unix_s=2**53 - 1, body=b"x" * 16384),
            an_item(0, seq=0, expires_unix_s=0, body=b"", user="", address="", stored_s=0.0),
            an_item(7, body=bytes(range(256)), user="a\x00b", stored_s=1e300),
        ]
        shelf = self.opened()
        for item in extremes:
            shelf.save(item)
        shelf.close()
        again = self.opened()
        for item in extremes:
            self.assertEqual(again.get(item.place), item)
        self.assertIsNone(again.get(1))
        self.assertEqual(again.iterate(10), [extremes[1], extremes[2], extremes[0]])
        self.assertEqual(again.newest_s(), 1e300)

    def test_an_empty_shelf(self) -> None:
        """A new shelf is empty in every respect."""
        shelf = self.opened()
        self.assertEqual(shelf.total(), Usage(0, 0))
        self.assertEqual(
            (shelf.largest_user(), shelf.oldest_of("x"), shelf.newest_s()), (None, None, 0.0)
        )
        self.assertEqual((shelf.iterate(5), shelf.expired(1e9, 5), shelf.floor(1)), ([], [], None))
        shelf.delete(1)
        shelf.commit()
        shelf.commit()

    def test_what_was_not_committed_is_gone_after_a_crash(self) -> None:
        """A batch is there as a whole or not at all."""
        shelf, items = self.filled(3)
        shelf.save(an_item(100))
        shelf.delete(0)
        copy = self.path.with_name("copy.sqlite")
        copy.write_bytes(self.path.read_bytes())
        log = self.path.with_name("records.sqlite-wal")
        copy.with_name("copy.sqlite-wal").write_bytes(log.read_bytes())
        found = SqliteShelf(copy)
        self.addCleanup(found.close)
        self.assertEqual(found.iterate(10), items)

    def test_L7_only_the_owner_can_read_the_files(self) -> None:
        """Database and log have mode 0600 whatever the umask is."""
        self.filled()
        for path in self.path.parent.iterdir():
            self.assertEqual(path.stat().st_mode & 0o777, 0o600, path.name)

    def test_S6_a_newer_file_is_refused(self) -> None:
        """A file of a newer program is left alone."""
        self.filled(3)[0].close()
        db = sqlite3.connect(self.path)
        db.execute("PRAGMA user_version=2")
        db.close()
        self.assertRaises(HomeTooNew, SqliteShelf, self.path)
        self.assertEqual([p.name for p in self.path.parent.iterdir()], ["records.sqlite"])


class Plain:
    """A shelf as simple as can be: the promises of `Shelf`, spelled out over a dict."""

    def __init__(self) -> None:
        self.items: dict[int, StoredItem] = {}
        self.floors: dict[int, tuple[float, int]] = {}

    def used(self, name: str, value: object) -> Usage:
        sizes = [i.size_bytes for i in self.items.values() if getattr(i, name) == value]
        return Usage(len(sizes), sum(sizes))

    def largest_user(self) -> str | None:
        users = {item.user for item in self.items.values()}
        return min(users, key=lambda u: (-self.used("user", u).size_bytes, u), default=None)

    def oldest_of(self, user: str) -> StoredItem | None:
        theirs = [item for item in self.items.values() if item.user == user]
        return min(theirs, key=lambda i: (i.stored_s, i.place), default=None)

    def expired(self, now_s: float) -> list[float]:
        return sorted(i.kept_until_s for i in self.items.values() if i.kept_until_s <= now_s)

    def drop_floors(self, now_s: float, keep: int) -> int:
        before = len(self.floors)
        ends = sorted((until, place) for place, (until, _) in self.floors.items() if until > now_s)
        left = ends[max(0, len(ends) - keep) :]
        self.floors = {place: self.floors[place] for _, place in left}
        return before - len(self.floors)


PLACES = st.integers(0, 12)
STEPS = st.one_of(
    st.tuples(st.just("save"), PLACES, st.integers(0, 400), st.sampled_from(USERS)),
    st.tuples(st.just("delete"), PLACES),
    st.tuples(st.just("set_floor"), PLACES, st.integers(0, 9), st.integers(0, 9)),
    st.tuples(st.just("drop_floors"), st.integers(0, 9), st.integers(0, 9)),
    st.tuples(st.just("commit")),
    st.tuples(st.just("fail")),
    st.tuples(st.just("reopen")),
)


class SameAsPlainTest(OnDisk):
    @settings(deadline=None, derandomize=True, database=None, max_examples=150)
    @given(st.lists(STEPS, max_size=25))
    def test_same_as_plain(self, steps: list[tuple[object, ...]]) -> None:
        """Whatever is done, the shelf answers as a plain dict would, failed batches included."""
        for path in self.path.parent.iterdir():
            path.unlink()
        trouble = Trouble()
        shelf = SqliteShelf(self.path, dial=trouble.connect())
        plain, committed = Plain(), Plain()
        for step in [*steps, ("commit",)]:
            match step:
                case ("save", int(place), int(size), str(user)):
                    item = an_item(place, body=b"x" * size, user=user, stored_s=float(size % 5))
                    shelf.save(item)
                    plain.items[place] = item
                case ("delete", int(place)):
                    shelf.delete(place)
                    plain.items.pop(place, None)
                case ("set_floor", int(place), int(seq), int(until)):
                    shelf.set_floor(place, seq, until)
                    plain.floors[place] = (until, seq)
                case ("drop_floors", int(now), int(keep)):
                    self.assertEqual(shelf.drop_floors(now, keep), plain.drop_floors(now, keep))
                case ("fail",):
                    fail(shelf, trouble)
                    plain = copied(committed)
                case _:
                    shelf.commit()
                    committed = copied(plain)
                    if step == ("reopen",):
                        shelf.close()
            self.assert_same(shelf, plain)
        shelf.close()

    def assert_same(self, shelf: Shelf, plain: Plain) -> None:
        items = sorted(plain.items.values(), key=lambda item: item.place)
        self.assertEqual(shelf.iterate(100), items)
        self.assertEqual(shelf.iterate(2, after=4), [i for i in items if i.place > 4][:2])
        self.assertEqual(shelf.total(), Usage(len(items), sum(i.size_bytes for i in items)))
        for owner in OWNERS:
            self.assertEqual(shelf.used_by_owner(owner), plain.used("owner", owner))
        for address in ADDRESSES:
            self.assertEqual(shelf.used_by_address(address), plain.used("address", address))
        for user in USERS:
            self.assertEqual(shelf.used_by_user(user), plain.used("user", user))
            self.assertEqual(shelf.oldest_of(user), plain.oldest_of(user))
        self.assertEqual(shelf.largest_user(), plain.largest_user())
        for place in range(13):
            self.assertEqual(shelf.get(place), plain.items.get(place))
            floor = plain.floors.get(place)
            self.assertEqual(shelf.floor(place), floor[1] if floor else None)
        ends = [plain.items[place].kept_until_s for place in shelf.expired(6.0, 100)]
        self.assertEqual(ends, plain.expired(6.0))
        self.assertEqual(len(shelf.expired(6.0, 1)), min(1, len(ends)))


def fail(shelf: SqliteShelf, trouble: Trouble) -> None:
    """Let the open batch fail at its end."""
    trouble.code = sqlite3.SQLITE_FULL
    try:
        shelf.commit()
    except StoreDegraded:
        pass
    trouble.code = None


def copied(plain: Plain) -> Plain:
    copy = Plain()
    copy.items, copy.floors = dict(plain.items), dict(plain.floors)
    return copy


class BadDiskTest(OnDisk):
    def test_S3_reads_go_on_while_writes_fail_and_all_recovers(self) -> None:
        """On a full, broken or read-only disk: changes refused, reads served, then all is well."""
        self.filled()[0].close()
        trouble = Trouble()
        shelf = self.opened(trouble.connect())
        for code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY):
            trouble.code = code
            for change in (lambda: shelf.save(an_item(99)), lambda: shelf.delete(1), shelf.probe):
                self.assertRaises(StoreDegraded, change)
                self.assertTrue(shelf.trouble)
                self.assertEqual(shelf.get(1), an_item(1))
                self.assertEqual(shelf.total().items, 30)
            trouble.code = None
            shelf.save(an_item(99, seq=code))
            shelf.commit()
            self.assertEqual((shelf.trouble, shelf.get(99)), ("", an_item(99, seq=code)))
            shelf.delete(99)
            shelf.commit()
        self.assertEqual(shelf.moved_aside, [])

    def test_S3_a_probe_finds_the_end_of_the_trouble(self) -> None:
        """A shelf that nobody writes to finds out by itself that the disk is well again."""
        trouble = Trouble()
        shelf = self.opened(trouble.connect())
        trouble.code = sqlite3.SQLITE_IOERR
        self.assertRaises(StoreDegraded, shelf.probe)
        self.assertTrue(shelf.trouble)
        trouble.code = None
        shelf.probe()
        self.assertEqual(shelf.trouble, "")

    def test_S3_no_failed_batch_is_ever_acknowledged(self) -> None:
        """Fail at any one statement of a batch: commit raises unless everything is there."""
        for at in range(1, 30):
            trouble = FailsOnce(at)
            shelf = SqliteShelf(self.path, dial=trouble.connect())
            done: list[int] = []
            for place in (1, 2, 3):
                try:
                    shelf.save(an_item(place))
                    done.append(place)
                    shelf.get(place)
                except StoreDegraded:
                    pass
            try:
                shelf.commit()
            except StoreDegraded:
                done = []
            shelf.close()
            found = self.opened()
            self.assertEqual([item.place for item in found.iterate(9)], done, f"statement {at}")
            found.close()
            self.path.unlink()

    def test_S3_a_disk_that_fails_at_the_start_is_taken_up_later(self) -> None:
        """A shelf that could not be opened opens with the first use that can."""
        trouble = Trouble()
        trouble.code, trouble.reads_too = sqlite3.SQLITE_IOERR, True
        shelf = self.opened(trouble.connect())
        self.assertRaises(StoreDegraded, shelf.get, 1)
        self.assertRaises(StoreDegraded, shelf.total)
        trouble.code = None
        shelf.save(an_item(1))
        shelf.commit()
        self.assertEqual(shelf.get(1), an_item(1))

    def test_S2_a_truncated_file_is_read_or_put_aside(self) -> None:
        """Cut anywhere: items are as they were or gone, and new ones can be saved at once."""
        shelf, items = self.filled()
        shelf.close()
        whole = self.path.read_bytes()
        for length in [*range(110), *range(110, len(whole), 997)]:
            self.path.write_bytes(whole[:length])
            self.assert_usable(items)

    def test_S2_an_altered_file_never_gives_an_altered_item(self) -> None:
        """Flip bytes anywhere: no item is given out altered, and the shelf stays usable."""
        shelf, items = self.filled()
        shelf.close()
        whole = self.path.read_bytes()
        used = [i for i, byte in enumerate(whole) if byte]
        chance = Random(3)
        for place in [*range(0, 100, 3), *chance.sample(used, 250)]:
            value = whole[place] ^ chance.randrange(1, 256)
            self.path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            self.assert_usable(items)

    def test_S2_zeroed_pages(self) -> None:
        """A page of zeros anywhere is found out."""
        shelf, items = self.filled()
        shelf.close()
        whole = self.path.read_bytes()
        for start in range(0, len(whole), 4096):
            self.path.write_bytes(whole[:start] + bytes(4096) + whole[start + 4096 :])
            self.assert_usable(items)

    def assert_usable(self, items: list[StoredItem]) -> None:
        try:
            shelf = self.opened()
        except HomeTooNew:
            self.path.unlink()
            return
        for item in items:
            self.assertIn(patiently(partial(shelf.get, item.place)), (item, None))
        for found in patiently(partial(shelf.iterate, 100)):
            self.assertIn(found, items)
        patiently(partial(shelf.oldest_of, USERS[0]))
        self.saved(shelf)
        self.assertEqual(shelf.get(1000), an_item(1000))
        shelf.close()
        for path in self.path.parent.iterdir():
            path.unlink()

    def saved(self, shelf: SqliteShelf) -> None:
        """Save, if need be a second time: the first may be what finds the damage."""
        for attempt in range(2):
            try:
                shelf.save(an_item(1000))
                shelf.commit()
            except StoreDegraded:
                self.assertEqual(attempt, 0)
            else:
                return

    def test_S2_an_index_that_lost_an_entry_is_found_out(self) -> None:
        """Who makes room by deleting the oldest does not get the same one for ever."""
        self.filled()[0].close()
        db = sqlite3.connect(self.path)
        db.executescript(
            "PRAGMA writable_schema=ON;"
            "UPDATE sqlite_master SET sql=replace(sql, ')', ') WHERE seq<>0')"
            " WHERE name='items_place';"
        )
        db.close()
        db = sqlite3.connect(self.path)
        db.executescript(
            "REINDEX items_place; PRAGMA writable_schema=ON;"
            "UPDATE sqlite_master SET sql=replace(sql, ' WHERE seq<>0', '')"
            " WHERE name='items_place';"
        )
        db.close()
        shelf = self.opened()
        self.assertIsNone(shelf.get(0))
        self.assertRaises(StoreDegraded, shelf.oldest_of, USERS[0])
        self.assertIsNone(shelf.oldest_of(USERS[0]))
        self.assertEqual(len(shelf.moved_aside), 1)

    def test_S2_damage_is_kept_beside(self) -> None:
        """A file that is no database is renamed, and its copy is as it was found."""
        self.path.write_bytes(b"this is no database, and never was one" * 100)
        shelf = self.opened()
        shelf.save(an_item(1))
        shelf.commit()
        (aside,) = shelf.moved_aside
        self.assertEqual(aside.name, "records.sqlite.corrupt-1000")
        self.assertTrue(aside.read_bytes().startswith(b"this is no database"))


def patiently(read: Callable[[], T]) -> T:
    """Read; once more when that finds damage and puts it aside."""
    try:
        return read()
    except StoreDegraded:
        return read()
