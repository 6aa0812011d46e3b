"""All transfers of an account: kept in the chest, told to the user, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from streembit.disk.sources import Reading, read_sources
from streembit.errors import ChestDamaged, NoSuchTransfer, StreembitError
from streembit.files.receiving import Receiving
from streembit.files.sending import Sending
from streembit.files.state import Journal, kept_stand
from streembit.service.people.keeping import Chest, Entry, Keeping
from streembit.service.people.transfer import Transfer
from streembit.service.people_rows import TransferRow
from streembit.wire.transfer import FileContent, pack_content, read_content

MAX_FINISHED: Final = 200  # transfers that are over and still shown; older ones are forgotten
TELL_EVERY_S: Final = 0.5  # how often progress is told

_log = Logger()


class Roll:
    """Knows every transfer by its id.

    Args:
        chest, say, changed: as of `Transfers`.

    Attributes:
        all: the transfers by their ids.
        keeping: where they are kept.
        is_open: whether the service runs.
    """

    def __init__(
        self,
        chest: Chest,
        clock: IReactorTime,
        say: Callable[[str, FileContent], object],
        changed: Callable[[TransferRow], object],
    ) -> None:
        self.all: dict[str, Transfer] = {}
        self.keeping = Keeping(chest)
        self.is_open = False
        self._clock = clock
        self._say = say
        self._changed = changed

    def load(self) -> list[tuple[Transfer, Receiving]]:
        """Take what was kept; return what comes to us and is not over, with its receiver.

        Raises:
            ChestDamaged: it is not sound.
        """
        found = [self._loaded(entry, journal) for entry, journal in self.keeping.load()]
        return [(transfer, receiving) for transfer, receiving in found if receiving is not None]

    # --- looking

    def rows(self) -> list[TransferRow]:
        """Return all transfers that are known, newest first."""
        order = sorted(self.all.values(), key=lambda each: each.entry.at, reverse=True)
        return [self.row(transfer.id) for transfer in order]

    def row(self, transfer_id: str) -> TransferRow:
        """Return what there is to know of a transfer; raise NoSuchTransfer."""
        return self.get(transfer_id).row(self._clock.seconds())

    def get(self, transfer_id: str) -> Transfer:
        """Return a transfer; raise NoSuchTransfer."""
        transfer = self.all.get(transfer_id)
        if transfer is None:
            raise NoSuchTransfer
        return transfer

    def of(self, contact: str) -> Iterator[Transfer]:
        """Yield the transfers with a contact; it may be changed meanwhile."""
        return (each for each in list(self.all.values()) if each.contact == contact)

    def now(self) -> int:
        """Return the time in Unix seconds."""
        return int(self._clock.seconds())

    # --- keeping and saying

    def keep(self, transfer: Transfer, word: FileContent | None = None) -> None:
        """Keep the state, with a word that is to be said, before it is said."""
        entry = transfer.entry
        entry.journal = transfer.journal().pack()
        if word is not None:
            entry.unsaid = pack_content(word)
        self.keeping.put(transfer.id, entry)
        if word is not None:
            self.say_again(transfer)
        self.tell(transfer)

    def say_again(self, transfer: Transfer) -> None:
        """Say what was kept to be said; a death in between makes it twice."""
        entry = transfer.entry
        if entry.unsaid and self.mention(entry.contact, read_content(entry.unsaid)):
            entry.unsaid = b""
            self.keeping.put(transfer.id, entry)

    def mention(self, contact: str, word: FileContent) -> bool:
        """Say a word; return False where that is not possible now."""
        try:
            self._say(contact, word)
        except StreembitError as error:
            _log.warn("a word about files was not said: {code}", code=error.code)
            return False
        return True

    def forget_lists(self, transfer: Transfer) -> None:
        """Forget the lists of a transfer that is over, and the oldest of too many such ones."""
        self.keeping.drop_lists(transfer.id, transfer.entry)
        over = [
            each for each in self.all.values() if each.stand.is_final and not each.entry.private
        ]
        over.sort(key=lambda each: each.entry.at)
        for old in over[: max(0, len(over) - MAX_FINISHED)]:
            self.keeping.drop_lists(old.id, None)
            del self.all[old.id]

    # --- telling

    def tell(self, transfer: Transfer) -> None:
        """Tell of a transfer now."""
        if transfer.telling is not None and transfer.telling.active():
            transfer.telling.cancel()
        transfer.telling = None
        if transfer.id in self.all:
            self._changed(self.row(transfer.id))

    def tell_soon(self, transfer: Transfer) -> None:
        """Tell of a transfer that came on, now and then."""
        if transfer.telling is None and self.is_open:
            transfer.telling = self._clock.callLater(TELL_EVERY_S, self.tell, transfer)

    # --- loading

    def _loaded(self, entry: Entry, journal: Journal) -> tuple[Transfer, Receiving | None]:
        offer = journal.offer
        transfer = Transfer(offer.transfer, entry, offer, kept_stand(journal))
        self.all[transfer.id] = transfer
        if transfer.stand.is_final:
            return transfer, None
        journal = replace(journal, manifest=self.keeping.manifest(transfer.id))
        if entry.outgoing:
            self._load_sending(transfer, journal)
        if entry.outgoing or not entry.private:
            return transfer, None
        receiving = Receiving.load(journal)
        transfer.stand = receiving.stand
        return transfer, receiving

    def _load_sending(self, transfer: Transfer, journal: Journal) -> None:
        try:
            sources = read_sources(self.keeping.sources(transfer.id))
            transfer.sending = Sending.load(journal)
        except (ValueError, StreembitError) as e:
            raise ChestDamaged("the list of a transfer") from e
        transfer.stand = transfer.sending.stand
        transfer.reading = Reading(sources)
