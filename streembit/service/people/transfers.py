"""The transfers of files of one account: offered, agreed on, moved over links, taken up again."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import cast

from msgspec.structs import replace
from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime

from streembit.disk.downloads import free_bytes, make_private
from streembit.disk.sources import Reading, pack_sources, walk
from streembit.errors import (
    StreembitError,
    TransferState,
)
from streembit.files import manifest as manifests
from streembit.files.receiving import Receiving
from streembit.files.sending import Sending
from streembit.files.state import CANCELLED, State
from streembit.service.people.filewords import FileWords
from streembit.service.people.inbound import Inbound
from streembit.service.people.keeping import Chest, Entry
from streembit.service.people.lane import Disk, FileLink, Lane
from streembit.service.people.patience import Patience
from streembit.service.people.roll import Roll
from streembit.service.people.traffic import Traffic
from streembit.service.people.transfer import PAUSED_BY_US, Transfer
from streembit.service.people_rows import TransferRow
from streembit.wire.transfer import (
    TRANSFER_BYTES,
    FileContent,
    FileEnd,
    FileVerdict,
    pack_content,
)


class Transfers(Service):
    """Offers files, takes offers, and moves what was agreed on over the links that there are.

    A contact is named by any text that stays the same for it. Words for
    contacts go out by `say`, which must not lose them once it returned;
    what contacts say comes in by `hear`, in their order.

    Args:
        chest: the account's chest; see `Chest`.
        disk: does what waits for the disk, such as `deferToThreadPool`.
        downloads: the folder for files that were accepted without naming one.
        say: sends a word to a contact; a StreembitError that it raises means: not now.
        changed: told of a transfer whose state changed, or that came on.
        link_of: returns the link to a contact, where one may have taken over from another.
        notes: where folders with files on their way are noted, for the account's end.
    """

    def __init__(
        self,
        chest: Chest,
        clock: IReactorTime,
        disk: Disk,
        downloads: Path,
        say: Callable[[str, FileContent], object],
        changed: Callable[[TransferRow], object],
        link_of: Callable[[str], FileLink | None] = lambda _: None,
        notes: Path | None = None,
    ) -> None:
        self.downloads = downloads
        self._notes = notes
        self._disk = disk
        self._roll = Roll(chest, clock, say, changed)
        self._traffic = Traffic(self._roll, clock, disk, link_of, self._end)
        self._inbound = Inbound(self._roll, self._traffic, Lane(disk, clock), self._end)
        self._words = FileWords(self._roll, self._traffic, self._over)
        self._patience = Patience(self._roll, self._traffic, clock, disk)

    # --- the service

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Take up what was kept; raise ChestDamaged where that is not sound."""
        super().startService()
        self._roll.is_open = True
        for transfer, receiving in self._roll.load():
            self._inbound.prepare(transfer, receiving)
        for transfer in list(self._roll.all.values()):
            self._roll.say_again(transfer)
            if transfer.stand.is_final and transfer.entry.private:
                self._inbound.discard(transfer)
        self._patience.look()

    def stopService(self) -> Deferred[object]:  # noqa: N802 - Twisted's name
        """Stop moving, and fire when the disk is left alone."""
        super().stopService()
        self._roll.is_open = False
        self._patience.close()
        self._traffic.close()
        waits: list[Deferred[None]] = []
        for transfer in self._roll.all.values():
            if transfer.telling is not None and transfer.telling.active():
                transfer.telling.cancel()
            if transfer.arrival is not None:
                waits.append(transfer.arrival.close())
            if transfer.reading is not None:
                waits.append(self._disk(transfer.reading.close))
        self._roll.all.clear()
        return cast("Deferred[object]", gatherResults(waits))

    # --- what our user wants

    async def offer(self, contact: str, paths: Sequence[Path]) -> TransferRow:
        """Offer files and folders to a contact; the row tells what was left out of them.

        Raises:
            NotFound, TooLarge, DiskFailed: as `walk` and `manifest.make`.
            DiskFull: the offer could not be kept; it was not made.
        """
        found = await self._disk(partial(walk, paths))
        more = [f"and {found.more} more"] if found.more else []
        manifest = await self._disk(partial(manifests.make, found.files))
        transfer_id = os.urandom(TRANSFER_BYTES)
        offer = manifest.offer(transfer_id, manifests.top_name(manifest))
        sending = Sending(offer, transfer_id, manifest)
        entry = Entry(contact, True, self._roll.now(), b"", paths=[str(path) for path in paths])
        transfer = Transfer(offer.transfer, entry, offer, sending.stand, sending)
        transfer.reading = Reading(found.sources)
        entry.journal = transfer.journal().pack()
        entry.unsaid = pack_content(offer)
        self._roll.keeping.put_lists(transfer.id, entry, manifest.data, pack_sources(found.sources))
        self._roll.all[transfer.id] = transfer
        self._roll.say_again(transfer)
        self._roll.tell(transfer)
        return replace(self._roll.row(transfer.id), left_out=[*found.left_out, *more])

    async def accept(self, transfer_id: str, folder: Path | None = None) -> TransferRow:
        """Take files that were offered, into a folder (None: the usual one).

        Raises:
            NoSuchTransfer, TransferState
            NotEnoughSpace: they stay offered.
            DiskFull, DiskFailed: the folder cannot be used; they stay offered.
        """
        transfer = self._roll.get(transfer_id)
        receiving = self._offered(transfer)
        target = folder or self.downloads
        token = os.urandom(8).hex()
        free = await self._disk(partial(_room_in, target))
        verdict = receiving.accept(free - self._inbound.promised(target))
        try:
            private = await self._disk(partial(make_private, target, token, notes=self._notes))
        except StreembitError:
            transfer.stand.state = State.OFFERED
            raise
        transfer.entry.folder, transfer.entry.private = str(target), private
        if transfer.stand.is_final:  # the contact was quicker
            self._inbound.discard(transfer)
            raise TransferState(state=transfer.stand.state.value)
        self._inbound.prepare(transfer, receiving)
        self._roll.keep(transfer, verdict)
        self._traffic.begin_some()
        return self._roll.row(transfer_id)

    def deny(self, transfer_id: str) -> TransferRow:
        """Refuse files that were offered; raise NoSuchTransfer or TransferState."""
        transfer = self._roll.get(transfer_id)
        self._roll.keep(transfer, self._offered(transfer).deny())
        self._roll.forget_lists(transfer)
        return self._roll.row(transfer_id)

    def cancel(self, transfer_id: str) -> TransferRow:
        """End a transfer for good; raise NoSuchTransfer, or TransferState if it is over."""
        transfer = self._roll.get(transfer_id)
        if transfer.stand.is_final:
            raise TransferState(state=transfer.stand.state.value)
        if not transfer.entry.outgoing and transfer.stand.state is State.OFFERED:
            return self.deny(transfer_id)
        self._end(transfer, CANCELLED)
        return self._roll.row(transfer_id)

    def pause(self, transfer_id: str) -> TransferRow:
        """Move nothing of a transfer until `resume`; raise NoSuchTransfer or TransferState."""
        transfer = self._roll.get(transfer_id)
        if transfer.stand.state not in {State.ACCEPTED, State.RUNNING, State.PAUSED}:
            raise TransferState(state=transfer.stand.state.value)
        transfer.entry.waits = PAUSED_BY_US
        if transfer.arrival is not None:
            transfer.arrival.pause()
        if transfer.sending is not None:
            self._traffic.drop(transfer)
            transfer.sending.pause()
        self._roll.keep(transfer, _goes_on(transfer, False))
        self._traffic.begin_some()
        return self._roll.row(transfer_id)

    def resume(self, transfer_id: str) -> TransferRow:
        """Take up a transfer that pauses, for whatever reason; raise NoSuchTransfer, TransferState.

        One that we send goes on when the contact asks again.
        """
        transfer = self._roll.get(transfer_id)
        if transfer.stand.state not in {State.ACCEPTED, State.RUNNING, State.PAUSED}:
            raise TransferState(state=transfer.stand.state.value)
        transfer.entry.waits = ""
        self._roll.keep(transfer, _goes_on(transfer, True))
        self._traffic.begin_some()
        return self._roll.row(transfer_id)

    def rows(self) -> list[TransferRow]:
        """Return all transfers that are known, newest first."""
        return self._roll.rows()

    def row(self, transfer_id: str) -> TransferRow:
        """Return what there is to know of a transfer; raise NoSuchTransfer."""
        return self._roll.row(transfer_id)

    def forget(self, contact: str, code: str = CANCELLED) -> None:
        """End all transfers with a contact for this; it is none any more, and is told nothing."""
        for transfer in self._roll.of(contact):
            transfer.entry.unsaid = b""
            if transfer.stand.is_final:
                self._roll.keeping.put(transfer.id, transfer.entry)
            else:
                self._cancel(transfer, code)
                self._over(transfer)
        self._traffic.link_gone(contact)

    # --- what contacts say

    def hear(self, contact: str, content: FileContent) -> None:
        """See `FileWords.hear`."""
        self._words.hear(contact, content)

    def link_open(self, contact: str, link: FileLink) -> None:
        """See `Traffic.link_open`."""
        self._traffic.link_open(contact, link)

    def link_gone(self, contact: str) -> None:
        """See `Traffic.link_gone`."""
        self._traffic.link_gone(contact)

    def payload(self, contact: str, link: FileLink, payload: bytes) -> None:
        """See `Traffic.payload`."""
        self._traffic.payload(contact, link, payload)

    # --- ends

    def _end(self, transfer: Transfer, code: str) -> None:
        """End a transfer and tell the contact."""
        self._over(transfer, self._cancel(transfer, code))

    def _cancel(self, transfer: Transfer, code: str) -> FileEnd:
        """Give a transfer up; return the word for the contact."""
        if transfer.sending is not None:
            return transfer.sending.cancel(code)
        if transfer.arrival is not None:
            return transfer.arrival.receiving.cancel(code)
        transfer.stand.end(code)
        return FileEnd(transfer.id, code)

    def _over(self, transfer: Transfer, word: FileContent | None = None) -> None:
        """Keep an end, and let go of what the transfer held."""
        self._traffic.drop(transfer)
        self._roll.keep(transfer, word)
        self._roll.forget_lists(transfer)
        if transfer.reading is not None:
            self._disk(transfer.reading.close)
            transfer.reading = None
        if transfer.arrival is not None:
            self._inbound.discard(transfer)
        self._traffic.begin_some()

    def _offered(self, transfer: Transfer) -> Receiving:
        """Return the receiving end of an offer that waits for our user."""
        if transfer.entry.outgoing or transfer.stand.state is not State.OFFERED:
            raise TransferState(state=transfer.stand.state.value)
        receiving = Receiving(transfer.offer)
        receiving.stand = transfer.stand
        return receiving


def _goes_on(transfer: Transfer, goes_on: bool) -> FileVerdict | None:
    """Return the word that we send no more for now, or go on; None where we are the receiver."""
    return None if transfer.sending is None else FileVerdict(transfer.id, goes_on)


def _room_in(folder: Path) -> int:
    """Return the free bytes of a folder, which is made where there is none."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return free_bytes(folder)
