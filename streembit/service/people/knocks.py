"""Those who want to be contacts: their letters taken, the user asked, and what was decided told."""

from __future__ import annotations

from typing import Final

from streembit.contacts.entry import Entry
from streembit.contacts.requests import Asked, Waiting
from streembit.errors import BadMessage, KeyRefused
from streembit.jose import fingerprint as fingerprints
from streembit.jose.keys import PublicKey
from streembit.service.network import Network
from streembit.service.people.bonds import Bonds
from streembit.service.people.circle import Circle
from streembit.service.people.holdings import Holdings
from streembit.service.people.letters import Letters
from streembit.service.people.links import Links
from streembit.service.people_events import Asked as AskedEvent
from streembit.service.people_events import Notice
from streembit.service.people_rows import RequestRow
from streembit.wire.offer import ContactAnswer, ContactLetter, ContactRequest

ALIKE: Final = "somebody else is known by this name, or by one that looks like it"
DENIED: Final = "request-denied"


class Knocks:
    """Takes people's asking, and their answers to ours."""

    def __init__(
        self,
        network: Network,
        held: Holdings,
        bonds: Bonds,
        circle: Circle,
        links: Links,
        letters: Letters,
    ) -> None:
        self._network, self._register, self._own = network, held.register, held.own
        self._lineage, self._refused, self._feed = held.lineage, held.refused, held.feed
        self._bonds, self._circle, self._links, self._letters = bonds, circle, links, letters

    # --- letters in
    def knock(self, key: PublicKey, letter: ContactLetter) -> None:
        """Take a letter of the holder of this key.

        Raises:
            RemoteError: see `contacts.requests`; nothing changed.
            BadMessage: their agreement key is one of ours.
            KeyRefused: our own key is void.
        """
        if self._lineage.is_void:
            raise KeyRefused("the key that was knocked at is void")
        if letter.agreement in {ours.text for ours in self._own.public_keys()}:
            raise BadMessage("an agreement key that is the receiver's own")
        if isinstance(letter, ContactRequest):
            self._requested(key, letter)
        else:
            self._answered(key, letter)

    def _requested(self, key: PublicKey, request: ContactRequest) -> None:
        register, network = self._register, self._network.settings.network
        received = register.requests.receive(
            key, request, register.book, register.invitations, self._now(), network
        )
        if received.is_accepted:
            self._welcome(received.waiting, "")
        else:
            register.keep()
            self._feed.tell(AskedEvent(self._row(received.waiting)))

    def _answered(self, key: PublicKey, answer: ContactAnswer) -> None:
        register, network = self._register, self._network.settings.network
        _, agreement = register.requests.answered(key, answer, self._now(), network)
        if answer.accepted:
            entry = register.book.accept(key, agreement, answer.addresses)
            register.keep()
            self._bonds.befriend(entry)
            self._circle.tell(entry)
        else:
            entry = register.book.of(key)
            register.book.forget(key)
            register.keep()
            self._links.unwant(key)
            self._feed.tell(Notice(DENIED, f"{entry.name} does not want to be a contact"))

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
        self._lineage.check_valid()
        waiting = self._register.requests.find(request)
        if not name:
            self._register.book.check_new(waiting.name, PublicKey.parse(waiting.key))
        return self._welcome(waiting, name)

    def deny(self, request: str) -> RequestRow:
        """Refuse who asks; raise NotFound, AmbiguousContact."""
        waiting = self._register.requests.find(request)
        self._register.requests.deny(waiting, self._now())
        self._register.keep()
        self._letters.deliver(PublicKey.parse(waiting.key))
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
        self._letters.deliver(key)
        self._bonds.befriend(entry)
        self._circle.tell(entry)
        return entry

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
            why=self._refused.code(key),
        )

    def _now(self) -> int:
        return int(self._network.now_s())
