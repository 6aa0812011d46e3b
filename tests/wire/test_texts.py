"""Names: which ones there are, and which look alike."""

from __future__ import annotations

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadName
from streembit.wire import texts
from tests.contacts import hostile

QUICK = settings(deadline=None, derandomize=True, database=None, max_examples=300)
NAMES = st.text(
    st.one_of(st.characters(categories=["Ll", "Lu", "Nd"]), st.sampled_from("abIl10 ._-'оα")),
    min_size=1,
    max_size=12,
)


class NameTests(SynchronousTestCase):
    """What may be a name."""

    def test_names_of_people_and_machines(self) -> None:
        """In many scripts, each by itself."""
        for name in (
            "ann",
            "Ann-Marie O'Neil",
            "sensor_07.roof",
            "José",
            "Nguyễn",
            "Ольга",
            "Νίκος",
            "李小龍",
            "たなか ひろし",
            "김철수",
            "日本太郎カ",
            "משה",
            "محمد",
            "अनिता",
            "7",
            "a" * 64,
        ):
            self.assertEqual(texts.check_name(name), name)

    def test_L1_hostile_names(self) -> None:
        """Each is refused."""
        for name in (*hostile.NAMES.values(), *hostile.TEXTS.values()):
            self.assertRaises(BadName, texts.check_name, name)

    def test_L1_hostile_notes(self) -> None:
        """A note may hold signs that a name may not, and nothing that hides."""
        for note in hostile.TEXTS.values():
            self.assertRaises(BadName, texts.check_note, note)
        for note in ("", "100% <sure> {x} \U0001f600 «да»", "日本語。"):
            self.assertEqual(texts.check_note(note), note)

    @QUICK
    @given(name=NAMES)
    def test_L1_a_name_is_seen_as_it_is(self, name: str) -> None:
        """Whatever is taken prints, is composed, and stays so with its case folded."""
        try:
            texts.check_name(name)
        except BadName:
            return
        self.assertTrue(name.isprintable())
        self.assertTrue(unicodedata.is_normalized("NFKC", name))
        self.assertTrue(texts.skeleton(name))


class SkeletonTests(SynchronousTestCase):
    """Which names are one to the eye."""

    def test_names_that_look_alike(self) -> None:
        """Case, digits for letters, Cyrillic and Greek for Latin, two letters for one."""
        for one, other in (
            ("ann", "ANN"),
            ("paypal", "раураl"),
            ("paypal", "PAYPA1"),
            ("Ian", "lan"),
            ("bob", "b0b"),
            ("modern", "modem"),
            ("vvalt", "walt"),
            ("Straße", "STRASSE"),
            ("AΝΝ", "ann"),
            ("сосна", "cocнa"),
        ):
            self.assertEqual(texts.skeleton(one), texts.skeleton(other), f"{one} {other}")

    def test_names_that_differ(self) -> None:
        """Others stay others."""
        names = ["ann", "anne", "bob", "ann.b", "ann-b", "José", "Jose", "Ольга", "李", "sensor 2"]
        self.assertEqual(len({texts.skeleton(name) for name in names}), len(names))

    @QUICK
    @given(name=NAMES)
    def test_the_case_never_matters(self, name: str) -> None:
        """For any text, name or not."""
        upper, lower = texts.skeleton(name.upper().casefold()), texts.skeleton(name.upper())
        self.assertEqual(upper, lower)
