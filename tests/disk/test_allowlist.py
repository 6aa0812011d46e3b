"""The allowlist's file: refused with line and column, changed as a whole, told by a schema."""

from __future__ import annotations

import errno
import json
import os
from copy import deepcopy
from importlib.resources import files as resources
from pathlib import Path
from typing import Any, TypeVar

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.disk import allowlist, jsontext
from streembit.disk.allowlist import JUDGED_AS_KNOWN, KNOWN_A_STEP, AllowlistFile
from streembit.disk.steps import Steps, finish
from streembit.errors import BadAllowlist, DiskFailed, DiskFull
from streembit.hub.allowlist import Member
from streembit.hub.grant import PERMISSIONS, Grant
from streembit.jose.keys import Identity, PublicKey
from tests.disk.faultfiles import FaultFiles, MemoryFiles, PowerCut
from tests.disk.places import a_folder

T = TypeVar("T")
KEYS = [Identity.from_seed(bytes([n]) * 32, "x").public.hex for n in range(1, 6)]
GOOD: dict[str, Any] = {
    "note": "The workshop",
    "network": "private.workshop",
    "members": [
        {
            "account": "alice",
            "public_key": KEYS[0],
            "user_type": "human",
            "permissions": ["relay", "mailbox", "dht", "directory", "admin"],
            "note": "keeps the keys",
        },
        {
            "account": "lamp",
            "public_key": KEYS[1],
            "user_type": "device",
            "permissions": ["relay"],
            "expires": 1_900_000_000,
        },
    ],
}


def good() -> str:
    """Return a sound file: its first member begins in line 5, the second in line 18."""
    return json.dumps(GOOD, indent=2)


def with_(text: str, old: str, new: str) -> bytes:
    """Return the file with one place of it changed."""
    assert text.count(old) == 1, old
    return text.replace(old, new).encode()


def bad_files() -> list[tuple[str, bytes, tuple[int, int] | None]]:
    """Return files that are refused: what is wrong, their bytes, and where the fault lies."""
    text = good()
    swap = lambda old, new: with_(text, old, new)  # noqa: E731
    off_curve = "02" + "f" * 64
    return [
        ("empty", b"", (1, 1)),
        ("only space", b" \n\n ", (3, 2)),
        ("a list", b"[]", (1, 1)),
        ("no members", b'{"note": "x"}', (1, 1)),
        ("members is no list", b'{\n "members": {}}', (2, 13)),
        ("cut off", text[:-2].encode(), (27, 4)),
        ("something behind", (text + "\n{}").encode(), (29, 1)),
        ("a comma too many", swap("1900000000\n", "1900000000,\n"), (26, 5)),
        ("a comma missing", swap('"account": "lamp",', '"account": "lamp"'), (20, 7)),
        ("a comment", swap('  "note": "The', '  // x\n  "note": "The'), (2, 3)),
        ("single quotes", swap('"alice"', "'alice'"), (6, 18)),
        ("not UTF-8", text.encode().replace(b"lamp", b"l\xe4mp"), (19, 20)),
        ("a byte order mark", b"\xef\xbb\xbf" + text.encode(), (1, 1)),
        ("UTF-16", text.encode("utf-16"), (1, 1)),
        ("a name twice", swap('"account": "lamp",', '"account": "x", "account": "y",'), (19, 23)),
        ("half a pair", swap('"lamp"', '"\\ud800"'), (19, 18)),
        ("too deep", swap('"private.workshop"', "[" * 20 + "]" * 20), (3, 30)),
        ("NaN", swap("1900000000", "NaN"), (25, 18)),
        ("too large a number", swap("1900000000", "1e999"), (25, 18)),
        ("a fraction", swap("1900000000", "1.5"), (25, 18)),
        ("a bool for a number", swap("1900000000", "true"), (25, 18)),
        ("a date", swap("1900000000", '"2030-01-01"'), (25, 18)),
        ("the time zero", swap("1900000000", "0"), (25, 18)),
        ("unknown of the file", swap('"network"', '"netwrk"'), (3, 13)),
        ("unknown of a member", swap('"expires"', '"expiry"'), (25, 17)),
        ("no account", swap('      "account": "lamp",\n', ""), (18, 5)),
        ("no key", swap(f'      "public_key": "{KEYS[1]}",\n', ""), (18, 5)),
        ("an empty account", swap('"lamp"', '""'), (19, 18)),
        ("a hidden character", swap('"lamp"', '"l\u200bamp"'), (19, 18)),
        ("account twice", swap('"lamp"', '"alice"'), (19, 18)),
        ("an account that looks alike", swap('"lamp"', '"аӏісе"'), (19, 18)),
        ("key twice", swap(KEYS[1], KEYS[0]), (20, 21)),
        ("a key off the curve", swap(KEYS[1], off_curve), (20, 21)),
        ("a key in capitals", swap(KEYS[1], KEYS[1].upper()), (20, 21)),
        ("a key too short", swap(KEYS[1], KEYS[1][:-2]), (20, 21)),
        ("an unknown type", swap('"device"', '"robot"'), (21, 20)),
        ("an unknown permission", swap('"admin"', '"root"'), (14, 9)),
        ("a permission twice", swap('"admin"', '"relay"'), (14, 9)),
        ("permissions as a text", swap('[\n        "relay"\n      ]', '"relay"'), (22, 22)),
        ("a long note", swap("keeps the keys", "x" * 201), (16, 15)),
        ("a network with a space", swap('"private.workshop"', '"private.work shop"'), (3, 14)),
    ]


