"""Keys that change and end, with thieves about, contacts who are away, and much under way."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from streembit.contacts import rotation as rotations
from streembit.errors import (
    FingerprintDiffers,
    KeyAlarm,
    KeyRefused,
    KeyRevoked,
    OwnOffer,
    RemoteRefusal,
    WrongState,
)
from streembit.jose import envelope
from streembit.jose import fingerprint as fingerprints
from streembit.jose.keys import Identity
from streembit.service.people.door import INTRODUCTIONS
from streembit.service.people.succession import TELL_WITHIN_S, VOID
from streembit.service.people_events import ContactChanged, KeyReplaced, Notice
from streembit.service.people_rows import MessageRow, TransferRow
from streembit.wire.card import Card
from streembit.wire.message import Show
from streembit.wire.offer import ContactRequest, RotationClaims
from tests.people.village import PeopleCase, Person
from tests.service.town import NETWORK, PORT

HOUR_S = 3600
DAY_S = 24 * HOUR_S
DISPUTED_S = 8 * HOUR_S  # both write hourly at one place, and it is read hourly
SAID = ["before", "and before that"]


class SuccessionCase(PeopleCase):
    """Ann and bob are contacts, and have said something."""

    def setUp(self) -> None:
        super().setUp()
        self.village.acquaint(self.ann, self.bob)
        for text in SAID:
            self.ann.say(self.bob, text)
        self.village.until(lambda: self.delivered(self.ann, self.bob))
        self.town.run(10)
        self.first = self.ann.node.identity

    def gone(self, person: Person) -> None:
        """Let somebody's node end."""
        self.town.run(5)
        self.town.end(person.node)
        self.town.run(5)

    def rotated(self, person: Person) -> Person:
        """Let somebody take a new key, and start again as it."""
        self.town.result(person.desk.rotate_key(None))
        new = person.drawer.next
        assert new is not None
        self.gone(person)
        return self.village.again(person, identity=new)

    def thief(self, person: Person, address: str = "10.66.0.1") -> Person:
        """Return somebody who has a copy of all that a person has."""
        node = self.town.add(address, identity=person.node.identity)
        thief = Person(self.village, node, person.chest.copy(), self.town.nodes.index(node))
        self.village.persons.append(thief)
        self.town.join(node)
        return thief

    def robbed(self) -> Person:
        """Let a thief take ann's key while she is away, and rotate; bob follows the thief."""
        self.gone(self.ann)
        thief = self.rotated(self.thief(self.ann))
        self.village.until(lambda: self.village.are_contacts(thief, self.bob), 2 * HOUR_S)
        return thief

    def alarm(self) -> str:
        """Return what bob is warned of about ann."""
        (row,) = self.town.result(self.bob.desk.list_contacts())
        return row.alarm

    def check_no_words(self, *others: Person) -> None:
        """Check that bob neither says anything to ann, whoever she is, nor hears anything."""
        with self.assertRaises(KeyAlarm):
            self.town.result(self.bob.desk.send_message(self.bob_knows(), "hello?"))
        before = self.town.result(self.bob.desk.list_messages(self.bob_knows(), None, 100))
        for other in others:
            other.say(self.bob, "it is me")
        self.town.run(300)
        self.assertEqual(self.bob.people.friends, {})
        after = self.town.result(self.bob.desk.list_messages(self.bob_knows(), None, 100))
        self.assertEqual(after, before)

    def ask_again(self, thief: Person) -> None:
        """Let a thief ask to be a contact, as somebody may who lost an answer: it is refused."""
        identity = thief.node.identity
        letter = ContactRequest(
            "A" * 22,
            identity.name,
            "human",
            identity.agreement.public.text,
            [],
            NETWORK,
            int(self.town.memory.clock.seconds()),
        )
        with self.assertRaises(KeyRefused):
            self.bob.people.register.requests.receive(
                identity.public,
                letter,
                self.bob.people.register.book,
                self.bob.people.register.invitations,
                letter.iat,
                NETWORK,
            )

    def bob_knows(self) -> str:
        """Return the key by which bob knows ann."""
        (row,) = self.town.result(self.bob.desk.list_contacts())
        return row.public_key


