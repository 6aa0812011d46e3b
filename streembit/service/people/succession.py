"""Changes of identity keys: ours announced to all contacts, theirs followed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct
from twisted.logger import Logger

from streembit.contacts import rotation as rotations
from streembit.contacts.pair import Pair
from streembit.contacts.rotation import Rotation
from streembit.errors import BadHeader, ChestDamaged, KeyAlarm, StreembitError
from streembit.jose import base64url
from streembit.jose import fingerprint as fingerprints
from streembit.jose.keys import Identity, PublicKey
from streembit.service.people.cards import Cards
from streembit.service.people.friend import Friend
from streembit.service.people.keyfile import KeyFile
from streembit.service.people_events import KeyReplaced
from streembit.service.people_rows import KeyChanged
from streembit.wire.card import Card
from streembit.wire.content import Rotated
from streembit.wire.offer import Address

if TYPE_CHECKING:
    from streembit.service.people.people import People

ROOM: Final = "succession"
FORMER_ROOM: Final = "former cards"
ID_BYTES: Final = 16
KEEP_S: Final = 180 * 24 * 3600  # how long contacts who were away can follow us
_KEY: Final = b"line"

_log = Logger()


class Step(Struct, array_like=True, frozen=True):
    """One change of our key: the seed of the old identity, and the statement of both."""

    seed: bytes
    statement: str
    new: bytes
    at_s: int


class Line(Struct, array_like=True, frozen=True):
    """All changes of our key, oldest first, and the statement that ended it, "" for none."""

    steps: list[Step] = []
    revocation: str = ""


class Announcer:
    """What the cards of a former identity say: where we are, and which key we have now."""

    def __init__(self, people: People, statement: str) -> None:
        self._people = people
        self._statement = statement

    def joined(self) -> bool:
        """See `cards.Readers`."""
        return self._people.joined()

    def addresses(self) -> Sequence[Address]:
        """See `cards.Readers`."""
        return self._people.addresses()

    def rotation(self) -> str:
        """See `cards.Readers`."""
        return self._statement

    def read(self, friend: Friend, card: Card) -> None:
        """See `cards.Readers`; nobody reads theirs under a former identity."""

    def ended(self, friend: Friend) -> None:
        """See `cards.Readers`."""

    def outdated(self) -> None:
        """See `cards.Readers`; a former identity has no sessions that could be outdated."""


class Succession:
    """Announces that we have another key, by parcels and cards, and follows those who have."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._former: list[Cards] = []
        self._line = self._load()

    @property
    def statement(self) -> str:
        """What our cards say of our key: its successor's name, its end, or nothing."""
        own = self._people.node.identity.public.point
        last = self._line.steps[-1] if self._line.steps else None
        if self._line.revocation or last is None or last.new == own:
            return self._line.revocation
        return last.statement

    # --- the service
    def start(self) -> None:
        """Publish what contacts find who know us by a former key."""
        own = self._people.node.identity
        last = self._line.steps[-1] if self._line.steps else None
        if last is None:
            return
        if last.new != own.public.point:  # the key file was never replaced
            self._keep(Line(self._line.steps[:-1], self._line.revocation))
        self._people.chest.drop_other_locks(own.at_rest_key())
        for step in self._line.steps:
            if self._people.network.now_s() - step.at_s < KEEP_S:
                self._announce_as(Identity.from_seed(step.seed, own.name), step.statement)

    def close(self) -> None:
        """Publish nothing more."""
        for cards in self._former:
            cards.close()

    def _announce_as(self, former: Identity, statement: str) -> None:
        people = self._people
        cards = Cards(
            people.network,
            people.sealed,
            people.chest,
            Announcer(people, statement),
            people.random.random,
            room=f"{FORMER_ROOM} {former.public.hex}",
            bare=True,
        )
        self._former.append(cards)
        for friend in people.friends.values():
            pair = Pair(former, friend.key, friend.agreement)
            cards.add(Friend(friend.name, friend.key, friend.agreement, pair, friend.talk))

    # --- ours
    def rotate(self, key_file: KeyFile, passcode: str | None) -> KeyChanged:
        """Take a new identity, and tell all contacts; this node goes on as it after a restart.

        Raises:
            WrongPasscode, DiskFull, DiskFailed: nothing has changed.
        """
        people = self._people
        old = people.node.identity
        new = Identity.generate(old.name)
        now_s, network = int(people.network.now_s()), people.node.settings.network
        statement = rotations.make(old, new, network, now_s)
        before = self._line
        people.chest.add_lock(new.at_rest_key())
        self._keep(Line([*before.steps, Step(old.seed, statement, new.public.point, now_s)]))
        try:
            key_file.replace(new, passcode)
        except BaseException:
            self._keep(before)
            people.chest.drop_other_locks(old.at_rest_key())
            raise
        self._announce(statement)
        count = len(people.friends)
        return KeyChanged(old.public.hex, new.public.hex, fingerprints.of(new.public), 0, count)

    def revoke(self) -> KeyChanged:
        """Declare our key void, and tell all contacts."""
        people, identity = self._people, self._people.node.identity
        network = people.node.settings.network
        token = rotations.revoke(identity, network, int(people.network.now_s()))
        self._keep(Line(self._line.steps, token))
        self._announce(token)
        count = len(people.friends)
        old = identity.public
        return KeyChanged(old.hex, "", fingerprints.of(old), 0, count)

    def _announce(self, statement: str) -> None:
        people = self._people
        body = base64url.encode(statement.encode())
        for friend in people.friends.values():
            name = base64url.encode(os.urandom(ID_BYTES))
            said = friend.talk.write(Rotated(name, int(people.network.now_s()), body))
            said.addErrback(lambda failure: failure.trap(StreembitError))
        people.talks.settle()
        people.cards.changed()

    # --- theirs
    def hear(self, friend: Friend, body: str) -> None:
        """Take the word of a contact that its key has changed or is void."""
        try:
            token = base64url.decode(body).decode("ascii", "replace")
        except StreembitError as error:
            _log.info("a change of key makes no sense: {code}", code=error.code)
            return
        self.read(friend, token)

    def read(self, friend: Friend, token: str) -> None:
        """Take a contact's statement about its key; one that does not hold changes nothing."""
        people = self._people
        now_s, network = people.network.now_s(), people.node.settings.network
        try:
            try:
                rotation = rotations.read(token, network, now_s)
            except BadHeader:
                self._revoked(friend, rotations.read_revocation(token, network, now_s))
            else:
                self._followed(friend, rotation)
        except KeyAlarm as alarm:
            people.circle.register.keep()
            people.circle.dismiss(friend.key)
            people.circle.changed(people.circle.book.of(friend.key))
            _log.warn("two keys claim to succeed a contact's: {detail}", detail=alarm.detail)
        except StreembitError as error:
            _log.info("a change of key does not hold: {code}", code=error.code)

    def _followed(self, friend: Friend, rotation: Rotation) -> None:
        people, book = self._people, self._people.circle.book
        if rotation.old != friend.key or people.friends.get(friend.key) is not friend:
            return
        entry = rotations.apply(book, [rotation])
        people.circle.register.keep()
        people.circle.dismiss(friend.key)
        people.befriend(entry)
        people.feed.tell(KeyReplaced(entry.name, friend.key.hex, rotation.new.hex))
        people.circle.changed(entry)

    def _revoked(self, friend: Friend, key: PublicKey) -> None:
        people = self._people
        if key != friend.key:
            return
        entry = rotations.apply_revocation(people.circle.book, key)
        people.circle.register.keep()
        people.circle.dismiss(friend.key)
        people.feed.tell(KeyReplaced(entry.name, friend.key.hex, ""))
        people.circle.changed(entry)

    # --- rows
    def _load(self) -> Line:
        row = self._people.chest.get(ROOM, _KEY)
        try:
            return msgspec.msgpack.decode(row, type=Line) if row else Line()
        except msgspec.MsgspecError as e:
            raise ChestDamaged(f"the changes of our key: {e}") from None

    def _keep(self, line: Line) -> None:
        self._people.chest.commit([(ROOM, _KEY, msgspec.msgpack.encode(line))])
        self._line = line
