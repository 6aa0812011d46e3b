"""Requests to be contacts, theirs and ours, and the answers that are still owed.

Who asks is known by the key of the link that the request came over; the
letter itself proves nothing. One key has one request here, the latest.

A request that quotes an open offer of ours is accepted without asking the
user again: an offer says "whoever brings this may be my contact", and who
made it has chosen to whom it went (or, printed on a card, that it may be
anybody, up to `invitations.MAX_USES`). There is one exception: if the one
who brings it goes by the name of a contact with another key, the user is
asked, for an offer that was overheard on its way is the best chance for
somebody who wants to pass as another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec import Struct

from streembit.contacts.book import MAX_CONTACTS, Book
from streembit.contacts.entry import Entry, Point
from streembit.contacts.invitations import Invitations
from streembit.contacts.offer import CLOCK_SKEW_S
from streembit.contacts.rows import Change, Room
from streembit.errors import (
    AmbiguousContact,
    BadKey,
    BadMessage,
    BadName,
    KeyRefused,
    KeyRevoked,
    NotFound,
    RequestQuota,
    StaleLetter,
    TooManyAsked,
    UnknownAnswer,
    WrongNetwork,
)
from streembit.jose.keys import PublicKey
from streembit.wire import texts
from streembit.wire.offer import (
    Addresses,
    ContactAnswer,
    ContactLetter,
    ContactRequest,
    NameText,
    NoteText,
    UserType,
)

WAITING, ASKED, DENIED, OWED = "asks", "asked", "denied", "owed"
DAY_S: Final = 24 * 3600
# Strangers can draw as many keys as they like, and each new request may push out the oldest. So
# few are taken in a day that one stays for the user to see for two days at least.
MAX_WAITING: Final = 200
MAX_A_DAY: Final = 100
MAX_ASKED: Final = 500  # whom we asked: each is looked up and tried until it answers
MAX_DENIED: Final = 1_000  # keys; the oldest are dropped
WAITS_FOR_S: Final = 30 * DAY_S  # for an answer, on either side
DENIED_FOR_S: Final = 30 * DAY_S
OWED_FOR_S: Final = 14 * DAY_S  # as long as a message is tried


class Waiting(Struct, array_like=True, frozen=True):
    """Somebody who asks: the key that asked, and what they say of themselves.

    `invited` says that an offer of ours was quoted.
    """

    key: Point
    id: str
    name: NameText
    user_type: UserType
    agreement: Point
    addresses: Addresses
    note: NoteText
    at_s: int
    invited: bool

    def entry(self, name: str, now_s: int) -> Entry:
        """Return the entry for the book if they become a contact, "" for their own name."""
        own, note = self.name, self.note
        told = (self.agreement, own, note, self.addresses)
        return Entry(self.key, name or own, "contact", self.user_type, now_s, *told)


class Asked(Struct, array_like=True, frozen=True):
    """Somebody whom we asked; `nonce` is their offer's, "" where they made none."""

    key: Point
    id: str
    at_s: int
    nonce: str
    note: str


class Owed(Struct, array_like=True, frozen=True):
    """What we have decided on the request `re`, until they have heard it."""

    key: Point
    re: str
    accepted: bool
    at_s: int


class Denied(Struct, array_like=True, frozen=True):
    """A key that may not ask again before then."""

    key: Point
    until_s: int


class Received(NamedTuple):
    """A request that was taken: to be accepted at once, or to be shown to the user."""

    waiting: Waiting
    is_accepted: bool


class Overdue(NamedTuple):
    """What ended by itself: requests to us, and people who never answered ours."""

    waiting: list[Waiting]
    asked: list[Asked]


