"""Our agreement keys, as they are kept: those that are good now, and the pairs they make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from streembit.chat.agreement import Contact
from streembit.contacts import generations
from streembit.contacts.entry import Entry
from streembit.contacts.generations import Generations, Pairs
from streembit.errors import ChestDamaged
from streembit.jose.keys import Identity, PrivateKey, PublicKey
from streembit.service.network import Network
from streembit.service.people.chest import Chest, Row
from streembit.service.people.register import Register

ROOM: Final = "agreement keys"


class OwnKeys:
    """The agreement keys of one identity, the newest of them told with its key records.

    Args:
        random: chance in [0, 1): not all keys of all accounts end on one day.
        tell: tells the network, from the next renewal of our key records on, which key is in use.

    Attributes:
        generations: the keys that are good now.
        statement: what announces the newest one.

    Raises ChestDamaged when made, where what is kept is not sound.
    """

    def __init__(
        self,
        network: Network,
        chest: Chest,
        register: Register,
        random: Callable[[], float],
        tell: Callable[[PublicKey], None],
    ) -> None:
        self._network, self._identity = network, network.identity
        self._chest, self._register = chest, register
        self._random, self._tell = random, tell
        self._adopt(self._begun())

    @property
    def newest(self) -> Identity:
        """Ourselves with the agreement key that is in use."""
        return self.generations.newest

    @property
    def all(self) -> tuple[Identity, ...]:
        """Ourselves with each agreement key that is good, the newest first."""
        return self.generations.owns

    def public_keys(self) -> set[PublicKey]:
        """Return all keys of ours that nobody else can have: the identity's, and these."""
        return {self._identity.public, *(own.agreement.public for own in self.all)}

    def of_former(self, identity: Identity) -> tuple[Identity, ...]:
        """Return a former identity of ours with each agreement key that it had last."""
        row = self._chest.get(ROOM, identity.public.point)
        return (identity,) if row is None else _load(identity, row).owns

    # --- changes
    def erase_expired(self, now_s: float) -> None:
        """Erase keys that nobody can use any more; raise DiskFull, DiskFailed: none was."""
        left = self.generations.expired(now_s)
        if left is not self.generations:
            self._chest.commit([self._row(left)])
            self._adopt(left)

    def renewed(self) -> Generations:
        """Return the keys with another one in use, for `keep`."""
        now_s = int(self._network.now_s())
        return self.generations.renewed(PrivateKey.generate(), now_s, self._spread())

    def keep(self, renewed: Generations) -> None:
        """Use these from now on, kept in one commit with all that was said of it.

        Raises:
            DiskFull, DiskFailed, ChestDamaged: nothing has changed.
        """
        self._register.keep(self._row(renewed))
        self._adopt(renewed)

    # --- with contacts
    def pairs(self, entry: Entry) -> Pairs:
        """Return the pairs of us and a contact; raise BadKey where it has a key of ours."""
        return generations.pairs(self.all, entry, self._network.now_s())

    def greet(self, entry: Entry) -> Entry:
        """Note which key of ours a contact knows that never said: the one it was told."""
        if any(own.agreement.public.point == entry.knows for own in self.all):
            return entry
        return self._register.book.set_known(entry.public(), self.newest.agreement.public)

    def ends(self, entry: Entry) -> tuple[list[Identity], list[Contact]]:
        """Return ourselves and a contact with each good key, those to begin sessions with first."""
        spoken = generations.spoken(self.all, entry.knows)
        others = [own for own in self.all if own is not spoken]
        agreements = generations.keys_of(entry, self._network.now_s())
        return [spoken, *others], [Contact(entry.public(), each) for each in agreements]

    # --- how
    def _adopt(self, good: Generations) -> None:
        self.generations = good
        self.statement = good.statement(self._network.settings.network)
        self._tell(good.newest.agreement.public)

    def _begun(self) -> Generations:
        row, now_s = self._chest.get(ROOM, self._identity.public.point), self._network.now_s()
        kept = None if row is None else _load(self._identity, row)
        good = kept and kept.expired(now_s)
        good = good or Generations.first(self._identity, int(now_s), self._spread())
        if good is not kept:
            self._chest.commit([self._row(good)])
        return good

    def _row(self, good: Generations) -> Row:
        return ROOM, self._identity.public.point, good.row()

    def _spread(self) -> float:
        return 2 * self._random() - 1


def _load(identity: Identity, row: bytes) -> Generations:
    try:
        return Generations.load(identity, row)
    except (ValueError, msgspec.MsgspecError) as e:
        raise ChestDamaged(f"the agreement keys: {e}") from None
