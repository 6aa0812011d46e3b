"""The chest of an account: what was committed is there, sealed, and an older copy is known."""

from __future__ import annotations

from pathlib import Path
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from streembit.disk.chest import Chest, Kept
from streembit.errors import DiskFailed, DiskFull, TooLarge
from streembit.jose.atrest import MAX_POSITION, MAX_ROW_BYTES
from streembit.testing import MemoryChest
from tests.disk.dying import Trouble
from tests.disk.places import a_folder

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
AnyChest = Chest | MemoryChest


class MemoryChestTest(SynchronousTestCase):
    """What holds for every chest, on the double of the tests."""

    def opened(self) -> AnyChest:
        """Return a new, empty chest."""
        return MemoryChest()

    def test_rows_are_found_by_room_and_key(self) -> None:
        """A row lies in one room under one key, and numbers are other keys than their bytes."""
        chest = self.opened()
        chest.commit([Kept("a", b"1", b"x"), Kept("b", b"1", b"y"), Kept("a", 1, b"z")])
        self.assertEqual([chest.get("a", b"1"), chest.get("b", b"1")], [b"x", b"y"])
        self.assertEqual(chest.get("a", 1), b"z")
        self.assertEqual([chest.get("b", 1), chest.get("a", b""), chest.get("c", 1)], [None] * 3)

    def test_rows_come_by_number(self) -> None:
        """All rows of a room come in the order of their numbers, pages the other way round."""
        chest = self.opened()
        numbers = [7, 0, 300, 2, MAX_POSITION, 256]
        chest.commit([Kept("a", n, b"%d" % n) for n in numbers] + [Kept("b", 5, b"other")])
        self.assertEqual(chest.all("a"), [b"%d" % n for n in sorted(numbers)])
        self.assertEqual([n for n, _ in chest.page("a", None, 2)], [MAX_POSITION, 300])
        self.assertEqual(chest.page("a", 300, 9), [(n, b"%d" % n) for n in (256, 7, 2, 0)])
        self.assertEqual(chest.page("a", 300, 2), [(256, b"256"), (7, b"7")])
        self.assertEqual((chest.page("a", 0, 9), chest.page("c", None, 9)), ([], []))

    def test_pages_have_numbers_only(self) -> None:
        """A row that has a name is in no page, but in the room."""
        chest = self.opened()
        chest.commit([Kept("a", b"head", b"h"), Kept("a", 1, b"one")])
        self.assertEqual(chest.page("a", None, 9), [(1, b"one")])
        self.assertEqual(sorted(chest.all("a")), [b"h", b"one"])

    def test_the_last_change_of_a_row_counts(self) -> None:
        """Changes are made in their order, within a commit too; to delete nothing is no error."""
        chest = self.opened()
        chest.commit([Kept("a", 1, b"x"), Kept("a", 1, b"y"), Kept("a", 2, None)])
        self.assertEqual(chest.all("a"), [b"y"])
        chest.commit([Kept("a", 1, None), Kept("a", 1, b"z"), Kept("a", 3, b"w")])
        chest.commit([Kept("a", 3, None)])
        self.assertEqual(chest.all("a"), [b"z"])

    def test_rows_of_every_length(self) -> None:
        """A row comes back as long as it was, up to the longest; beyond, nothing is changed."""
        chest = self.opened()
        for size in (0, 1, 251, 252, 253, 255, 256, 257, 65_536, MAX_ROW_BYTES):
            chest.commit([Kept("a", b"k", bytes(size))])
            self.assertEqual(chest.get("a", b"k"), bytes(size))
        longer = [Kept("a", b"k", b"short"), Kept("a", b"l", bytes(MAX_ROW_BYTES + 1))]
        self.assertRaises(TooLarge, chest.commit, longer)
        self.assertEqual(chest.get("a", b"k"), bytes(MAX_ROW_BYTES))

    def test_what_is_no_position_is_refused(self) -> None:
        """A number that the file could not keep as it is changes nothing."""
        chest = self.opened()
        for number in (-1, MAX_POSITION + 1):
            wrong = [Kept("a", 1, b"x"), Kept("a", number, b"x")]
            self.assertRaises(ValueError, chest.commit, wrong)
        self.assertEqual(chest.all("a"), [])

    def test_renewing_commits_and_ends_the_restore(self) -> None:
        """What makes up for a restore is committed with the word that it is over."""
        chest = self.opened()
        chest.renew([Kept("a", 1, b"x")])
        self.assertEqual((chest.get("a", 1), chest.restored), (b"x", False))

    def test_a_wiped_or_closed_chest_is_of_no_use(self) -> None:
        """Nothing is read from it and nothing is made anew by a late caller."""
        for wiped in (False, True):
            chest = self.opened()
            chest.commit([Kept("a", 1, b"x")])
            chest.wipe() if wiped else chest.close()
            self.assertRaises(DiskFailed, chest.get, "a", 1)
            self.assertRaises(DiskFailed, chest.commit, [])

    def test_it_is_a_dictionary(self) -> None:
        """Whatever is committed, what is read is what a dictionary would hold."""
        chance = Random(5)
        chest = self.opened()
        model: dict[tuple[str, bytes | int], bytes] = {}
        for _ in range(200):
            changes = [a_change(chance) for _ in range(chance.randrange(8))]
            chest.commit(changes)
            for room, key, row in changes:
                model.pop((room, key), None)
                if row is not None:
                    model[room, key] = row
            self.check_model(chest, model)

    def check_model(self, chest: AnyChest, model: dict[tuple[str, bytes | int], bytes]) -> None:
        for room in ("a", "b"):
            expected = {key: row for (there, key), row in model.items() if there == room}
            self.assertEqual({key: chest.get(room, key) for key in expected}, expected)
            self.assertCountEqual(chest.all(room), expected.values())
            numbers = sorted((key for key in expected if isinstance(key, int)), reverse=True)
            self.assertEqual([key for key, _ in chest.page(room, None, 99)], numbers)


