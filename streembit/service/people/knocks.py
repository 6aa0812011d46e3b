"""Contact requests: ours carried to those we ask, theirs taken, the answers delivered."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.contacts.book import contact
from streembit.contacts.entry import Entry
from streembit.contacts.offer import Offer
from streembit.contacts.requests import Asked, Owed, Waiting
from streembit.errors import (
    BadKey,
    BadMessage,
    KeyRefused,
    KeyRevoked,
    RateLimited,
    RemoteRefusal,
    StreembitError,
    UnknownAnswer,
    WrongState,
    by_code,
)
from streembit.jose import base64url
from streembit.jose import fingerprint as fingerprints
from streembit.jose.keys import PublicKey
from streembit.rpc.peer import Peer
from streembit.service.people.register import Register
from streembit.service.people_events import Asked as AskedEvent
from streembit.service.people_events import Notice
from streembit.service.people_rows import RequestRow
from streembit.wire.message import Knock
from streembit.wire.offer import (
    Address,
    ContactAnswer,
    ContactLetter,
    ContactRequest,
)

if TYPE_CHECKING:
    from streembit.service.people.people import People

ID_BYTES: Final = 16
ALIKE: Final = "somebody else is known by this name, or by one that looks like it"

_log = Logger()


class Knocks:
    """Asks people to be contacts, takes their asking, and tells them what was decided.

    A letter goes out when there is a link, again on each new link, until it was heard.
    """

    def __init__(self, people: People) -> None:
        self._people = people
        self._on_their_way: set[PublicKey] = set()
        self._refusals: dict[PublicKey, str] = {}  # codes, at most of all whom we ask

    def start(self) -> None:
        """Look for all whom we asked."""
        for asked in self._register.requests.asked():
            self._people.links.want(PublicKey.parse(asked.key))

    # --- ours
    def ask_by_offer(self, offer: Offer, name: str, note: str) -> Entry:
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

    def ask_by_key(self, key: PublicKey, name: str, note: str) -> Entry:
        """Ask the holder of a key; raise as `ask_by_offer`."""
        named = name or f"key {key.hex[2:10]}"
        places = self._people.listed.places(key)
        entry = contact(key, named, self._now(), note=note, addresses=places, asked=True)
        return self._ask(entry, "", note)

    def _ask(self, entry: Entry, nonce: str, note: str) -> Entry:
        self._people.succession.check_valid()
        key = entry.public()
        if self._people.succession.is_ours(key):
            raise BadKey("nobody is a contact of its own")
        register = self._register
        known = register.book.get(key)
        if known is None or known.state == "removed":
            known = register.book.add(entry)
        elif known.alarm == "revoked":
            raise KeyRevoked(key=key.hex)
        elif known.state != "asked" and not (nonce and self._may_be_over(key)):
            raise WrongState("known already", name=known.name, state=known.state)
        request_id = base64url.encode(os.urandom(ID_BYTES))
        register.requests.ask(key, request_id, nonce, note, self._now())
        register.keep()
        self._refusals.pop(key, None)
        self._people.circle.changed(known)
        self._people.links.want(key)
        if (peer := self._people.network.roster.get(key)) is not None:
            self.linked(peer)
        return known

    def ask_again(self, entry: Entry) -> None:
        """Ask somebody who is in the book, by its key alone, to be a contact."""
        request_id = base64url.encode(os.urandom(ID_BYTES))
        self._register.requests.ask(entry.public(), request_id, "", "", self._now())
        self._register.keep()
        self._people.links.want(entry.public())
        self._deliver_to(entry.public())

    def _may_be_over(self, key: PublicKey) -> bool:
        """Tell whether a contact may have removed us: we do not reach it, or it said so."""
        friend = self._people.friends.get(key)
        return friend is None or not friend.talk.is_open or self._people.circle.is_ended(key)

    # --- letters out
    def linked(self, peer: Peer) -> None:
        """Give somebody the letters that wait for them."""
        point = peer.key.point
        requests = self._register.requests
        asked = next((each for each in requests.asked() if each.key == point), None)
        owed = next((each for each in requests.owed() if each.key == point), None)
        if peer.key in self._on_their_way or (asked is None and owed is None):
            return
        self._on_their_way.add(peer.key)
        done = Deferred.fromCoroutine(self._deliver(peer, owed, asked))
        done.addErrback(_not_now)
        done.addBoth(lambda _: self._on_their_way.discard(peer.key))

    async def _deliver(self, peer: Peer, owed: Owed | None, asked: Asked | None) -> None:
        if owed is not None and await self._knock(peer, self._answer(owed)):
            self._register.requests.heard(owed)
            self._register.keep()
            self._people.show(peer.key)
        if asked is not None:
            await self._knock(peer, self._request(asked))

    async def _knock(self, peer: Peer, letter: ContactLetter) -> bool:
        """Return whether a letter was heard, whatever they think of it."""
        self._people.network.roster.expect_answer()
        try:
            await peer.request(Knock(letter))
        except RemoteRefusal as refusal:
            _log.info("a letter was refused: {code}", code=refusal.code)
            if isinstance(letter, ContactRequest):
                self._refused(peer.key, refusal.code)
            return refusal.code == UnknownAnswer.code
        if isinstance(letter, ContactRequest):
            self._refusals.pop(peer.key, None)
        return True

    def refusal(self, key: PublicKey) -> str:
        """Return the code with which somebody refused our last request, "" where none did."""
        return self._refusals.get(key, "") if self._register.requests.is_asked(key) else ""

    def _refused(self, key: PublicKey, code: str) -> None:
        """Tell the user, once, that a request as it is comes to nothing."""
        entry, is_asked = self._register.book.get(key), self._register.requests.is_asked
        if entry is None or not is_asked(key) or code in (RateLimited.code, self.refusal(key)):
            return
        self._refusals = {each: why for each, why in self._refusals.items() if is_asked(each)}
        self._refusals[key] = code
        kind = by_code(code)
        why = kind.sentence() if kind is not None else code
        text = f"{entry.name} does not take the request: {why}"
        self._people.feed.tell(Notice(code, text))
        self._people.circle.changed(entry)

    def _request(self, asked: Asked) -> ContactRequest:
        node = self._people.node
        return ContactRequest(
            asked.id,
            node.identity.name,
            "human",
            self._people.renewals.newest.agreement.public.text,
            self._people.addresses(),
            node.settings.network,
            self._now(),
            asked.nonce,
            asked.note,
        )

    def _answer(self, owed: Owed) -> ContactAnswer:
        node = self._people.node
        return ContactAnswer(
            owed.re,
            owed.accepted,
            self._people.renewals.newest.agreement.public.text,
            self._people.addresses(),
            node.settings.network,
            self._now(),
        )

    # --- letters in
    def knock(self, peer: Peer, letter: ContactLetter) -> None:
        """Take a letter that came over a link with this peer.

        Raises:
            RemoteError: see `contacts.requests`; nothing changed.
            BadMessage: their agreement key is one of ours.
            KeyRefused: our own key is void.
        """
        if self._people.succession.is_void:
            raise KeyRefused("the key that was knocked at is void")
        owns = self._people.renewals.generations.owns
        ours = {own.agreement.public.text for own in owns} | {owns[0].public.text}
        if letter.agreement in ours:
            raise BadMessage("an agreement key that is the receiver's own")
        if isinstance(letter, ContactRequest):
            self._requested(peer, letter)
        else:
            self._answered(peer, letter)

    def _requested(self, peer: Peer, request: ContactRequest) -> None:
        register = self._register
        network = self._people.node.settings.network
        received = register.requests.receive(
            peer.key, request, register.book, register.invitations, self._now(), network
        )
        if received.is_accepted:
            self._welcome(received.waiting, "")
        else:
            register.keep()
            self._people.feed.tell(AskedEvent(self._row(received.waiting)))

    def _answered(self, peer: Peer, answer: ContactAnswer) -> None:
        register = self._register
        network = self._people.node.settings.network
        _, agreement = register.requests.answered(peer.key, answer, self._now(), network)
        if answer.accepted:
            entry = register.book.accept(peer.key, agreement, answer.addresses)
            register.keep()
            self._people.befriend(entry)
            self._people.circle.changed(entry)
        else:
            entry = register.book.of(peer.key)
            register.book.forget(peer.key)
            register.keep()
            self._people.links.unwant(peer.key)
            self._people.circle.denied(entry)

    # --- the user's decisions
    def rows(self) -> list[RequestRow]:
        """Return all requests that wait, theirs and ours, oldest first."""
        requests = self._register.requests
        rows = [self._row(each) for each in requests.waiting()]
        rows += [row for each in requests.asked() if (row := self._asked_row(each)) is not None]
        return sorted(rows, key=lambda row: row.at)

    def accept(self, request: str, name: str) -> Entry:
        """Take who asks as a contact.

        Raises:
            NotFound, AmbiguousContact, KeyAlarm, NameTaken, BadName, BookFull
            KeyRevoked: our own key is void.
        """
        self._people.succession.check_valid()
        waiting = self._register.requests.find(request)
        if not name:
            self._register.book.check_new(waiting.name, PublicKey.parse(waiting.key))
        return self._welcome(waiting, name)

    def deny(self, request: str) -> RequestRow:
        """Refuse who asks; raise NotFound, AmbiguousContact."""
        waiting = self._register.requests.find(request)
        self._register.requests.deny(waiting, self._now())
        self._register.keep()
        self._deliver_to(PublicKey.parse(waiting.key))
        return self._row(waiting)

    def _welcome(self, waiting: Waiting, name: str) -> Entry:
        """Make somebody a contact who asked for it, and tell them."""
        register, key = self._register, PublicKey.parse(waiting.key)
        known = register.book.get(key)
        if known is None or known.state == "removed":
            entry = register.book.add(waiting.entry(name, self._now()))
        else:
            agreement = PublicKey.parse(waiting.agreement)
            entry = register.book.accept(key, agreement, waiting.addresses)
        register.requests.accept(waiting, self._now())
        register.keep()
        self._deliver_to(key)
        self._people.befriend(entry)
        self._people.circle.changed(entry)
        return entry

    def _deliver_to(self, key: PublicKey) -> None:
        peer = self._people.network.roster.get(key)
        if peer is not None:
            self.linked(peer)

    # --- rows
    def _row(self, waiting: Waiting) -> RequestRow:
        key = PublicKey.parse(waiting.key)
        alike = self._register.book.lookalike(waiting.name, key)
        return RequestRow(
            waiting.id,
            True,
            waiting.name,
            key.hex,
            fingerprints.of(key),
            waiting.user_type,
            waiting.at_s,
            waiting.invited,
            waiting.note,
            ALIKE if alike is not None else "",
        )

    def _asked_row(self, asked: Asked) -> RequestRow | None:
        key = PublicKey.parse(asked.key)
        entry = self._register.book.get(key)
        if entry is None:
            return None
        return RequestRow(
            asked.id,
            False,
            entry.name,
            key.hex,
            fingerprints.of(key),
            entry.user_type,
            asked.at_s,
            bool(asked.nonce),
            asked.note,
            why=self.refusal(key),
        )

    @property
    def _register(self) -> Register:
        return self._people.circle.register

    def _now(self) -> int:
        return int(self._people.network.now_s())


def _not_now(failure: Failure) -> None:
    """Leave a letter to the next link."""
    if failure.check(StreembitError, CancelledError) is None:
        _log.failure("a letter could not be delivered", failure)
