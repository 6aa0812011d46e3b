"""The signalling of calls: from a contact's program to ours, directly or through a hub."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory

from streembit.errors import PeerGone, StreembitError, WrongState
from streembit.service.people.signals import SIGNALS
from streembit.service.people_events import Signal
from streembit.wire.message import MAX_SIGNAL_CHARS, Step
from streembit.wire.message import Signal as Said
from tests.people.test_capture import unwrapped
from tests.people.test_hubs import HubCase
from tests.people.village import PeopleCase, Person
from tests.service.hubs import PORT
from tests.service.town import PORT as OF_NODES

CALL = "A" * 22
OFFER = (
    "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
    "a=ice-ufrag:Vq5L\r\na=fingerprint:sha-256 19:E2:1C:3B:4B:9F:81:E6\r\n"
)
SECRETS = (b"ice-ufrag", b"19:E2:1C:3B", b"udp 2122260223", b"192.0.2.77")


def candidate(number: int) -> str:
    """Return a candidate as browsers write it."""
    return f'{{"candidate":"candidate:1 1 udp 2122260223 192.0.2.77 {number} typ host"}}'


def heard(person: Person) -> list[tuple[str, str, str]]:
    """Return what contacts' programs said of calls since the last time: who, step, text."""
    told = [event for event in person.events() if isinstance(event, Signal)]
    assert all(event.call == CALL for event in told)
    return [(event.contact, event.step, event.text) for event in told]


class Tap(ProtocolWrapper):
    """Remembers what a hub writes to a member, whose frames are not masked."""

    def write(self, data: bytes) -> None:
        """Remember the bytes, and write them."""
        self.factory.said.append(data)
        super().write(data)


class Tapped(WrappingFactory):
    """The factory of a hub whose words are remembered."""

    protocol = Tap

    def __init__(self, factory: IProtocolFactory, said: list[bytes]) -> None:
        super().__init__(factory)
        self.said = said


class DirectTests(PeopleCase):
    def setUp(self) -> None:
        super().setUp()
        self.village.acquaint(self.ann, self.bob)
        heard(self.bob)

    def signal(self, one: Person, other: Person, step: Step, text: str = "") -> None:
        """Let one's program say something of a call to the other's, who has it then."""
        self.town.result(one.desk.signal(other.key, CALL, step, text))

    def code(self, work: Coroutine[Deferred[Any], Any, Any] | Deferred[Any]) -> str:
        """Return the code of what work fails with, "" if it does not."""
        try:
            self.town.result(work)
        except StreembitError as error:
            return error.code
        return ""

    def refused(self, one: Person, other: Person) -> str:
        """Return the code with which the other's node refuses one's signal, "" if it does not."""
        peer = one.node.network.roster.get(other.node.identity.public)
        assert peer is not None
        one.node.network.roster.expect_answer()
        return self.code(peer.request(Said(CALL, "offer", OFFER)))

    def test_a_call_is_set_up(self) -> None:
        """Each step is an event of the other's, as it was said; the longest passes."""
        longest = "~" * MAX_SIGNAL_CHARS
        self.signal(self.ann, self.bob, "offer", OFFER)
        self.assertEqual(heard(self.bob), [(self.ann.key, "offer", OFFER)])
        self.signal(self.bob, self.ann, "answer", longest)
        self.signal(self.bob, self.ann, "candidate", "")
        self.signal(self.bob, self.ann, "end")
        expected = [("answer", longest), ("candidate", ""), ("end", "")]
        self.assertEqual(heard(self.ann), [(self.bob.key, *each) for each in expected])
        self.assertEqual(heard(self.bob), [])

    def test_who_is_no_contact_is_not_heard(self) -> None:
        """Neither a stranger with a link, nor who was removed; and they are told nothing else."""
        self.bob.people.contacts.bonds.unfriend(self.ann.node.identity.public)
        self.assertEqual(self.refused(self.ann, self.bob), "key-refused")
        self.assertEqual(heard(self.bob), [])
        self.town.result(self.ann.desk.block_contact(self.bob.key))
        d = self.ann.desk.signal(self.bob.key, CALL, "offer", OFFER)
        self.assertEqual(self.code(d), "key-refused")

    def test_who_has_not_answered_is_not_signalled(self) -> None:
        """Somebody who was asked and has not decided is no contact yet."""
        carl = self.village.person()
        made = self.town.result(carl.desk.create_offer(3600, True, ""))
        self.town.end(carl.node)
        self.town.result(self.ann.desk.add_contact(made.text, "", ""))
        d = self.ann.desk.signal(carl.key, CALL, "offer", OFFER)
        self.assertEqual(self.code(d), WrongState.code)

    def test_without_a_link_one_is_looked_for(self) -> None:
        """It fails at once, and the contact is dialled at once, however rarely that was done."""
        address = self.town.host(self.bob.node).address
        self.town.end(self.bob.node)
        silent = self.town.memory.revive(address)
        silent.ports.clear()
        silent.listen(OF_NODES, Factory.forProtocol(Protocol))
        self.town.run(4 * 3600)
        before = self.dials()
        self.town.run(10)
        self.assertEqual(self.dials(), before, "it would have been dialled anyway")
        said = self.ann.desk.signal(self.bob.key, CALL, "offer", OFFER)
        self.assertEqual(self.code(said), PeerGone.code)
        self.town.run(10)
        self.assertGreater(self.dials(), before)

    def dials(self) -> int:
        """Return how often ann has dialled bob."""
        ann, bob = (self.town.host(each.node).address for each in (self.ann, self.bob))
        trace = self.town.memory.trace
        return sum(who == ann and to == f"{bob}:{OF_NODES}" and n < 0 for _, who, to, n in trace)

    def test_C3_a_contact_that_floods_is_refused_and_others_are_heard(self) -> None:
        """A call with all its candidates passes; more than that a second does not."""
        carl = self.village.person()
        self.village.acquaint(self.bob, carl)
        for number in range(round(SIGNALS.burst)):
            self.signal(self.ann, self.bob, "candidate", candidate(number))
        codes = {self.refused(self.ann, self.bob) for _ in range(30)}
        self.assertIn("rate-limited", codes)
        heard(self.bob)
        self.signal(carl, self.bob, "offer", OFFER)
        self.assertEqual(heard(self.bob), [(carl.key, "offer", OFFER)])
        self.town.run(10)
        self.assertEqual(self.refused(self.ann, self.bob), "")


