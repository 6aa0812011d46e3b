"""Contacts whose identity key changes or ends: their statements, wherever they come, followed."""

from __future__ import annotations

from twisted.logger import Logger

from streembit.contacts import rotation as rotations
from streembit.contacts.entry import Entry
from streembit.contacts.rotation import Rotation
from streembit.errors import BadHeader, BadRotation, KeyAlarm, NoSuchContact, StreembitError
from streembit.jose import base64url
from streembit.jose.keys import PublicKey
from streembit.service.network import Network
from streembit.service.people.bonds import Bonds
from streembit.service.people.circle import Circle
from streembit.service.people.friend import Friend
from streembit.service.people.holdings import Holdings
from streembit.service.people.renewals import Renewals
from streembit.service.people.watch import Watch
from streembit.service.people_events import KeyReplaced
from streembit.wire.card import Card

_log = Logger()


class Following:
    """Follows those who have another key, and stops all words where two claim to be one."""

    def __init__(
        self,
        network: Network,
        held: Holdings,
        bonds: Bonds,
        circle: Circle,
        watch: Watch,
        renewals: Renewals,
    ) -> None:
        self._network, self._register = network, held.register
        self._own, self._feed = held.own, held.feed
        self._bonds, self._circle, self._watch, self._renewals = bonds, circle, watch, renewals

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
        entry = self._register.book.successor(key)
        if entry is not None and card.rotation:
            self.read(entry.public(), card.rotation)

    def introduced(self, token: str) -> None:
        """Take the word of somebody unknown that a contact has another key by now."""
        now_s, network = self._network.now_s(), self._network.settings.network
        try:
            rotation = rotations.read(token, network, now_s)
            if (entry := self._register.book.get(rotation.old)) is not None:
                self._followed(entry.public(), rotation)
        except StreembitError as error:
            _log.info("a change of key does not hold: {code}", code=error.code)

    def read_agreement(self, token: str) -> None:
        """Take a statement of a contact's agreement key, as `Renewals.read`."""
        self._renewals.read(token)

    def read(self, contact: PublicKey, token: str) -> None:
        """Take a statement about a key that a contact has or had; where it came does not matter.

        One that does not hold, or is about somebody else's key, changes nothing.
        """
        now_s, network = self._network.now_s(), self._network.settings.network
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
        now_s, network = self._network.now_s(), self._network.settings.network
        try:
            key = rotations.read_revocation(token, network, now_s)
        except BadHeader:
            self._renewals.read(token)
        else:
            self._revoked(contact, key)

    def _followed(self, contact: PublicKey, rotation: Rotation) -> None:
        before = self._owner(contact, rotation.old)
        # Nobody is a contact of its own.
        if {rotation.new, rotation.agreement} & self._own.public_keys():
            raise BadRotation("the new key is our own", key=rotation.new.hex)
        try:
            entry = rotations.apply(self._register.book, [rotation])
        except KeyAlarm as alarm:
            self._disputed(before, alarm)
            return
        if entry.key == before.key:  # heard before
            return
        self._register.keep(self._watch.replaced(before))
        self._bonds.dismiss(contact)
        if entry.is_usable:
            self._bonds.befriend(entry)
        self._watch.refresh()
        self._feed.tell(KeyReplaced(entry.name, contact.hex, rotation.new.hex))
        self._circle.tell(entry)

    def _disputed(self, before: Entry, alarm: KeyAlarm) -> None:
        entry = self._register.book.of(before.public())
        if entry.alarm == before.alarm:
            return
        self._register.keep()
        self._bonds.dismiss(entry.public())
        self._circle.tell(entry)
        _log.warn("two keys claim to succeed a contact's: {detail}", detail=alarm.detail)

    def _revoked(self, contact: PublicKey, key: PublicKey) -> None:
        before = self._owner(contact, key)
        if before.alarm == "revoked":
            return
        entry = rotations.apply_revocation(self._register.book, key)
        self._register.keep()
        self._bonds.dismiss(contact)
        self._feed.tell(KeyReplaced(entry.name, contact.hex, ""))
        self._circle.tell(entry)

    def _owner(self, contact: PublicKey, key: PublicKey) -> Entry:
        """Return the entry of a contact that has or had this key; raise NoSuchContact."""
        book = self._register.book
        entry = book.get(key) or book.successor(key)
        if entry is None or entry.key != contact.point:
            raise NoSuchContact("a contact speaks of a key that is not its own", key=key.hex)
        return entry
