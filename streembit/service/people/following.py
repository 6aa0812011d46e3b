"""Contacts whose identity key changes or ends: their statements, wherever they come, followed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.logger import Logger

from streembit.contacts import rotation as rotations
from streembit.contacts.entry import Entry
from streembit.contacts.rotation import Rotation
from streembit.errors import BadHeader, BadRotation, KeyAlarm, NoSuchContact, StreembitError
from streembit.jose import base64url
from streembit.jose.keys import PublicKey
from streembit.service.people.friend import Friend
from streembit.service.people.watch import Own, Watch
from streembit.service.people_events import KeyReplaced
from streembit.wire.card import Card

if TYPE_CHECKING:
    from streembit.service.people.people import People

_log = Logger()


class Following:
    """Follows those who have another key, and stops all words where two claim to be one."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._watch = Watch(people, self.read)

    def start(self, former: Sequence[Own]) -> None:
        """Read also what is said at the places of former keys, theirs and these of ours."""
        self._watch.start(former)

    def close(self) -> None:
        """Read nothing more."""
        self._watch.close()

    def refresh(self) -> None:
        """Read also where contacts can be heard by now: a key of ours or of one has changed."""
        self._watch.refresh()

    def agreement_of(self, former: PublicKey) -> bytes:
        """Return the agreement key that a contact had with a former key; b"" if it is forgotten."""
        return self._watch.agreement_of(former)

    def hear(self, friend: Friend, body: str) -> None:
        """Take the word of a contact that its key has changed or is void."""
        try:
            token = base64url.decode(body).decode("ascii", "replace")
        except StreembitError as error:
            _log.info("a change of key makes no sense: {code}", code=error.code)
            return
        self.read(friend.key, token)

    def stated_by_former(self, key: PublicKey, card: Card) -> None:
        """Take what somebody says who has a contact's former key: its owner, or a thief."""
        entry = self._people.circle.book.successor(key)
        if entry is not None and card.rotation:
            self.read(entry.public(), card.rotation)

    def read(self, contact: PublicKey, token: str) -> None:
        """Take a statement about a key that a contact has or had; where it came does not matter.

        One that does not hold, or is about somebody else's key, changes nothing.
        """
        people = self._people
        now_s, network = people.network.now_s(), people.node.settings.network
        try:
            try:
                rotation = rotations.read(token, network, now_s)
            except BadHeader:
                self._revoked_or_renewed(contact, token)
            else:
                self._followed(contact, rotation)
        except StreembitError as error:
            _log.info("a change of key does not hold: {code}", code=error.code)

    def _revoked_or_renewed(self, contact: PublicKey, token: str) -> None:
        people = self._people
        now_s, network = people.network.now_s(), people.node.settings.network
        try:
            key = rotations.read_revocation(token, network, now_s)
        except BadHeader:
            people.renewals.read(token)
        else:
            self._revoked(contact, key)

    def _followed(self, contact: PublicKey, rotation: Rotation) -> None:
        people, book = self._people, self._people.circle.book
        before = self._owner(contact, rotation.old)
        self._check_not_ours(rotation)
        try:
            entry = rotations.apply(book, [rotation])
        except KeyAlarm as alarm:
            self._disputed(before, alarm)
            return
        if entry.key == before.key:  # heard before
            return
        people.circle.register.keep(self._watch.replaced(before))
        people.circle.dismiss(contact)
        if entry.is_usable:
            people.befriend(entry)
        self.refresh()
        people.feed.tell(KeyReplaced(entry.name, contact.hex, rotation.new.hex))
        people.circle.changed(entry)

    def _check_not_ours(self, rotation: Rotation) -> None:
        """Raise BadRotation where a contact goes on with a key of ours: nobody is its own."""
        owns = self._people.renewals.generations.owns
        ours = {own.agreement.public for own in owns} | {owns[0].public}
        if {rotation.new, rotation.agreement} & ours:
            raise BadRotation("the new key is our own", key=rotation.new.hex)

    def _disputed(self, before: Entry, alarm: KeyAlarm) -> None:
        people = self._people
        entry = people.circle.book.of(before.public())
        if entry.alarm == before.alarm:
            return
        people.circle.register.keep()
        people.circle.dismiss(entry.public())
        people.circle.changed(entry)
        _log.warn("two keys claim to succeed a contact's: {detail}", detail=alarm.detail)

    def _revoked(self, contact: PublicKey, key: PublicKey) -> None:
        people, before = self._people, self._owner(contact, key)
        if before.alarm == "revoked":
            return
        entry = rotations.apply_revocation(people.circle.book, key)
        people.circle.register.keep()
        people.circle.dismiss(contact)
        people.feed.tell(KeyReplaced(entry.name, contact.hex, ""))
        people.circle.changed(entry)

    def _owner(self, contact: PublicKey, key: PublicKey) -> Entry:
        """Return the entry of a contact that has or had this key; raise NoSuchContact."""
        book = self._people.circle.book
        entry = book.get(key) or book.successor(key)
        if entry is None or entry.key != contact.point:
            raise NoSuchContact("a contact speaks of a key that is not its own", key=key.hex)
        return entry
