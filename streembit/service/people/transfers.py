"""The transfers of files of one account: offered, agreed on, moved over links, taken up again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, cast

from msgspec.structs import replace
from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from streembit.disk.downloads import Download, free_bytes, make_private
from streembit.disk.sources import Reading, pack_sources, read_sources, walk
from streembit.errors import (
    BadBlock,
    ChestDamaged,
    NoSuchTransfer,
    StreembitError,
    TooManyTransfers,
    TransferState,
)
from streembit.files import manifest as manifests
from streembit.files.receiving import MAX_STRAY_BYTES, Receiving
from streembit.files.sending import Sending
from streembit.files.state import CANCELLED, DONE, Journal, Stand, State, kept_stand
from streembit.files.turns import MAX_RUNNING, check_offers
from streembit.jose.base64url import encode as b64
from streembit.service.people.arrival import Arrival
from streembit.service.people.keeping import Chest, Entry, Keeping
from streembit.service.people.lane import Disk, FileLink, Lane
from streembit.service.people.outflow import Outflow
from streembit.service.people_rows import TransferRow
from streembit.wire.transfer import (
    TRANSFER_BYTES,
    Ask,
    FileContent,
    FileEnd,
    FileOffer,
    FileVerdict,
    pack_content,
    read_content,
    read_frame,
)

PAUSED_BY_US: Final = "paused"  # the code of a pause that our user made
MAX_FINISHED: Final = 200  # transfers that are over and still shown; older ones are forgotten
TELL_EVERY_S: Final = 0.5  # how often progress is told
RATE_OVER_S: Final = 1.0
LOOK_EVERY_S: Final = 15.0  # for silent senders, and for disks that have room again
WATCH_EVERY_S: Final = 0.5  # for links that closed while there is another, as long as files come
SILENCE_S: Final = 60.0  # then what was asked for is asked for anew; twice as long each time
MAX_SILENCES: Final = 6  # doublings: about an hour
MAX_UNKNOWN: Final = 64  # ids of transfers unknown here that a contact was told of, for each link

_log = Logger()


@dataclass
class _Rate:
    """Bytes a second over the last second or more."""

    at_s: float = 0.0
    bytes: int = 0
    value: float = 0.0

    def look(self, now_s: float, reached_bytes: int) -> float:
        passed_s = now_s - self.at_s
        if passed_s >= RATE_OVER_S or passed_s < 0:
            came = max(0, reached_bytes - self.bytes)
            self.value = came / passed_s if 0 < passed_s < 10 * RATE_OVER_S else 0.0
            self.at_s, self.bytes = now_s, reached_bytes
        return self.value


@dataclass(eq=False)
class _Transfer:
    """A transfer and what belongs to it while it is not over."""

    id: str
    entry: Entry
    offer: FileOffer
    stand: Stand
    sending: Sending | None = None
    reading: Reading | None = None
    arrival: Arrival | None = None
    telling: IDelayedCall | None = None
    rate: _Rate = field(default_factory=_Rate)

    @property
    def contact(self) -> str:
        return self.entry.contact

    @property
    def reached_bytes(self) -> int:
        if self.stand.state is State.DONE:
            return self.offer.total_bytes
        if self.sending is not None:
            return self.sending.reached_bytes
        return 0 if self.arrival is None else self.arrival.receiving.reached_bytes

    def journal(self) -> Journal:
        """Return what to keep, without the list of files."""
        return Journal(self.offer, self.stand.state, self.stand.why, b"")


@dataclass
class _Company:
    """A contact: the link to it, what flows to it, and what came of transfers unknown here."""

    outflow: Outflow
    link: FileLink | None = None
    stray_bytes: int = 0
    unknown: set[str] = field(default_factory=set)


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
    ) -> None:
        self.downloads = downloads
        self._keeping = Keeping(chest)
        self._clock = clock
        self._disk = disk
        self._lane = Lane(disk, clock)
        self._say = say
        self._changed = changed
        self._link_of = link_of
        self._transfers: dict[str, _Transfer] = {}
        self._companies: dict[str, _Company] = {}
        self._looking: IDelayedCall | None = None
        self._watching: IDelayedCall | None = None

    # --- the service

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Take up what was kept; raise ChestDamaged where that is not sound."""
        super().startService()
        for entry, journal in self._keeping.load():
            self._load(entry, journal)
        for transfer in list(self._transfers.values()):
            self._say_again(transfer)
            if transfer.stand.is_final and transfer.entry.private:
                self._discard(transfer)
        self._look()

    def stopService(self) -> Deferred[object]:  # noqa: N802 - Twisted's name
        """Stop moving, and fire when the disk is left alone."""
        super().stopService()
        for call in (self._looking, self._watching):
            if call is not None and call.active():
                call.cancel()
        waits: list[Deferred[None]] = []
        for company in self._companies.values():
            company.outflow.gone()
        self._companies.clear()
        for transfer in self._transfers.values():
            if transfer.telling is not None and transfer.telling.active():
                transfer.telling.cancel()
            if transfer.arrival is not None:
                waits.append(transfer.arrival.close())
            if transfer.reading is not None:
                waits.append(self._disk(transfer.reading.close))
        self._transfers.clear()
        return cast("Deferred[object]", gatherResults(waits))

    # --- what our user wants

    async def offer(self, contact: str, paths: Sequence[Path]) -> TransferRow:
        """Offer files and folders to a contact.

        Raises:
            NotFound, TooLarge, DiskFailed: as `walk` and `manifest.make`.
            DiskFull: the offer could not be kept; it was not made.
        """
        found = await self._disk(partial(walk, paths))
        for line in found.left_out:
            _log.info("left out of an offer: {line}", line=repr(line))
        manifest = await self._disk(partial(manifests.make, found.files))
        transfer_id = os.urandom(TRANSFER_BYTES)
        offer = manifest.offer(transfer_id, manifests.top_name(manifest))
        sending = Sending(offer, transfer_id, manifest)
        entry = Entry(contact, True, self._now(), b"", paths=[str(path) for path in paths])
        transfer = _Transfer(offer.transfer, entry, offer, sending.stand, sending)
        transfer.reading = Reading(found.sources)
        entry.journal = transfer.journal().pack()
        entry.unsaid = pack_content(offer)
        self._keeping.put_lists(transfer.id, entry, manifest.data, pack_sources(found.sources))
        self._transfers[transfer.id] = transfer
        self._say_again(transfer)
        self._tell(transfer)
        return self.row(transfer.id)

    async def accept(self, transfer_id: str, folder: Path | None = None) -> TransferRow:
        """Take files that were offered, into a folder (None: the usual one).

        Raises:
            NoSuchTransfer, TransferState
            NotEnoughSpace: they stay offered.
            DiskFull, DiskFailed: the folder cannot be used; they stay offered.
        """
        transfer = self._get(transfer_id)
        receiving = self._offered(transfer)
        target = folder or self.downloads
        token = os.urandom(8).hex()
        free = await self._disk(partial(_room_in, target))
        verdict = receiving.accept(free - self._promised(target))
        try:
            private = await self._disk(partial(make_private, target, token))
        except StreembitError:
            transfer.stand.state = State.OFFERED
            raise
        transfer.entry.folder, transfer.entry.private = str(target), private
        if transfer.stand.is_final:  # the contact was quicker
            self._discard(transfer)
            raise TransferState(state=transfer.stand.state.value)
        transfer.arrival = self._arrival(transfer.entry, receiving)
        self._keep(transfer, verdict)
        self._begin_some()
        return self.row(transfer_id)

    def deny(self, transfer_id: str) -> TransferRow:
        """Refuse files that were offered; raise NoSuchTransfer or TransferState."""
        transfer = self._get(transfer_id)
        self._keep(transfer, self._offered(transfer).deny())
        self._forget_lists(transfer)
        return self.row(transfer_id)

    def cancel(self, transfer_id: str) -> TransferRow:
        """End a transfer for good; raise NoSuchTransfer, or TransferState if it is over."""
        transfer = self._get(transfer_id)
        if transfer.stand.is_final:
            raise TransferState(state=transfer.stand.state.value)
        if not transfer.entry.outgoing and transfer.stand.state is State.OFFERED:
            return self.deny(transfer_id)
        self._end(transfer, CANCELLED)
        return self.row(transfer_id)

    def pause(self, transfer_id: str) -> TransferRow:
        """Move nothing of a transfer until `resume`; raise NoSuchTransfer or TransferState."""
        transfer = self._get(transfer_id)
        if transfer.stand.state not in {State.ACCEPTED, State.RUNNING, State.PAUSED}:
            raise TransferState(state=transfer.stand.state.value)
        transfer.entry.waits = PAUSED_BY_US
        if transfer.arrival is not None:
            transfer.arrival.pause()
        if transfer.sending is not None:
            self._company(transfer.contact).outflow.remove(transfer.sending)
            transfer.sending.pause()
        self._keep(transfer)
        self._begin_some()
        return self.row(transfer_id)

    def resume(self, transfer_id: str) -> TransferRow:
        """Take up a transfer that pauses, for whatever reason; raise NoSuchTransfer, TransferState.

        One that we send goes on when the contact asks again.
        """
        transfer = self._get(transfer_id)
        if transfer.stand.state not in {State.ACCEPTED, State.RUNNING, State.PAUSED}:
            raise TransferState(state=transfer.stand.state.value)
        transfer.entry.waits = ""
        self._keep(transfer)
        if transfer.sending is not None:
            self._mention(transfer.contact, FileVerdict(transfer.id, accepted=True))
        self._begin_some()
        return self.row(transfer_id)

    def rows(self) -> list[TransferRow]:
        """Return all transfers that are known, newest first."""
        order = sorted(self._transfers.values(), key=lambda each: each.entry.at, reverse=True)
        return [self.row(transfer.id) for transfer in order]

    def row(self, transfer_id: str) -> TransferRow:
        """Return what there is to know of a transfer; raise NoSuchTransfer."""
        transfer = self._get(transfer_id)
        entry, stand, offer = transfer.entry, transfer.stand, transfer.offer
        running = stand.state is State.RUNNING
        reached = transfer.reached_bytes
        rate = transfer.rate.look(self._clock.seconds(), reached) if running else 0.0
        return TransferRow(
            id=transfer.id,
            contact=entry.contact,
            outgoing=entry.outgoing,
            name=offer.name,
            files=offer.files,
            total_bytes=offer.total_bytes,
            done_bytes=reached,
            state=stand.state.value,
            at=entry.at,
            why=stand.why or entry.waits,
            rate_bytes_s=rate,
            folder=entry.folder,
            paths=list(entry.paths),
        )

    def forget(self, contact: str, code: str = CANCELLED) -> None:
        """End all transfers with a contact for this; it is none any more, and is told nothing."""
        for transfer in self._of(contact):
            transfer.entry.unsaid = b""
            if transfer.stand.is_final:
                self._keeping.put(transfer.id, transfer.entry)
            else:
                self._cancel(transfer, code)
                self._over(transfer, None)
        self.link_gone(contact)

    # --- what contacts say

    def hear(self, contact: str, content: FileContent) -> None:
        """Take a word of a contact about files; one that makes no sense any more is dropped."""
        transfer = self._transfers.get(content.transfer)
        if isinstance(content, FileOffer):
            if transfer is None:
                self._offered_to_us(contact, content)
        elif transfer is not None and transfer.contact == contact:
            self._decided(transfer, content)

    def link_open(self, contact: str, link: FileLink) -> None:
        """A link to a contact is open, the first or another one: it is the one used from now on.

        Said again of the link that is in use it changes nothing.
        """
        company = self._company(contact)
        if company.link is link:
            return
        company.link = link  # used as long as it is open
        company.stray_bytes = 0
        company.unknown.clear()
        for transfer in self._of(contact):
            if transfer.arrival is not None:
                transfer.arrival.pause()
        self._begin_some()

    def link_gone(self, contact: str) -> None:
        """There is no link to a contact any more: its transfers pause."""
        company = self._companies.pop(contact, None)
        if company is None:
            return
        company.outflow.gone()
        for transfer in self._of(contact):
            if transfer.arrival is not None:
                transfer.arrival.pause()
            self._tell(transfer)
        self._begin_some()

    def payload(self, contact: str, link: FileLink, payload: bytes) -> None:
        """Take a payload of a link to a contact for which `is_file_frame`.

        Raises:
            BadFrame, BadBlock: the link has to end.
        """
        frame = read_frame(payload)
        name = b64(frame.transfer)
        transfer = self._transfers.get(name)
        if transfer is None or transfer.contact != contact or transfer.stand.is_final:
            self._stray(contact, name, frame, transfer)
        elif isinstance(frame, Ask):
            self._asked(transfer, link, frame)
        elif transfer.arrival is None:
            self._stray(contact, name, frame, transfer)
        else:
            transfer.arrival.heard_s = self._clock.seconds()
            transfer.arrival.silences = 0
            try:
                transfer.arrival.frame(frame)
            except StreembitError as error:
                self._end(transfer, error.code)
            self._tell_soon(transfer)

    # --- ArrivalEvents

    def keep(self, arrival: Arrival) -> None:
        """See `ArrivalEvents`."""
        transfer = self._transfers.get(arrival.receiving.offer.transfer)
        manifest = arrival.receiving.manifest
        if transfer is None or manifest is None:
            return  # we are stopping: the list comes again
        transfer.entry.journal = transfer.journal().pack()
        self._keeping.put_lists(transfer.id, transfer.entry, manifest.data, b"")

    def completed(self, arrival: Arrival, names: list[str]) -> None:
        """See `ArrivalEvents`."""
        transfer = self._transfers.get(arrival.receiving.offer.transfer)
        if transfer is None:
            return  # we are stopping; the next start finds the files in their places
        transfer.entry.paths = [str(Path(transfer.entry.folder) / name) for name in names]
        self._keep(transfer, arrival.receiving.completed())
        self._discard(transfer)
        self._begin_some()

    def held_up(self, arrival: Arrival, error: StreembitError) -> None:
        """See `ArrivalEvents`."""
        transfer = self._transfers.get(arrival.receiving.offer.transfer)
        if transfer is None:
            return
        _log.warn("files cannot be received: {code}", code=error.code, transfer=transfer.id)
        if transfer.stand.is_final:
            return  # what is left of it is removed at the next start
        transfer.entry.waits = error.code
        try:
            self._keep(transfer)
        except StreembitError:  # the chest is on that disk too; it is a pause all the same
            self._tell(transfer)
        self._begin_some()

    def failed(self, arrival: Arrival, error: StreembitError) -> None:
        """See `ArrivalEvents`."""
        transfer = self._transfers.get(arrival.receiving.offer.transfer)
        if transfer is not None:
            self._end(transfer, error.code)

    def discarded(self, arrival: Arrival) -> None:
        """See `ArrivalEvents`."""
        transfer = self._transfers.get(arrival.receiving.offer.transfer)
        if transfer is not None:
            transfer.entry.private = ""
            self._forget_lists(transfer)

    # --- words

    def _offered_to_us(self, contact: str, offer: FileOffer) -> None:
        waiting = [
            each
            for each in self._of(contact)
            if not each.entry.outgoing and each.stand.state is State.OFFERED
        ]
        receiving = Receiving(offer)
        try:
            check_offers(len(waiting))
        except TooManyTransfers as error:
            self._mention(contact, FileEnd(offer.transfer, error.code))
            return
        entry = Entry(contact, False, self._now(), b"")
        transfer = _Transfer(offer.transfer, entry, offer, receiving.stand)
        entry.journal = transfer.journal().pack()
        self._keeping.put(transfer.id, entry)
        self._transfers[transfer.id] = transfer
        self._tell(transfer)

    def _decided(self, transfer: _Transfer, word: FileVerdict | FileEnd) -> None:
        if isinstance(word, FileEnd):
            self._ended(transfer, word)
        elif transfer.sending is not None:
            transfer.sending.answered(word)
            self._keep(transfer)
            if transfer.stand.is_final:
                self._forget_lists(transfer)
        elif word.accepted and transfer.arrival is not None:
            transfer.arrival.silences = 0  # the sender goes on after a pause of its own
            transfer.arrival.pause()
            self._begin_some()

    def _ended(self, transfer: _Transfer, word: FileEnd) -> None:
        if transfer.stand.is_final:
            return
        if transfer.sending is not None:
            transfer.sending.ended(word)
        elif transfer.arrival is not None:
            transfer.arrival.receiving.ended(word)
        else:
            transfer.stand.end(CANCELLED if word.code == DONE else word.code)
        self._over(transfer, None)

    def _end(self, transfer: _Transfer, code: str) -> None:
        """End a transfer and tell the contact."""
        self._over(transfer, self._cancel(transfer, code))

    def _cancel(self, transfer: _Transfer, code: str) -> FileEnd:
        """Give a transfer up; return the word for the contact."""
        if transfer.sending is not None:
            return transfer.sending.cancel(code)
        if transfer.arrival is not None:
            return transfer.arrival.receiving.cancel(code)
        transfer.stand.end(code)
        return FileEnd(transfer.id, code)

    def _over(self, transfer: _Transfer, word: FileContent | None) -> None:
        """Keep an end, and let go of what the transfer held."""
        if transfer.sending is not None:
            self._company(transfer.contact).outflow.remove(transfer.sending)
        self._keep(transfer, word)
        self._forget_lists(transfer)
        if transfer.reading is not None:
            self._disk(transfer.reading.close)
            transfer.reading = None
        if transfer.arrival is not None:
            self._discard(transfer)
        self._begin_some()

    def _say_again(self, transfer: _Transfer) -> None:
        """Say what was kept to be said; a death in between makes it twice."""
        entry = transfer.entry
        if entry.unsaid and self._mention(entry.contact, read_content(entry.unsaid)):
            entry.unsaid = b""
            self._keeping.put(transfer.id, entry)

    def _mention(self, contact: str, word: FileContent) -> bool:
        """Say a word; return False where that is not possible now."""
        try:
            self._say(contact, word)
        except StreembitError as error:
            _log.warn("a word about files was not said: {code}", code=error.code)
            return False
        return True

    # --- payloads

    def _asked(self, transfer: _Transfer, link: FileLink, ask: Ask) -> None:
        sending, reading = transfer.sending, transfer.reading
        if sending is None or reading is None:
            self._stray(transfer.contact, transfer.id, ask, transfer)
            return
        if transfer.stand.state is State.OFFERED:  # the verdict is on its way behind the ask
            sending.answered(FileVerdict(transfer.id, accepted=True))
            self._keep(transfer)
        if transfer.entry.waits:
            return
        was = transfer.stand.state
        try:
            self._company(transfer.contact).outflow.ask(link, sending, ask, reading)
        except StreembitError as error:
            self._end(transfer, error.code)
        if transfer.stand.state is not was:
            self._tell(transfer)

    def _stray(self, contact: str, name: str, frame: object, transfer: _Transfer | None) -> None:
        """Count what belongs to no transfer here; tell who asks for one that there is none.

        Raises:
            BadBlock: there was too much of it.
        """
        company = self._company(contact)
        company.stray_bytes += len(getattr(frame, "data", b"")) + 64
        if company.stray_bytes > MAX_STRAY_BYTES:
            raise BadBlock("too many of transfers that there are not")
        ours = transfer is not None and transfer.contact == contact
        if name not in company.unknown and len(company.unknown) < MAX_UNKNOWN:
            company.unknown.add(name)
            code = transfer.stand.why or DONE if ours and transfer else NoSuchTransfer.code
            self._mention(contact, FileEnd(name, code))

    # --- receiving

    def _begin_some(self) -> None:
        """Let transfers run for which there is a link, as many as may run at a time."""
        running = sum(
            each.arrival is not None and each.stand.state is State.RUNNING
            for each in self._transfers.values()
        )
        for transfer in list(self._transfers.values()):
            if running >= MAX_RUNNING:
                return
            running += self._restart(transfer)

    def _restart(self, transfer: _Transfer) -> bool:
        """Begin, or begin anew, if the transfer waits for nothing but a link that there is."""
        arrival = transfer.arrival
        link = self._usable_link(transfer.contact)
        if arrival is None or link is None or not self.running:
            return False
        if transfer.entry.waits or transfer.stand.state not in {State.ACCEPTED, State.PAUSED}:
            return False
        if arrival.is_beginning:
            return True
        arrival.heard_s = self._clock.seconds()
        arrival.begin(link)
        self._watch_soon()
        self._tell(transfer)
        return True

    def _usable_link(self, contact: str) -> FileLink | None:
        company = self._companies.get(contact)
        if company is None:
            return None
        if company.link is None or not company.link.is_open:
            company.link = self._link_of(contact)
        return company.link

    def _arrival(self, entry: Entry, receiving: Receiving) -> Arrival:
        download = Download(Path(entry.folder), entry.private)
        return Arrival(receiving, download, self._lane, self)

    def _offered(self, transfer: _Transfer) -> Receiving:
        """Return the receiving end of an offer that waits for our user."""
        if transfer.entry.outgoing or transfer.stand.state is not State.OFFERED:
            raise TransferState(state=transfer.stand.state.value)
        receiving = Receiving(transfer.offer)
        receiving.stand = transfer.stand
        return receiving

    def _promised(self, folder: Path) -> int:
        """Return what transfers that are accepted will still take of the same folder's disk."""
        return sum(
            each.offer.total_bytes - each.reached_bytes
            for each in self._transfers.values()
            if each.arrival is not None
            and not each.stand.is_final
            and each.entry.folder == str(folder)
        )

    def _discard(self, transfer: _Transfer) -> None:
        """Remove the private folder of a transfer that is over."""
        arrival, entry = transfer.arrival, transfer.entry
        transfer.arrival = None
        if arrival is None:
            arrival = self._arrival(entry, Receiving(transfer.offer))
        arrival.discard()

    # --- time

    def _look(self) -> None:
        """Ask anew where a sender is silent; go on where a disk has room again."""
        self._looking = self._clock.callLater(LOOK_EVERY_S, self._look)
        now_s = self._clock.seconds()
        for transfer in list(self._transfers.values()):
            self._say_again(transfer)
            arrival = transfer.arrival
            if arrival is None:
                continue
            if transfer.stand.state is State.RUNNING:
                if now_s - arrival.heard_s >= SILENCE_S * 2**arrival.silences:
                    arrival.silences = min(arrival.silences + 1, MAX_SILENCES)
                    arrival.pause()
            elif transfer.entry.waits not in {"", PAUSED_BY_US} and not transfer.stand.is_final:
                self._try_again(transfer)
        self._begin_some()

    def _watch_soon(self) -> None:
        if self._watching is None:
            self._watching = self._clock.callLater(WATCH_EVERY_S, self._watch)

    def _watch(self) -> None:
        """Go on over the link that is left where the one in use has closed."""
        self._watching = None
        linked = [
            transfer.arrival
            for transfer in self._transfers.values()
            if transfer.arrival is not None and transfer.arrival.is_linked
        ]
        lost = [arrival for arrival in linked if arrival.has_lost_link]
        for arrival in lost:
            arrival.pause()
        if lost:
            self._begin_some()
        if linked:
            self._watch_soon()

    def _try_again(self, transfer: _Transfer) -> None:
        """Take up a transfer for which the disk had no room, if it has some now."""
        left = transfer.offer.total_bytes - transfer.reached_bytes

        def seen(free: int) -> None:
            if free > left and transfer.entry.waits != PAUSED_BY_US:
                transfer.entry.waits = ""
                self._begin_some()

        folder = Path(transfer.entry.folder)
        self._disk(partial(free_bytes, folder)).addCallbacks(seen, lambda _: None)

    def _tell_soon(self, transfer: _Transfer) -> None:
        if transfer.telling is None and self.running:
            transfer.telling = self._clock.callLater(TELL_EVERY_S, self._tell, transfer)

    def _tell(self, transfer: _Transfer) -> None:
        if transfer.telling is not None and transfer.telling.active():
            transfer.telling.cancel()
        transfer.telling = None
        if transfer.id in self._transfers:
            self._changed(self.row(transfer.id))

    # --- keeping

    def _keep(self, transfer: _Transfer, word: FileContent | None = None) -> None:
        """Keep the state, with a word that is to be said, before it is said."""
        entry = transfer.entry
        entry.journal = transfer.journal().pack()
        if word is not None:
            entry.unsaid = pack_content(word)
        self._keeping.put(transfer.id, entry)
        if word is not None:
            self._say_again(transfer)
        self._tell(transfer)

    def _load(self, entry: Entry, journal: Journal) -> None:
        offer = journal.offer
        transfer = _Transfer(offer.transfer, entry, offer, kept_stand(journal))
        self._transfers[transfer.id] = transfer
        if transfer.stand.is_final:
            return
        manifest = self._keeping.manifest(transfer.id)
        journal = replace(journal, manifest=manifest)
        if entry.outgoing:
            self._load_sending(transfer, journal)
        elif entry.private:
            receiving = Receiving.load(journal)
            transfer.stand = receiving.stand
            transfer.arrival = self._arrival(entry, receiving)

    def _load_sending(self, transfer: _Transfer, journal: Journal) -> None:
        try:
            sources = read_sources(self._keeping.sources(transfer.id))
            transfer.sending = Sending.load(journal)
        except (ValueError, StreembitError) as e:
            raise ChestDamaged("the list of a transfer") from e
        transfer.stand = transfer.sending.stand
        transfer.reading = Reading(sources)

    def _forget_lists(self, transfer: _Transfer) -> None:
        """Forget the lists of a transfer that is over, and the oldest of too many such ones."""
        self._keeping.drop_lists(transfer.id, transfer.entry)
        over = [
            each
            for each in self._transfers.values()
            if each.stand.is_final and not each.entry.private
        ]
        over.sort(key=lambda each: each.entry.at)
        for old in over[: max(0, len(over) - MAX_FINISHED)]:
            self._keeping.drop_lists(old.id, None)
            del self._transfers[old.id]

    # --- looking

    def _get(self, transfer_id: str) -> _Transfer:
        transfer = self._transfers.get(transfer_id)
        if transfer is None:
            raise NoSuchTransfer
        return transfer

    def _of(self, contact: str) -> Iterator[_Transfer]:
        return (each for each in list(self._transfers.values()) if each.contact == contact)

    def _company(self, contact: str) -> _Company:
        company = self._companies.get(contact)
        if company is None:
            outflow = Outflow(self._disk, self._unreadable, self._sent)
            company = self._companies[contact] = _Company(outflow)
        return company

    def _unreadable(self, sending: Sending, error: StreembitError) -> None:
        transfer = self._transfers.get(sending.offer.transfer)
        if transfer is not None:
            self._end(transfer, error.code)

    def _sent(self, sending: Sending) -> None:
        transfer = self._transfers.get(sending.offer.transfer)
        if transfer is not None:
            self._tell_soon(transfer)

    def _now(self) -> int:
        return int(self._clock.seconds())


def _room_in(folder: Path) -> int:
    """Return the free bytes of a folder, which is made where there is none."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return free_bytes(folder)
