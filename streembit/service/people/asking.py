"""Those whom we ask to be contacts: by an offer of theirs, or by their key alone."""

from __future__ import annotations

import os
from typing import Final

from streembit.contacts.book import contact
from streembit.contacts.entry import Entry
from streembit.contacts.offer import Offer
from streembit.errors import BadKey, KeyRevoked, WrongState
from streembit.jose import base64url
from streembit.jose.keys import PublicKey
from streembit.service.network import Network
from streembit.service.people.circle import Circle
from streembit.service.people.holdings import Holdings
from streembit.service.people.letters import Letters
from streembit.service.people.links import Links
from streembit.service.people.listed import Listed
from streembit.wire.offer import Address

ID_BYTES: Final = 16


class Asking:
    """Asks people to be contacts, and looks for them until they have heard it."""

    def __init__(
        self,
        network: Network,
        held: Holdings,
        circle: Circle,
        listed: Listed,
        links: Links,
        letters: Letters,
    ) -> None:
        self._network, self._register, self._friends = network, held.register, held.friends
        self._lineage, self._refused, self._circle = held.lineage, held.refused, circle
        self._listed, self._links, self._letters = listed, links, letters

    def start(self) -> None:
        """Look for all whom we asked."""
        for asked in self._register.requests.asked():
            self._links.want(PublicKey.parse(asked.key))

    def by_offer(self, offer: Offer, name: str, note: str) -> Entry:
        """Ask whoever made an offer; raise KeyAlarm, NameTaken, WrongState, TooManyAsked."""
        claims = offer.claims
        places = [Address(claims.host, claims.port, claims.transport)] if claims.host else []
        entry = contact(
            offer.key,
            name or claims.account,
            self._now(),
            agreement=offer.agreement,
            user_type=claims.user_type,
            called=claims.account,
            note=note,
            addresses=places,
            asked=True,
        )
        if not name:
            self._register.book.check_new(claims.account, offer.key)
        return self._ask(entry, claims.nonce, note)

    def by_key(self, key: PublicKey, name: str, note: str) -> Entry:
        """Ask the holder of a key; raise as `by_offer`."""
        called = name or f"key {key.hex[2:10]}"
        places = self._listed.places(key)
        entry = contact(key, called, self._now(), note=note, addresses=places, asked=True)
        return self._ask(entry, "", note)

    def again(self, entry: Entry) -> None:
        """Ask somebody who is in the book, by its key alone, to be a contact."""
        self._put(entry.public(), "", "")
        self._links.want(entry.public())
        self._letters.deliver(entry.public())

    def _ask(self, entry: Entry, nonce: str, note: str) -> Entry:
        self._lineage.check_valid()
        key = entry.public()
        if self._lineage.is_ours(key):
            raise BadKey("nobody is a contact of its own")
        known = self._register.book.get(key)
        if known is None or known.state == "removed":
            known = self._register.book.add(entry)
        elif known.alarm == "revoked":
            raise KeyRevoked(key=key.hex)
        elif known.state != "asked" and not (nonce and self._may_be_over(key)):
            raise WrongState("known already", name=known.name, state=known.state)
        self._put(key, nonce, note)
        self._refused.forget(key)
        self._circle.tell(known)
        self._links.want(key)
        self._letters.deliver(key)
        return known

    def _put(self, key: PublicKey, nonce: str, note: str) -> None:
        """Keep a request with all that has changed for it."""
        request_id = base64url.encode(os.urandom(ID_BYTES))
        self._register.requests.ask(key, request_id, nonce, note, self._now())
        self._register.keep()

    def _may_be_over(self, key: PublicKey) -> bool:
        """Tell whether a contact may have removed us: we do not reach it, or it said so."""
        friend = self._friends.get(key)
        return friend is None or not friend.talk.is_open or self._circle.is_ended(key)

    def _now(self) -> int:
        return int(self._network.now_s())
