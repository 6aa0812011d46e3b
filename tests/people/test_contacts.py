"""People become contacts, talk to each other, and part."""

from __future__ import annotations

from tests.people.village import PeopleCase


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
