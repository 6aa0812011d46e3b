"""Contacts that end: removed, blocked, denied; and keys that change."""

from __future__ import annotations

from pathlib import Path

from streembit.errors import (
    DiskFailed,
    FingerprintDiffers,
    KeyAlarm,
    KeyRefused,
    NameTaken,
    WrongPasscode,
    WrongState,
)
from streembit.jose.keys import Identity
from streembit.service.people_events import ContactChanged, KeyReplaced, Notice
from tests.people.village import PeopleCase, Person


class RemovalTests(PeopleCase):
    def setUp(self) -> None:
        super().setUp()
        self.village.acquaint(self.ann, self.bob)
        self.ann.say(self.bob, "hello")
        self.village.until(lambda: self.delivered(self.ann, self.bob))
        self.town.run(30)

    def test_the_session_ends_within_a_second(self) -> None:
        """The key is refused from then on, whoever dials, and the other is told."""
        self.town.result(self.ann.desk.remove_contact(self.bob.key))
        self.town.run(1)
        key = self.bob.node.identity.public
        self.assertNotIn(key.text, self.ann.node.network.roster)
        self.assertTrue(self.ann.people.door.is_refused(key))
        self.town.run(600)
        self.assertNotIn(key.text, self.ann.node.network.roster)
        codes = [event.code for event in self.bob.events() if isinstance(event, Notice)]
        self.assertIn("contact-ended", codes)

    def test_nothing_is_promised_to_who_has_ended_the_contact(self) -> None:
        """A message or files would wait in vain; what is there can still be read and deleted."""
        self.town.result(self.ann.desk.remove_contact(self.bob.key))
        self.town.run(5)
        before = self.town.result(self.bob.desk.list_messages(self.ann.key, None, 10))
        for work in (
            self.bob.desk.send_message(self.ann.key, "still there?"),
            self.bob.desk.send_files(self.ann.key, ["/"]),
        ):
            with self.assertRaisesRegex(WrongState, "ended"):
                self.town.result(work)
        after = self.town.result(self.bob.desk.list_messages(self.ann.key, None, 10))
        self.assertEqual(after, before)
        self.town.result(self.bob.desk.delete_message(self.ann.key, before[0].id))

    def test_the_records_become_tombstones(self) -> None:
        """Today's and tomorrow's card, on every node that has them; nothing is left to do then."""
        self.town.result(self.ann.desk.remove_contact(self.bob.key))
        self.town.run(60)
        place = self.bob.people.contacts.acquaintance.stranger(
            self.bob.people.register.book.of(self.ann.node.identity.public)
        ).pair
        for day in (0, 1):
            now_day = int(self.town.memory.clock.seconds()) // 86_400 + day
            key, salt = place.record_key("theirs", now_day), place.place_salt("theirs", now_day)
            found = self.town.result(self.bob.people.ways.sealed.find(key, salt, newest=True))
            assert found is not None
            self.assertTrue(found.tombstone)
        self.assertEqual(self.ann.chest.all("farewells"), [b"2"])

    def test_a_death_in_between_leaves_it_to_the_next_start(self) -> None:
        """What was to be deleted is deleted then."""
        self.town.memory.partition([self.town.host(self.ann.node).address])
        self.town.result(self.ann.desk.remove_contact(self.bob.key))
        self.town.run(1)
        self.assertEqual(len(self.ann.chest.all("farewells")), 1)
        self.town.end(self.ann.node)
        self.town.memory.heal()
        ann = self.village.again(self.ann)
        self.village.until(lambda: ann.chest.all("farewells") == [b"2"])

    def test_files_that_are_offered_end_with_it(self) -> None:
        """Those of either; nobody can say anything about them any more."""
        path = Path(self.mktemp()).absolute()
        path.write_bytes(b"a file")
        sides = ((self.ann, self.bob), (self.bob, self.ann))
        for one, other in sides:
            self.town.result(one.desk.send_files(other.key, [str(path)]))
        self.village.until(
            lambda: all(len(each.people.transfers.rows()) == 2 for each in (self.ann, self.bob))
        )
        self.town.result(self.ann.desk.remove_contact(self.bob.key))
        self.town.run(5)
        for person, why in ((self.ann, "cancelled"), (self.bob, "contact-ended")):
            rows = self.town.result(person.desk.list_files())
            self.assertEqual([(row.state, row.why) for row in rows], [("failed", why)] * 2)

    def test_the_history_stays(self) -> None:
        """Until it is deleted; and who is taken back goes on with it."""
        self.town.result(self.ann.desk.remove_contact(self.bob.key))
        self.assertEqual(self.ann.texts(self.bob), ["- hello"])
        self.town.run(5)
        self.village.acquaint(self.bob, self.ann)
        self.bob.say(self.ann, "again")
        self.village.until(lambda: self.ann.texts(self.bob) == ["- hello", "again"])

    def test_who_was_removed_sees_it(self) -> None:
        """In the book, and by an event; until they are contacts again."""
        self.bob.events()
        self.town.result(self.ann.desk.remove_contact(self.bob.key))
        self.village.until(lambda: bool(self.ended_events()))
        (row,) = self.town.result(self.bob.desk.list_contacts())
        self.assertEqual((row.state, row.ended, row.via), ("contact", True, ""))
        self.town.run(5)
        self.village.acquaint(self.bob, self.ann)
        self.village.until(lambda: self.village.are_contacts(self.bob, self.ann))
        (row,) = self.town.result(self.bob.desk.list_contacts())
        self.assertFalse(row.ended)

    def ended_events(self) -> list[ContactChanged]:
        """Return what bob hears of contacts that were ended."""
        return [e for e in self.bob.events() if isinstance(e, ContactChanged) and e.contact.ended]

    def test_who_was_removed_comes_back_with_a_later_offer(self) -> None:
        """One that was made before the removal, or was taken back, lets nobody in."""
        old = self.town.result(self.ann.desk.create_offer(3600, False, ""))
        self.town.run(5)
        self.town.result(self.ann.desk.remove_contact(self.bob.key))
        self.town.run(30)
        self.town.result(self.bob.desk.add_contact(old.text, "", ""))
        self.town.run(300)
        self.assertEqual(self.ann.people.friends, {})
        taken_back = self.town.result(self.ann.desk.create_offer(3600, False, ""))
        self.town.result(self.ann.desk.revoke_offer(taken_back.offer.id))
        self.town.run(30)
        self.assertTrue(self.ann.people.door.is_refused(self.bob.node.identity.public))
        later = self.town.result(self.ann.desk.create_offer(3600, True, ""))
        self.town.run(300)
        self.assertEqual(self.ann.people.friends, {})
        self.town.result(self.bob.desk.add_contact(later.text, "", ""))
        self.village.until(lambda: self.village.are_contacts(self.ann, self.bob), 600)
        self.town.run(5)  # the answer is on its way
        self.bob.say(self.ann, "I am back")
        self.ann.say(self.bob, "welcome")
        self.village.until(lambda: "I am back" in self.ann.texts(self.bob))
        self.village.until(lambda: "welcome" in self.bob.texts(self.ann))

    def test_who_was_blocked_does_not_come_back(self) -> None:
        """With whatever offer."""
        self.town.result(self.ann.desk.block_contact(self.bob.key))
        self.town.run(5)
        later = self.town.result(self.ann.desk.create_offer(3600, False, ""))
        self.town.run(5)
        self.town.result(self.bob.desk.add_contact(later.text, "", ""))
        self.town.run(300)
        self.assertTrue(self.ann.people.door.is_refused(self.bob.node.identity.public))
        self.assertEqual(self.ann.people.friends, {})

    def test_who_is_blocked_is_not_told(self) -> None:
        """And is a contact again when that ends."""
        self.town.result(self.ann.desk.block_contact(self.bob.key))
        self.town.run(1)
        self.assertFalse(self.ann.linked(self.bob))
        self.assertEqual([e for e in self.bob.events() if isinstance(e, Notice)], [])
        self.bob.say(self.ann, "why?")
        self.town.run(60)
        self.assertEqual(self.ann.texts(self.bob), ["- hello"])
        self.town.result(self.ann.desk.unblock_contact(self.bob.key))
        self.village.until(lambda: self.ann.texts(self.bob) == ["- hello", "why?"], 3600)

    def test_who_is_blocked_asks_ever_more_rarely(self) -> None:
        """A link over which nothing comes is no success, and the next wait is longer."""
        self.town.result(self.ann.desk.block_contact(self.bob.key))
        self.town.run(3600)
        before = self.refused()
        self.town.run(3600)
        self.assertLess(self.refused() - before, 50)

    def refused(self) -> int:
        """Return how many links of barred keys ann's node has refused."""
        return self.ann.node.refusals.counts().get("key-refused", 0)