class OfferTests(SuccessionCase):
    def test_offers_end_with_the_key_that_they_lead_to(self) -> None:
        """Who quotes one from then on could wait for ever; the user is told how many end."""
        for once in (True, False):
            self.town.result(self.ann.desk.create_offer(DAY_S, once, ""))
        changed = self.town.result(self.ann.desk.rotate_key(None))
        self.assertEqual(changed.offers, 2)
        new = self.ann.drawer.next
        self.gone(self.ann)
        self.ann = self.village.again(self.ann, identity=new)
        self.assertEqual(self.ann.people.door.standing().offers, 0)
        made = self.town.result(self.ann.desk.create_offer(DAY_S, True, ""))
        carl = self.village.person()
        self.town.result(carl.desk.add_contact(made.text, "", ""))
        self.village.until(lambda: self.village.are_contacts(self.ann, carl))
        self.assertEqual(self.town.result(self.ann.desk.rotate_key(None)).offers, 0)


class IntroductionTests(SuccessionCase):
    """A contact comes back, and no record tells it of a change."""

    def forget(self) -> None:
        """Take all records out of the network, ours of cards too."""
        for node in self.town.nodes:
            shelf = self.town.shelf(node)
            for item in shelf.iterate(10_000):
                shelf.delete(item.place)

    def test_who_was_away_for_two_changes_is_told_over_the_link(self) -> None:
        """As soon as there is one, and the conversation goes on."""
        self.gone(self.bob)
        for _ in range(2):
            self.ann = self.rotated(self.ann)
        self.ann.say(self.bob, "after")
        self.town.run(60)
        self.forget()
        self.bob = self.village.again(self.bob)
        self.village.until(lambda: self.village.are_contacts(self.ann, self.bob), 60)
        self.village.until(lambda: self.delivered(self.ann, self.bob), 60)
        self.assertEqual(self.bob.texts(self.ann), [*SAID, "after"])
        told = [event for event in self.bob.events() if isinstance(event, KeyReplaced)]
        self.assertEqual(told[0].old_key, self.first.public.hex)
        self.assertEqual(told[-1].new_key, self.ann.key)

    def test_A4_who_cannot_prove_it_is_nobody(self) -> None:
        """A statement about another key, or one that the old key did not sign, changes nothing."""
        eve = self.village.person()
        before = self.town.result(self.bob.desk.list_contacts())
        for statement in (
            rotations.make(Identity.generate("x"), eve.node.identity, NETWORK, self.now_s()),
            rotations.make(eve.node.identity, Identity.generate("x"), NETWORK, self.now_s()),
            self.forged(eve.node.identity),
            "nothing",
        ):
            self.assertEqual(self.shown(eve, statement), KeyRefused.code)
        after = self.town.result(self.bob.desk.list_contacts())
        self.assertEqual([row.public_key for row in after], [row.public_key for row in before])
        self.assertTrue(self.village.are_contacts(self.ann, self.bob))

    def test_C3_what_strangers_say_of_keys_is_bounded(self) -> None:
        """When they have said much, even a true word is left to the card."""
        eve = self.village.person()
        for _ in range(int(INTRODUCTIONS.burst) + 1):
            self.assertEqual(self.shown(eve, "nothing"), KeyRefused.code)
        new = Identity.generate("ann")
        statement = rotations.make(self.first, new, NETWORK, self.now_s())
        self.assertEqual(self.shown(eve, statement), KeyRefused.code)
        self.assertEqual(self.bob_knows(), self.ann.key)
        self.town.run(60)
        self.shown(eve, statement)  # who says it does not matter: it is proven
        self.assertEqual(self.bob_knows(), new.public.hex)

    def forged(self, new: Identity) -> str:
        """Return a statement that names ann's key, and bears another one's signature."""
        true = rotations.make(Identity.generate("x"), new, NETWORK, self.now_s())
        named = envelope.verify_rotation(true).claims.next
        claims = RotationClaims(self.first.public.text, named, NETWORK, self.now_s())
        return envelope.sign_rotation(new.signing, claims)

    def shown(self, who: Person, statement: str) -> str:
        """Let somebody show bob a card with a statement; return what his node said to it."""
        bob, node = self.bob.node.identity.public, who.node
        if (peer := node.network.roster.get(bob)) is None:
            address = self.town.host(self.bob.node).address
            self.town.result(node.network.dialler.dial(address, PORT, bob))
            peer = node.network.roster.get(bob)
        assert peer is not None
        card = Card(1, self.now_s(), NETWORK, [], 0, "", 0, 0, statement)
        try:
            self.town.result(peer.request(Show(card)))
        except RemoteRefusal as refusal:
            return refusal.code
        return ""

    def now_s(self) -> int:
        """Return the time."""
        return int(self.town.memory.clock.seconds())


