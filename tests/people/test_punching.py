"""Contacts linked through a hub who meet directly, through routers in memory."""

from __future__ import annotations

import socket
from functools import partial
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory

from streembit.errors import PunchFailed, RemoteRefusal
from streembit.jose.keys import PublicKey
from streembit.link.punch import WINDOW_S, initiates
from streembit.net.punch import Local
from streembit.net.tcp import LinkProtocol
from streembit.service.metrics import Tally
from streembit.service.punching import AGAIN_S, FIRST_S, Punching, Vantage
from streembit.tap.punch import is_contact
from streembit.wire.message import Punch, Punched
from tests.people.test_hubs import HubCase
from tests.people.village import Person


class Routers:
    """What is between the hosts of a town: two who dial each other at one time get a stream.

    Attributes:
        pass_on: whether any does.
        begun: each attempt: who, whom, and when.
    """

    def __init__(self, case: PunchCase) -> None:
        self.case, self.pass_on = case, True
        self.begun: list[tuple[str, str, float]] = []
        self.waiting: dict[str, MemoryAttempt] = {}

    def knock(self, attempt: MemoryAttempt) -> None:
        """Have one side dial, and the two meet where the other one does."""
        own, other = attempt.person.name, attempt.other.name
        self.begun.append((own, other, attempt.clock.seconds()))
        self.waiting[own] = attempt
        counterpart = self.waiting.get(other)
        if self.pass_on and counterpart is not None:
            self.meet(*sorted((attempt, counterpart), key=lambda each: each.is_responder))

    def meet(self, one: MemoryAttempt, other: MemoryAttempt) -> None:
        """Join two by a stream."""
        host = self.case.town.host(other.person.node)
        port = host.listen(other.seen.port, Factory.forProtocol(other.link))
        self.case.town.host(one.person.node).connect(
            host.address, other.seen.port, Factory.forProtocol(one.link)
        ).addBoth(lambda _: port.stopListening())


class MemoryAttempt:
    """One attempt on the network in memory."""

    def __init__(
        self, routers: Routers, person: Person, other: Person, seen: Vantage, port: int
    ) -> None:
        self.person, self.other, self.seen, self.port = person, other, seen, port
        self.clock = person.node.clock
        self._routers = routers
        self._done: Deferred[LinkProtocol] = Deferred()
        own, peer = person.node.identity.public, other.node.identity.public
        self.is_responder = not initiates(own, peer)

    def start(self, lead_s: float = 0.0) -> Deferred[LinkProtocol]:
        """See `punching.Attempt`."""
        self.clock.callLater(lead_s, self._routers.knock, self)
        return self._done.addTimeout(lead_s + WINDOW_S, self.clock, self._late)

    def link(self) -> LinkProtocol:
        """Return our end of the stream."""
        return self.person.node.carriers.meeting(self.other.node.identity.public, self)

    def _late(self, _result: object, _s: float) -> LinkProtocol:
        self._routers.waiting.pop(self.person.name, None)
        raise PunchFailed("nobody came through")

    # --- LinkWatch
    def check(self, link: LinkProtocol) -> None:
        """See `LinkWatch`."""

    def opened(self, link: LinkProtocol) -> None:
        """See `LinkWatch`."""
        self._routers.waiting.pop(self.person.name, None)
        self._done.callback(link)

    def closed(self, link: LinkProtocol, reason: Any) -> None:
        """See `LinkWatch`."""


class PunchCase(HubCase):
    """People behind routers."""

    def setUp(self) -> None:
        super().setUp()
        self.routers = Routers(self)
        self.people: dict[PublicKey, Person] = {}

    def behind(self, *, seen: bool = True) -> Person:
        """Add a person behind a router; not `seen`, no hub can tell where."""
        person = self.hidden()
        number = len(self.people)
        vantage = Vantage(Local(socket.AF_INET, 40_000), "11.0.0.1", 50_000 + number)
        node = person.node
        self.people[node.identity.public] = person
        self.ends = Tally("ends", "", "end")
        node.reach.punching = Punching(
            node.network,
            node.errands,
            lambda: vantage if seen else None,
            lambda vantage, host, port, key: self.attempt(person, vantage, port, key),
            partial(is_contact, node),
            Random(number).random,
            self.ends,
        )
        node.reach.punching.setServiceParent(node)
        return person

    def attempt(self, person: Person, seen: Vantage, port: int, key: PublicKey) -> MemoryAttempt:
        """Return one's attempt to meet another one."""
        return MemoryAttempt(self.routers, person, self.people[key], seen, port)

    def two(self) -> tuple[Person, Person]:
        """Return two contacts, linked through the hub; the first one asks."""
        ann, bob = self.behind(), self.behind()
        self.village.acquaint(ann, bob)
        self.assertTrue(self.are("hub", ann, bob))
        if initiates(ann.node.identity.public, bob.node.identity.public):
            return ann, bob
        return bob, ann


