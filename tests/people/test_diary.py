"""The diary: each name is called once, at its time, and one timer serves them all."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.service.people.diary import Diary


class DiaryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.rung: list[str] = []
        self.diary: Diary[str] = Diary(self.clock, self.rung.append)
        self.addCleanup(self._still)

    def _still(self) -> None:
        self.diary.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_each_name_is_called_once_at_its_time(self) -> None:
        """In the order of the times, whatever the order of writing."""
        for name, delay_s in (("late", 3), ("early", 1), ("middle", 2)):
            self.diary.put(name, delay_s)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(1)
        self.assertEqual(self.rung, ["early"])
        self.clock.pump([1, 1, 1])
        self.assertEqual(self.rung, ["early", "middle", "late"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_new_time_takes_the_place_of_the_old(self) -> None:
        """Later or earlier; `soon` only where it is earlier."""
        self.diary.put("a", 1)
        self.diary.put("a", 5)
        self.diary.soon("a", 9)
        self.clock.advance(4)
        self.assertEqual(self.rung, [])
        self.diary.soon("a", 0.5)
        self.clock.advance(0.5)
        self.assertEqual(self.rung, ["a"])
        self.clock.advance(10)
        self.assertEqual(self.rung, ["a"])

    def test_a_struck_name_is_not_called(self) -> None:
        """Nor one that another's call strikes at the same moment."""
        self.diary.put("a", 1)
        self.diary.strike("a")
        self.assertNotIn("a", self.diary)
        self.clock.advance(2)
        self.assertEqual(self.rung, [])

    def test_one_that_fails_costs_the_others_nothing(self) -> None:
        """Those due at the same moment and those due later are called all the same."""

        def due(name: str) -> None:
            self.rung.append(name)
            if name == "bad":
                raise ValueError("a defect")

        diary: Diary[str] = Diary(self.clock, due)
        for name, delay_s in (("bad", 1), ("good", 1), ("later", 2)):
            diary.put(name, delay_s)
        self.clock.pump([1, 1])
        self.assertEqual(self.rung, ["bad", "good", "later"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_a_name_may_be_written_again_when_it_is_called(self) -> None:
        """And what is closed takes nothing more."""
        again: Diary[str] = Diary(self.clock, lambda name: again.put(name, 2))
        again.put("a", 1)
        self.clock.advance(1)
        self.assertEqual(again.at("a"), 3)
        again.close()
        again.put("b", 1)
        self.assertNotIn("a", again)
        self.assertNotIn("b", again)