class TheftTests(SuccessionCase):
    def test_the_owner_stops_a_thief_who_has_rotated(self) -> None:
        """A revocation by the old key ends the line: the thief's key is refused for ever."""
        thief = self.robbed()
        ann = self.village.again(self.ann)
        self.town.result(ann.desk.revoke_key(None))
        refused = thief.node.identity.public
        self.village.until(lambda: self.bob.people.door.is_refused(refused), 2 * HOUR_S)
        self.assertIn(KeyReplaced("node3", thief.key, ""), self.bob.events())
        with self.assertRaises(KeyRevoked):
            self.town.result(self.bob.desk.send_message(thief.key, "hello?"))
        self.gone(self.bob)
        self.bob = self.village.again(self.bob)
        self.town.run(600)
        self.assertTrue(self.bob.people.door.is_refused(refused))
        self.assertFalse(thief.linked(self.bob))
        with self.assertRaises(KeyRevoked):
            self.village.acquaint(thief, self.bob)

    def test_a_thief_who_writes_all_the_time_hides_no_revocation(self) -> None:
        """It is heard over a link by the old key too, by which nothing else is taken."""
        thief = self.robbed()
        ((former, _),) = thief.people.ways.former.all
        ann = self.village.again(self.ann)
        self.town.result(ann.desk.revoke_key(None))
        for _ in range(60):
            former.changed()
            self.town.run(10)
        self.assertTrue(self.bob.people.door.is_refused(thief.node.identity.public))
        self.assertEqual(self.bob.people.friends, {})

    def test_a_thief_who_counts_ahead_hides_no_revocation(self) -> None:
        """What is said of a key holds, whatever number the newest card had."""
        self.gone(self.ann)
        thief = self.thief(self.ann)
        self.village.until(lambda: self.village.are_contacts(thief, self.bob), 2 * HOUR_S)
        thief.people.ways.cards.start_anew()
        thief.people.ways.cards.changed()
        self.town.run(60)
        self.gone(thief)
        ann = self.village.again(self.ann)
        self.town.result(ann.desk.revoke_key(None))
        self.village.until(lambda: self.bob.people.door.is_refused(self.first.public), 2 * HOUR_S)

    def test_who_followed_a_thief_goes_back(self) -> None:
        """By the fingerprint that the owner tells; the thief is refused, whatever he says."""
        thief = self.robbed()
        ann = self.village.again(self.ann)
        owner = fingerprints.of(self.first.public)
        with self.assertRaises(FingerprintDiffers):
            other = fingerprints.of(self.bob.node.identity.public)
            self.town.result(self.bob.desk.verify_contact(thief.key, other, True))
        row = self.town.result(self.bob.desk.verify_contact(thief.key, owner, True))
        self.assertEqual((row.public_key, row.verified, row.alarm), (ann.key, True, ""))
        self.village.until(lambda: self.village.are_contacts(ann, self.bob), 600)
        self.bob.say(ann, "is it you?")
        ann.say(self.bob, "it is")
        self.village.until(lambda: self.bob.texts(ann)[-1:] == ["it is"])
        self.village.until(lambda: "is it you?" in ann.texts(self.bob))
        for _ in range(2):
            self.town.run(DISPUTED_S / 2)
            self.assertEqual(self.bob_knows(), ann.key)
            self.assertEqual(self.alarm(), "")
            self.assertTrue(self.bob.people.door.is_refused(thief.node.identity.public))
            self.gone(self.bob)
            self.bob = self.village.again(self.bob)
        made = self.town.result(self.bob.desk.create_offer(3600, False, ""))
        self.town.result(thief.desk.add_contact(made.text, "", ""))
        self.town.run(60)
        self.assertTrue(self.bob.people.door.is_refused(thief.node.identity.public))
        ann = self.rotated(ann)
        self.village.until(lambda: self.village.are_contacts(ann, self.bob), 2 * HOUR_S)

    def test_a_key_that_was_forgotten_is_asked_again(self) -> None:
        """When it is too long ago to know the agreement key that went with it."""
        thief = self.robbed()
        self.bob.chest.commit([("former pairs", self.first.public.point, None)])
        ann = self.village.again(self.ann)
        owner = fingerprints.of(self.first.public)
        row = self.town.result(self.bob.desk.verify_contact(thief.key, owner, True))
        self.assertEqual((row.public_key, row.state), (ann.key, "asked"))
        self.village.until(lambda: self.village.are_contacts(ann, self.bob), 600)
        self.bob.say(ann, "is it you?")
        self.village.until(lambda: "is it you?" in ann.texts(self.bob))

    def test_two_successors_the_thief_first(self) -> None:
        """No words with either, also after a restart, until a fingerprint was compared."""
        thief = self.robbed()
        ann = self.rotated(self.village.again(self.ann))
        self.village.until(lambda: "two keys" in self.alarm(), DISPUTED_S)
        self.check_no_words(thief, ann)
        self.ask_again(thief)
        self.gone(self.bob)
        self.bob = self.village.again(self.bob)
        self.check_no_words()
        with self.assertRaises(FingerprintDiffers):
            owner = fingerprints.of(ann.node.identity.public)
            self.town.result(self.bob.desk.verify_contact(self.bob_knows(), owner))
        self.town.result(self.bob.desk.remove_contact(self.bob_knows()))
        self.village.acquaint(ann, self.bob)
        self.assertTrue(self.bob.people.door.is_refused(thief.node.identity.public))

    def test_two_successors_the_owner_first(self) -> None:
        """A thief with an old key is an alarm, and one comparison ends it."""
        thief = self.thief(self.ann)
        self.town.end(thief.node)
        ann = self.rotated(self.ann)
        self.village.until(lambda: self.village.are_contacts(ann, self.bob), 2 * HOUR_S)
        thief = self.rotated(self.village.again(thief, identity=self.first))
        self.village.until(lambda: "two keys" in self.alarm(), DISPUTED_S)
        self.check_no_words(thief, ann)
        proof = fingerprints.of(ann.node.identity.public)
        self.town.result(self.bob.desk.verify_contact(ann.key, proof))
        self.village.until(lambda: self.village.are_contacts(ann, self.bob), 2 * HOUR_S)
        self.bob.events()
        self.town.run(1.5 * HOUR_S)
        self.assertEqual(self.alarm(), "")
        alarms = [each for each in self.bob.events() if isinstance(each, ContactChanged)]
        self.assertEqual([each for each in alarms if each.contact.alarm], [])

    def test_an_alarm_is_told_once(self) -> None:
        """However often the other successor's card is read."""
        self.robbed()
        self.rotated(self.village.again(self.ann))
        self.village.until(lambda: "two keys" in self.alarm(), DISPUTED_S)
        self.bob.events()
        self.town.run(1.5 * HOUR_S)
        self.assertEqual(self.bob.events(), [])

    def test_a_contact_says_nothing_of_another_ones_keys(self) -> None:
        """A statement counts only from the contact whose key it is about."""
        carl = self.village.person()
        self.village.acquaint(carl, self.bob)
        now_s = int(self.town.memory.clock.seconds())
        token = rotations.revoke(self.first, NETWORK, now_s)
        key = carl.node.identity.public
        self.bob.people.keys.following.read(key, token)
        self.assertFalse(self.bob.people.door.is_refused(self.first.public))