class PunchTests(PunchCase):
    def test_two_behind_routers_meet_directly(self) -> None:
        """The direct link takes over from the one through the hub; nothing is lost or repeated."""
        ann, bob = self.two()
        for n in range(20):
            ann.say(bob, f"{n}")
            self.town.run(FIRST_S / 10)
        self.village.until(lambda: self.are("direct", ann, bob), FIRST_S)
        self.village.until(lambda: self.delivered(ann, bob))
        self.assertEqual(bob.texts(ann), [f"{n}" for n in range(20)])
        self.assertEqual(len(self.routers.begun), 2)

    def test_both_dial_at_the_same_time(self) -> None:
        """However long the way through the hub is."""
        self.two()
        self.village.until(lambda: len(self.routers.begun) == 2, 2 * FIRST_S)
        (_, _, one_s), (_, _, other_s) = self.routers.begun
        self.assertLess(abs(one_s - other_s), 0.02)

    def test_routers_that_pass_nothing_on(self) -> None:
        """The link through the hub goes on; it is tried again, more and more rarely."""
        self.routers.pass_on = False
        ann, bob = self.two()
        self.town.run(3600)
        self.assertTrue(self.are("hub", ann, bob))
        tries = len(self.routers.begun) // 2
        self.assertIn(tries, range(3, 12))
        self.town.run(3600)
        self.assertLess(len(self.routers.begun) // 2 - tries, tries)
        self.routers.pass_on = True
        self.village.until(lambda: self.are("direct", ann, bob), 4 * 3600)

    def test_whom_no_hub_sees(self) -> None:
        """Nobody is asked, or answered."""
        ann, bob = self.behind(seen=False), self.behind(seen=False)
        self.village.acquaint(ann, bob)
        self.town.run(2 * AGAIN_S)
        self.assertEqual(self.routers.begun, [])
        self.assertTrue(self.are("hub", ann, bob))

    def test_only_contacts_are_told_where_we_are(self) -> None:
        """And only so often, and nobody is dialled who is no place."""
        self.routers.pass_on = False
        ann, bob = self.two()
        self.village.until(lambda: len(self.routers.begun) == 2, 2 * FIRST_S)
        self.town.run(3 * WINDOW_S)
        for host, code in (("127.0.0.1", "punch-failed"), ("224.0.0.1", "punch-failed")):
            self.assertEqual(self.refusal(ann, bob, Punch(host, 9, 0)), code)
        self.assertEqual(self.refusal(ann, bob, Punch("11.0.0.9", 9, 0)), "")
        self.assertEqual(self.refusal(ann, bob, Punch("11.0.0.9", 9, 0)), "rate-limited")

    def test_a_stranger_is_not_told_where_we_are(self) -> None:
        """Though it has a link."""
        ann, bob = self.two()
        bob.people.contacts.bonds.unfriend(ann.node.identity.public)
        self.assertEqual(self.refusal(ann, bob, Punch("11.0.0.9", 9, 0)), "key-refused")

    def refusal(self, one: Person, other: Person, body: Punch) -> str:
        """Return the code that one's request is refused with, "" where it is answered."""
        peer = one.node.network.roster.get(other.node.identity.public)
        assert peer is not None
        one.node.network.roster.expect_answer()
        try:
            answer = self.town.result(peer.request(body)).claims.body
        except RemoteRefusal as error:
            return error.code
        self.assertIsInstance(answer, Punched)
        return ""
