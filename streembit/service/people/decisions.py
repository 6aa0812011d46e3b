"""What the user decides of those in the book: each is kept before anything follows from it."""

from __future__ import annotations

from streembit.contacts.entry import Entry
from streembit.jose.keys import PublicKey
from streembit.service.network import Network
from streembit.service.people.asking import Asking
from streembit.service.people.bonds import Bonds
from streembit.service.people.circle import Circle
from streembit.service.people.farewell import Farewell
from streembit.service.people.friend import name_of
from streembit.service.people.holdings import Holdings
from streembit.service.people.transfers import Transfers
from streembit.service.people.watch import Watch
from streembit.wire.content import Goodbye


class Decisions:
    """Renames, verifies, removes and blocks contacts, and takes them back."""

    def __init__(
        self,
        network: Network,
        held: Holdings,
        transfers: Transfers,
        farewell: Farewell,
        watch: Watch,
        circle: Circle,
        bonds: Bonds,
        asking: Asking,
    ) -> None:
        self._network, self._register = network, held.register
        self._friends, self._talks = held.friends, held.talks
        self._transfers, self._farewell, self._watch = transfers, farewell, watch
        self._circle, self._bonds, self._asking = circle, bonds, asking

    def rename(self, key: PublicKey, name: str) -> Entry:
        """Call a contact otherwise; raise NameTaken, BadName."""
        return self._kept(self._register.book.rename(key, name))

    def verify(self, key: PublicKey, proof: str) -> Entry:
        """Mark a key as compared; raise FingerprintDiffers."""
        entry = self._kept(self._register.book.verify(key, proof))
        if entry.is_usable and key not in self._friends:
            self._bonds.befriend(entry)
        return entry

    def restore(self, key: PublicKey, proof: str) -> Entry:
        """Let a contact go back to a key that it had, as its owner told it; refuse later ones.

        Raises:
            FingerprintDiffers, KeyRevoked, BadName, SecretWords
        """
        book = self._register.book
        agreement = self._watch.agreement_of(book.former(key, proof))
        entry = book.restore(key, proof, agreement, self._now())
        self._register.keep()
        self._bonds.end(key)
        if entry.is_usable:
            self._bonds.befriend(entry)
        elif entry.state == "asked":
            self._asking.again(entry)
        self._circle.tell(entry)
        return entry

    def remove(self, key: PublicKey) -> Entry:
        """End a contact: tell it, refuse its key, delete what lies in the network for it."""
        friend = self._friends.get(key)
        if friend is not None:
            friend.talk.say(Goodbye())
            self._talks.settle()
            friend.talk.end()
        entry = self._register.book.remove(key, self._now())
        self._register.requests.withdraw(key)
        rows = [] if friend is None else self._farewell.begin(entry)
        self._register.keep(*rows)
        self._bonds.end(key)
        self._transfers.forget(name_of(entry))
        if friend is not None:
            self._farewell.go_on(entry)
        self._circle.tell(entry)
        return entry

    def block(self, key: PublicKey) -> Entry:
        """Refuse a key without telling its owner."""
        entry = self._register.book.block(key, self._now())
        self._register.requests.withdraw(key)
        self._register.keep()
        self._bonds.end(key)
        self._transfers.forget(name_of(entry))
        self._circle.tell(entry)
        return entry

    def unblock(self, key: PublicKey) -> Entry:
        """Take a blocked contact back."""
        entry = self._kept(self._register.book.unblock(key))
        if entry.is_usable:
            self._bonds.befriend(entry)
        return entry

    def _kept(self, entry: Entry) -> Entry:
        self._register.keep()
        self._circle.tell(entry)
        return entry

    def _now(self) -> int:
        return int(self._network.now_s())