class RequestTests(PeopleCase):
    def asked(self) -> str:
        """Let ann ask bob by his key; return the request's id on bob's side."""
        self.town.result(self.ann.desk.request_contact(self.bob.key, "bobby", "it is ann"))
        self.village.until(lambda: bool(self.town.result(self.bob.desk.list_requests())))
        (row,) = self.town.result(self.ann.desk.list_contacts())
        self.assertEqual((row.state, row.presence, row.via), ("asked", "gone", ""))
        (request,) = self.town.result(self.bob.desk.list_requests())
        self.assertEqual(
            (request.name, request.note, request.invited), ("node3", "it is ann", False)
        )
        return request.id

    def test_asked_by_key_and_accepted(self) -> None:
        """The keys and the address are found on the network; the answer is the user's."""
        request = self.asked()
        self.assertFalse(self.village.are_contacts(self.ann, self.bob))
        self.town.result(self.bob.desk.accept_request(request, ""))
        self.village.until(lambda: self.village.are_contacts(self.ann, self.bob))
        self.ann.say(self.bob, "thanks")
        self.village.until(lambda: self.bob.texts(self.ann) == ["thanks"])

    def test_asked_and_denied(self) -> None:
        """The asker is told, and nobody is in the book."""
        self.town.result(self.bob.desk.deny_request(self.asked()))
        self.village.until(lambda: not self.town.result(self.ann.desk.list_contacts()))
        self.assertEqual(self.town.result(self.bob.desk.list_contacts()), [])
        codes = [event.code for event in self.ann.events() if isinstance(event, Notice)]
        self.assertEqual(codes, ["request-denied"])

    def test_an_answer_waits_for_who_is_away(self) -> None:
        """Decided while the asker was gone: they hear of it on return."""
        request = self.asked()
        self.town.end(self.ann.node)
        self.town.run(5)
        self.town.result(self.bob.desk.accept_request(request, ""))
        self.town.run(60)
        ann = self.village.again(self.ann)
        self.village.until(lambda: self.village.are_contacts(ann, self.bob), 1200)

    def test_an_offer_serves_once(self) -> None:
        """The second who brings it waits for nothing, and is nobody's contact."""
        carl = self.village.person()
        made = self.town.result(self.ann.desk.create_offer(3600, True, ""))
        self.town.result(self.bob.desk.add_contact(made.text, "", ""))
        self.village.until(lambda: self.village.are_contacts(self.ann, self.bob))
        self.town.result(carl.desk.add_contact(made.text, "", ""))
        self.town.run(60)
        self.assertFalse(self.village.are_contacts(self.ann, carl))
        (row,) = self.town.result(self.ann.desk.list_offers())
        self.assertEqual(row.used, 1)

    def test_a_known_name_with_another_key_is_an_alarm(self) -> None:
        """Nothing is replaced, and nothing is sent."""
        carl = self.village.person()
        self.village.acquaint(self.ann, self.bob)
        made = self.town.result(carl.desk.create_offer(3600, True, ""))
        self.town.result(self.bob.desk.rename_contact(self.ann.key, carl.name))
        (shown,) = self.town.result(self.bob.desk.show_offers(made.text))
        self.assertIn("another key", shown.alarm)
        with self.assertRaises(KeyAlarm):
            self.town.result(self.bob.desk.add_contact(made.text, "", ""))
        with self.assertRaises(NameTaken):
            self.town.result(self.bob.desk.add_contact(made.text, carl.name, ""))
        self.assertEqual(len(self.town.result(self.bob.desk.list_contacts())), 1)

    def test_a_fingerprint_is_compared(self) -> None:
        """The right one marks the contact as verified, another one is an error."""
        self.village.acquaint(self.ann, self.bob)
        own = self.town.result(self.ann.desk.show_contact(self.bob.key))
        with self.assertRaises(FingerprintDiffers):
            other = self.town.result(self.bob.desk.show_contact(self.ann.key))
            self.town.result(self.ann.desk.verify_contact(self.bob.key, other.fingerprint))
        self.assertFalse(self.town.result(self.ann.desk.show_contact(self.bob.key)).verified)
        row = self.town.result(self.ann.desk.verify_contact(self.bob.key, own.number))
        self.assertTrue(row.verified)