def a_change(chance: Random) -> Kept:
    """Return a change of one of few rows, so that rows are replaced and deleted."""
    number = chance.randrange(9)
    key = number if chance.random() < 0.5 else b"%d" % number
    row = chance.choice([None, chance.randbytes(chance.randrange(600))])
    return Kept(chance.choice("ab"), key, row)


class RefusalTest(SynchronousTestCase):
    def test_a_refusal_is_raised_instead_of_a_commit(self) -> None:
        """Tests can let the double's disk be full."""
        chest = MemoryChest()
        chest.refusal = DiskFull("made by the test")
        self.assertRaises(DiskFull, chest.commit, [Kept("a", 1, b"x")])
        chest.refusal = None
        self.assertEqual((chest.get("a", 1), chest.commits), (None, 0))


class ChestTest(MemoryChestTest):
    """The same on the disk, and what only a file can do."""

    def setUp(self) -> None:
        self.folder = a_folder(self)
        self.path = self.folder / "chest.sqlite"
        self.made = 0

    def opened(self) -> Chest:
        self.made += 1
        return self.at(self.folder / f"chest-{self.made}.sqlite")

    def at(self, path: Path, key: bytes = KEY, trouble: Trouble | None = None) -> Chest:
        chest = Chest(path, key, dial=(trouble or Trouble()).connect())
        self.addCleanup(chest.close)
        return chest

    def filled(self) -> bytes:
        """Make a chest with some rows in `path`, and return its file."""
        chest = self.at(self.path)
        chest.commit([Kept("a", n, b"%d" % n) for n in range(20)])
        chest.close()
        return self.path.read_bytes()

    def test_rows_outlive_the_process(self) -> None:
        """What was committed is there when the file is opened again."""
        self.filled()
        chest = self.at(self.path)
        self.assertEqual(chest.all("a"), [b"%d" % n for n in range(20)])
        self.assertFalse(chest.restored)
