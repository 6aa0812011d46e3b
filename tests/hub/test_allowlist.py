"""Row H3: an allowlist is taken whole or refused whole, with the place of its fault."""

from __future__ import annotations

import copy
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadAllowlist
from streembit.hub.allowlist import MAX_MEMBERS, change, network_of, read, where, written
from streembit.hub.grant import PERMISSIONS
from streembit.service.settings import PUBLIC_NETWORK
from tests.hub.people import HUB, OTHER_HUB
from tests.jose.people import ANN, BOB, EVE

QUICK = settings(deadline=None, derandomize=True, database=None, max_examples=100)
GOOD: Any = {
    "note": "the house in the hills",
    "network": "private.hills",
    "members": [
        {
            "account": "ann",
            "public_key": ANN.public.hex,
            "user_type": "human",
            "permissions": ["relay", "mailbox", "admin"],
            "expires": 1_800_000_000,
            "note": "since the beginning",
        },
        {"account": "door", "public_key": BOB.public.hex, "permissions": []},
    ],
}


def altered(*path: str | int, to: object) -> Any:
    """Return the good list with another value somewhere; None takes it away."""
    document = copy.deepcopy(GOOD)
    at = document
    for step in path[:-1]:
        at = at[step]
    if to is None:
        del at[path[-1]]
    else:
        at[path[-1]] = to
    return document


_MEMBER: Final = ("members", 1)
_FAULTS: tuple[tuple[tuple[str | int, ...], object], ...] = (
    (("members",), {}),
    (("members",), "ann"),
    (("members",), 7),
    (("network",), ""),
    (("network",), "private."),
    (("network",), "hills"),
    (("network",), "private.Hills"),
    (("network",), "private.h\u00fcgel"),
    (("network",), "private." + "x" * 57),
    (("network",), 5),
    (("note",), 5),
    (("note",), "two\nlines"),
    (("note",), "x" * 201),
    (("remark",), "not a member that is known"),
    (_MEMBER, "ann"),
    (_MEMBER, []),
    ((*_MEMBER, "account"), ""),
    ((*_MEMBER, "account"), 5),
    ((*_MEMBER, "account"), "x" * 65),
    ((*_MEMBER, "account"), "door\u202e"),
    ((*_MEMBER, "account"), "d\u043eor"),
    ((*_MEMBER, "account"), "ann"),
    ((*_MEMBER, "account"), "Ann"),
    ((*_MEMBER, "public_key"), 5),
    ((*_MEMBER, "public_key"), BOB.public.text),
    ((*_MEMBER, "public_key"), BOB.public.hex.upper()),
    ((*_MEMBER, "public_key"), "02" + "00" * 31),
    ((*_MEMBER, "public_key"), "02" + "ff" * 32),
    ((*_MEMBER, "public_key"), "04" + BOB.public.hex[2:]),
    ((*_MEMBER, "public_key"), ANN.public.hex),
    ((*_MEMBER, "user_type"), "robot"),
    ((*_MEMBER, "user_type"), True),
    ((*_MEMBER, "permissions"), "relay"),
    ((*_MEMBER, "permissions"), {"relay": True}),
    ((*_MEMBER, "expires"), 0),
    ((*_MEMBER, "expires"), -1),
    ((*_MEMBER, "expires"), 1.5),
    ((*_MEMBER, "expires"), True),
    ((*_MEMBER, "expires"), "2030-01-01"),
    ((*_MEMBER, "expires"), 2**53),
    ((*_MEMBER, "note"), ["x"]),
    ((*_MEMBER, "permision"), ["relay"]),
)
BAD: Final = [(path, altered(*path, to=value)) for path, value in _FAULTS]


class ReadTests(SynchronousTestCase):
    """What a list says."""

    def test_a_list_lets_in_whom_it_names(self) -> None:
        """By the whole key; what is not said has the least that it can have."""
        found = read(GOOD)
        ann, door = found.find(ANN.public.text), found.find(BOB.public.text)
        assert ann is not None and door is not None
        self.assertEqual((ann.account, ann.user_type), ("ann", "human"))
        self.assertEqual(ann.permissions, {"relay", "mailbox", "admin"})
        self.assertEqual((ann.expires_s, door.expires_s), (1_800_000_000, None))
        self.assertEqual(door.permissions, frozenset())
        self.assertIsNone(found.find(EVE.public.text))
        self.assertEqual((found.network, found.note), ("private.hills", GOOD["note"]))
        self.assertEqual(found.members[ANN.public.text].note, "since the beginning")

    def test_a_time_may_end_as_late_as_a_number_goes(self) -> None:
        """2^53 - 1 seconds: later than anybody needs."""
        found = read(altered("members", 1, "expires", to=2**53 - 1)).find(BOB.public.text)
        assert found is not None
        self.assertEqual(found.expires_s, 2**53 - 1)

    def test_a_list_of_nobody_is_a_list(self) -> None:
        """Everybody is refused by it."""
        self.assertEqual(dict(read({"members": []}).members), {})

    def test_a_list_that_was_read_cannot_be_changed(self) -> None:
        """Sessions rely on it until the next one is taken."""
        members: Any = read(GOOD).members
        with self.assertRaises(TypeError):
            members[EVE.public.text] = members[ANN.public.text]

    def test_a_list_is_written_as_it_was_read(self) -> None:
        """So that adding a member changes no other."""
        document: Any = written(read(GOOD))
        self.assertEqual(read(document), read(GOOD))
        self.assertEqual(document["members"][0], GOOD["members"][0])
        self.assertEqual(document["members"][1], {**GOOD["members"][1], "user_type": "human"})

    def test_H5_a_private_network_is_never_the_public_one(self) -> None:
        """Whatever the list says, and where it says nothing."""
        self.assertRaises(BadAllowlist, read, altered("network", to=PUBLIC_NETWORK))
        names = {network_of(key.public) for key in (HUB, OTHER_HUB)}
        self.assertEqual(len(names), 2)
        for name in names:
            self.assertEqual(read(altered("network", to=name)).network, name)


