"""The figures of an account's people: what `streembit status` tells of them."""

from __future__ import annotations

from msgspec.structs import replace

from streembit.service.desk import Desk
from streembit.service.people_rows import PeopleStatus
from tests.people.village import PeopleCase, Person

ALONE = PeopleStatus(0, 0, 0, 0, 0, 0, None, 0, 0, None, 0.0)


class StandingTests(PeopleCase):
    def figures(self, person: Person) -> PeopleStatus:
        """Return the figures that the node's own status has."""
        people = self.town.result(Desk(person.node).status()).people
        assert people is not None
        return people

    def test_a_seed_has_none(self) -> None:
        """Nobody is there to be counted."""
        seed = self.town.nodes[0]
        self.assertIsNone(self.town.result(Desk(seed).status()).people)

    def test_from_being_alone_to_being_waited_for(self) -> None:
        """Contacts, links, offers, requests, cards, and messages with the age of the oldest."""
        figures = self.figures(self.ann)
        self.assertEqual(replace(figures, agreement_age_s=0.0), ALONE)
        self.town.run(100)
        aged_s = self.figures(self.ann).agreement_age_s - figures.agreement_age_s
        self.assertEqual(round(aged_s), 100)
        self.town.result(self.ann.desk.create_offer(3600, False, ""))
        self.town.result(self.ann.desk.request_contact(self.bob.key, "bob", ""))
        self.village.until(lambda: self.figures(self.bob).requests == 1)
        self.assertEqual((self.figures(self.ann).offers, self.figures(self.ann).contacts), (1, 0))
        (asked,) = self.town.result(self.bob.desk.list_requests())
        self.town.result(self.bob.desk.accept_request(asked.id, ""))
        self.village.until(lambda: self.village.are_contacts(self.ann, self.bob))
        self.ann.say(self.bob, "one")
        self.village.until(lambda: self.figures(self.bob).unread == 1)
        self.town.run(10)
        figures = self.figures(self.ann)
        self.assertEqual((figures.contacts, figures.online, figures.outbox), (1, 1, 0))
        self.assertIsNone(figures.oldest_s)
        self.assertLess(figures.cards_age_s or 99, 15)

    def test_an_offer_that_nobody_can_take_any_more_is_not_open(self) -> None:
        """It was for one, who has taken it, or was taken back."""
        self.village.acquaint(self.ann, self.bob)
        self.assertEqual(self.figures(self.ann).offers, 0)
        made = self.town.result(self.ann.desk.create_offer(3600, False, ""))
        self.assertEqual(self.figures(self.ann).offers, 1)
        self.town.result(self.ann.desk.revoke_offer(made.offer.id))
        self.assertEqual(self.figures(self.ann).offers, 0)

    def test_what_waits_for_somebody_who_is_away(self) -> None:
        """The first message's age grows; what is offered is counted at both ends."""
        self.village.acquaint(self.ann, self.bob)
        file = self.village.folder / "plan.txt"
        file.write_text("plan")
        self.town.result(self.ann.desk.send_files(self.bob.key, [str(file)]))
        self.village.until(lambda: self.figures(self.bob).transfers_offered == 1)
        self.town.run(5)
        self.town.end(self.bob.node)
        self.town.run(10)
        self.ann.say(self.bob, "one")
        self.town.run(300)
        self.ann.say(self.bob, "two")
        figures = self.figures(self.ann)
        self.assertEqual((figures.online, figures.outbox, figures.transfers_offered), (0, 2, 1))
        self.assertEqual(round(figures.oldest_s or 0, -1), 300)
