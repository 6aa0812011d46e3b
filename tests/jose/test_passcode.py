"""Passcodes: the rule says what is missing, and guessing one costs what it must."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import KeyFileWeak, WeakPasscode
from streembit.jose import passcode
from streembit.jose.passcode import KdfParams, check_params, check_passcode, stretch

GOOD = "Passw0rd!"


class RuleTests(SynchronousTestCase):
    """At least 8 characters with a small and a capital letter, a digit and a symbol."""

    def test_good_passcodes_pass(self) -> None:
        """Also with spaces and letters of other alphabets."""
        for text in (
            GOOD,
            "aB3$5678",
            "correct Horse 9 battery",
            "Åäö1234!",
            "Пароль1!x",
            "aB1     ",
        ):
            check_passcode(text)

    def test_the_error_names_everything_that_is_missing(self) -> None:
        """One try tells all of it."""
        missing = {
            "": ["8 characters", "lower-case", "upper-case", "digit", "symbol"],
            "short": ["8 characters", "upper-case", "digit", "symbol"],
            "alllower1!": ["upper-case"],
            "ALLUPPER1!": ["lower-case"],
            "NoDigits!": ["digit"],
            "NoSymbol1": ["symbol"],
            "aB3$567": ["8 characters"],
        }
        everything = missing[""]
        for text, names in missing.items():
            error = self.assertRaises(WeakPasscode, check_passcode, text)
            self.assertEqual([name for name in everything if name in error.detail], names)

    def test_L7_the_error_does_not_repeat_the_passcode(self) -> None:
        """A refused passcode is likely a part of the next one."""
        error = self.assertRaises(WeakPasscode, check_passcode, "hunter2hunter2")
        self.assertNotIn("hunter", str(error))

    @settings(deadline=None, derandomize=True, database=None)
    @given(text=st.text(max_size=12))
    def test_any_text_is_good_or_weak(self, text: str) -> None:
        """No text breaks the rule's check."""
        try:
            check_passcode(text)
        except WeakPasscode:
            return
        self.assertGreaterEqual(len(text), 8)

    def test_there_is_an_upper_bound(self) -> None:
        """A passcode is typed, not streamed."""
        check_passcode(GOOD + "x" * 1000)
        self.assertRaises(WeakPasscode, check_passcode, GOOD + "x" * 2000)


class StretchTests(SynchronousTestCase):
    """Argon2id makes a key of it."""

    def test_L6_the_default(self) -> None:
        """64 MiB, eight passes, four lanes."""
        self.assertEqual(passcode.DEFAULT, KdfParams(64 * 1024, 8, 4))

    def test_L6_parameters_outside_of_the_bounds_are_refused(self) -> None:
        """Below 19 MiB or two passes a guess is cheap; above 1 GiB opening is an attack."""
        check_params(KdfParams(19 * 1024, 2, 1))
        check_params(KdfParams(1024 * 1024, 16, 16))
        for params in (
            KdfParams(19 * 1024 - 1, 2, 1),
            KdfParams(64 * 1024, 1, 4),
            KdfParams(1024 * 1024 + 1, 3, 4),
            KdfParams(64 * 1024, 17, 4),
            KdfParams(64 * 1024, 3, 17),
        ):
            self.assertRaises(KeyFileWeak, check_params, params)

    def test_L6_one_guess_costs_time(self) -> None:
        """A guess with the default parameters costs more than three with the least.

        Measured in CPU time, side by side, as the machine may be busy.
        """
        costs = []
        for params in (passcode.LEAST, passcode.DEFAULT):
            begun = time.process_time()
            stretch(GOOD, bytes(16), params)
            costs.append(time.process_time() - begun)
        self.assertGreater(costs[1], 3 * costs[0])

    def test_L6_one_guess_takes_a_quarter_of_a_second(self) -> None:
        """At least that, and well under a second, of one core; a busy machine changes it little."""
        begun = time.process_time()
        stretch(GOOD, bytes(16), passcode.DEFAULT)
        cost_s = time.process_time() - begun
        self.assertGreaterEqual(cost_s, 0.25)
        self.assertLess(cost_s, 1.0)

    def test_each_input_changes_the_key(self) -> None:
        """Passcode, salt and each parameter."""
        least = passcode.LEAST
        keys = {
            stretch(GOOD, bytes(16), least),
            stretch(GOOD + "x", bytes(16), least),
            stretch(GOOD, b"x" * 16, least),
            stretch(GOOD, bytes(16), KdfParams(least.memory_kib + 1024, least.passes, 1)),
            stretch(GOOD, bytes(16), KdfParams(least.memory_kib, least.passes + 1, 1)),
            stretch(GOOD, bytes(16), KdfParams(least.memory_kib, least.passes, 2)),
        }
        self.assertEqual(len(keys), 6)
        self.assertEqual({len(key) for key in keys}, {48})

    def test_the_way_an_accent_is_typed_does_not_matter(self) -> None:
        """One keyboard sends a letter with its accent, another sends two characters."""
        one = stretch("Pässw0rd!", bytes(16), passcode.LEAST)
        two = stretch("Pa\u0308ssw0rd!", bytes(16), passcode.LEAST)
        self.assertEqual(one, two)
