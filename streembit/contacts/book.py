"""The contacts of one account: who they are to us, and which key is whose.

A name is what the user calls somebody, and no two that look alike are in
use at once. It decides nothing: all that is done with a contact is done
with the key. A known name that comes with another key is an alarm, and
takes nobody's place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec.structs import replace

from streembit.contacts import keychange, rows
from streembit.contacts.entry import Alarm, Entry
from streembit.contacts.index import Index
from streembit.contacts.places import few
from streembit.contacts.rows import Change, Changes
from streembit.errors import (
    BadRotation,
    BookFull,
    FingerprintDiffers,
    KeyAlarm,
    KeyRefused,
    KeyRevoked,
    NoSuchContact,
    WrongState,
)
from streembit.jose import fingerprint
from streembit.jose.keys import PublicKey
from streembit.wire import texts
from streembit.wire.offer import Address, UserType

ROOM: Final = "contacts"
# Two records a contact, each stored at 20 nodes, once an hour: at 250 requests a second that takes
# 800 of the 3,600 seconds.
MAX_CONTACTS: Final = 5_000
MAX_REMOVED: Final = 1_000  # keys refused because their contact was removed; the oldest are dropped
SEEN_EVERY_S: Final = 300  # how exactly it is kept when somebody was heard: each costs a commit


class Book:
    """All entries of the book, in memory; `changes` says what is to be committed.

    Methods that name a key raise NoSuchContact where it is in no entry.
    """

    __slots__ = ("_changes", "_index")

    def __init__(self, kept: Iterable[bytes] = ()) -> None:
        """Take the rows of ROOM; raise ChestDamaged for one that is no entry."""
        self._changes = Changes(ROOM)
        self._index = Index(rows.read(kept, Entry))

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self) -> Iterator[Entry]:
        """Yield all entries, by name; also of those who were removed."""
        return iter(self._index)

    def changes(self) -> list[Change]:
        """Return the rows that changed since the last time."""
        return self._changes.take()

    # --- finding

    def get(self, key: PublicKey) -> Entry | None:
        """Return the entry of a key, or None."""
        return self._index.get(key.point)

    def of(self, key: PublicKey) -> Entry:
        """Return the entry of a key."""
        found = self._index.get(key.point)
        if found is None:
            raise NoSuchContact(key=key.hex)
        return found

    def successor(self, key: PublicKey) -> Entry | None:
        """Return who had this key before, and has another one now; None for nobody."""
        return self._index.successor(key.point)

    def find(self, text: str) -> Entry:
        """Return who is meant; see `Index.find`."""
        return self._index.find(text)

    def lookalike(self, name: str, key: PublicKey) -> Entry | None:
        """Return somebody else in use whose name looks like this one, or who calls himself so."""
        return self._index.lookalike(name, key)

    def check_usable(self, key: PublicKey) -> Entry:
        """Return the contact of a key with which words may be exchanged.

        Raises:
            KeyRefused: blocked, removed, or a key that was replaced.
            KeyRevoked
            KeyAlarm: two keys claim to succeed this contact's former one.
            WrongState: they have not answered yet.
        """
        if self._index.successor(key.point) is not None:
            raise KeyRefused("the contact has another key now", key=key.hex)
        entry = self.of(key)
        if entry.alarm == "revoked":
            raise KeyRevoked(key=key.hex)
        if entry.is_refused:
            raise KeyRefused(key=key.hex)
        if entry.alarm == "two-successors":
            raise KeyAlarm("two keys claim to be the new one: compare fingerprints", key=key.hex)
        if not entry.is_usable:
            raise WrongState("they have not answered yet", state=entry.state)
        return entry

    # --- coming and going

    def add(self, entry: Entry) -> Entry:
        """Take somebody in, as a contact or as somebody we asked; return the entry as it is kept.

        A name that looks like the one that another contact calls himself
        is kept with the alarm "known-name". Who was removed comes back.

        Raises:
            NameTaken: another entry in use has this name or one like it.
            BadName, BookFull
            WrongState: the key is in use in the book already.
            KeyRevoked: its owner declared it void.
        """
        key = entry.public()
        texts.check_name(entry.name)
        self._check_key_free(key)
        self._index.check_free(entry.name, key)
        if sum(each.is_live for each in self._index) >= MAX_CONTACTS:
            raise BookFull(limit=MAX_CONTACTS)
        before = self._index.get(entry.key)
        former = before.former if before is not None else []
        alarm: Alarm = "known-name" if self.lookalike(entry.called or entry.name, key) else ""
        return self._keep(replace(entry, alarm=alarm, former=former))

    def check_new(self, called: str, key: PublicKey) -> None:
        """Raise KeyAlarm if somebody with another key is known by this name or one like it."""
        known = self.lookalike(called, key)
        if known is not None:
            raise KeyAlarm(
                "a contact of this name, or one that looks like it, has another key",
                name=known.name,
                known_key=known.key.hex(),
                key=key.hex,
            )

    def accept(self, key: PublicKey, agreement: PublicKey, addresses: list[Address]) -> Entry:
        """Note that somebody we asked said yes, or that a contact told new keys and addresses.

        Raises:
            WrongState: blocked or removed.
        """
        entry = self._in_state(key, "asked", "contact")
        where = few(addresses) or entry.addresses
        renewal = entry.renewal if entry.agreement == agreement.point else None
        agreed = replace(entry, state="contact", agreement=agreement.point, renewal=renewal)
        return self._keep(replace(agreed, addresses=where))

    def forget(self, key: PublicKey) -> None:
        """Know nothing of this key any more: they denied, or their history is gone as well."""
        entry = self._in_state(key, "asked", "removed")
        self._drop(entry)

    def remove(self, key: PublicKey, now_s: int) -> Entry:
        """End a contact: the name is free, the key is refused from now on.

        What is needed to tell them stays: the agreement key and the addresses.
        """
        entry = self._in_state(key, "contact", "asked", "blocked")
        removed = self._keep(replace(entry, state="removed", ended_s=now_s, verified=False))
        self._spare_removed()
        return removed

    def block(self, key: PublicKey, now_s: int) -> Entry:
        """Refuse a key, without a word to its owner, until `unblock`."""
        entry = self._in_state(key, "contact", "asked")
        return self._keep(replace(entry, state="blocked", before=entry.state, ended_s=now_s))

    def unblock(self, key: PublicKey) -> Entry:
        """Make them again what they were before they were blocked."""
        entry = self._in_state(key, "blocked")
        return self._keep(replace(entry, state=entry.before, ended_s=0))

    # --- what is known of somebody

    def rename(self, key: PublicKey, name: str) -> Entry:
        """Call somebody otherwise; raise NameTaken or BadName."""
        entry = self._in_state(key, "contact", "asked", "blocked")
        texts.check_name(name)
        self._index.check_free(name, key)
        return self._keep(replace(entry, name=name))

    def verify(self, key: PublicKey, proof: str) -> Entry:
        """Mark a key as compared, if `proof` is its fingerprint or its number.

        This ends every alarm but that the key was declared void.

        Raises:
            FingerprintDiffers: it is another key's; nothing changed.
            BadName: neither a fingerprint nor a number, or one with a mistake in it.
            SecretWords: words that may be the secret of a key.
        """
        entry = self._in_state(key, "contact", "asked")
        if not fingerprint.proves(proof, key):
            raise FingerprintDiffers(name=entry.name)
        alarm = entry.alarm if entry.alarm == "revoked" else ""
        return self._keep(replace(entry, verified=True, alarm=alarm))

    def seen(
        self, key: PublicKey, now_s: int, address: Address | None = None, *, exact: bool = False
    ) -> Entry:
        """Note that somebody was heard, at an address that was reached; the latest comes first.

        The time is kept as exactly as SEEN_EVERY_S, or to the second, where it is the last one
        for a while.
        """
        entry = self.of(key)
        where = entry.addresses if address is None else few([address, *entry.addresses])
        is_new = now_s - (entry.last_seen_s or 0) >= (1 if exact else SEEN_EVERY_S)
        if where == entry.addresses and not is_new:
            return entry
        return self._keep(replace(entry, last_seen_s=now_s, addresses=where))

    def set_addresses(self, key: PublicKey, addresses: list[Address]) -> Entry:
        """Take the addresses that they told themselves, the best first."""
        entry, where = self.of(key), few(addresses)
        return entry if where == entry.addresses else self._keep(replace(entry, addresses=where))

    def set_receipts(self, key: PublicKey, on: bool | None) -> Entry:
        """Tell this contact what was read, or not, or as the account's setting says."""
        return self._keep(replace(self.of(key), receipts=on))

    def set_presence(self, key: PublicKey, on: bool | None) -> Entry:
        """Tell this contact when the user is here and types, or not, or as the setting says."""
        return self._keep(replace(self.of(key), presence=on))

    # --- other keys; `contacts.rotation` decides

    def replace_key(
        self, old: PublicKey, new: PublicKey, agreement: PublicKey, statement: bytes
    ) -> Entry:
        """Let a contact go on with a new key; see `keychange.succeeded`.

        Raises:
            BadRotation: the new key is somebody's already, or there were too many.
        """
        entry = self.of(old)
        if self.get(new) is not None or self.successor(new) is not None:
            raise BadRotation("the new key is known already", key=new.hex)
        followed = keychange.succeeded(entry, new, agreement, statement)
        self._drop(entry)
        return self._keep(followed)

    def restore(self, key: PublicKey, proof: str, agreement: bytes, now_s: int) -> Entry:
        """Let a contact go back to a key that it had, which `proof` is told of; refuse later ones.

        See `keychange.restored` for `agreement`.

        Raises:
            FingerprintDiffers: it had no such key; nothing changed.
            KeyRevoked: its owner declared it void.
            BadName, SecretWords: as `verify`.
        """
        entry = self._in_state(key, "contact", "blocked")
        if entry.alarm == "revoked":
            raise KeyRevoked(key=key.hex)
        former = keychange.former_key(entry, proof)
        self._drop(entry)
        for refused in keychange.refused_after(entry, former, now_s):
            self._keep(refused)
        return self._keep(keychange.restored(entry, former, agreement))

    def former(self, key: PublicKey, proof: str) -> PublicKey:
        """Return the key that a contact had, and that `proof` is told of; raise as `restore`."""
        return keychange.former_key(self.of(key), proof)

    def dispute(self, key: PublicKey) -> Entry:
        """Stop all words with a contact for whom two keys speak, until one is compared."""
        entry = self.of(key)
        alarm = entry.alarm if entry.alarm == "revoked" else "two-successors"
        return self._keep(replace(entry, alarm=alarm, verified=False))

    def revoke(self, key: PublicKey) -> Entry:
        """Refuse a key that its owner declared void, for good."""
        return self._keep(replace(self.of(key), alarm="revoked", verified=False))

    # --- other agreement keys; `contacts.generations` reads who has signed them

    def renew_agreement(
        self, key: PublicKey, agreement: PublicKey, made_s: int, now_s: int
    ) -> Entry:
        """Let a contact go on with another agreement key, unless it is older than the known one."""
        entry = self._in_state(key, "contact", "blocked")
        now = keychange.renewed(entry, agreement, made_s, now_s)
        return entry if now is entry else self._keep(now)

    def set_known(self, key: PublicKey, ours: PublicKey) -> Entry:
        """Note which agreement key of ours a contact uses."""
        entry = self.of(key)
        return entry if entry.knows == ours.point else self._keep(replace(entry, knows=ours.point))

    # --- how

    def _keep(self, entry: Entry) -> Entry:
        self._index.put(entry)
        self._changes.put(entry.key, entry)
        return entry

    def _drop(self, entry: Entry) -> None:
        self._index.drop(entry)
        self._changes.delete(entry.key)

    def _in_state(self, key: PublicKey, *states: str) -> Entry:
        entry = self.of(key)
        if entry.state not in states:
            raise WrongState(name=entry.name, state=entry.state)
        return entry

    def _check_key_free(self, key: PublicKey) -> None:
        followed = self.successor(key)
        known = followed or self.get(key)
        if known is None:
            return
        if known.alarm == "revoked":
            raise KeyRevoked(key=key.hex)
        if known.is_live or followed is not None:
            raise WrongState("known already", name=known.name, state=known.state)

    def _spare_removed(self) -> None:
        gone = sorted((each for each in self if not each.is_live), key=lambda each: each.ended_s)
        for entry in gone[: max(0, len(gone) - MAX_REMOVED)]:
            self._drop(entry)


def contact(
    key: PublicKey,
    name: str,
    now_s: int,
    *,
    agreement: PublicKey | None = None,
    user_type: UserType = "human",
    called: str = "",
    note: str = "",
    addresses: Iterable[Address] = (),
    asked: bool = False,
) -> Entry:
    """Return a new entry for `Book.add`; with `asked` they have to answer first."""
    return Entry(
        key.point,
        name,
        "asked" if asked else "contact",
        user_type,
        now_s,
        b"" if agreement is None else agreement.point,
        called,
        note,
        few(addresses),
    )
