"""Parcels in the network: left for contacts who are away, and those that they left for us."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.chat.events import Outgoing
from streembit.contacts.pair import parcel_version
from streembit.dht import renewal
from streembit.dht.put import Outcome
from streembit.errors import RemoteError, StreembitError
from streembit.jose.keys import PublicKey
from streembit.service.network import Network
from streembit.service.people.diary import Diary
from streembit.service.people.friend import Friend
from streembit.service.people.sealed import OUTDATED, Sealed
from streembit.service.people.talk import Talk

START_WITHIN_S: Final = 30.0
AGAIN_S: Final = 30.0
BATCH: Final = 10  # of a contact's parcels looked up together
FETCH_AGAIN_S: Final = 60.0

_log = Logger()

Place = tuple[PublicKey, int]


class Drops:
    """Puts our parcels at their places, keeps them alive, takes them back; and fetches theirs.

    The version of such a record is the number of the hour: a place is used for one parcel only,
    and each hour's copy of it is as good as any other.
    """

    def __init__(self, network: Network, sealed: Sealed, random: Callable[[], float]) -> None:
        self._network = network
        self._sealed = sealed
        self._random = random
        self._friends: dict[PublicKey, Friend] = {}
        self._fetching: dict[PublicKey, Deferred[None]] = {}
        self._times: Diary[Place] = Diary(network.clock, self._due)
        self._fetches: Diary[PublicKey] = Diary(network.clock, self.fetch)
        self._taking_back: set[Place] = set()
        self._new: dict[Place, tuple[Talk, Outgoing]] = {}  # that nobody keeps yet
        self.left = self.fetched = 0

    def add(self, friend: Friend) -> None:
        """Keep alive what lies there for a contact."""
        self._friends[friend.key] = friend
        for place in friend.talk.conversation.left.standing():
            self._times.soon((friend.key, place), self._random() * START_WITHIN_S)
        self.tidy(friend)

    def drop(self, key: PublicKey) -> None:
        """Do nothing more for a contact."""
        friend = self._friends.pop(key, None)
        if friend is not None:
            for place in friend.talk.conversation.left.standing():
                self._times.strike((key, place))
        self._new = {place: new for place, new in self._new.items() if place[0] != key}
        self._fetches.strike(key)
        if (fetching := self._fetching.pop(key, None)) is not None:
            fetching.cancel()

    def close(self) -> None:
        """Do nothing more."""
        self._times.close()
        self._fetches.close()
        for key in list(self._friends):
            self.drop(key)

    # --- ours
    def leave(self, talk: Talk, outgoing: Outgoing) -> None:
        """Put a parcel at its place, and tell the talk when somebody keeps it."""
        place = talk.contact, outgoing.place
        self._new[place] = talk, outgoing
        self._put(place, outgoing.parcel)

    def tidy(self, friend: Friend) -> None:
        """Delete what the contact has, or what nobody can open any more."""
        for place in friend.talk.conversation.left.void():
            self._new.pop((friend.key, place), None)
            if (friend.key, place) not in self._taking_back:
                self._taking_back.add((friend.key, place))
                self._times.put((friend.key, place), self._random())

    def _put(self, place: Place, parcel: bytes) -> None:
        done = Deferred.fromCoroutine(self._store(place, parcel))
        done.addErrback(self._failed)
        done.addCallback(self._stored, place)

    async def _store(self, place: Place, parcel: bytes) -> Outcome:
        friend, number = self._friends[place[0]], place[1]
        key, salt = friend.pair.parcel_key("ours", number), friend.pair.parcel_salt("ours", number)
        value = friend.pair.seal_parcel(parcel)
        outcome = await self._sealed.put(key, salt, value, self._version())
        self.left += bool(outcome.receipts)
        return outcome

    def _stored(self, outcome: Outcome | None, place: Place) -> None:
        if place[0] not in self._friends:
            return
        if outcome is None or not (outcome.receipts or _is_outdated(outcome)):
            self._times.put(place, AGAIN_S)
            return
        if (new := self._new.pop(place, None)) is not None:
            talk, outgoing = new
            talk.lies(outgoing)
        wait_s = renewal.wait_s(outcome.receipts, self._network.now_s(), self._random())
        self._times.put(place, wait_s)

    def _due(self, place: Place) -> None:
        """Renew a parcel that is to lie there, or delete one that is not."""
        friend = self._friends.get(place[0])
        if friend is None:
            return
        left = friend.talk.conversation.left
        parcel = left.parcel(place[1])
        if parcel is not None:
            self._put(place, parcel)
        elif place[1] in left.void():
            erased = Deferred.fromCoroutine(self._erase(friend, place))
            erased.addErrback(self._failed)

    async def _erase(self, friend: Friend, place: Place) -> bool:
        key = friend.pair.parcel_key("ours", place[1])
        salt = friend.pair.parcel_salt("ours", place[1])
        outcome = await self._sealed.erase(key, salt, self._version() + 1)
        self._taking_back.discard(place)
        if outcome.receipts or _is_outdated(outcome):
            friend.talk.conversation.left.deleted(place[1])
            friend.talk.touch()
        elif place[0] in self._friends:
            self._times.put(place, AGAIN_S)
        return True

    def _failed(self, failure: Failure) -> None:
        if not failure.check(StreembitError, CancelledError):
            _log.failure("a parcel could not be put or deleted", failure)

    def _version(self) -> int:
        return parcel_version(self._network.now_s())

    # --- theirs
    def fetch(self, key: PublicKey) -> None:
        """Fetch what a contact has announced, unless that goes on already."""
        friend = self._friends.get(key)
        if friend is None or key in self._fetching:
            return
        self._fetches.strike(key)
        fetching = Deferred.fromCoroutine(self._fetch(friend))
        if fetching.called:
            return
        self._fetching[key] = fetching
        fetching.addErrback(self._failed)
        fetching.addBoth(lambda _: self._fetched(friend))

    async def _fetch(self, friend: Friend) -> None:
        taking = friend.talk.conversation.taking
        while places := taking.due(self._network.now_s(), BATCH):
            looks = [Deferred.fromCoroutine(self._look(friend, place)) for place in places]
            found = await DeferredList(looks, consumeErrors=True)
            if self._friends.get(friend.key) is not friend:
                return
            for place, (success, parcel) in zip(places, found, strict=True):
                self.fetched += success and parcel is not None
                await friend.talk.fetched(place, parcel if success else None)

    async def _look(self, friend: Friend, place: int) -> bytes | None:
        for pair in friend.pairs.theirs:
            key, salt = pair.parcel_key("theirs", place), pair.parcel_salt("theirs", place)
            record = await self._sealed.find(key, salt, newest=False)
            if record is None or record.tombstone:
                continue
            try:
                return pair.open_parcel(record.value)
            except RemoteError as error:
                _log.info("a parcel that was left does not open: {code}", code=error.code)
        return None

    def _fetched(self, friend: Friend) -> None:
        self._fetching.pop(friend.key, None)
        if friend.key in self._friends and friend.talk.conversation.taking.next_s() is not None:
            self._fetches.soon(friend.key, FETCH_AGAIN_S)


def _is_outdated(outcome: Outcome) -> bool:
    """Return whether somebody keeps a later copy than this one."""
    return bool(OUTDATED & outcome.refusals.keys())
