"""People become contacts, talk to each other, and part."""

from __future__ import annotations

from streembit.contacts.offer import make, to_text
from streembit.dht.keyspace import to_hex
from streembit.errors import BadName, NotFound, OfferExpired
from streembit.jose import fingerprint
from streembit.jose.keys import Identity
from streembit.service.people_events import Arrived, Changed, Notice, Presence, Typing
from streembit.service.people_rows import ExportContact, ExportHead, ExportMessage
from tests.people.village import PeopleCase
from tests.service.town import NETWORK


class OfferTests(PeopleCase):
    def test_from_an_offer_to_a_conversation(self) -> None:
        """Offer, request, contact, messages both ways, receipts, history."""
        self.village.acquaint(self.ann, self.bob)
        self.ann.say(self.bob, "hello bob")
        self.bob.say(self.ann, "hello ann")
        self.village.until(lambda: self.delivered(self.ann, self.bob))
        self.village.until(lambda: self.delivered(self.bob, self.ann))
        self.assertEqual(self.bob.texts(self.ann)[-2:], ["- hello ann", "hello bob"])
        self.assertEqual(sorted(self.ann.texts(self.bob)), ["- hello bob", "hello ann"])

    def test_what_offers_and_requests_say_of_whose_account_it_is(self) -> None:
        """A person's, a device's or a service's, as was decided, also after a restart."""
        self.town.result(self.ann.desk.change_settings(None, None, None, "device"))
        self.town.result(self.bob.desk.change_settings(None, None, None, "service"))
        self.town.end(self.ann.node)
        self.ann = self.village.again(self.ann)
        made = self.town.result(self.ann.desk.create_offer(3600, True, ""))
        (shown,) = self.town.result(self.bob.desk.show_offers(made.text))
        self.assertEqual(shown.user_type, "device")
        self.village.acquaint(self.ann, self.bob)
        for person, kind in ((self.bob, "device"), (self.ann, "service")):
            (row,) = self.town.result(person.desk.list_contacts())
            self.assertEqual(row.user_type, kind)
        self.assertEqual(self.town.result(self.ann.desk.settings()).user_type, "device")

    def test_an_offer_that_is_taken_back_or_over_opens_nothing(self) -> None:
        """Whoever quotes it is told so, and is nobody's contact."""
        made = self.town.result(self.ann.desk.create_offer(60, False, "for a minute"))
        taken_back = self.town.result(self.ann.desk.create_offer(3600, False, ""))
        self.town.result(self.ann.desk.revoke_offer(taken_back.offer.id))
        self.town.result(self.bob.desk.add_contact(taken_back.text, "", ""))
        self.town.run(90)
        self.assertFalse(self.village.are_contacts(self.ann, self.bob))
        with self.assertRaises(OfferExpired):
            self.town.result(self.bob.desk.show_offers(made.text))
        self.assertEqual(self.town.result(self.ann.desk.list_requests()), [])
        (asked,) = self.town.result(self.bob.desk.list_requests())
        self.assertEqual((asked.incoming, asked.why), (False, "offer-expired"))
        (row,) = self.town.result(self.bob.desk.list_contacts())
        self.assertEqual((row.state, row.why), ("asked", "offer-expired"))

    def test_who_comes_second_with_an_offer_for_one_is_told(self) -> None:
        """Once, however often it asks again; a new offer ends it."""
        carl = self.village.person()
        made = self.town.result(self.ann.desk.create_offer(3600, True, ""))
        self.town.result(self.bob.desk.add_contact(made.text, "", ""))
        self.village.until(lambda: self.village.are_contacts(self.ann, self.bob))
        self.town.result(carl.desk.add_contact(made.text, "", ""))
        self.town.run(600)
        told = [event for event in carl.events() if isinstance(event, Notice)]
        self.assertEqual([event.code for event in told], ["offer-used"])
        self.assertIn(f"{self.ann.name} does not take the request", told[0].text)
        (row,) = self.town.result(carl.desk.list_contacts())
        self.assertEqual(row.why, "offer-used")
        another = self.town.result(self.ann.desk.create_offer(3600, True, ""))
        self.town.result(carl.desk.add_contact(another.text, "", ""))
        self.village.until(lambda: self.village.are_contacts(self.ann, carl))
        (row,) = self.town.result(carl.desk.list_contacts())
        self.assertEqual((row.state, row.why), ("contact", ""))

    def test_who_never_answers_is_given_up(self) -> None:
        """After thirty days nobody waits for them any more, and the user is told."""
        stranger = Identity.from_seed(b"s" * 32, "nobody")
        offer = make(
            stranger,
            network=NETWORK,
            now_unix_s=int(self.town.memory.clock.seconds()),
            life_s=60,
            nonce=bytes(16),
        )
        self.town.result(self.bob.desk.add_contact(to_text(offer), "", ""))
        (row,) = self.town.result(self.bob.desk.list_contacts())
        self.assertEqual((row.name, row.state, row.linked), ("nobody", "asked", False))
        self.town.end(*self.town.nodes[:-1])  # nothing else happens in that time
        self.town.memory.clock.advance(31 * 86_400)
        self.assertEqual(self.town.result(self.bob.desk.list_contacts()), [])
        codes = [event.code for event in self.bob.events() if isinstance(event, Notice)]
        self.assertEqual(codes, ["request-unanswered"])


