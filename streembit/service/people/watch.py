"""Cards of keys that were replaced: read for a while, for what their owners say of their keys.

Whoever has stolen a key can let contacts go on with a key of his own. Its owner, who still has
the old key, can then be heard at one place only: where the card of that old key lies. And two who
both changed their keys while they were apart find each other's word where each was last known to
the other. So the places of former pairs are read, for as long as they are written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec
from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.contacts.entry import Entry, Point
from streembit.contacts.pair import Pair, days_to_read
from streembit.errors import BadKey, ChestDamaged, RemoteError, StreembitError
from streembit.jose.keys import Identity, PublicKey
from streembit.service.network import Network
from streembit.service.people.chest import Chest, Row
from streembit.service.people.diary import Diary
from streembit.service.people.friend import Friends
from streembit.service.people.ownkeys import OwnKeys
from streembit.service.people.register import Register
from streembit.service.people.sealed import Sealed

ROOM: Final = "former pairs"
KEEP_S: Final = 180 * 24 * 3600  # how long a former key's cards are written, and read
MAX_PLACES: Final = 2_000  # read once an hour: some six requests a second; the oldest are dropped
EVERY_S: Final = 3600.0
SPREAD: Final = 0.25
START_WITHIN_S: Final = 60.0

_log = Logger()


class Followed(Struct, array_like=True, frozen=True):
    """A key that a contact had until then, and the agreement key that went with it."""

    key: Point
    agreement: Point
    at_s: int


class Own(NamedTuple):
    """An identity of ours, and when it was replaced; the one we have now never was."""

    identity: Identity
    until_s: int | None


class _Place(NamedTuple):
    """A pair whose card is read, and since when it is no longer the pair in use."""

    pair: Pair
    own: Own
    agreement: PublicKey
    at_s: int


class Hearer(Protocol):
    """Who takes what is said of keys."""

    def read(self, contact: PublicKey, token: str) -> None:
        """Take a statement about the key that a contact has, or had."""

    def read_agreement(self, token: str) -> None:
        """Take a statement of somebody's agreement key."""