class HubTests(HubCase):
    def setUp(self) -> None:
        super().setUp()
        self.said: list[bytes] = []
        host = self.town.memory.host(self.hub.address.host)
        host.ports.pop(PORT)
        host.listen(PORT, Tapped(self.hub.hub.factory, self.said))
        self.ann, self.bob = self.hidden(), self.hidden()
        self.village.acquaint(self.ann, self.bob)

    def test_a_hub_relays_what_it_cannot_read(self) -> None:
        """An offer and thirty candidates come in their order; the hub sees sealed bytes."""
        self.assertTrue(self.are("hub", self.ann, self.bob))
        heard(self.bob)
        before = sum(map(len, self.said))
        said: list[tuple[Step, str]] = [("offer", OFFER)]
        said += [("candidate", candidate(number)) for number in range(30)]
        for step, text in said:
            self.town.result(self.ann.desk.signal(self.bob.key, CALL, step, text))
        self.assertEqual(heard(self.bob), [(self.ann.key, *each) for each in said])
        relayed = sum(map(len, self.said)) - before
        self.assertGreater(relayed, sum(len(text) for _, text in said))
        layers = list(unwrapped(b"".join(self.said)))
        sender = self.ann.node.identity.public.text.encode()
        self.assertTrue(any(sender in layer for layer in layers), "no envelope was seen")
        for secret in (*SECRETS, b"signal", b"candidate", CALL.encode()):
            self.assertEqual([layer[:80] for layer in layers if secret in layer], [], secret)

    def test_a_call_goes_on_where_the_link_moves(self) -> None:
        """From the hub to a direct link: each step is there once, in its order."""
        heard(self.bob)
        self.show(self.bob)
        sent = 0
        while not self.are("direct", self.ann, self.bob) and sent < 3000:
            text = candidate(sent)
            self.town.result(self.ann.desk.signal(self.bob.key, CALL, "candidate", text))
            sent += 1
            self.town.run(0.6)
        self.town.result(self.ann.desk.signal(self.bob.key, CALL, "end", ""))
        texts = [text for _, _, text in heard(self.bob)]
        self.assertEqual(texts, [*map(candidate, range(sent)), ""])
        self.assertTrue(self.are("direct", self.ann, self.bob))
