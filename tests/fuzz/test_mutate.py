"""The mutator is the same each time, and its loop tells what a parser did."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.mutate import MAX_CASE_BYTES, mutate, run


class MutatorTests(SynchronousTestCase):
    """What other tests rely on."""

    def test_one_seed_makes_the_same_cases(self) -> None:
        """A case found once can be found again."""
        one, two = Random(7), Random(7)
        for _ in range(500):
            self.assertEqual(mutate(b"some bytes", one), mutate(b"some bytes", two))

    def test_most_cases_differ_from_the_corpus(self) -> None:
        """A loop over the mutator is not a loop over the corpus."""
        rng = Random(1)
        cases = {mutate(b'{"some":"json"}', rng) for _ in range(1000)}
        self.assertGreater(len(cases), 700)

    def test_empty_input_is_mutated_too(self) -> None:
        """There is no input that the mutator stumbles over, and none grows without end."""
        rng, data = Random(2), b""
        for _ in range(2000):
            data = mutate(data, rng)
            self.assertLessEqual(len(data), MAX_CASE_BYTES)

    def test_an_unforeseen_error_ends_the_loop_and_tells_the_case(self) -> None:
        """A parser that breaks is not counted as one that refuses."""

        def parser(data: bytes) -> None:
            if len(data) > 4:
                raise KeyError("broken")

        error = self.assertRaises(AssertionError, run, parser, [b"abcd"], 1000, 1, ValueError)
        self.assertIn("of seed 1", str(error))
        self.assertIsInstance(error.__cause__, KeyError)

    def test_the_outcome_counts_each_case_once(self) -> None:
        """Accepted and refused add up."""
        outcome = run(int, [b"12"], 300, 3, ValueError)
        self.assertEqual(outcome.accepted + outcome.refused, 300)
        self.assertGreater(outcome.accepted, 0)
        self.assertGreater(outcome.refused, 0)