class Requests:
    """The requests of one account, by the key of the other; `changes` is to be committed."""

    __slots__ = ("_asked", "_denied", "_owed", "_recent", "_waiting")

    def __init__(self, kept: Callable[[str], list[bytes]]) -> None:
        """Take what returns the rows of a room; raise ChestDamaged for rows of another kind."""
        self._waiting = Room(WAITING, Waiting, kept(WAITING))
        self._asked = Room(ASKED, Asked, kept(ASKED))
        self._denied = Room(DENIED, Denied, kept(DENIED))
        self._owed = Room(OWED, Owed, kept(OWED))
        # When the last requests of strangers came; a restart counts those that still wait.
        self._recent = deque(sorted(each.at_s for each in self._waiting), MAX_A_DAY)

    def changes(self) -> list[Change]:
        """Return the rows that changed since the last time."""
        waiting, asked = self._waiting.changes(), self._asked.changes()
        return [*waiting, *asked, *self._denied.changes(), *self._owed.changes()]

    # --- theirs

    def receive(
        self,
        key: PublicKey,
        request: ContactRequest,
        book: Book,
        invitations: Invitations,
        now_s: int,
        network: str,
    ) -> Received:
        """Take a request that came over a link with this key.

        One that is to be accepted does not wait: whoever does so adds
        `waiting.entry` to the book, unless the key is in it, and owes an
        answer. It is accepted too if the key is a contact's, who may have
        lost our answer, or was asked by us.

        Raises:
            WrongNetwork, StaleLetter, BadMessage
            KeyRefused, KeyRevoked: nothing is taken from this key.
            OfferExpired, OfferUsed: it quotes an offer that is over.
            RequestQuota: too many strangers asked today.
        """
        agreement = _judged(key, request, now_s, network)
        is_back = _is_back(key, request.nonce, book, invitations, now_s)
        known = not is_back and self._let_in(key, book, now_s)
        quoted = request.nonce and not known
        invited = bool(quoted) and invitations.use(request.nonce, key, now_s) is not None
        waiting = Waiting(
            key.point,
            request.id,
            request.name,
            request.user_type,
            agreement.point,
            request.addresses,
            request.note,
            now_s,
            invited,
        )
        is_accepted = known or (invited and _is_welcome(waiting, key, book))
        if is_accepted:
            self._waiting.drop(key.point)
        else:
            self._wait(waiting, now_s)
        return Received(waiting, is_accepted)

    def waiting(self) -> list[Waiting]:
        """Return who waits for the user's decision, the oldest first."""
        return sorted(self._waiting, key=lambda each: (each.at_s, each.key))

    def find(self, text: str) -> Waiting:
        """Return who asks, by the request's id, the key in hex, or the name.

        Raises:
            NotFound, AmbiguousContact
        """
        everybody = self.waiting()
        for found in (
            [each for each in everybody if text in (each.id, each.key.hex())],
            [each for each in everybody if each.name == text],
        ):
            if len(found) > 1:
                raise AmbiguousContact("give the request's id", count=len(found))
            if found:
                return found[0]
        raise NotFound("nobody asks by this id, key or name")

    def accept(self, waiting: Waiting, now_s: int) -> Owed:
        """End the wait of somebody who becomes a contact; the answer is owed."""
        self._waiting.drop(waiting.key)
        self._asked.drop(waiting.key)
        return self._owed.put(Owed(waiting.key, waiting.id, accepted=True, at_s=now_s))

    def deny(self, waiting: Waiting, now_s: int) -> Owed:
        """End the wait of somebody who does not; the key may not ask again for DENIED_FOR_S."""
        self._waiting.drop(waiting.key)
        self._denied.put(Denied(waiting.key, now_s + DENIED_FOR_S))
        while len(self._denied) > MAX_DENIED:
            first = min(self._denied, key=lambda each: (each.until_s, each.key))
            self._denied.drop(first.key)
        return self._owed.put(Owed(waiting.key, waiting.id, accepted=False, at_s=now_s))

    # --- ours

    def ask(self, key: PublicKey, request_id: str, nonce: str, note: str, now_s: int) -> Asked:
        """Remember that this key is asked; `request_id` is 16 bytes of chance as text.

        Raises:
            TooManyAsked
        """
        if len(self._asked) >= MAX_ASKED and key.point not in self._asked:
            raise TooManyAsked(limit=MAX_ASKED)
        self._denied.drop(key.point)
        return self._asked.put(Asked(key.point, request_id, now_s, nonce, note))

    def asked(self) -> list[Asked]:
        """Return whom we asked and who has not answered, the oldest first."""
        return sorted(self._asked, key=lambda each: (each.at_s, each.key))

    def is_asked(self, key: PublicKey) -> bool:
        """Tell whether this key is asked and has not answered."""
        return key.point in self._asked

    def answered(
        self, key: PublicKey, answer: ContactAnswer, now_s: int, network: str
    ) -> tuple[Asked, PublicKey]:
        """Return what was asked, and their agreement key, for an answer that came over a link.

        Raises:
            UnknownAnswer: this key was not asked that.
            WrongNetwork, StaleLetter, BadMessage
        """
        agreement = _checked(key, answer, now_s, network)
        asked = self._asked.get(key.point)
        if asked is None or asked.id != answer.re:
            raise UnknownAnswer("nobody asked for that")
        self._asked.drop(key.point)
        return asked, agreement

    def withdraw(self, key: PublicKey) -> None:
        """Ask this key no longer, and let it wait for nothing: it was blocked or removed."""
        self._waiting.drop(key.point)
        self._asked.drop(key.point)
        self._owed.drop(key.point)

    # --- answers

    def owed(self) -> list[Owed]:
        """Return the answers that nobody has heard yet, the oldest first."""
        return sorted(self._owed, key=lambda each: (each.at_s, each.key))

    def heard(self, owed: Owed) -> None:
        """Owe this answer no longer."""
        if self._owed.get(owed.key) == owed:
            self._owed.drop(owed.key)

    # --- time

    def expire(self, now_s: int) -> Overdue:
        """End what waited too long, on either side, and return it; let the denied ask again."""
        waiting = [each for each in self.waiting() if each.at_s + WAITS_FOR_S <= now_s]
        asked = [each for each in self.asked() if each.at_s + WAITS_FOR_S <= now_s]
        for request in waiting:
            self._waiting.drop(request.key)
        for each in asked:
            self._asked.drop(each.key)
        for denied in self._denied:
            if denied.until_s <= now_s:
                self._denied.drop(denied.key)
        for owed in self._owed:
            if owed.at_s + OWED_FOR_S <= now_s:
                self._owed.drop(owed.key)
        return Overdue(waiting, asked)

    # --- within

    def _let_in(self, key: PublicKey, book: Book, now_s: int) -> bool:
        """Return whether the key is a contact's or was asked by us; raise for a refused one."""
        entry = book.get(key)
        if entry is not None and entry.alarm == "revoked":
            raise KeyRevoked(key=key.hex)
        denied = self._denied.get(key.point)
        is_denied = denied is not None and denied.until_s > now_s
        is_barred = entry is not None and (entry.is_refused or entry.alarm == "two-successors")
        if is_denied or is_barred or book.successor(key):
            raise KeyRefused(key=key.hex)
        return entry is not None

    def _wait(self, waiting: Waiting, now_s: int) -> None:
        if waiting.key not in self._waiting:
            self._count(now_s)
            if len(self._waiting) >= MAX_WAITING:
                self._waiting.drop(self._first_to_go().key)
        self._waiting.put(waiting)

    def _first_to_go(self) -> Waiting:
        """Return the oldest request, one that was not invited if there is one."""
        return min(self._waiting, key=lambda each: (each.invited, each.at_s, each.key))

    def _count(self, now_s: int) -> None:
        while self._recent and not now_s - DAY_S < self._recent[0] <= now_s:
            self._recent.popleft()
        if len(self._recent) >= MAX_A_DAY:
            raise RequestQuota(limit=MAX_A_DAY)
        self._recent.append(now_s)