class AwayTests(SuccessionCase):
    def test_a_rotation_reaches_who_was_away_for_days(self) -> None:
        """The old identity's card for today says it, on every day."""
        self.gone(self.bob)
        ann = self.rotated(self.ann)
        self.town.run(2 * DAY_S)
        self.bob = self.village.again(self.bob)
        self.village.until(lambda: self.village.are_contacts(ann, self.bob), 2 * HOUR_S)
        ann.say(self.bob, "after")
        self.village.until(lambda: self.bob.texts(ann) == [*SAID, "after"])

    def test_both_changed_their_keys_meanwhile(self) -> None:
        """Each looks also where the other one announces it to the key that it knew."""
        for person in (self.ann, self.bob):
            self.town.result(person.desk.rotate_key(None))
        self.town.end(self.ann.node, self.bob.node)  # before either has said so
        self.town.run(5)
        ann, bob = (
            self.village.again(person, identity=person.drawer.next)
            for person in (self.ann, self.bob)
        )
        self.village.until(lambda: self.village.are_contacts(ann, bob), 2 * HOUR_S)
        bob.say(ann, "we both have")
        self.village.until(lambda: ann.texts(bob)[-1:] == ["we both have"])

    def test_one_changed_its_key_twice_where_the_other_was_last_known(self) -> None:
        """Each step is read where the one before leads to, though neither is ever there at once."""
        self.gone(self.bob)
        ann = self.rotated(self.ann)
        self.gone(ann)
        self.town.run(26 * HOUR_S)  # nothing that ann has published is there any more
        bob = self.village.again(self.bob)
        for _ in range(2):
            bob = self.rotated(bob)
        self.town.run(60)
        self.gone(bob)
        ann = self.village.again(ann, identity=ann.node.identity)
        self.village.until(
            lambda: ann.people.register.book.get(bob.node.identity.public) is not None, 3 * HOUR_S
        )

    def test_a_revocation_reaches_all(self) -> None:
        """Those who are there at once, and those who were away when they come back."""
        carl = self.village.person()
        self.village.acquaint(self.ann, carl)
        self.town.run(10)
        self.gone(carl)
        changed = self.town.result(self.ann.desk.revoke_key(None))
        self.assertEqual((changed.told, changed.untold), (1, 1))
        self.assertTrue(self.bob.people.door.is_refused(self.first.public))
        self.town.run(1200)
        carl = self.village.again(carl)
        self.village.until(lambda: carl.people.door.is_refused(self.first.public), 2 * HOUR_S)
        self.town.run(300)
        self.assertFalse(carl.linked(self.ann))

    def test_who_ended_it_and_was_asked_again_hinders_no_revocation(self) -> None:
        """The key is void, all who are there know, and the one who ended it stays in the book."""
        carl = self.village.person()
        self.village.acquaint(self.ann, carl)
        offer = self.town.result(carl.desk.create_offer(3600, False, ""))
        self.town.result(carl.desk.remove_contact(self.ann.key))
        self.town.run(5)
        self.town.result(self.ann.desk.add_contact(offer.text, "", ""))
        changed = self.town.result(self.ann.desk.revoke_key(None))
        self.assertEqual((changed.told, changed.untold), (1, 1))
        self.assertTrue(self.bob.people.door.is_refused(self.first.public))
        self.assertEqual(len(self.town.result(self.ann.desk.list_contacts())), 2)

    def test_a_revoked_key_takes_no_successor(self) -> None:
        """It would tell those who were away that all is well."""
        self.town.result(self.ann.desk.revoke_key(None))
        with self.assertRaises(KeyRevoked):
            self.town.result(self.ann.desk.rotate_key(None))


