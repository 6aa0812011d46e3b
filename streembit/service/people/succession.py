"""Changes of our identity key, and its end: announced to all contacts for as long as it takes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct
from twisted.internet.task import deferLater
from twisted.logger import Logger

from streembit.contacts import rotation as rotations
from streembit.contacts.generations import Pairs
from streembit.contacts.pair import Pair
from streembit.errors import (
    ChestDamaged,
    KeyRefused,
    KeyRevoked,
    OutboxFull,
    StreembitError,
    WrongState,
)
from streembit.jose import base64url
from streembit.jose import fingerprint as fingerprints
from streembit.jose.keys import Identity, PublicKey
from streembit.service.people.cards import Cards
from streembit.service.people.friend import Friend
from streembit.service.people.keyfile import KeyFile
from streembit.service.people.watch import KEEP_S, Own
from streembit.service.people_events import Notice
from streembit.service.people_rows import KeyChanged
from streembit.wire.card import Card
from streembit.wire.content import Rotated
from streembit.wire.offer import Address

if TYPE_CHECKING:
    from streembit.service.people.people import People

ROOM: Final = "succession"
FORMER_ROOM: Final = "former cards"
ID_BYTES: Final = 16
TELL_WITHIN_S: Final = 3.0  # a contact on a link knows in a round trip; others find it in a card
LOOK_EVERY_S: Final = 0.1
_KEY: Final = b"line"
VOID: Final = "key-revoked"
VOID_TEXT: Final = (
    "our own key is void: nothing can be said under it, and contacts hear of it as they come"
)

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

    def agreement(self) -> str:
        """See `cards.Readers`; it is the key that goes with the new identity."""
        return self._people.renewals.statement

    def stated(self, friend: Friend, card: Card) -> None:
        """See `cards.Readers`; what they say to a former identity, `Watch` reads."""

    def read(self, friend: Friend, card: Card) -> None:
        """See `cards.Readers`; as `stated`."""

    def ended(self, friend: Friend) -> None:
        """See `cards.Readers`."""

    def outdated(self) -> None:
        """See `cards.Readers`; a former identity has no sessions that could be outdated."""


class Succession:
    """Announces that we have another key, or none any more, by parcels and by cards."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._former: list[tuple[Cards, tuple[Identity, ...]]] = []
        self._line = self._load()

    @property
    def statement(self) -> str:
        """What our cards say of our key: its successor's name, its end, or nothing."""
        own = self._people.node.identity.public.point
        last = self._line.steps[-1] if self._line.steps else None
        if self._line.revocation or last is None or last.new == own:
            return self._line.revocation
        return last.statement

    def is_ours(self, key: PublicKey) -> bool:
        """Tell whether a key is our own, or was."""
        own = self._people.node.identity
        former = (Identity.from_seed(step.seed, own.name) for step in self._line.steps)
        return key == own.public or any(key == each.public for each in former)

    # --- the service
    def start(self) -> None:
        """Publish what contacts find who know us by a former key."""
        own = self._people.node.identity
        last = self._line.steps[-1] if self._line.steps else None
        if last is None:
            self._people.following.start([])
            return
        if last.new != own.public.point:  # the key file was never replaced
            self._keep(Line(self._line.steps[:-1], self._line.revocation))
        self._people.chest.drop_other_locks(own.at_rest_key())
        now_s = self._people.network.now_s()
        steps = [step for step in self._line.steps if now_s - step.at_s < KEEP_S]
        former: list[Own] = []
        for step in steps:
            identity = Identity.from_seed(step.seed, own.name)
            owns = self._people.renewals.of_former(identity)
            former += [Own(each, step.at_s) for each in owns]
            self._announce_as(owns, step.statement)
        self._people.following.start(former)

    def close(self) -> None:
        """Publish and read nothing more."""
        self._people.following.close()
        for cards, _ in self._former:
            cards.close()

    def _announce_as(self, owns: tuple[Identity, ...], statement: str) -> None:
        people = self._people
        cards = Cards(
            people.network,
            people.sealed,
            people.chest,
            Announcer(people, statement),
            people.random.random,
            room=f"{FORMER_ROOM} {owns[0].public.hex}",
            bare=True,
        )
        self._former.append((cards, owns))
        for friend in people.friends.values():
            cards.add(_as_known_to(owns, friend))

    def refresh(self, friend: Friend) -> None:
        """Tell a contact of our former keys where it looks for it now."""
        for cards, owns in self._former:
            cards.drop(friend.key)
            cards.add(_as_known_to(owns, friend))

    def silence(self, contact: PublicKey) -> None:
        """Publish nothing more under former keys for somebody who was removed or blocked."""
        for cards, _ in self._former:
            cards.drop(contact)

    # --- ours
    async def rotate(self, key_file: KeyFile, passcode: str | None) -> KeyChanged:
        """Take a new identity, tell all contacts, and let another node go on as it.

        Raises:
            WrongPasscode, DiskFull, DiskFailed: nothing has changed.
            KeyRevoked: who was told that our key is void, takes no successor of it.
            WrongState: another change is under way.
            NotReady: the key file is changed, and the process ends.
        """
        self._check_unchanged()
        new, statement = self._replace(key_file, passcode)
        changed = await self._announced(statement, new.public)
        await key_file.go_on(new)
        return changed

    def _replace(self, key_file: KeyFile, passcode: str | None) -> tuple[Identity, str]:
        """Put a new identity into the key file; return it, and the statement that it follows."""
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
        return new, statement

    async def revoke(self) -> KeyChanged:
        """Declare our key void, tell all contacts, and end all that goes on under it.

        Raises:
            KeyRevoked: it is void already.
            WrongState: a change of key is under way.
        """
        self._check_unchanged()
        people, identity = self._people, self._people.node.identity
        network = people.node.settings.network
        token = rotations.revoke(identity, network, int(people.network.now_s()))
        self._keep(Line(self._line.steps, token))
        people.circle.withdraw()
        changed = await self._announced(token, None)
        self._end()
        return changed

    @property
    def is_void(self) -> bool:
        """Whether our own key was declared void."""
        return bool(self._line.revocation)

    def check_valid(self) -> None:
        """Raise KeyRevoked where our own key is void: nothing new is begun under it."""
        if self.is_void:
            key = self._people.node.identity.public
            raise KeyRevoked("our own key is void: make another account", key=key.hex)

    def _check_unchanged(self) -> None:
        self.check_valid()
        last = self._line.steps[-1] if self._line.steps else None
        if last is not None and last.new != self._people.node.identity.public.point:
            raise WrongState("a change of the key is under way")

    def _end(self) -> None:
        """End what goes on under a key that is void; cards tell those who have not heard."""
        people = self._people
        for friend in people.friends.values():
            friend.talk.end(VOID)
            people.transfers.forget(friend.name, VOID)
        people.talks.settle()
        people.feed.tell(Notice(VOID, VOID_TEXT))

    async def _announced(self, statement: str, new: PublicKey | None) -> KeyChanged:
        """Tell all contacts; return how many know, when all know who can be told at once."""
        people, old = self._people, self._people.node.identity.public
        linked = [friend for friend in people.friends.values() if friend.talk.is_open]
        count, said = len(people.friends), self._tell(statement)
        until_s = people.network.now_s() + TELL_WITHIN_S
        while (told := sum(self._knows(friend, said) for friend in linked)) < len(linked):
            if people.network.now_s() >= until_s:
                break
            await deferLater(people.node.clock, LOOK_EVERY_S)
        shown = fingerprints.of(new or old)
        return KeyChanged(old.hex, new.hex if new else "", shown, told, count - told)

    def _tell(self, statement: str) -> str:
        """Put the statement into all outboxes, and on all links; return the id of the message."""
        name = self.say(statement)
        self._people.show_all()  # who follows a thief by now takes no parcel of ours
        self._people.talks.settle()
        self._people.cards.changed()
        return name

    def say(self, statement: str) -> str:
        """Put a statement about our keys into all outboxes; return the id of the message.

        Contacts whose outbox is full find it in our card.
        """
        people = self._people
        body, name = base64url.encode(statement.encode()), base64url.encode(os.urandom(ID_BYTES))
        for friend in people.friends.values():
            try:
                said = friend.talk.write(Rotated(name, int(people.network.now_s()), body))
            except OutboxFull:
                continue
            said.addErrback(lambda failure: failure.trap(StreembitError))
        return name

    def _knows(self, friend: Friend, said: str) -> bool:
        """Tell whether a contact has what was said: its answer, or it ended the link for it."""
        talk = friend.talk.conversation
        number = talk.find(said)
        entry = None if number is None else talk.entry(number)
        if entry is None:
            return False
        return entry.state in ("delivered", "read") or entry.why == KeyRefused.code

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


def _as_known_to(owns: tuple[Identity, ...], friend: Friend) -> Friend:
    """Return a contact as it was to an identity that we had."""
    pairs = tuple(Pair(own, friend.key, friend.agreement) for own in owns)
    return Friend(friend.name, friend.key, friend.agreement, Pairs(pairs, pairs), friend.talk)
