"""What a side says of itself survives the wire, and nonsense does not."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadName, HandshakeFailed
from streembit.link.hello import (
    CRITICAL,
    MAX_CLOCK_S,
    PAD_TO_BYTES,
    SCHEMES,
    Hello,
    check_extensions,
    extension,
    pack,
    unpack,
)
from tests.link.party import ALICE
from tests.link.second import hello_bytes

PUBLIC = ALICE.public
PLAIN = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=64)
HELLOS = st.builds(
    Hello,
    public=st.just(PUBLIC),
    scheme=st.sampled_from(SCHEMES),
    name=st.text("abcxyz019._-", max_size=64),
    port=st.integers(0, 65535),
    client_only=st.booleans(),
    agent=PLAIN,
    clock_s=st.integers(0, MAX_CLOCK_S),
    observed=PLAIN,
)


class PackTests(SynchronousTestCase):
    """There and back."""

    @settings(deadline=None, derandomize=True, database=None)
    @given(HELLOS)
    def test_every_hello_survives(self, hello: Hello) -> None:
        """All members, in steps of 128 bytes."""
        packed = pack(hello)
        self.assertEqual(unpack(packed, PUBLIC), hello)
        self.assertEqual(len(packed) % PAD_TO_BYTES, 0)

    def test_our_own_nonsense_is_our_fault(self) -> None:
        """It is refused before it is signed."""
        good = Hello(PUBLIC)
        for wrong in (
            replace(good, name="Upper"),
            replace(good, name="a" * 65),
            replace(good, scheme="mine"),
            replace(good, agent="a" * 65),
            replace(good, agent="caf\u00e9"),
            replace(good, observed="line\nbreak"),
        ):
            self.assertRaises(BadName, pack, wrong)


class UnpackTests(SynchronousTestCase):
    """Nonsense from the other side."""

    def assert_refused(self, data: bytes) -> None:
        """The data is no hello."""
        self.assertRaises(HandshakeFailed, unpack, data, PUBLIC)

    def test_every_truncation_is_refused(self) -> None:
        """The members without padding; a cut padding is no extension either."""
        data = hello_bytes(name="name", agent="agent", observed="192.0.2.1:1")
        whole = 12 + 5 + 6 + 12
        for end in range(len(data)):
            if end != whole:  # a hello without padding is short, not wrong
                self.assert_refused(data[:end])
        self.assertEqual(unpack(data[:whole], PUBLIC), unpack(data, PUBLIC))

    def test_L1_text_that_would_break_a_log_is_refused(self) -> None:
        """Control characters, escapes, direction marks, anything but printing ASCII."""
        for agent in ("\x1b[2J", "a\r\nb", "\x00", "\x7f", "\u202e", "\u00e9", "\u2028"):
            self.assert_refused(hello_bytes(agent=agent))
            self.assert_refused(hello_bytes(observed=agent))

    def test_names_out_of_bounds_are_refused(self) -> None:
        """Lower case, digits, dot, underscore, hyphen; at most 64."""
        for name in ("A", "a b", "a/b", "\u00e4", "a" * 65, "a\n"):
            self.assert_refused(hello_bytes(name=name))

    def test_an_unknown_scheme_or_a_far_clock_is_refused(self) -> None:
        """Numbers out of bounds."""
        self.assert_refused(hello_bytes(scheme=len(SCHEMES)))
        self.assert_refused(hello_bytes(clock_s=MAX_CLOCK_S + 1))

    def test_B8_unknown_flags_are_ignored(self) -> None:
        """They are optional by definition."""
        self.assertFalse(unpack(hello_bytes(flags=0xFE), PUBLIC).client_only)
        self.assertTrue(unpack(hello_bytes(flags=0xFF), PUBLIC).client_only)

    @settings(deadline=None, derandomize=True, database=None)
    @given(st.binary(max_size=200))
    def test_any_bytes_are_a_hello_or_refused(self, data: bytes) -> None:
        """No exception but ours."""
        try:
            hello = unpack(data, PUBLIC)
        except HandshakeFailed:
            return
        self.assertEqual(unpack(pack(hello), PUBLIC), hello)


class ExtensionTests(SynchronousTestCase):
    """B8: extensions."""

    def test_B8_each_type_is_skipped_or_refused_by_its_critical_bit(self) -> None:
        """Bit 7 says that it must be understood."""
        for kind in range(256):
            if kind & CRITICAL:
                self.assertRaises(HandshakeFailed, check_extensions, extension(kind, b"x"))
            else:
                check_extensions(extension(kind, b"x"))

    def test_B8_a_critical_one_behind_optional_ones_is_found(self) -> None:
        """The walk goes to the end."""
        data = extension(1, b"x" * 300) + extension(2, b"") + extension(CRITICAL, b"")
        self.assertRaises(HandshakeFailed, check_extensions, data)