class ChangeTests(SuccessionCase):
    """What the change of our own key begins, and ends."""

    def test_who_asks_twice_gets_one_new_key(self) -> None:
        """Two successors of one key would be an alarm at every contact."""
        desk = self.ann.desk
        first = Deferred.fromCoroutine(desk.rotate_key(None))
        for again in (desk.rotate_key(None), desk.revoke_key(None)):
            self.failureResultOf(Deferred.fromCoroutine(again), WrongState)
        changed = self.town.result(first)
        assert self.ann.drawer.next is not None
        self.assertEqual(changed.public_key, self.ann.drawer.next.public.hex)

    def test_the_node_goes_on_once_contacts_know(self) -> None:
        """Those on a link follow the old key's word before its node ends."""
        changed = self.town.result(self.ann.desk.rotate_key(None))
        self.assertEqual((changed.told, changed.untold), (1, 0))
        new = self.ann.drawer.running
        assert new is not None
        self.assertIsNotNone(self.bob.people.register.book.get(new.public))
        self.assertEqual(self.bob_knows(), changed.public_key)
        told = KeyReplaced("node3", self.first.public.hex, changed.public_key)
        self.assertIn(told, self.bob.events())

    def test_a_contact_that_is_silent_is_not_waited_for(self) -> None:
        """It is told by a card, when it comes back."""
        self.town.end(self.bob.node)
        self.town.run(5)
        begun_s = self.town.memory.clock.seconds()
        changed = self.town.result(self.ann.desk.rotate_key(None))
        self.assertEqual((changed.told, changed.untold), (0, 1))
        self.assertLess(self.town.memory.clock.seconds() - begun_s, 2 * TELL_WITHIN_S)

    def test_a_void_key_begins_nothing(self) -> None:
        """Also after a restart; what was open is over, and the user is told."""
        carl = self.village.person()
        offer = self.town.result(self.ann.desk.create_offer(3600, False, ""))
        theirs = self.town.result(carl.desk.create_offer(3600, False, ""))
        path = self.village.folder / "picture"
        path.write_bytes(b"picture")
        self.town.result(self.ann.desk.send_files(self.bob.key, [str(path)]))
        self.gone(self.bob)
        waiting = self.ann.say(self.bob, "never sent")
        self.ann.events()
        self.town.result(self.ann.desk.revoke_key(None))
        told = [each.code for each in self.ann.events() if isinstance(each, Notice)]
        self.assertEqual(told, [VOID])
        ann = self.ann
        for _ in range(2):
            self.assertEqual([each.state for each in self.rows_of(ann)], ["failed"])
            self.assertEqual(self.said(ann, waiting.id).why, VOID)
            self.assertEqual(self.town.result(ann.desk.list_offers())[0].revoked, True)
            for deed in (
                ann.desk.send_message(self.bob.key, "hello?"),
                ann.desk.send_files(self.bob.key, [str(path)]),
                ann.desk.create_offer(3600, False, ""),
                ann.desk.add_contact(theirs.text, "", ""),
                ann.desk.revoke_key(None),
            ):
                with self.assertRaises(KeyRevoked):
                    self.town.result(deed)
            self.gone(ann)
            ann = self.village.again(ann)
        self.town.result(carl.desk.add_contact(offer.text, "", ""))
        self.town.run(600)
        self.assertEqual(carl.people.friends, {})
        self.assertEqual(self.town.result(ann.desk.list_requests()), [])

    def rows_of(self, person: Person) -> list[TransferRow]:
        """Return somebody's transfers."""
        return self.town.result(person.desk.list_files())

    def said(self, person: Person, message: str) -> MessageRow:
        """Return a message to bob."""
        (row,) = (each for each in person.mine(self.bob) if each.id == message)
        return row


