"""The mutator at a running process, for a short while; STREEMBIT_FUZZ_S says how long."""

from __future__ import annotations

import os

from twisted.trial.unittest import TestCase

from tests.fuzz import live
from tests.fuzz.mutate import CASES

SECONDS = float(os.environ.get("STREEMBIT_FUZZ_S", CASES / 1000))  # 20 s where all cases are run
HONEST_WITHIN_S = 1.0


class LiveTests(TestCase):
    timeout = SECONDS + 60

    async def test_B9_a_process_outlives_the_mutator(self) -> None:
        """No defect comes to light, it does not grow, and who is honest is answered."""
        found = await live.run(SECONDS)
        self.assertLess(found.slowest_s, HONEST_WITHIN_S)
        for what in ("first frame", "hello", "message", "claims", "claims of a record", "answer"):
            self.assertGreater(found.cases[what], 0, found.cases)
