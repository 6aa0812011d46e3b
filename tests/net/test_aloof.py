"""Blocking calls: made in a thread, one at a time, given up in time."""

from __future__ import annotations

import threading
from typing import cast

from twisted.internet import reactor as installed
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from streembit.errors import DeadlineExceeded, StillBusy
from streembit.net.aloof import Aloof, AloofReactor

reactor = cast(AloofReactor, installed)


class AloofTests(TestCase):
    timeout = 10

    def setUp(self) -> None:
        self.aloof = Aloof(reactor, "test")
        self.go = threading.Event()
        self.addCleanup(self.go.set)

    async def test_what_a_call_returns(self) -> None:
        """It runs in another thread."""
        found = await self.aloof.run(threading.current_thread, 5)
        self.assertEqual((found.name, found.daemon), ("test", True))

    async def test_what_a_call_raises(self) -> None:
        """Whoever waits gets it."""
        with self.assertRaises(ZeroDivisionError):
            await self.aloof.run(lambda: 1 // 0, 5)

    async def test_one_that_hangs(self) -> None:
        """It is given up in time; until it returns nothing else is begun, and then it is."""
        with self.assertRaises(DeadlineExceeded):
            await self.aloof.run(self.go.wait, 0.01)
        with self.assertRaises(StillBusy):
            await self.aloof.run(lambda: None, 5)
        (thread,) = (t for t in threading.enumerate() if t.name == "test")
        self.go.set()
        thread.join()
        while True:
            try:
                self.assertEqual(await self.aloof.run(lambda: 7, 5), 7)
            except StillBusy:  # the reactor has not heard of the end yet
                await self.turn()
            else:
                return

    async def turn(self) -> None:
        """Let the reactor take what threads gave it."""
        await deferLater(reactor, 0)