class FaultTests(SynchronousTestCase):
    """H3: thirty and more bad lists."""

    def assert_fault(self, document: Any, *path: str | int) -> None:
        """Check that a list is refused, and where its fault is said to lie."""
        error = self.assertRaises(BadAllowlist, read, document)
        self.assertEqual(error.path, path)
        self.assertTrue(error.detail)

    def test_H3_each_fault_has_its_place(self) -> None:
        """Wrong types, missing and unknown members, bad values, and doubles."""
        for path, document in BAD:
            self.assert_fault(document, *path)
        bads: tuple[object, ...] = ("root", "Relay", "", 1, None, ["relay"])
        for bad in bads:
            document = altered(*_MEMBER, "permissions", to=["relay", bad])
            self.assert_fault(document, *_MEMBER, "permissions", 1)
        twice = altered(*_MEMBER, "permissions", to=["relay", "dht", "relay"])
        self.assert_fault(twice, *_MEMBER, "permissions", 2)

    def test_H3_what_is_missing_is_missed_where_it_should_be(self) -> None:
        """Three members a member must have, and one the list."""
        for name in ("account", "public_key", "permissions"):
            self.assert_fault(altered("members", 1, name, to=None), "members", 1)
        self.assert_fault(altered("members", to=None))

    def test_H3_what_is_no_object_is_no_list(self) -> None:
        """Nothing of it is read."""
        documents: tuple[object, ...] = (None, [], "x", 5, True, GOOD["members"])
        for bad in documents:
            self.assert_fault(bad)

    def test_H3_too_many_members(self) -> None:
        """The count is refused before the members are looked at."""
        self.assert_fault({"members": [{}] * (MAX_MEMBERS + 1)}, "members")
        self.assert_fault({"members": [{}] * MAX_MEMBERS}, "members", 0)

    def test_paths_are_written_as_people_write_them(self) -> None:
        """From the top to the fault."""
        self.assertEqual(where(("members", 3, "public_key")), "members[3].public_key")
        self.assertEqual(where(("members", 3)), "members[3]")
        self.assertEqual(where(()), "the document")

    @QUICK
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(("members", "account", "public_key", "permissions", "note")),
                    inner,
                    max_size=3,
                )
            ),
            max_leaves=12,
        )
    )
    def test_any_document_is_read_or_refused(self, document: Any) -> None:
        """With no other error, and a fault lies at a place that is there, or its parent."""
        try:
            read(document)
        except BadAllowlist as error:
            at = document
            path: Any = error.path
            for step in path:
                at = at[step]


class ChangeTests(SynchronousTestCase):
    """H2: who has to go when a new list is taken."""

    def test_H2_who_was_removed_or_may_do_less_is_told_from_the_others(self) -> None:
        """Each member is in one set, or unchanged."""
        before = read(GOOD)
        ann = ("members", 0)
        for document, name, keys in (
            (altered("members", 0, to=None), "removed", [ANN]),
            (altered(*ann, "permissions", to=["relay", "mailbox"]), "reduced", [ANN]),
            (altered(*ann, "permissions", to=["relay", "dht", "admin"]), "reduced", [ANN]),
            (altered(*ann, "expires", to=1_799_999_999), "reduced", [ANN]),
            (altered("members", 1, "expires", to=1_800_000_000), "reduced", [BOB]),
            (altered(*ann, "expires", to=1_800_000_001), "altered", [ANN]),
            (altered(*ann, "expires", to=None), "altered", [ANN]),
            (altered(*ann, "permissions", to=[*PERMISSIONS]), "altered", [ANN]),
            (altered(*ann, "account", to="anna"), "altered", [ANN]),
            (altered(*ann, "note", to="another"), "altered", [ANN]),
            (altered("note", to="another"), "", []),
        ):
            found = change(before, read(document))
            sets = {each: getattr(found, each) for each in found.__slots__}
            expected = {key.public.text for key in keys}
            self.assertEqual({n: s for n, s in sets.items() if s}, {name: expected} if name else {})
        other = altered("members", 1, "public_key", to=EVE.public.hex)
        found = change(before, read(other))
        self.assertEqual((found.added, found.removed), ({EVE.public.text}, {BOB.public.text}))