class Watch:
    """Reads the cards of former pairs, and passes on what they say of keys.

    Attributes:
        hearer: who takes it; set once, before the start.
    """

    hearer: Hearer

    def __init__(
        self,
        network: Network,
        chest: Chest,
        register: Register,
        own: OwnKeys,
        friends: Friends,
        sealed: Sealed,
        random: Callable[[], float],
    ) -> None:
        self._network, self._chest, self._register = network, chest, register
        self._own, self._friends, self._sealed, self._random = own, friends, sealed, random
        self._former: Sequence[Own] = ()
        self._places: dict[tuple[bytes, PublicKey], _Place] = {}
        self._times: Diary[tuple[bytes, PublicKey]] = Diary(network.clock, self._due)

    def start(self, former: Sequence[Own]) -> None:
        """Read what contacts' former keys and our own former ones can find; forget the oldest."""
        self._former = former
        old = [each for each in self._load() if not self._is_of_use(each)]
        if old:
            self._chest.commit([(ROOM, each.key, None) for each in old])
        self.refresh()

    def refresh(self) -> None:
        """Read where it can be said by now: keys of ours or of contacts are others than before."""
        good = {own.identity.agreement.public.point for own in self._owns()}
        for name in [name for name in self._places if name[0] not in good]:
            self._drop(name)
        for followed in self._load():
            self._watch_former(followed)
        for own in self._former:
            for friend in self._friends.values():
                self._watch(own, friend.key, friend.agreement, own.until_s or 0)

    def close(self) -> None:
        """Read nothing more."""
        self._times.close()

    def replaced(self, before: Entry) -> Row:
        """Watch the keys that a contact has had until now; return the row that remembers it."""
        followed = Followed(before.key, before.agreement, int(self._network.now_s()))
        self._watch_former(followed)
        return ROOM, followed.key, msgspec.msgpack.encode(followed)

    def agreement_of(self, key: PublicKey) -> bytes:
        """Return the agreement key that a contact had with a former key; b"" if it is forgotten."""
        row = self._chest.get(ROOM, key.point)
        return b"" if row is None else msgspec.msgpack.decode(row, type=Followed).agreement

    def _watch_former(self, followed: Followed) -> None:
        key, agreement = PublicKey.parse(followed.key), PublicKey.parse(followed.agreement)
        for own in self._owns():
            self._watch(own, key, agreement, followed.at_s)

    def _watch(self, own: Own, key: PublicKey, agreement: PublicKey, at_s: int) -> None:
        name = own.identity.agreement.public.point, key
        known = self._places.get(name)
        if known is not None and known.agreement == agreement:
            return
        try:
            place = _Place(Pair(own.identity, key, agreement), own, agreement, at_s)
        except BadKey:  # who once had our key is no contact by it
            return
        if self._entry(place, key) is None:
            return
        self._places[name] = place
        self._times.put(name, self._random() * START_WITHIN_S)
        if len(self._places) > MAX_PLACES:
            self._drop(min(self._places, key=lambda each: self._places[each].at_s))

    def _owns(self) -> Sequence[Own]:
        """Return ourselves with each key that a card can be meant for."""
        owns = self._own.all
        return (*(Own(own, None) for own in owns), *self._former)

    def _drop(self, name: tuple[bytes, PublicKey]) -> None:
        del self._places[name]
        self._times.strike(name)

    # --- reading
    def _due(self, name: tuple[bytes, PublicKey]) -> None:
        if self._entry(self._places[name], name[1]) is None:
            self._drop(name)
            return
        wait_s = EVERY_S * (1 + SPREAD * (2 * self._random() - 1))
        self._times.put(name, wait_s)
        Deferred.fromCoroutine(self._look(name)).addErrback(_left_to_the_next)

    def _entry(self, place: _Place, key: PublicKey) -> Entry | None:
        """Return whose card it is, if it can still say something new."""
        book = self._register.book
        entry = book.get(key) or book.successor(key)
        now_s = self._network.now_s()
        if entry is None or not _is_followed(entry) or now_s - place.at_s >= KEEP_S:
            return None
        until_s = place.own.until_s
        if until_s is not None and entry.key == key.point and (entry.last_seen_s or 0) > until_s:
            return None  # they have met us under the key that we have now
        return entry

    async def _look(self, name: tuple[bytes, PublicKey]) -> None:
        place = self._places[name]
        for day in days_to_read(self._network.now_s()):
            key, salt = place.pair.record_key("theirs", day), place.pair.place_salt("theirs", day)
            found = await self._sealed.find(key, salt, newest=True)
            if found is None or found.tombstone or name not in self._places:
                continue
            try:
                card = place.pair.open(found.value, self._network.settings.network)
            except RemoteError as error:
                _log.info("a former key's card is of no use: {code}", code=error.code)
                continue
            entry = self._entry(place, name[1])
            if card.rotation and entry is not None:
                self.hearer.read(entry.public(), card.rotation)
            if card.agreement:
                self.hearer.read_agreement(card.agreement)

    # --- rows
    def _load(self) -> list[Followed]:
        """Return what was followed, the latest last."""
        try:
            kept = [msgspec.msgpack.decode(row, type=Followed) for row in self._chest.all(ROOM)]
        except msgspec.MsgspecError as e:
            raise ChestDamaged(f"the former keys of contacts: {e}") from None
        return sorted(kept, key=lambda each: each.at_s)

    def _is_of_use(self, followed: Followed) -> bool:
        entry = self._register.book.successor(PublicKey.parse(followed.key))
        is_young = self._network.now_s() - followed.at_s < KEEP_S
        return entry is not None and is_young and _is_followed(entry)


def _is_followed(entry: Entry) -> bool:
    """Return whether it matters what a contact's former keys say: also while two are in dispute."""
    return entry.state in ("contact", "blocked") and entry.alarm != "revoked"


def _left_to_the_next(failure: Failure) -> None:
    """Leave a card that could not be read to the next time."""
    if failure.check(StreembitError, CancelledError) is None:
        _log.failure("a former key's card could not be read", failure)
