"""What flows between an account and its contacts for files: links, payloads, and who may move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from streembit.errors import BadBlock, NoSuchTransfer, StreembitError
from streembit.files.receiving import MAX_STRAY_BYTES
from streembit.files.sending import Sending
from streembit.files.state import DONE, State
from streembit.files.turns import MAX_RUNNING
from streembit.jose.base64url import encode as b64
from streembit.service.people.lane import Disk, FileLink
from streembit.service.people.outflow import Outflow
from streembit.service.people.roll import Roll
from streembit.service.people.transfer import Transfer
from streembit.wire.transfer import Ask, FileEnd, FileVerdict, read_frame

WATCH_EVERY_S: Final = 0.5  # for links that closed while there is another, as long as files come
MAX_UNKNOWN: Final = 64  # ids of transfers unknown here that a contact was told of, for each link


@dataclass
class Company:
    """A contact: the link to it, what flows to it, and what came of transfers unknown here."""

    outflow: Outflow
    link: FileLink | None = None
    stray_bytes: int = 0
    unknown: set[str] = field(default_factory=set)


class Traffic:
    """Moves what was agreed on over the links that there are.

    Args:
        disk, link_of: as of `Transfers`.
        end: ends a transfer for what an error's code says.
    """

    def __init__(
        self,
        roll: Roll,
        clock: IReactorTime,
        disk: Disk,
        link_of: Callable[[str], FileLink | None],
        end: Callable[[Transfer, str], None],
    ) -> None:
        self._roll = roll
        self._clock = clock
        self._disk = disk
        self._link_of = link_of
        self._end = end
        self._companies: dict[str, Company] = {}
        self._watching: IDelayedCall | None = None

    def close(self) -> None:
        """Move nothing any more."""
        if self._watching is not None and self._watching.active():
            self._watching.cancel()
        for company in self._companies.values():
            company.outflow.gone()
        self._companies.clear()

    # --- links

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
        for transfer in self._roll.of(contact):
            if transfer.arrival is not None:
                transfer.arrival.pause()
        self.begin_some()

    def link_gone(self, contact: str) -> None:
        """There is no link to a contact any more: its transfers pause."""
        company = self._companies.pop(contact, None)
        if company is None:
            return
        company.outflow.gone()
        for transfer in self._roll.of(contact):
            if transfer.arrival is not None:
                transfer.arrival.pause()
            self._roll.tell(transfer)
        self.begin_some()

    # --- payloads

    def payload(self, contact: str, link: FileLink, payload: bytes) -> None:
        """Take a payload of a link to a contact for which `is_file_frame`.

        Raises:
            BadFrame, BadBlock: the link has to end.
        """
        frame = read_frame(payload)
        name = b64(frame.transfer)
        transfer = self._roll.all.get(name)
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
            self._roll.tell_soon(transfer)

    def drop(self, transfer: Transfer) -> None:
        """Send nothing more of a transfer, until it is asked for again."""
        if transfer.sending is not None:
            self._company(transfer.contact).outflow.remove(transfer.sending)

    def _asked(self, transfer: Transfer, link: FileLink, ask: Ask) -> None:
        sending, reading = transfer.sending, transfer.reading
        if sending is None or reading is None:
            self._stray(transfer.contact, transfer.id, ask, transfer)
            return
        if transfer.stand.state is State.OFFERED:  # the verdict is on its way behind the ask
            sending.answered(FileVerdict(transfer.id, accepted=True))
            self._roll.keep(transfer)
        if transfer.entry.waits:
            return
        was = transfer.stand.state
        try:
            self._company(transfer.contact).outflow.ask(link, sending, ask, reading)
        except StreembitError as error:
            self._end(transfer, error.code)
        if transfer.stand.state is not was:
            self._roll.tell(transfer)

    def _stray(self, contact: str, name: str, frame: object, transfer: Transfer | None) -> None:
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
            self._roll.mention(contact, FileEnd(name, code))

    def _unreadable(self, sending: Sending, error: StreembitError) -> None:
        transfer = self._roll.all.get(sending.offer.transfer)
        if transfer is not None:
            self._end(transfer, error.code)

    def _sent(self, sending: Sending) -> None:
        transfer = self._roll.all.get(sending.offer.transfer)
        if transfer is not None:
            self._roll.tell_soon(transfer)

    def _company(self, contact: str) -> Company:
        """Return what there is with a contact."""
        company = self._companies.get(contact)
        if company is None:
            outflow = Outflow(self._disk, self._unreadable, self._sent)
            company = self._companies[contact] = Company(outflow)
        return company

    # --- receiving

    def begin_some(self) -> None:
        """Let transfers run for which there is a link, as many as may run at a time.

        Those whose senders were silent come last: their places go to others.
        """
        running = sum(
            each.arrival is not None and each.stand.state is State.RUNNING
            for each in self._roll.all.values()
        )
        for transfer in sorted(self._roll.all.values(), key=_silences):
            if running >= MAX_RUNNING:
                return
            running += self._restart(transfer)

    def _restart(self, transfer: Transfer) -> bool:
        """Begin, or begin anew, if the transfer waits for nothing but a link that there is."""
        arrival = transfer.arrival
        link = self._usable_link(transfer.contact)
        if arrival is None or link is None or not self._roll.is_open:
            return False
        if transfer.entry.waits or transfer.stand.state not in {State.ACCEPTED, State.PAUSED}:
            return False
        if arrival.is_beginning:
            return True
        arrival.heard_s = self._clock.seconds()
        arrival.begin(link)
        self._watch_soon()
        self._roll.tell(transfer)
        return True

    def _usable_link(self, contact: str) -> FileLink | None:
        company = self._companies.get(contact)
        if company is None:
            return None
        if company.link is None or not company.link.is_open:
            company.link = self._link_of(contact)
        return company.link

    def _watch_soon(self) -> None:
        if self._watching is None:
            self._watching = self._clock.callLater(WATCH_EVERY_S, self._watch)

    def _watch(self) -> None:
        """Go on over the link that is left where the one in use has closed."""
        self._watching = None
        linked = [
            transfer.arrival
            for transfer in self._roll.all.values()
            if transfer.arrival is not None and transfer.arrival.is_linked
        ]
        lost = [arrival for arrival in linked if arrival.has_lost_link]
        for arrival in lost:
            arrival.pause()
        if lost:
            self.begin_some()
        if linked:
            self._watch_soon()


def _silences(transfer: Transfer) -> int:
    """Return how many times in a row what was asked for did not come."""
    return 0 if transfer.arrival is None else transfer.arrival.silences
