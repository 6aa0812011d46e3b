"""A card that does not arrive over a link is shown again: without it nothing can be said."""

from __future__ import annotations

from streembit.errors import NotReady
from streembit.rpc.peer import Peer
from streembit.service.company import Company
from streembit.wire.message import Answer, Show
from tests.people.village import PeopleCase


class Forgetful:
    """A company that loses the first cards that it is shown."""

    def __init__(self, company: Company, losses: int) -> None:
        self._company = company
        self.losses = losses
        self.is_contact, self.is_refused = company.is_contact, company.is_refused
        self.linked, self.unlinked = company.linked, company.unlinked
        self.frame, self.hand, self.knock = company.frame, company.hand, company.knock
        self.contact_with, self.has_told = company.contact_with, company.has_told
        self.standing, self.signal = company.standing, company.signal

    def shown(self, peer: Peer, body: Show) -> Answer:
        """Lose a card, or pass it on."""
        if self.losses:
            self.losses -= 1
            raise NotReady
        answer = self._company.shown(peer, body)
        assert isinstance(answer, Answer)
        return answer


class LostCardsTests(PeopleCase):
    def test_a_card_that_was_lost_is_shown_again(self) -> None:
        """A message that waits for it is delivered within seconds."""
        forgetful = Forgetful(self.ann.node.company, 3)
        self.ann.node.company = forgetful
        self.village.acquaint(self.ann, self.bob)
        self.ann.say(self.bob, "hello")
        self.village.until(lambda: self.delivered(self.ann, self.bob), 30.0)
        self.assertEqual(forgetful.losses, 0)

    def test_a_contact_who_never_takes_it_is_not_shown_it_for_ever(self) -> None:
        """A few times a link are enough; the next link begins anew."""
        forgetful = Forgetful(self.ann.node.company, 1000)
        self.ann.node.company = forgetful
        self.village.acquaint(self.ann, self.bob)
        self.town.run(600)
        self.assertGreater(forgetful.losses, 980)
