"""What is left to do, and to know, after a contact was removed."""

from __future__ import annotations

from streembit.service.people import cards, farewell
from streembit.service.people_events import Notice
from tests.people.village import PeopleCase, Person

KEPT = "farewells"


class FarewellTests(PeopleCase):
    def setUp(self) -> None:
        super().setUp()
        self.village.acquaint(self.ann, self.bob)
        self.town.run(60)
        self.point = self.bob.node.identity.public.point

    def test_who_comes_back_at_once_is_no_alarm(self) -> None:
        """The numbers of cards go on behind those of the tombstones."""
        for n in range(2):
            self.town.result(self.ann.desk.remove_contact(self.bob.key))
            self.town.run(60)
            self.village.acquaint(self.bob, self.ann)
            self.town.run(120)
            codes = [event.code for event in self.ann.events() if isinstance(event, Notice)]
            self.assertNotIn("sessions-renewed", codes, n)

    def test_what_is_known_of_cards_is_forgotten_when_they_are_gone(self) -> None:
        """Tombstones end as records do: two days after the removal nothing counts any more."""
        self.town.result(self.ann.desk.remove_contact(self.bob.key))
        self.town.run(60)
        ann = self.later(farewell.LIFE_S - 300)
        self.assertIsNotNone(ann.chest.get(cards.ROOM, self.point))
        self.town.run(300)
        self.assertIsNone(ann.chest.get(cards.ROOM, self.point))
        self.assertEqual(ann.chest.all(KEPT), [])

    def test_a_node_that_was_down_forgets_at_its_start(self) -> None:
        """Also where the tombstones never stood: the cards have ended by themselves."""
        self.town.memory.partition([self.town.host(self.ann.node).address])
        self.town.result(self.ann.desk.remove_contact(self.bob.key))
        self.town.run(1)
        self.town.memory.heal()
        ann = self.later(farewell.LIFE_S)
        self.assertIsNone(ann.chest.get(cards.ROOM, self.point))
        self.assertEqual(ann.chest.all(KEPT), [])

    def later(self, seconds: float) -> Person:
        """Let so much time go by while no node runs; return ann, who is there again."""
        seeds = self.town.nodes[:3]
        self.town.end(*self.town.nodes)
        self.town.run(seconds)
        self.town.join(*map(self.town.again, seeds))
        return self.village.again(self.ann)

    def test_who_is_a_contact_again_is_not_forgotten(self) -> None:
        """What was to be forgotten belongs to the contact that there is now."""
        self.town.result(self.ann.desk.remove_contact(self.bob.key))
        self.town.run(60)
        self.village.acquaint(self.bob, self.ann)
        self.assertEqual(self.ann.chest.all(KEPT), [])
        ann = self.later(farewell.LIFE_S)
        self.assertIsNotNone(ann.chest.get(cards.ROOM, self.point))
