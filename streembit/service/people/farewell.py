"""What is left to do when a contact was removed: its records are deleted from the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.contacts.entry import Entry
from streembit.contacts.pair import HOUR_S
from streembit.errors import StreembitError
from streembit.jose.keys import PublicKey
from streembit.service.people.chest import Row
from streembit.service.people.diary import Diary
from streembit.service.people.friend import Friend

if TYPE_CHECKING:
    from streembit.service.people.people import People

ROOM: Final = "farewells"
AGAIN_S: Final = 60.0
LIFE_S: Final = 2 * 24 * 3600  # then nothing is there any more that could be deleted


class Farewell:
    """Puts tombstones over our cards and parcels for those who were removed, until they stand."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._leaving: dict[PublicKey, Friend] = {}
        self._times: Diary[PublicKey] = Diary(people.node.clock, self._try)

    def begin(self, entry: Entry) -> list[Row]:
        """Return the rows that remember what is to be done."""
        return [(ROOM, entry.key, b"1")]

    def go_on(self, entry: Entry) -> None:
        """Do what is left to do for a contact that was removed."""
        key = entry.public()
        if not entry.agreement or self._people.chest.get(ROOM, key.point) is None:
            return
        if self._people.network.now_s() - entry.ended_s >= LIFE_S:
            self._people.chest.commit([(ROOM, key.point, None)])
            return
        self._leaving[key] = self._people.acquaintance.stranger(entry)
        self._times.put(key, 0)

    def stop(self, key: PublicKey) -> None:
        """Delete nothing more: they are a contact again."""
        if self._leaving.pop(key, None) is not None:
            self._times.strike(key)
            self._people.chest.commit([(ROOM, key.point, None)])

    def close(self) -> None:
        """Do nothing more in this run."""
        self._times.close()
        self._leaving.clear()

    def _try(self, key: PublicKey) -> None:
        friend = self._leaving.get(key)
        if friend is not None:
            Deferred.fromCoroutine(self._erase(friend)).addErrback(self._failed, key)

    async def _erase(self, friend: Friend) -> None:
        people, left = self._people, friend.talk.conversation.left
        done = await people.cards.erase(friend)
        hour = int(people.network.now_s()) // HOUR_S
        for place in left.void():
            key = friend.pair.parcel_key("ours", place)
            salt = friend.pair.parcel_salt("ours", place)
            outcome = await people.sealed.erase(key, salt, hour + 1)
            if outcome.receipts:
                left.deleted(place)
            done = done and bool(outcome.receipts)
        if friend.key not in self._leaving:
            return
        rows = list(friend.talk.conversation.changes())
        if done:
            del self._leaving[friend.key]
            people.chest.commit([*rows, (ROOM, friend.key.point, None)])
        else:
            people.chest.commit(rows)
            self._times.put(friend.key, AGAIN_S)

    def _failed(self, failure: Failure, key: PublicKey) -> None:
        if failure.check(StreembitError, CancelledError) is None:
            _log.failure("a removed contact's records could not be deleted", failure)
        self._times.put(key, AGAIN_S)


_log = Logger()