class RotationTests(PeopleCase):
    def setUp(self) -> None:
        super().setUp()
        self.village.acquaint(self.ann, self.bob)
        self.ann.say(self.bob, "before")
        self.village.until(lambda: self.delivered(self.ann, self.bob))
        self.town.run(10)

    def rotated(self) -> Person:
        """Let ann take a new key, and start again as it."""
        changed = self.town.result(self.ann.desk.rotate_key(None))
        self.assertEqual(changed.old_key, self.ann.key)
        new = self.ann.drawer.next
        assert new is not None
        self.assertEqual(changed.public_key, new.public.hex)
        return self.restarted(new)

    def restarted(self, identity: Identity) -> Person:
        """Start ann again, as somebody else."""
        self.town.run(5)
        self.town.end(self.ann.node)
        self.town.run(5)
        return self.village.again(self.ann, identity=identity)

    def check_talk(self, ann: Person) -> None:
        """Check that the conversation goes on under the new key, with its history."""
        self.village.until(lambda: self.village.are_contacts(ann, self.bob), 1200)
        ann.say(self.bob, "after")
        self.village.until(lambda: self.bob.texts(ann) == ["before", "after"])
        self.bob.say(ann, "I see")
        self.village.until(lambda: ann.texts(self.bob) == ["- before", "- after", "I see"])
        entry = self.bob.people.register.book.of(ann.node.identity.public)
        self.assertEqual([each.key.hex() for each in entry.former], [self.ann.key])

    def test_an_online_contact_follows(self) -> None:
        """It hears of it at once, is told, and refuses the old key from then on."""
        ann = self.rotated()
        replaced = [event for event in self.bob.events() if isinstance(event, KeyReplaced)]
        self.assertEqual(replaced, [KeyReplaced("node3", self.ann.key, ann.key)])
        with self.assertRaises(KeyRefused):
            self.bob.people.register.book.check_usable(self.ann.node.identity.public)
        self.check_talk(ann)

    def test_a_contact_who_was_away_follows(self) -> None:
        """What the old identity left on the network says it, long after."""
        self.town.end(self.bob.node)
        self.town.run(30)
        ann = self.rotated()
        self.town.run(60)
        self.bob = self.village.again(self.bob)
        self.check_talk(ann)

    def test_what_was_queued_arrives_under_the_new_key(self) -> None:
        """The outbox outlives the change."""
        self.town.end(self.bob.node)
        self.town.run(30)
        self.ann.say(self.bob, "under way")
        ann = self.rotated()
        self.town.run(60)
        self.bob = self.village.again(self.bob)
        self.village.until(lambda: "under way" in self.bob.texts(ann), 1200)
        self.assertEqual(self.bob.texts(ann), ["before", "under way"])

    def test_a_wrong_passcode_changes_nothing(self) -> None:
        """Nor does a disk that fails."""
        for refusal, passcode in ((WrongPasscode(), "wrong"), (DiskFailed("no"), None)):
            self.ann.drawer.refusal = refusal
            with self.assertRaises(type(refusal)):
                self.town.result(self.ann.desk.rotate_key(passcode))
            self.assertEqual(self.ann.people.held.lineage.statement, "")
        self.ann.say(self.bob, "still me")
        self.village.until(lambda: self.delivered(self.ann, self.bob))

    def test_a_death_before_the_key_file_is_replaced(self) -> None:
        """Then it was never announced, and the account goes on with its key."""
        before = self.ann.chest.copy()
        self.town.result(self.ann.desk.rotate_key(None))
        before.commit([("succession", b"line", self.ann.chest.get("succession", b"line"))])
        self.ann.chest = before
        self.town.memory.kill(self.town.host(self.ann.node).address)
        ann = self.restarted(self.ann.node.identity)
        self.assertEqual(ann.people.held.lineage.statement, "")

    def test_a_revoked_key_is_refused_for_good(self) -> None:
        """By everybody who hears of it."""
        self.town.result(self.ann.desk.revoke_key(None))
        self.village.until(lambda: self.bob.people.door.is_refused(self.ann.node.identity.public))
        self.town.run(60)
        self.assertFalse(self.bob.linked(self.ann))
        replaced = [event for event in self.bob.events() if isinstance(event, KeyReplaced)]
        self.assertEqual(replaced, [KeyReplaced("node3", self.ann.key, "")])