def _is_back(key: PublicKey, nonce: str, book: Book, invitations: Invitations, now_s: int) -> bool:
    """Return whether somebody who was removed quotes an open offer that was made later."""
    entry = book.get(key)
    if not nonce or entry is None or entry.state != "removed" or entry.alarm == "revoked":
        return False
    return invitations.is_open(nonce, entry.ended_s, now_s)


def _judged(key: PublicKey, request: ContactRequest, now_s: int, network: str) -> PublicKey:
    """Return the agreement key of a request whose words may be kept and shown."""
    agreement = _checked(key, request, now_s, network)
    try:
        texts.check_name(request.name)
        texts.check_note(request.note)
    except BadName as e:
        raise BadMessage(e.detail) from None
    return agreement


def _checked(key: PublicKey, letter: ContactLetter, now_s: int, network: str) -> PublicKey:
    """Return the agreement key of a letter that belongs here and now."""
    if letter.net != network:
        raise WrongNetwork("the letter belongs to another network")
    if abs(letter.iat - now_s) > CLOCK_SKEW_S:
        raise StaleLetter(off_s=letter.iat - now_s)
    try:
        agreement = PublicKey.from_text(letter.agreement)
    except BadKey as e:
        raise BadMessage(e.detail) from None
    if agreement == key:
        raise BadMessage("one key for two purposes")
    return agreement


def _is_welcome(waiting: Waiting, key: PublicKey, book: Book) -> bool:
    """Return whether who brings an offer needs no second look by the user."""
    live = sum(entry.is_live for entry in book)
    return book.lookalike(waiting.name, key) is None and live < MAX_CONTACTS
