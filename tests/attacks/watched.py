"""What the tests of attacks on whole nodes share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.record import make
from streembit.jose.keys import PrivateKey
from tests.rig.evil import EvilLink
from tests.rig.refusal import Watch
from tests.service.town import NETWORK, Town

BITS: Final = 8


class AttackTests(SynchronousTestCase):
    """A node and its friend, watched."""

    def setUp(self) -> None:
        self.watch = self.make_watch(Town(self))
        self.town = self.watch.town

    def make_watch(self, town: Town, **more: Any) -> Watch:
        """Return the watch over a node that is made with `more`."""
        return Watch(self, town, **more)

    def for_each(
        self,
        cases: Sequence[bytes],
        send: Callable[[EvilLink, bytes], None],
        at_once: int = BITS,
    ) -> Counter[str]:
        """Send each case on a link of its own; all are refused, once each. Return the reasons."""
        reasons: Counter[str] = Counter()
        for start in range(0, len(cases), at_once):
            some = cases[start : start + at_once]
            links = self.watch.links(len(some))

            def attack(links: list[EvilLink] = links, some: Sequence[bytes] = some) -> None:
                for link, case in zip(links, some, strict=True):
                    send(link, case)

            reasons += self.watch.refusals_of(len(some), attack)
            for link in links:
                link.leave()
        self.assertEqual(reasons.total(), len(cases))
        return reasons

    def now(self) -> int:
        """Return the clock's time in whole seconds."""
        return int(self.town.memory.clock.seconds())

    def record(self, key: PrivateKey, salt: str = "a/name", seq: int = 1) -> str:
        """Return a record that the node would take."""
        return make(key, "name", salt, b"value", seq, self.now() + 3600, NETWORK).token


def quiet() -> None:
    """Do nothing: what is to be refused is on its way."""


def broken(token: bytes) -> bytes:
    """Return a message whose signature is well-formed and not the right one."""
    head, _, signature = token.rpartition(b".")
    return (
        head + b"." + signature[:9] + (b"B" if signature[9:10] == b"A" else b"A") + signature[10:]
    )
