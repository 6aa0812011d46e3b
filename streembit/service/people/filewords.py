"""What contacts say of transfers: offers taken, answers and ends followed."""

from __future__ import annotations

from collections.abc import Callable

from streembit.errors import TooManyTransfers
from streembit.files.receiving import Receiving
from streembit.files.state import CANCELLED, DONE, State
from streembit.files.turns import check_offers
from streembit.service.people.arrival import Arrival
from streembit.service.people.keeping import Entry
from streembit.service.people.roll import Roll
from streembit.service.people.traffic import Traffic
from streembit.service.people.transfer import PAUSED_BY_US, PAUSED_THERE, Transfer
from streembit.wire.transfer import FileContent, FileEnd, FileOffer, FileVerdict


class FileWords:
    """Takes the words of contacts in their order; one that makes no sense any more is dropped.

    Args:
        over: lets go of what a transfer held that has ended.
    """

    def __init__(self, roll: Roll, traffic: Traffic, over: Callable[[Transfer], None]) -> None:
        self._roll, self._traffic, self._over = roll, traffic, over

    def hear(self, contact: str, content: FileContent) -> None:
        """Take a word of a contact about files."""
        transfer = self._roll.all.get(content.transfer)
        if isinstance(content, FileOffer):
            if transfer is None:
                self._offered(contact, content)
        elif transfer is not None and transfer.contact == contact:
            self._decided(transfer, content)

    def _offered(self, contact: str, offer: FileOffer) -> None:
        waiting = [
            each
            for each in self._roll.of(contact)
            if not each.entry.outgoing and each.stand.state is State.OFFERED
        ]
        receiving = Receiving(offer)
        try:
            check_offers(len(waiting))
        except TooManyTransfers as error:
            self._roll.mention(contact, FileEnd(offer.transfer, error.code))
            return
        entry = Entry(contact, False, self._roll.now(), b"")
        transfer = Transfer(offer.transfer, entry, offer, receiving.stand)
        entry.journal = transfer.journal().pack()
        self._roll.keeping.put(transfer.id, entry)
        self._roll.all[transfer.id] = transfer
        self._roll.tell(transfer)

    def _decided(self, transfer: Transfer, word: FileVerdict | FileEnd) -> None:
        if isinstance(word, FileEnd):
            self._ended(transfer, word)
        elif transfer.sending is not None:
            transfer.sending.answered(word)
            self._roll.keep(transfer)
            if transfer.stand.is_final:
                self._roll.forget_lists(transfer)
        elif transfer.arrival is not None and not transfer.stand.is_final:
            self._sender_pauses(transfer, transfer.arrival, not word.accepted)

    def _sender_pauses(self, transfer: Transfer, arrival: Arrival, pauses: bool) -> None:
        """Wait with a sender that pauses; ask anew one that goes on, unless our user pauses."""
        arrival.silences = 0
        arrival.pause()
        if pauses and transfer.entry.waits != PAUSED_BY_US:
            transfer.entry.waits = PAUSED_THERE
        elif not pauses and transfer.entry.waits == PAUSED_THERE:
            transfer.entry.waits = ""
        self._roll.keep(transfer)
        self._traffic.begin_some()

    def _ended(self, transfer: Transfer, word: FileEnd) -> None:
        if transfer.stand.is_final:
            return
        if transfer.sending is not None:
            transfer.sending.ended(word)
        elif transfer.arrival is not None:
            transfer.arrival.receiving.ended(word)
        else:
            transfer.stand.end(CANCELLED if word.code == DONE else word.code)
        self._over(transfer)
