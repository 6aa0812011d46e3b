"""Dial-backs for others: to the asker's own host, few at a time, and what they come to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.grouping import Grouping
from streembit.errors import (
    DeadlineExceeded,
    PeerGone,
    PrivateAddress,
    RateLimited,
    TooManyConnections,
    WrongIdentity,
)
from streembit.jose.keys import PrivateKey, PublicKey
from streembit.net.tcp import LinkProtocol
from streembit.service.probes import MAX_PER_GROUP, MAX_PROBES, PER_GROUP, PER_PEER, Probes
from streembit.wire.message import Answer, Dialled

HOST: Final = "198.51.100.7"
PORT: Final = 8905


@dataclass(frozen=True)
class From:
    """Where a peer's own link comes from."""

    host: str


class Asker:
    """As much of a peer as a dial-back looks at."""

    def __init__(self, host: str = HOST) -> None:
        self.carrier = From(host)
        self.key = PrivateKey.generate().public


class Link:
    """A link that was opened to be closed."""

    def __init__(self) -> None:
        self.host = HOST
        self.closed: list[str] = []

    def close(self, reason: PeerGone) -> None:
        self.closed.append(reason.code)


class ProbesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.probes = Probes(self, self.clock, Grouping(exempt=["10.0.0.0/8"]))
        self.dials: list[tuple[str, int, PublicKey | None]] = []
        self.attempts: list[Deferred[Any]] = []

    def dial(self, host: str, port: int, expect: PublicKey | None) -> Deferred[LinkProtocol]:
        """Stand for the dialler; the test says what comes of it."""
        self.dials.append((host, port, expect))
        self.attempts.append(Deferred())
        return self.attempts[-1]

    def ask(self, asker: Asker, port: int = PORT) -> Deferred[Answer]:
        """Let a peer ask whether it is reached at a port of its own."""
        return self.probes.dial_back(asker, port)

    def served(self, askers: Iterable[Asker]) -> int:
        """Let peers ask, one a second, of whom all are there; return how many were served."""
        done = 0
        for asker in askers:
            try:
                self.ask(asker)
            except RateLimited:
                pass
            else:
                self.attempts[-1].callback(Link())
                done += 1
            self.clock.advance(1)
        return done

    def test_D10_who_is_there_is_told_so(self) -> None:
        """Only its key will do, and the link is closed at once, in order."""
        asker, link = Asker(), Link()
        answer = self.ask(asker)
        self.assertEqual(self.dials, [(HOST, PORT, asker.key)])
        self.attempts[0].callback(link)
        self.assertEqual(self.successResultOf(answer), Dialled(True, HOST, PORT))
        self.assertEqual(link.closed, ["peer-gone"])

    def test_D10_who_is_not_there_is_told_why(self) -> None:
        """It is an answer, no refusal: nobody, somebody else, or silence."""
        for error in (PeerGone(), WrongIdentity(), DeadlineExceeded("dialling")):
            answer = self.ask(Asker())
            self.attempts[-1].errback(error)
            self.assertEqual(self.successResultOf(answer), Dialled(False, HOST, PORT, error.code))

    def test_D10_what_is_our_own_matter_says_nothing_of_the_peer(self) -> None:
        """We have no connection left, or are stopping: then the request is refused."""
        answer = self.ask(Asker())
        self.attempts[-1].errback(TooManyConnections("in all"))
        self.failureResultOf(answer, TooManyConnections)
        answer = self.ask(Asker())
        self.probes.stop()
        self.failureResultOf(answer, PeerGone)

    def test_D1_a_link_without_an_address_is_not_dialled_back(self) -> None:
        """A name would be looked up, and lead anywhere."""
        for host in ("localhost", "printer.lan", ""):
            with self.assertRaises(PrivateAddress):
                self.ask(Asker(host))
        self.assertEqual(self.dials, [])

    def test_C1_one_at_a_time_of_one_peer(self) -> None:
        """The next when the first is over."""
        asker = Asker()
        self.ask(asker)
        with self.assertRaises(RateLimited):
            self.ask(asker)
        self.attempts[0].callback(Link())
        self.ask(asker)
        self.assertEqual(len(self.dials), 2)

    def test_C1_a_peer_has_four_and_then_one_in_ten_seconds(self) -> None:
        """However fast they end."""
        done = self.served([Asker()] * 100)
        self.assertLessEqual(done, PER_PEER.burst + 100 * PER_PEER.per_s)
        self.assertGreaterEqual(done, 100 * PER_PEER.per_s)

    def test_C1_one_hand_with_many_keys_has_two_at_a_time(self) -> None:
        """All addresses of its network together; its neighbours in others have their own."""
        for number in range(MAX_PER_GROUP):
            self.ask(Asker(f"198.51.100.{number}"))
        late = Asker("198.51.100.99")
        for _ in range(10):
            with self.assertRaises(RateLimited):
                self.ask(late)
        self.ask(Asker("198.51.101.99"))
        self.attempts[0].errback(PeerGone())
        self.ask(late)

    def test_C1_one_hand_with_many_keys_has_one_in_five_seconds(self) -> None:
        """However fast they end, and whoever in its network asks."""
        done = self.served(Asker(f"198.51.100.{number}") for number in range(200))
        self.assertLessEqual(done, PER_GROUP.burst + 200 * PER_GROUP.per_s)
        self.assertGreaterEqual(done, 200 * PER_GROUP.per_s)

    def test_C1_where_addresses_are_exempt_from_groups_each_peer_counts_alone(self) -> None:
        """As in a network on one machine."""
        for _ in range(MAX_PROBES):
            self.ask(Asker("10.0.0.1"))
        self.assertEqual(len(self.dials), MAX_PROBES)

    def test_C1_so_many_for_all_peers(self) -> None:
        """Who is turned away for it has not used up any of its own."""
        for number in range(MAX_PROBES):
            self.ask(Asker(f"198.51.{number}.7"))
        late = Asker()
        for _ in range(10):
            with self.assertRaises(TooManyConnections):
                self.ask(late)
        self.attempts[0].errback(PeerGone())
        self.ask(late)
        self.assertEqual(len(self.dials), MAX_PROBES + 1)
