"""How it stands with an account's people, in figures: who is there, what waits and moves."""

from __future__ import annotations

from streembit.service.network import Network
from streembit.service.people.cards import Cards
from streembit.service.people.holdings import Holdings
from streembit.service.people.transfers import Transfers
from streembit.service.people_rows import PeopleStatus


def standing(network: Network, held: Holdings, cards: Cards, transfers: Transfers) -> PeopleStatus:
    """Return the figures of now."""
    now_s, register = network.now_s(), held.register
    talks = [friend.talk for friend in held.friends.values()]
    written = [each for talk in talks if (each := talk.conversation.oldest_s) is not None]
    states = [row.state for row in transfers.rows()]
    published_s = cards.published_s
    return PeopleStatus(
        contacts=len(talks),
        online=sum(talk.is_open for talk in talks),
        requests=len(register.requests.waiting()),
        offers=sum(each.is_open for each in register.invitations.valid(now_s)),
        unread=sum(talk.conversation.unread for talk in talks),
        outbox=sum(talk.conversation.queued for talk in talks),
        oldest_s=max(0.0, now_s - min(written)) if written else None,
        transfers=states.count("running"),
        transfers_offered=states.count("offered"),
        cards_age_s=None if published_s is None else max(0.0, now_s - published_s),
        agreement_age_s=max(0.0, now_s - held.own.generations.made_s),
        notices=held.feed.notices,
    )
