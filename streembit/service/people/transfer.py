"""One transfer of files as the service holds it, and what its user sees of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from twisted.internet.interfaces import IDelayedCall

from streembit.disk.sources import Reading
from streembit.files.sending import Sending
from streembit.files.state import Journal, Stand, State
from streembit.service.people.arrival import Arrival
from streembit.service.people.keeping import Entry
from streembit.service.people_rows import TransferRow
from streembit.wire.transfer import FileOffer

PAUSED_BY_US: Final = "paused"  # the code of a pause that our user made
PAUSED_THERE: Final = "sender-paused"  # of one that the sender has told
PAUSES: Final = frozenset({PAUSED_BY_US, PAUSED_THERE})  # that people made, and people end
RATE_OVER_S: Final = 1.0


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
class Transfer:
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

    def row(self, now_s: float) -> TransferRow:
        """Return what there is to know of it."""
        entry, stand, offer = self.entry, self.stand, self.offer
        running = stand.state is State.RUNNING
        reached = self.reached_bytes
        rate = self.rate.look(now_s, reached) if running else 0.0
        return TransferRow(
            id=self.id,
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
