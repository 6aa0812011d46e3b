"""What must hold whenever a node refuses something: nothing changed, counted, one line, no harm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from streembit.dht.keyspace import node_id
from streembit.jose.keys import PrivateKey
from streembit.rpc.peer import Peer
from streembit.service.node import Node
from streembit.service.settings import NetworkSettings
from streembit.wire.message import Ping
from tests.rig.evil import EvilLink, EvilPeer, Respond
from tests.service.town import NETWORK, PORT, Town

HOST: Final = "10.0.0.1"
DAY_S: Final = 86_400.0
SETTLED_S: Final = 30.0  # longer than any of its own intervals that are left
SETTLE_S: Final = 0.1  # five round trips in the town
PROMPT_S: Final = 0.05  # in which an undisturbed node answers, two round trips

# Nothing that the node does by itself changes anything while a test looks.
QUIET: Final = NetworkSettings(
    network=NETWORK,
    canary_every_s=DAY_S,
    replicate_every_s=DAY_S,
    keepalive_s=DAY_S,
    dead_after_s=DAY_S,
)

State = dict[str, object]


def made_key(number: int) -> PrivateKey:
    """Return the key of a stranger: the same one in each run."""
    return PrivateKey.from_scalar(sha256(b"stranger %d" % number).digest())


def state_of(node: Node) -> State:
    """Return all of a node's state that a peer's words may change."""
    network = node.network
    return {
        "records": [
            (item.place, item.digest, item.kept_until_s)
            for page in node.dht.deposit.pages(100)
            for item in page
        ],
        "table": sorted((known.id, known.contact) for known in network.table),
        "candidates": len(network.candidates),
        "own": [(kept.slot, kept.seq) for kept in node.dht.publishing.list("name")],
        "verified": network.checks.good,
    }


@implementer(ILogObserver)
class Watch:
    """A node, its honest friend, and the assertion that every refusal has to pass.

    Args:
        town: a node and its friend are added to it, and joined.
    """

    def __init__(self, test: SynchronousTestCase, town: Town, **more: Any) -> None:
        self.test, self.town = test, town
        self.node = town.add(HOST, **{"settings": QUIET, **more})
        self.friend = town.add("10.0.1.1", settings=QUIET)
        town.join()
        self._settle()
        self.events: list[LogEvent] = []
        self.lines: list[str] = []
        self.defects: list[str] = []
        globalLogPublisher.addObserver(self)
        test.addCleanup(globalLogPublisher.removeObserver, self)
        self._strangers = 0
        self._friendship = self._peer()

    def _settle(self) -> None:
        """Wait until the two have told each other everything."""
        before, now = None, state_of(self.node)
        while now != before:
            self.town.run(SETTLED_S)
            before, now = now, state_of(self.node)

    # --- attackers
    def evil(self, address: str = "", **more: Any) -> EvilPeer:
        """Return a hostile peer, at an address of its own unless one is given."""
        self._strangers += 1
        n = self._strangers
        host = self.town.memory.host(address or f"10.{66 + n // 256}.{n % 256}.1")
        more.setdefault("key", made_key(n))
        return EvilPeer(host.connect, self.town.memory.clock, NETWORK, **more)

    def link(self, **more: Any) -> EvilLink:
        """Return an open link of a new hostile peer to the node."""
        return self.town.result(self.evil(**more).open(HOST, PORT))

    def links(self, count: int) -> list[EvilLink]:
        """Return open links of so many hostile peers, each at its own address."""
        opening = [self.evil().open(HOST, PORT) for _ in range(count)]
        opened: Deferred[list[EvilLink]] = gatherResults(opening)
        return self.town.result(opened)

    def dial(self, **more: Any) -> EvilLink:
        """Return a connection of a new hostile peer that has said nothing yet."""
        return self.town.result(self.evil(**more).dial(HOST, PORT))

    def neighbour(self, respond: Respond, number: int = 0, host: str = "") -> EvilPeer:
        """Return a hostile peer that is in the node's table, as one that can be dialled."""
        place = self.town.memory.host(host or f"10.7.{number}.1")
        self._strangers += 1
        evil = EvilPeer(
            place.connect,
            self.town.memory.clock,
            NETWORK,
            port=PORT,
            respond=respond,
            key=made_key(self._strangers),
        )
        place.listen(PORT, evil.factory)
        table, evil_id = self.node.network.table, node_id(evil.key.public.point)
        self.town.result(evil.open(HOST, PORT))
        # A liar that happens to be among our nearest is asked at once, and may be gone by then.
        taken = self.town.run_until(lambda: table.get(evil_id) is not None, 1)
        self.test.assertTrue(taken, "the node did not take it in")
        self.town.run(1)
        return evil

    # --- the assertion
    def refused(
        self,
        reason: str,
        attack: Callable[..., object],
        *args: object,
        verified: int | None = 0,
        defects: int = 0,
        settle_s: float = SETTLE_S,
    ) -> None:
        """Assert that what `attack(*args)` does is refused for this reason, once, and no more.

        That is: the node's state is as before, the refusal is counted under its reason, there is
        at most one line for it, no error is logged, and the friend is served as ever. `verified`
        is how many good signatures it takes to find it: requests whose contents are refused, None
        where a look-up of ours decides whom else it asks;
        `defects` is how many errors of ours it brings to light.
        """
        found = self.refusals_of(
            1, attack, *args, verified=verified, defects=defects, settle_s=settle_s
        )
        self.test.assertEqual(found, {reason: 1})

    def refusals_of(
        self,
        count: int,
        attack: Callable[..., object],
        *args: object,
        verified: int | None = 0,
        defects: int = 0,
        settle_s: float = SETTLE_S,
    ) -> Counter[str]:
        """Assert the same of so many refusals, for whatever reasons; return them by reason."""
        before, counted, lines = state_of(self.node), self._counts(), len(self.lines)
        attack(*args)
        self.town.run(settle_s)
        found = self._counts() - counted
        after = state_of(self.node)
        if verified is None:
            before["verified"] = after["verified"]
        else:
            before["verified"] = int(str(before["verified"])) + verified
        self.test.assertEqual(after, before, "the state has changed")
        self.test.assertEqual(found.total(), count, f"the counters: {found}")
        self.test.assertLessEqual(len(self.lines) - lines, count, "the lines")
        self.test.assertEqual(len(self.defects), defects, self.defects)
        self.defects.clear()
        self.harmless()
        return found

    def harmless(self) -> None:
        """Assert that no error was logged and that the friend is served, on the same link."""
        self.test.assertEqual(self.defects, [])
        self.test.assertIs(self._peer(), self._friendship, "the friend's link was lost")
        answered: list[object] = []
        self._friendship.request(Ping()).addBoth(answered.append)
        self.friend.network.roster.expect_answer()
        self.test.assertTrue(
            self.town.run_until(lambda: bool(answered), PROMPT_S), "the friend waits"
        )

    def _peer(self) -> Peer:
        peer = self.friend.network.roster.get(self.node.identity.public)
        assert peer is not None, "the friend has no link"
        return peer

    def _counts(self) -> Counter[str]:
        return Counter(self.node.refusals.counts())

    def __call__(self, event: LogEvent) -> None:
        """Keep what is logged."""
        self.events.append(event)
        if event.get("log_namespace") == "streembit.refused":
            self.lines.append(str(event))
        elif event.get("log_level") in (LogLevel.error, LogLevel.critical):
            self.defects.append(str(event))