class ReadTest(SynchronousTestCase):
    def test_a_sound_file(self) -> None:
        """Members are found by their keys, with what they may do."""
        found = allowlist.parse(good().encode())
        grants = {member.key.hex: member.grant for member in found.members.values()}
        self.assertEqual(
            grants,
            {
                KEYS[0]: Grant("alice", "human", frozenset(PERMISSIONS)),
                KEYS[1]: Grant("lamp", "device", frozenset({"relay"}), 1_900_000_000),
            },
        )
        self.assertEqual((found.network, found.note), ("private.workshop", "The workshop"))

    def test_H3_bad_files_are_refused_with_line_and_column(self) -> None:
        """At least thirty ways to write one wrongly, and where each went wrong."""
        files = bad_files()
        self.assertGreaterEqual(len(files), 30)
        for what, data, place in files:
            error = self.assertRaises(BadAllowlist, allowlist.parse, data, "file.json")
            self.assertEqual((error.line, error.column), place, f"{what}: {error}")
            self.assertEqual(error.file, "file.json")
            self.assertTrue(error.detail, what)

    def test_a_fault_is_told_by_its_place_in_the_list_too(self) -> None:
        """Who looks for it sees which member is meant."""
        data = with_(good(), KEYS[1], KEYS[0])
        error = self.assertRaises(BadAllowlist, allowlist.parse, data)
        self.assertIn("members[1].public_key: this key is in the list already", error.detail)

    def test_H3_a_file_that_others_may_change_is_refused(self) -> None:
        """So is one that is missing, too long or no file at all."""
        path = a_folder(self) / "allowlist.json"
        self.assertRaises(BadAllowlist, allowlist.load, path)
        path.write_text(good())
        path.chmod(0o644)
        allowlist.load(path)
        for mode in (0o664, 0o646):
            path.chmod(mode)
            error = self.assertRaises(BadAllowlist, allowlist.load, path)
            self.assertIn("chmod", error.detail)
        path.write_bytes(b" " * (allowlist.MAX_FILE_BYTES + 1))
        self.assertRaises(BadAllowlist, allowlist.load, path)

    def test_H3_what_is_no_file_is_refused(self) -> None:
        """At once, also where others would wait for a writer or read without end."""
        folder = a_folder(self)
        os.mkfifo(folder / "pipe", 0o600)
        (folder / "device").symlink_to("/dev/zero")
        (folder / "nowhere").symlink_to(folder / "nothing")
        for name, words in (
            ("pipe", "no file"),
            ("device", "no file"),
            (".", "no file"),
            ("nowhere", "no such file"),
        ):
            error = self.assertRaises(BadAllowlist, allowlist.load, folder / name)
            self.assertIn(words, error.detail)
        (folder / "loop").symlink_to(folder / "loop")
        self.assertRaises(DiskFailed, allowlist.load, folder / "loop")

    def test_H3_a_sparse_file_is_not_read_to_its_end(self) -> None:
        """It says that it has a terabyte."""
        path = a_folder(self) / "allowlist.json"
        path.touch(mode=0o600)
        os.truncate(path, 1 << 40)
        error = self.assertRaises(BadAllowlist, allowlist.load, path)
        self.assertIn("too long", error.detail)

    def test_H3_every_truncation_is_refused(self) -> None:
        """As when it is read while an editor writes it."""
        text = good().encode()
        for length in range(len(text.rstrip())):
            self.assertRaises(BadAllowlist, allowlist.parse, text[:length])