class GoingOnTests(SuccessionCase):
    def test_restarted_twice_under_the_new_key(self) -> None:
        """It is the same each time: contacts, history, and what the old identity announces."""
        ann = self.found_again(self.rotated(self.ann))
        for _ in range(2):
            self.gone(ann)
            ann = self.found_again(self.village.again(ann, identity=ann.node.identity))
        self.bob.say(ann, "still you?")
        self.village.until(lambda: ann.texts(self.bob)[-1:] == ["still you?"])
        self.assertEqual(ann.texts(self.bob)[:-1], [f"- {text}" for text in SAID])
        ((cards, _),) = ann.people.ways.former.all
        self.village.until(lambda: cards.published > 0)

    def test_an_offer_of_before_is_our_own(self) -> None:
        """Nobody asks oneself to be a contact, under whichever key."""
        made = self.town.result(self.ann.desk.create_offer(3600, False, ""))
        ann = self.rotated(self.rotated(self.ann))
        with self.assertRaises(OwnOffer):
            self.town.result(ann.desk.add_contact(made.text, "", ""))
        self.assertEqual(
            [each.public_key for each in self.town.result(ann.desk.list_contacts())], [self.bob.key]
        )

    def test_who_was_removed_is_told_nothing_by_former_keys_either(self) -> None:
        """No card says any more where we are."""
        ann = self.found_again(self.rotated(self.ann))
        ((cards, _),) = ann.people.ways.former.all
        self.village.until(lambda: cards.published >= 2)
        self.town.result(ann.desk.remove_contact(self.bob.key))
        self.town.run(10)
        published = cards.published
        self.town.run(1.5 * HOUR_S)
        self.assertEqual(cards.published, published)

    def test_a_transfer_goes_on_under_the_new_key(self) -> None:
        """One that was offered before is accepted and completed after."""
        path = self.village.folder / "picture"
        path.write_bytes(bytes(range(256)) * 1200)
        self.town.result(self.ann.desk.send_files(self.bob.key, [str(path)]))
        self.village.until(lambda: bool(self.files(self.bob)))
        ann = self.rotated(self.ann)
        self.village.until(lambda: self.village.are_contacts(ann, self.bob), 2 * HOUR_S)
        (row,) = self.files(self.bob)
        self.assertEqual(row.contact, ann.key)
        self.town.result(self.bob.desk.accept_files(row.id, ""))
        self.village.until(lambda: [each.state for each in self.files(self.bob)] == ["done"])
        self.village.until(lambda: [each.state for each in self.files(ann)] == ["done"])

    def found_again(self, ann: Person) -> Person:
        """Wait until bob has ann for a contact."""
        self.village.until(lambda: self.village.are_contacts(ann, self.bob), 2 * HOUR_S)
        return ann

    def files(self, person: Person) -> list[TransferRow]:
        """Return somebody's transfers."""
        return self.town.result(person.desk.list_files())