class ReferenceTests(PeopleCase):
    def test_asked_by_node_id_and_by_fingerprint(self) -> None:
        """Either finds the key record on the network, and is compared with the key in it."""
        carl = self.village.person()
        node_id = to_hex(self.bob.node.network.id)
        for asker, reference in (
            (self.ann, node_id),
            (carl, fingerprint.of(self.bob.node.identity.public)),
        ):
            row = self.town.result(asker.desk.request_contact(reference, "bob", ""))
            self.assertEqual((row.public_key, row.state), (self.bob.key, "asked"))
        self.village.until(lambda: len(self.town.result(self.bob.desk.list_requests())) == 2)
        with self.assertRaises(NotFound):
            self.town.result(self.ann.desk.request_contact("00" * 20, "nobody", ""))
        with self.assertRaises(BadName):
            self.town.result(self.ann.desk.request_contact("no such thing", "nobody", ""))


class TalkTests(PeopleCase):
    def setUp(self) -> None:
        super().setUp()
        self.village.acquaint(self.ann, self.bob)
        self.ann.say(self.bob, "one")
        self.village.until(lambda: self.delivered(self.ann, self.bob))
        self.town.run(1)
        self.ann.events(), self.bob.events()

    def test_events_tell_what_happens(self) -> None:
        """The writer of each state, the reader of each message, once."""
        sent = self.ann.say(self.bob, "two")
        self.town.run(1)
        arrived = [event for event in self.bob.events() if isinstance(event, Arrived)]
        self.assertEqual([event.message.text for event in arrived], ["two"])
        changed = [event for event in self.ann.events() if isinstance(event, Changed)]
        self.assertEqual({event.message.id for event in changed}, {sent.id})
        self.assertEqual(changed[-1].message.state, "delivered")

    def test_typing_and_presence(self) -> None:
        """Told to who is linked; being here ends after a minute without a word."""
        self.town.result(self.ann.desk.set_typing(self.bob.key, True))
        self.town.result(self.ann.desk.set_presence("here"))
        self.town.run(1)
        self.assertEqual(
            [e for e in self.bob.events() if isinstance(e, Typing | Presence)],
            [Typing(self.ann.key, True), Presence(self.ann.key, "here", True)],
        )
        self.town.run(70)
        self.assertEqual(self.bob.events(), [Presence(self.ann.key, "away", True)])
        self.town.end(self.ann.node)
        self.town.run(5)
        (row,) = self.town.result(self.bob.desk.list_contacts())
        self.assertEqual((row.presence, row.linked), ("gone", False))

    def test_who_is_linked_was_seen_just_now(self) -> None:
        """However long nothing is said."""
        self.town.run(1800)
        (row,) = self.town.result(self.bob.desk.list_contacts())
        self.assertEqual((row.via, row.linked), ("direct", True))
        self.assertGreater(row.last_seen or 0, self.town.memory.clock.seconds() - 60)

    def test_who_left_was_seen_until_then(self) -> None:
        """However short the link was: the time does not go back."""
        for _ in range(2):
            self.town.run(20)
            before_s = self.town.memory.clock.seconds()
            self.town.end(self.bob.node)
            self.town.run(10)
            (row,) = self.town.result(self.ann.desk.list_contacts())
            self.assertFalse(row.linked)
            self.assertGreaterEqual(row.last_seen or 0, int(before_s) - 1)
            self.bob = self.village.again(self.bob)
            self.village.until(lambda: self.village.are_contacts(self.ann, self.bob))

    def test_receipts_of_reading_are_for_who_wants_to_give_them(self) -> None:
        """Off by default; once they are on, what is read from then on is told."""
        self.town.result(self.bob.desk.mark_read(self.ann.key, 1))
        self.town.run(5)
        self.assertEqual(self.ann.rows(self.bob)[0].state, "delivered")
        self.town.result(self.bob.desk.change_settings(True, None, None))
        self.ann.say(self.bob, "two")
        self.village.until(lambda: self.delivered(self.ann, self.bob))
        (row,) = self.town.result(self.bob.desk.list_contacts())
        self.assertEqual(row.unread, 1)
        self.town.result(self.bob.desk.mark_read(self.ann.key, 2))
        self.town.run(5)
        self.assertEqual([row.state for row in self.ann.rows(self.bob)], ["read", "read"])

    def test_receipts_for_one_contact(self) -> None:
        """What was decided for a contact goes before what holds for all, also after a restart."""
        carl = self.village.person()
        self.village.acquaint(carl, self.bob)
        carl.say(self.bob, "one")
        self.village.until(lambda: self.delivered(carl, self.bob))
        row = self.town.result(self.bob.desk.set_receipts(self.ann.key, True))
        self.assertEqual((row.receipts, row.told), (True, ["receipts", "presence"]))
        self.town.end(self.bob.node)
        self.town.run(5)
        self.bob = self.village.again(self.bob)
        self.village.until(lambda: self.ann.linked(self.bob) and carl.linked(self.bob))
        for other in (self.ann, carl):
            self.town.result(self.bob.desk.mark_read(other.key, 1))
        self.town.run(5)
        self.assertEqual(self.ann.rows(self.bob)[0].state, "read")
        self.assertEqual(carl.rows(self.bob)[0].state, "delivered")
        row = self.town.result(self.bob.desk.set_receipts(self.ann.key, None))
        self.assertEqual((row.receipts, row.told), (None, ["presence"]))
        self.ann.say(self.bob, "two")
        self.village.until(lambda: self.delivered(self.ann, self.bob))
        self.town.result(self.bob.desk.mark_read(self.ann.key, 2))
        self.town.run(5)
        self.assertEqual(self.ann.rows(self.bob)[-1].state, "delivered")

    def test_presence_and_typing_are_for_who_may_know(self) -> None:
        """Who may not is told "away" once, at most, and hears again what is so when it may."""
        ann, bob = self.ann.desk, self.bob.key

        def told(*kinds: type) -> list[object]:
            self.town.run(1)
            return [e for e in self.bob.events() if isinstance(e, kinds or (Typing, Presence))]

        self.town.result(ann.set_presence("here"))
        told()
        self.town.result(ann.show_presence(bob, False))
        self.assertEqual(told(), [Presence(self.ann.key, "away", True)])
        self.town.result(ann.set_typing(bob, True))
        self.town.result(ann.set_presence("here"))
        self.town.result(ann.show_presence(bob, False))
        self.assertEqual(told(), [])
        self.town.result(ann.change_settings(None, None, True))
        self.assertEqual(told(), [])
        self.town.result(ann.show_presence(bob, None))
        self.assertEqual(told(), [Presence(self.ann.key, "here", True)])
        self.town.result(ann.change_settings(None, None, False))
        self.assertEqual(told(), [Presence(self.ann.key, "away", True)])
        self.town.result(ann.set_presence("here"))
        self.assertEqual(told(), [])

    def test_settings_and_history_outlive_a_restart(self) -> None:
        """And unread messages are still unread."""
        folder = str(self.village.folder / "elsewhere")
        self.town.result(self.bob.desk.change_settings(True, folder, False))
        self.town.end(self.bob.node)
        self.town.run(5)
        bob = self.village.again(self.bob)
        settings = self.town.result(bob.desk.settings())
        self.assertEqual((settings.read_receipts, settings.downloads), (True, folder))
        self.assertFalse(settings.presence)
        self.assertEqual(bob.texts(self.ann), ["one"])
        (row,) = self.town.result(bob.desk.list_contacts())
        self.assertEqual(row.unread, 1)

    def test_a_deleted_message_is_gone_here_only(self) -> None:
        """And the other one keeps it."""
        (row,) = self.bob.rows(self.ann)
        self.town.result(self.bob.desk.delete_message(self.ann.key, row.id))
        self.assertEqual(self.bob.texts(self.ann), [])
        self.assertEqual(self.ann.texts(self.bob), ["- one"])
        with self.assertRaises(NotFound):
            self.town.result(self.bob.desk.delete_message(self.ann.key, row.id))

    def test_an_export_has_everything(self) -> None:
        """Head, contacts, then the messages of each, oldest first."""
        for n in range(250):
            self.ann.say(self.bob, f"message {n}")
        lines = list(self.ann.desk.export())
        self.assertIsInstance(lines[0], ExportHead)
        self.assertIsInstance(lines[1], ExportContact)
        texts = [line.message.text for line in lines[2:] if isinstance(line, ExportMessage)]
        self.assertEqual(texts, ["one", *(f"message {n}" for n in range(250))])

    def test_pages_of_a_long_conversation(self) -> None:
        """Each message is on one of them, and programs' words on none."""
        for n in range(30):
            self.ann.say(self.bob, f"message {n}")
        self.village.until(lambda: self.delivered(self.ann, self.bob))
        found: list[str] = []
        before: int | None = None
        while page := self.town.result(self.bob.desk.list_messages(self.ann.key, before, 7)):
            found = [row.text for row in page] + found
            before = page[0].number
        self.assertEqual(found, ["one", *(f"message {n}" for n in range(30))])