def long(count: int) -> dict[str, Any]:
    """Return a list of so many members."""
    keys = [Identity.from_seed(n.to_bytes(32), "x").public.hex for n in range(1, count + 1)]
    rows = [
        {"account": f"member {n}", "public_key": key, "permissions": ["relay"]}
        for n, key in enumerate(keys)
    ]
    return {"note": "many", "members": rows}


class AgainTest(SynchronousTestCase):
    """Row H2: a long list is read again for the sake of one member, and others do not wait."""

    COUNT = 120

    def setUp(self) -> None:
        self.path = a_folder(self) / "allowlist.json"
        self.document = long(self.COUNT)
        self.write(indent=2)
        self.file = AllowlistFile(self.path)

    def write(self, **form: Any) -> None:
        self.path.write_text(json.dumps(self.document, **form))
        self.path.chmod(0o600)

    def judged_by(self, work: Steps[T]) -> int:
        """Return how many rows were judged for this work."""
        before = self.file.judged
        finish(work)
        return self.file.judged - before

    def test_H2_a_row_that_stands_there_as_before_is_not_judged_again(self) -> None:
        """A changed one is, and one of which only the space changed."""
        self.assertEqual(self.judged_by(self.file.load()), self.COUNT)
        self.assertEqual(self.judged_by(self.file.load()), 0)
        self.document["members"][7]["note"] = "another"
        self.document["members"].pop(3)
        self.write(indent=2)
        self.assertEqual(self.judged_by(self.file.load()), 1)
        self.write(indent=4)
        self.assertEqual(self.judged_by(self.file.load()), self.COUNT - 1)

    def test_H2_a_change_judges_the_new_member_alone(self) -> None:
        """Also where it gives the file another form, and so all that is done after it."""
        self.write()
        finish(self.file.load())
        key = PublicKey.from_hex(KEYS[0])
        outside = Identity.from_seed(bytes([200]) * 32, "x").public
        self.assertEqual(self.judged_by(self.file.remove(key.text)), 0)
        bob = Member(outside, Grant("bob", "human", frozenset({"relay"})))
        self.assertEqual(self.judged_by(self.file.add(bob)), 1)
        self.assertEqual(self.judged_by(self.file.load()), 0)

    def test_H3_a_row_that_is_known_is_still_alone_in_its_list(self) -> None:
        """Twice the same, or beside one that looks like it, is refused as at first."""
        finish(self.file.load())
        rows = self.document["members"]
        other = Identity.from_seed(bytes([201]) * 32, "x").public.hex
        alike = {**rows[5], "public_key": other, "account": "Member 5"}
        for second, place in ((rows[5], "public_key"), (alike, "account")):
            self.document["members"] = [*rows, second]
            self.write(indent=2)
            error = self.assertRaises(BadAllowlist, finish, self.file.load())
            self.assertIn(f"members[{self.COUNT}].{place}", error.detail)
            self.assertEqual(self.path.read_text().split("\n")[error.line - 1].count(place), 1)

    def test_H2_no_step_is_long(self) -> None:
        """Of a list that is new, of one that is known, and of one that is not sound."""
        most = KNOWN_A_STEP // JUDGED_AS_KNOWN + 1
        before, steps = 0, 0
        for _ in self.file.load():
            self.assertLessEqual(self.file.judged - before, most)
            before, steps = self.file.judged, steps + 1
        self.assertGreater(steps, self.COUNT // most)
        text = json.dumps(self.document)
        values = self.COUNT * 5
        for work in (jsontext.fault_of(text.encode()), jsontext.place_of(text, ("x",))):
            self.assertGreaterEqual(len(list(work)), values // jsontext.VALUES_A_STEP)

    def test_H3_a_member_named_with_escapes_is_the_same_member(self) -> None:
        """The names of the file are compared as texts, not as bytes; twice is twice."""
        text = self.path.read_text().replace('"note": "many"', '"\\u006eote": "many"')
        self.path.write_text(text)
        self.assertEqual(finish(self.file.load()).note, "many")
        self.path.write_text(text.replace("{", '{"note": "x", ', 1))
        error = self.assertRaises(BadAllowlist, finish, self.file.load())
        self.assertIn("here twice", error.detail)


class ChangeTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = a_folder(self) / "allowlist.json"
        self.path.write_text(good())
        self.path.chmod(0o644)
        self.bob = Member(
            PublicKey.from_hex(KEYS[2]), Grant("bob", "human", frozenset({"relay"}), 2_000_000_000)
        )

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found

    def test_a_member_is_added_behind_the_others(self) -> None:
        """All else stays as it was: notes, order, and names of members."""
        found = allowlist.add(self.path, self.bob)
        self.assertEqual(list(found.members)[-1], self.bob.key.text)
        document = self.document()
        added = document["members"].pop()
        self.assertEqual(json.dumps(document), json.dumps(GOOD))
        self.assertEqual((added["account"], added["expires"]), ("bob", 2_000_000_000))
        self.assertEqual(allowlist.load(self.path), found)

    def test_a_member_is_removed(self) -> None:
        """The others stay as they were; nobody else's removal changes nothing."""
        alice = PublicKey.from_hex(KEYS[0])
        found = allowlist.remove(self.path, alice.text)
        self.assertNotIn(alice.text, found.members)
        expected = {**GOOD, "members": GOOD["members"][1:]}
        self.assertEqual(json.dumps(self.document()), json.dumps(expected))
        allowlist.remove(self.path, self.bob.key.text)
        self.assertEqual(json.dumps(self.document()), json.dumps(expected))

    def test_a_change_goes_where_a_link_leads(self) -> None:
        """The link stays, so that who keeps the file elsewhere sees the change."""
        link = self.path.with_name("link.json")
        link.symlink_to(self.path)
        allowlist.remove(link, PublicKey.from_hex(KEYS[0]).text)
        self.assertTrue(link.is_symlink())
        self.assertEqual(len(self.document()["members"]), 1)

    def test_H3_a_change_that_makes_it_unsound_is_refused(self) -> None:
        """The same key or account again; the file stays byte for byte."""
        before = self.path.read_bytes()
        for member in (
            Member(PublicKey.from_hex(KEYS[0]), Grant("other", "human", frozenset())),
            Member(PublicKey.from_hex(KEYS[3]), Grant("Alice", "human", frozenset())),
        ):
            self.assertRaises(BadAllowlist, allowlist.add, self.path, member)
            self.assertEqual(self.path.read_bytes(), before)
        self.path.write_text("{}")
        self.assertRaises(BadAllowlist, allowlist.add, self.path, self.bob)
        self.assertEqual(self.path.read_text(), "{}")

    def test_S1_power_lost_at_every_step_of_a_change(self) -> None:
        """There is the old list or the new one, whole."""
        at, died = 0, True
        while died:
            at += 1
            disk, path = self.in_memory()
            try:
                allowlist.add(path, self.bob, FaultFiles(disk, at=at))
                died = False
            except PowerCut:
                pass
            for found in (*disk.after_power_cut(), disk.after_kill()):
                self.assertIn(len(allowlist.load(path, found).members), (2, 3), f"call {at}")
        self.assertGreater(at, 5)
        self.assertEqual(len(allowlist.load(path, disk).members), 3)

    def test_S3_a_full_disk_leaves_the_list_as_it_was(self) -> None:
        """At whichever step it fails, and it can be done again later."""
        disk, path = self.in_memory()
        before = allowlist.load(path, disk)
        calls = FaultFiles(disk)
        allowlist.load(path, calls)
        write = len(calls.calls) + 2
        full = FaultFiles(disk, at=write, error=errno.ENOSPC)
        self.assertRaises(DiskFull, allowlist.add, path, self.bob, full)
        self.assertEqual(allowlist.load(path, disk), before)
        self.assertEqual(len(allowlist.add(path, self.bob, disk).members), 3)

    def in_memory(self) -> tuple[MemoryFiles, Path]:
        """Return a disk with the file on its medium."""
        from streembit.disk import atomic

        disk, path = MemoryFiles(), Path("/allowlist.json")
        atomic.write(path, good().encode(), disk)
        return disk, path


GRAINS: list[tuple[str, object]] = [
    ("account", "bob"),
    ("account", ""),
    ("account", "x" * 65),
    ("account", 7),
    ("public_key", KEYS[3]),
    ("public_key", KEYS[3].upper()),
    ("public_key", KEYS[3][:-1]),
    ("public_key", None),
    ("user_type", "service"),
    ("user_type", "robot"),
    ("user_type", None),
    ("permissions", []),
    ("permissions", ["relay", "relay"]),
    ("permissions", ["root"]),
    ("permissions", None),
    ("permissions", {"relay": True}),
    ("expires", None),
    ("expires", 1),
    ("expires", 0),
    ("expires", 2**53),
    ("expires", True),
    ("expires", "1"),
    ("expires", 1.5),
    ("note", ""),
    ("note", "y" * 200),
    ("note", "y" * 201),
    ("note", None),
    ("other", 1),
]
TOPS: list[tuple[str, object]] = [
    ("note", "fine"),
    ("note", []),
    ("network", "private." + "n" * 56),
    ("network", "private." + "n" * 57),
    ("network", "streembit"),
    ("network", "private.N"),
    ("network", ""),
    ("network", "private.a b"),
    ("network", None),
    ("other", 1),
    ("members", []),
    ("members", None),
    ("members", [1]),
]


class SchemaTest(SynchronousTestCase):
    def setUp(self) -> None:
        text = (resources("streembit.hub") / "allowlist.schema.json").read_text()
        self.schema = json.loads(text)
        self.validator = jsonschema.Draft202012Validator(self.schema)

    def test_the_schema_is_one(self) -> None:
        """It keeps the rules of its own language."""
        jsonschema.Draft202012Validator.check_schema(self.schema)

    def test_it_takes_what_the_reader_takes(self) -> None:
        """A sound file is sound for both, and so is what a change writes."""
        self.validator.validate(GOOD)
        path = a_folder(self) / "allowlist.json"
        path.write_text(good())
        path.chmod(0o600)
        key = PublicKey.from_hex(KEYS[2])
        allowlist.add(path, Member(key, Grant("bob", "service", frozenset({"admin"}), 5), "hm"))
        self.validator.validate(json.loads(path.read_text()))

    def test_they_agree_on_each_grain(self) -> None:
        """One member of a sound file at a time, good or bad, or left out."""
        cases = [{**GOOD, name: value} for name, value in TOPS]
        cases += [{n: v for n, v in GOOD.items() if n != name} for name in GOOD]
        for name, value in GRAINS:
            document = deepcopy(GOOD)
            document["members"][1][name] = value
            cases.append(document)
        for name in GOOD["members"][1]:
            document = deepcopy(GOOD)
            del document["members"][1][name]
            cases.append(document)
        for document in cases:
            self.assertEqual(self.by_schema(document), by_reader(document), document)
        self.assertIn(len([each for each in cases if by_reader(each)]), range(10, 20))

    @settings(deadline=None, derandomize=True, database=None, max_examples=300)
    @given(
        st.dictionaries(st.integers(0, len(GRAINS) - 1), st.just(None), max_size=4),
        st.dictionaries(st.integers(0, len(TOPS) - 1), st.just(None), max_size=1),
    )
    def test_they_agree_on_any_mixture(
        self, grains: dict[int, None], tops: dict[int, None]
    ) -> None:
        """Whatever is changed together, both take the file or both refuse it."""
        document = deepcopy(GOOD)
        for grain in grains:
            name, value = GRAINS[grain]
            document["members"][1][name] = value
        for top in tops:
            name, value = TOPS[top]
            document[name] = value
        self.assertEqual(self.by_schema(document), by_reader(document), document)

    def by_schema(self, document: object) -> bool:
        return bool(self.validator.is_valid(document))


def by_reader(document: object) -> bool:
    """Say whether the reader takes the document."""
    try:
        allowlist.parse(json.dumps(document).encode())
    except BadAllowlist:
        return False
    return True
