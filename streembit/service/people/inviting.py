"""What is open to others: our offers, and our requests, made, taken back, and ended in time."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from streembit.contacts import offer as offers
from streembit.contacts.invitations import Invitation
from streembit.contacts.offer import NONCE_BYTES, Offer
from streembit.jose.keys import PublicKey
from streembit.service.network import Network
from streembit.service.people.holdings import Holdings
from streembit.service.people.links import Links
from streembit.service.people_events import Notice
from streembit.service.people_rows import OfferRow
from streembit.service.upkeep import Upkeep

EXPIRE_EVERY_S: Final = 3600.0
UNANSWERED: Final = "request-unanswered"


class Inviting:
    """Makes offers, and lets them and our requests come to their end."""

    def __init__(self, network: Network, held: Holdings, links: Links) -> None:
        self._network, self._links, self._feed = network, links, held.feed
        self._register, self._own = held.register, held.own
        self._lineage, self._abode = held.lineage, held.abode

    def upkeep(self, random: Callable[[], float]) -> Upkeep:
        """Return the service that looks what is over."""
        clock, jitter_s = self._network.clock, EXPIRE_EVERY_S / 10
        return Upkeep("requests", clock, EXPIRE_EVERY_S, self.expire, random, jitter_s=jitter_s)

    # --- offers
    def invite(self, life_s: int, once: bool, note: str) -> tuple[OfferRow, Offer]:
        """Make an offer; raise BadName, TooManyOffers, KeyRevoked."""
        self._lineage.check_valid()
        place = self._abode.best_address()
        made = offers.make(
            self._own.newest,
            network=self._network.settings.network,
            now_unix_s=self._now(),
            life_s=life_s,
            nonce=os.urandom(NONCE_BYTES),
            host=place.host if place else "",
            port=place.port if place else 0,
            transport=place.transport if place else "tcp",
            user_type=self._register.settings.user_type,
            hub=place.hub if place else "",
            once=once,
            note=note,
        )
        invitation = self._register.invitations.add(made, self._now())
        self._register.keep()
        return _offer_row(invitation), made

    def invitations(self) -> list[OfferRow]:
        """Return our offers that are not over, newest first."""
        return [_offer_row(each) for each in self._register.invitations.valid(self._now())]

    def revoke(self, nonce: str) -> OfferRow:
        """Take an offer back; raise NotFound."""
        revoked = self._register.invitations.revoke(nonce)
        self._register.keep()
        return _offer_row(revoked)

    def retract(self) -> int:
        """Take all offers back; return how many somebody could still have taken."""
        invitations = self._register.invitations
        open_ = [each for each in invitations.valid(self._now()) if each.is_open]
        for each in open_:
            invitations.revoke(each.nonce)
        self._register.keep()
        return len(open_)

    # --- offers and requests
    def withdraw(self) -> None:
        """Take all offers back, and ask nobody any more: our own key is void."""
        register, book = self._register, self._register.book
        self.retract()
        asked = [PublicKey.parse(each.key) for each in register.requests.asked()]
        waiting = [PublicKey.parse(each.key) for each in register.requests.waiting()]
        for key in (*asked, *waiting):
            register.requests.withdraw(key)
        # Who has ended it may be asked again, and is in the book all the while.
        gone = [key for key in asked if book.of(key).state == "asked"]
        for key in gone:
            book.forget(key)
        register.keep()
        for key in gone:
            self._links.unwant(key)

    def expire(self) -> None:
        """End offers and requests that are over; give up on those who never answered."""
        book = self._register.book
        self._register.invitations.expire(self._now())
        overdue = self._register.requests.expire(self._now())
        silent = [book.get(PublicKey.parse(asked.key)) for asked in overdue.asked]
        given_up = [entry for entry in silent if entry is not None and entry.state == "asked"]
        for entry in given_up:
            book.forget(entry.public())
        self._register.keep()
        for entry in given_up:
            self._links.unwant(entry.public())
            self._feed.tell(Notice(UNANSWERED, f"{entry.name} has not answered"))

    def _now(self) -> int:
        return int(self._network.now_s())


def _offer_row(each: Invitation) -> OfferRow:
    return OfferRow(
        each.nonce, each.created_s, each.expires_s, each.once, each.note, len(each.by), each.revoked
    )
