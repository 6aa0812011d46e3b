"""Cards: what we tell each contact alone, published for those who are away, and theirs read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec
from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.contacts.pair import Pair, day_of, days_to_publish, days_to_read
from streembit.dht import renewal
from streembit.dht.put import Outcome
from streembit.errors import ChestDamaged, RemoteError, StreembitError
from streembit.jose import base64url
from streembit.jose.keys import PublicKey
from streembit.service.network import Network
from streembit.service.people.chest import Chest, Row
from streembit.service.people.diary import Diary
from streembit.service.people.friend import Friend
from streembit.service.people.reader import NoReader, Reader
from streembit.service.people.sealed import OUTDATED, Sealed
from streembit.wire.card import Card
from streembit.wire.offer import MAX_ADDRESSES, Address

ROOM: Final = "cards"
SOON_S: Final = (0.5, 3.0)  # after a change: several changes make one card
START_WITHIN_S: Final = 5.0
JOINED_S: Final = (1.0, 3.0)  # until we look again whether we are in the network
AGAIN_S: Final = (15.0, 45.0)  # after nobody took a record
NUMBERS_APART: Final = 2**16  # more cards than any copy of the state can have missed

_log = Logger()


class Numbers(Struct, array_like=True):
    """How far we and one contact have counted.

    `number` is that of our newest card, `theirs` that of the newest one we read; `days` are the
    versions of our record for each day. Days count by themselves, so that the records of two days
    cannot be told to be one pair's by their numbers.
    """

    number: int = 0
    theirs: int = 0
    days: dict[int, int] = {}


class Owner(Protocol):
    """Whose cards they are."""

    def joined(self) -> bool:
        """Tell whether we are in the network, so that a record comes to where it is looked for."""

    def addresses(self) -> Sequence[Address]:
        """Return where we are to be reached, the best first."""

    def rotation(self) -> str:
        """Return the statement that we have another key, "" without one."""

    def agreement(self) -> str:
        """Return the statement of our agreement key, "" for the first one."""


class Cards:
    """Publishes our cards, each for today and for tomorrow, and reads those of the contacts.

    Args:
        room: where the numbers are kept.
        bare: the cards say where we are and which key we have, and no more.

    Attributes:
        reader: who takes what contacts' cards say; set at most once, before the first `look`.
    """

    def __init__(
        self,
        network: Network,
        sealed: Sealed,
        chest: Chest,
        owner: Owner,
        random: Callable[[], float],
        *,
        room: str = ROOM,
        bare: bool = False,
    ) -> None:
        self._network = network
        self._sealed = sealed
        self._chest = chest
        self._owner = owner
        self.reader: Reader = NoReader()
        self._random = random
        self._friends: dict[PublicKey, Friend] = {}
        self._numbers: dict[PublicKey, Numbers] = {}
        # Each contact's records of today and tomorrow have times of their own: 0 and 1 for the
        # first pair, 2 and 3 for the second.
        self._times: Diary[tuple[PublicKey, int]] = Diary(network.clock, self._due)
        self._room, self._bare = room, bare
        self.published = 0
        self._told: set[tuple[PublicKey, int]] = set()  # what the network took; at most all cards
        self.published_s: float | None = None  # when the network last took one

    def add(self, friend: Friend) -> None:
        """Publish for this contact from now on."""
        self._friends[friend.key] = friend
        self._numbers[friend.key] = self._load(friend.key)
        for which in _records_of(friend):
            self._times.soon((friend.key, which), self._random() * START_WITHIN_S)

    def drop(self, key: PublicKey) -> None:
        """Publish for a contact no longer."""
        friend = self._friends.pop(key, None)
        self._numbers.pop(key, None)
        for which in () if friend is None else _records_of(friend):
            self._times.strike((key, which))

    def changed(self, key: PublicKey | None = None) -> None:
        """Publish soon for one contact, or for all: something in the card has changed."""
        for one in [key] if key is not None else list(self._friends):
            friend = self._friends.get(one)
            for which in () if friend is None else _records_of(friend):
                self._times.soon((one, which), self._between(*SOON_S))

    @property
    def is_told(self) -> bool:
        """Whether the network has taken a card of ours for each contact and day."""
        due = {(key, n) for key, friend in self._friends.items() for n in _records_of(friend)}
        return due <= self._told

    def close(self) -> None:
        """Publish no more."""
        self._times.close()

    # --- ours
    async def fresh(self, friend: Friend) -> Card:
        """Return a new card for a contact; its number is kept."""
        bundle = b"" if self._bare else await friend.talk.bundle()
        numbers = self._numbers[friend.key]
        numbers.number = (numbers.number or int(self._network.now_s())) + 1
        self._chest.commit([self._row(friend.key)])
        return self._card(friend, numbers.number, bundle)

    async def erase(self, friend: Friend) -> bool:
        """Delete our cards for a contact; return whether somebody keeps that in mind."""
        numbers = self._numbers.get(friend.key) or self._load(friend.key)
        done = True
        days = days_to_publish(self._network.now_s())
        for day in days:
            numbers.days[day] = numbers.days.get(day, 0) + 1
        # Should they be a contact again, the next cards count on from the tombstones.
        row = msgspec.msgpack.encode(numbers)
        self._chest.commit([(self._room, friend.key.point, row)])
        for pair, day in ((pair, day) for pair in friend.pairs.ours for day in days):
            key, salt = pair.record_key("ours", day), pair.place_salt("ours", day)
            outcome = await self._sealed.erase(key, salt, numbers.days[day])
            done = done and bool(outcome.receipts)
        return done

    def forgotten(self, key: PublicKey) -> Row:
        """Return the row that forgets how far we have counted with somebody."""
        return self._room, key.point, None

    def start_anew(self) -> list[Row]:
        """Count on from where no older state can have been; return the rows to keep."""
        for numbers in self._numbers.values():
            numbers.number += NUMBERS_APART
        return [self._row(key) for key in self._numbers]

    async def _publish(self, friend: Friend, which: int) -> None:
        now_s, pair = self._network.now_s(), friend.pairs.ours[which // 2]
        day = days_to_publish(now_s)[which % 2]
        numbers = self._numbers[friend.key]
        numbers.days = {d: seq for d, seq in numbers.days.items() if d >= day_of(now_s)}
        numbers.days[day] = numbers.days.get(day, 0) + 1
        number = numbers.days[day]
        value = pair.seal(await self.fresh(friend))
        key, salt = pair.record_key("ours", day), pair.place_salt("ours", day)
        outcome = await self._sealed.put(key, salt, value, number)
        if OUTDATED & outcome.refusals.keys():
            await self._catch_up(friend, pair, day)
        self._published(friend, which, outcome)

    def _published(self, friend: Friend, which: int, outcome: Outcome) -> None:
        if outcome.receipts:
            self.published += 1
            self._told.add((friend.key, which))
            self.published_s = self._network.now_s()
            wait_s = renewal.wait_s(outcome.receipts, self._network.now_s(), self._random())
        else:
            wait_s = self._between(*AGAIN_S)
        if friend.key in self._friends:
            self._times.soon((friend.key, which), wait_s)

    async def _catch_up(self, friend: Friend, pair: Pair, day: int) -> None:
        """Find out whether the network has a newer card of ours, and what follows from it."""
        key, salt = pair.record_key("ours", day), pair.place_salt("ours", day)
        found = await self._sealed.find(key, salt, newest=True)
        numbers = self._numbers.get(friend.key)
        if found is None or numbers is None or found.seq < numbers.days.get(day, 0):
            return
        numbers.days[day] = found.seq
        self.reader.outdated()
        self.changed(friend.key)

    def _due(self, name: tuple[PublicKey, int]) -> None:
        key, which = name
        friend = self._friends.get(key)
        if not self._owner.joined():
            self._times.soon(name, self._between(*JOINED_S))
        elif friend is not None and which in _records_of(friend):
            done = Deferred.fromCoroutine(self._publish(friend, which))
            done.addErrback(self._failed, name)

    def _failed(self, failure: Failure, name: tuple[PublicKey, int]) -> None:
        if name[0] in self._friends:
            self._times.soon(name, self._between(*AGAIN_S))
        if not failure.check(StreembitError, CancelledError):
            _log.failure("a card could not be published", failure)

    def _card(self, friend: Friend, number: int, bundle: bytes) -> Card:
        network = self._network
        first, last = (0, 0) if self._bare else friend.talk.conversation.left.waiting()
        return Card(
            number,
            int(network.now_s()),
            network.settings.network,
            list(self._owner.addresses())[:MAX_ADDRESSES],
            network.port,
            base64url.encode(bundle),
            first,
            last,
            self._owner.rotation(),
            agreement=self._owner.agreement(),
            yours=friend.agreement.text,
        )

    # --- theirs
    async def look(self, friend: Friend, pairs: Sequence[Pair] = ()) -> bool:
        """Read a contact's newest card, at its pairs' places or these; say whether one is there.

        Raises:
            StreembitError: we are stopping.
        """
        days, there = days_to_read(self._network.now_s()), False
        for pair, day in ((p, day) for p in pairs or friend.pairs.theirs for day in days):
            key, salt = pair.record_key("theirs", day), pair.place_salt("theirs", day)
            found = await self._sealed.find(key, salt, newest=True)
            if found is None:
                continue
            there = True
            if found.tombstone:
                self.reader.ended(friend)
                break
            try:
                self.take(friend, pair.open(found.value, self._network.settings.network))
            except RemoteError as error:
                _log.info("a card is of no use: {code}", code=error.code)
        return there

    def take(self, friend: Friend, card: Card) -> None:
        """Take a card of a contact's, unless a newer one is known.

        Raises:
            WrongNetwork, BadPrekeys, BadToken
        """
        if card.rotation or card.agreement:  # a thief could have counted further than the owner
            self.reader.stated(friend, card)
        numbers = self._numbers.get(friend.key)
        if numbers is None or card.number < numbers.theirs:
            return
        if card.number > numbers.theirs:
            numbers.theirs = card.number
            self._chest.commit([self._row(friend.key)])
        self.reader.read(friend, card)

    # --- rows
    def _load(self, key: PublicKey) -> Numbers:
        row = self._chest.get(self._room, key.point)
        if row is None:
            return Numbers()
        try:
            return msgspec.msgpack.decode(row, type=Numbers)
        except msgspec.MsgspecError as e:
            raise ChestDamaged(f"the numbers of cards: {e}") from None

    def _row(self, key: PublicKey) -> Row:
        return self._room, key.point, msgspec.msgpack.encode(self._numbers[key])

    def _between(self, least_s: float, most_s: float) -> float:
        return least_s + self._random() * (most_s - least_s)


def _records_of(friend: Friend) -> range:
    """Return the numbers of the records that say the same: for two days, of each pair."""
    return range(2 * len(friend.pairs.ours))


def prekeys_of(card: Card) -> bytes:
    """Return the bundle in a card, b"" without one; raise BadToken."""
    return base64url.decode(card.prekeys) if card.prekeys else b""
