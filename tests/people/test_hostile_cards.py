"""What contacts say of themselves in cards: where they are, their keys, and that it is over."""

from __future__ import annotations

from functools import partial

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol

from streembit.jose import envelope
from streembit.jose.keys import Identity
from streembit.service.people.links import DIALS
from streembit.service.people_events import Notice
from streembit.wire import card as cards
from streembit.wire.message import Answer, Hand, Handed, Refused, Rpc, Show, Shown
from streembit.wire.offer import MAX_ADDRESSES, Address, RotationClaims, SuccessorClaims
from tests.people.test_attacks import AttackCase
from tests.rig.evil import EvilLink
from tests.service.town import NETWORK

VICTIM = "10.99.0.1"


class Door(Factory):
    """Somebody's port; it counts who knocks, and lets nobody in."""

    noisy = False

    def __init__(self) -> None:
        self.knocks = 0

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:  # noqa: N802 - Twisted's
        """Count, and refuse."""
        self.knocks += 1
        return None


class DialTests(AttackCase):
    def setUp(self) -> None:
        super().setUp()
        self.village.acquaint(self.ann, self.bob)
        self.town.run(10)
        self.town.end(self.bob.node)
        self.door = Door()
        self.places = [Address(VICTIM, port) for port in range(1, MAX_ADDRESSES + 1)]
        for place in self.places:
            self.town.memory.host(VICTIM).listen(place.port, self.door)

    def test_a_contact_does_not_turn_us_against_others(self) -> None:
        """Links that open and end without end make us dial a victim a few times, then once a
        minute."""
        began_s = self.town.memory.clock.seconds()
        for number in range(60):
            link = self.link(self.ann, key=self.bob.node.identity.signing)
            card = cards.Card(2**40 + number, self.now(), NETWORK, self.places, 0)
            self.town.result(link.ask(Show(card)))
            link.leave()
            self.town.run(10)
        spent_s = self.town.memory.clock.seconds() - began_s
        self.assertGreater(self.door.knocks, 0)
        self.assertLessEqual(self.door.knocks, DIALS.burst + spent_s * DIALS.per_s + 1)

    def test_a_place_is_dialled_once_a_search(self) -> None:
        """Also if the card says the same as was known."""
        link = self.link(self.ann, key=self.bob.node.identity.signing)
        card = cards.Card(2**40, self.now(), NETWORK, self.places[:1], 0)
        self.town.result(link.ask(Show(card)))
        key = self.bob.node.identity.public
        self.ann.people.register.book.set_addresses(key, self.places[:1])
        self.ann.people.ways.links.unwant(key)
        link.leave()
        self.town.run(5)
        self.door.knocks = 0
        links = self.ann.people.ways.links
        links.want(key)
        self.village.until(lambda: self.door.knocks and links._lines[key].search is None, 10)
        self.assertEqual(self.door.knocks, 1)


class StatementTests(AttackCase):
    def test_a_successor_with_the_readers_own_keys_is_refused(self) -> None:
        """It would be nobody's pair: the node goes on, and starts again."""
        self.village.acquaint(self.ann, self.bob)
        self.town.run(10)
        self.town.end(self.bob.node)
        old, new, ann = self.bob.node.identity, Identity.generate("bob"), self.ann.node.identity
        link = self.link(self.ann, key=old.signing)
        for number, agreement in enumerate((ann.agreement.public, ann.public)):
            claims = SuccessorClaims(
                new.public.text, old.public.text, agreement.text, NETWORK, self.now()
            )
            token = envelope.sign_successor(new.signing, claims)
            statement = envelope.sign_rotation(
                old.signing, RotationClaims(old.public.text, token, NETWORK, self.now())
            )
            card = cards.Card(2**40 + number, self.now(), NETWORK, [], 0, rotation=statement)
            self.town.result(link.ask(Show(card)))
            self.assertIn(old.public, self.ann.people.friends)
        self.town.end(self.ann.node)
        ann_again = self.village.again(self.ann)
        self.assertIn(old.public, ann_again.people.friends)

    def test_an_end_is_told_once(self) -> None:
        """However often a contact says that it has ended it."""
        self.village.acquaint(self.ann, self.bob)
        self.town.run(10)
        self.town.end(self.bob.node)
        self.ann.events()
        link = self.link(self.ann, key=self.bob.node.identity.signing)
        for number in range(9):
            card = cards.Card(2**40 + number, self.now(), NETWORK, [], 0, removed=True)
            self.town.result(link.ask(Show(card)))
        notices = [event.code for event in self.ann.events() if isinstance(event, Notice)]
        self.assertEqual(notices, ["contact-ended"])


def answered(answer: Answer, link: EvilLink, request: Rpc) -> Answer:
    """Return what a hostile contact answers to a parcel, and to all else what is due."""
    return answer if isinstance(request.body, Hand) else Shown()


class CodeTests(AttackCase):
    def test_L1_a_refusal_writes_nothing_on_our_screen(self) -> None:
        """Why a message is not delivered is a code of ours, or the one for all others."""
        self.village.acquaint(self.ann, self.bob)
        self.town.run(10)
        self.town.end(self.bob.node)
        self.town.run(5)
        for answer in (Handed("\x1b[2J delivered"), Refused("\u202e refused"), Refused("Oh no")):
            link = self.link(
                self.ann,
                key=self.bob.node.identity.signing,
                respond=partial(answered, answer),
            )
            self.village.until(lambda: self.ann.linked(self.bob))
            self.ann.say(self.bob, "hello?")
            self.town.run(1)
            self.assertIn("refused", [row.why for row in self.ann.mine(self.bob)])
            link.leave()
            self.town.run(1)
