"""The model of two who talk, in fewer runs than the step `sim` makes, and that it can fail."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.chat.model import World, Written, Wrong, run

RUNS = 60


class ModelTests(SynchronousTestCase):
    """Losses, doubles, deaths, clocks, copies put back."""

    def test_S1_whatever_goes_wrong(self) -> None:
        """What must arrive arrives, once and in order."""
        arrived = 0
        for seed in range(RUNS):
            arrived += sum(len(each.read) for each in run(seed, 50).people)
        self.assertGreater(arrived, 5 * RUNS)

    def test_a_seed_is_a_run(self) -> None:
        """The same seed brings the same trouble and the same messages."""
        read = [[each.read for each in run(7, 50).people] for _ in range(2)]
        self.assertEqual(read[0], read[1])

    def test_the_model_notices(self) -> None:
        """A message lost, read twice, out of order, or left behind."""
        world = run(8, 30)
        ann, bob = world.people
        ann.written = [Written(name, n, 0.0) for n, name in enumerate("abc", 1)]
        for read in (["a", "a", "b"], ["b", "a", "c"]):
            bob.read = read
            self.assertRaises(Wrong, world.check)
        bob.read = ["a", "b"]
        world.check()
        self.assertRaises(Wrong, world.check_end)

    def test_a_message_that_never_arrives(self) -> None:
        """A way that carries nothing does not pass for peace."""
        world = World(9)
        world.trouble = False
        world.write(0)
        self.assertRaises(Wrong, world.check_end)
