"""Offers of others: found in a text, checked, and shown before anybody is asked."""

from __future__ import annotations

from streembit.contacts import offer as offers
from streembit.contacts.offer import Offer
from streembit.errors import BadOffer, OwnOffer
from streembit.jose import fingerprint as fingerprints
from streembit.service.network import Network
from streembit.service.people.holdings import Holdings
from streembit.service.people.shown import alarm_of
from streembit.service.people_rows import OfferShown


class Offered:
    """Reads offers as the account that they are made to."""

    def __init__(self, network: Network, held: Holdings) -> None:
        self._network, self._register, self._lineage = network, held.register, held.lineage

    def read(self, text: str) -> list[Offer]:
        """Return the offers in a text, all of them good.

        Raises:
            BadOffer: there is none; and what `contacts.offer.read` raises.
            OwnOffer: one is ours.
        """
        tokens = offers.find(text)
        if not tokens:
            raise BadOffer("there is no contact offer in this text")
        network, own = self._network.settings.network, self._network.identity.public
        found = [offers.read(token, own, network, self._network.now_s()) for token in tokens]
        if any(self._lineage.is_ours(offer.key) for offer in found):
            raise OwnOffer("the offer is your own, under a key of before")
        return found

    def row(self, offer: Offer) -> OfferShown:
        """Return what an offer contains, and whom it reminds of."""
        claims, book = offer.claims, self._register.book
        known, alike = book.get(offer.key), book.lookalike(claims.account, offer.key)
        return OfferShown(
            account=claims.account,
            public_key=claims.public_key,
            fingerprint=fingerprints.of(offer.key),
            agreement=claims.agreement,
            user_type=claims.user_type,
            transport=claims.transport,
            host=claims.host,
            port=claims.port,
            network=claims.net,
            expires=claims.exp,
            once=claims.once,
            note=claims.note,
            hub=claims.hub,
            known_as=known.name if known is not None else "",
            alarm=alarm_of(alike),
        )
