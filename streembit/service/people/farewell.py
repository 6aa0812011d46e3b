"""What is left to do when a contact was removed: its records are deleted from the network."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.contacts.entry import Entry
from streembit.contacts.pair import parcel_version
from streembit.errors import StreembitError
from streembit.jose.keys import PublicKey
from streembit.service.network import Network
from streembit.service.people.acquaintance import Acquaintance
from streembit.service.people.cards import Cards
from streembit.service.people.chest import Chest, Row
from streembit.service.people.diary import Diary
from streembit.service.people.friend import Friend
from streembit.service.people.register import Register
from streembit.service.people.sealed import Sealed

ROOM: Final = "farewells"
AGAIN_S: Final = 60.0
LIFE_S: Final = 2 * 24 * 3600  # then nothing is there any more that could be deleted
_TO_DO, _STANDS = b"1", b"2"  # the tombstones: to be put, or put; their numbers are still known


class Farewell:
    """Puts tombstones over our cards and parcels for those who were removed, until they stand.

    How far cards were counted is known until the tombstones have ended: who
    is a contact again before gets cards with higher numbers.
    """

    def __init__(
        self,
        network: Network,
        chest: Chest,
        register: Register,
        acquaintance: Acquaintance,
        cards: Cards,
        sealed: Sealed,
    ) -> None:
        self._network, self._chest, self._register = network, chest, register
        self._acquaintance, self._cards, self._sealed = acquaintance, cards, sealed
        self._leaving: dict[PublicKey, Friend] = {}
        self._times: Diary[PublicKey] = Diary(network.clock, self._try)

    def begin(self, entry: Entry) -> list[Row]:
        """Return the rows that remember what is to be done."""
        return [(ROOM, entry.key, _TO_DO)]

    def go_on(self, entry: Entry) -> None:
        """Do what is left to do for a contact that was removed."""
        key = entry.public()
        kept = self._chest.get(ROOM, key.point)
        if not entry.agreement or kept is None:
            return
        left_s = self._left_s(entry)
        if left_s <= 0:
            self._forget(key)
        elif kept == _STANDS:
            self._times.put(key, left_s)
        else:
            self._leaving[key] = self._acquaintance.stranger(entry)
            self._times.put(key, 0)

    def stop(self, key: PublicKey) -> None:
        """Delete nothing more: they are a contact again."""
        if self._leaving.pop(key, None) is not None or key in self._times:
            self._times.strike(key)
            self._chest.commit([(ROOM, key.point, None)])

    def close(self) -> None:
        """Do nothing more in this run."""
        self._times.close()
        self._leaving.clear()

    def _try(self, key: PublicKey) -> None:
        friend = self._leaving.get(key)
        if friend is None:
            self._forget(key)
        else:
            Deferred.fromCoroutine(self._erase(friend)).addErrback(self._failed, key)

    def _forget(self, key: PublicKey) -> None:
        self._chest.commit([(ROOM, key.point, None), self._cards.forgotten(key)])

    def _left_s(self, entry: Entry) -> float:
        """Return how long something of ours may still be there."""
        return entry.ended_s + LIFE_S - self._network.now_s()

    async def _erase(self, friend: Friend) -> None:
        left = friend.talk.conversation.left
        done = await self._cards.erase(friend)
        version = parcel_version(self._network.now_s())
        for place in left.void():
            key = friend.pair.parcel_key("ours", place)
            salt = friend.pair.parcel_salt("ours", place)
            outcome = await self._sealed.erase(key, salt, version + 1)
            if outcome.receipts:
                left.deleted(place)
            done = done and bool(outcome.receipts)
        if friend.key not in self._leaving:
            return
        rows = list(friend.talk.conversation.changes())
        if done:
            del self._leaving[friend.key]
            self._chest.commit([*rows, (ROOM, friend.key.point, _STANDS)])
            self._times.put(friend.key, self._left_s(self._register.book.of(friend.key)))
        else:
            self._chest.commit(rows)
            self._times.put(friend.key, AGAIN_S)

    def _failed(self, failure: Failure, key: PublicKey) -> None:
        if failure.check(StreembitError, CancelledError) is None:
            _log.failure("a removed contact's records could not be deleted", failure)
        self._times.put(key, AGAIN_S)


_log = Logger()
