"""What an account's people tell Prometheus of themselves: counts, and never a name."""

from __future__ import annotations

from streembit.service.metrics import Metrics
from streembit.service.people.friend import Friends
from streembit.service.people.talks import Talks
from streembit.service.people.ways import Ways


def show(metrics: Metrics, friends: Friends, talks: Talks, ways: Ways) -> None:
    """Register the figures of an account's people."""
    drops, post, cards, pace = ways.drops, ways.post, ways.cards, ways.pace
    metrics.gauge("streembit_contacts", "Contacts that may talk to us.", lambda: len(friends))
    metrics.gauge(
        "streembit_contacts_linked",
        "Contacts with an open link.",
        lambda: sum(talk.is_open for talk in talks),
    )
    metrics.gauge(
        "streembit_messages_queued",
        "Messages of ours that have not arrived.",
        lambda: sum(talk.conversation.queued for talk in talks),
    )
    metrics.counter("streembit_parcels_handed", "That contacts kept.", lambda: talks.handed)
    metrics.counter("streembit_parcels_heard", "That contacts handed us.", lambda: talks.heard)
    metrics.counter(
        "streembit_parcels_left", "Put into the network, or renewed.", lambda: drops.left
    )
    metrics.counter("streembit_parcels_fetched", "Found in the network.", lambda: drops.fetched)
    metrics.counter("streembit_mails_sent", "Parcels that a mailbox keeps.", lambda: post.mailed)
    metrics.counter("streembit_mails_received", "Parcels that came by mail.", lambda: post.received)
    metrics.counter("streembit_cards_published", "Records for contacts.", lambda: cards.published)
    metrics.gauge("streembit_people_lookups", "Look-ups and puts in flight.", lambda: pace.running)
