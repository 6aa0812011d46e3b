"""The transfers that come to us: their downloads on the disk, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.logger import Logger

from streembit.disk.downloads import Download
from streembit.errors import StreembitError
from streembit.files.receiving import Receiving
from streembit.service.people.arrival import Arrival
from streembit.service.people.lane import Lane
from streembit.service.people.roll import Roll
from streembit.service.people.traffic import Traffic
from streembit.service.people.transfer import Transfer

_log = Logger()


class Inbound:
    """Makes the arrivals of transfers, and is told what becomes of them; see `ArrivalEvents`.

    Args:
        end: ends a transfer for what an error's code says.
    """

    def __init__(
        self, roll: Roll, traffic: Traffic, lane: Lane, end: Callable[[Transfer, str], None]
    ) -> None:
        self._roll = roll
        self._traffic = traffic
        self._lane = lane
        self._end = end

    def prepare(self, transfer: Transfer, receiving: Receiving) -> None:
        """Give a transfer that was accepted its arrival, at the folders that it names."""
        transfer.arrival = self._arrival(transfer, receiving)

    def promised(self, folder: Path) -> int:
        """Return what transfers that are accepted will still take of the same folder's disk."""
        return sum(
            each.offer.total_bytes - each.reached_bytes
            for each in self._roll.all.values()
            if each.arrival is not None
            and not each.stand.is_final
            and each.entry.folder == str(folder)
        )

    def discard(self, transfer: Transfer) -> None:
        """Remove the private folder of a transfer that is over."""
        arrival, transfer.arrival = transfer.arrival, None
        if arrival is None:
            arrival = self._arrival(transfer, Receiving(transfer.offer))
        arrival.discard()

    # --- ArrivalEvents

    def keep(self, arrival: Arrival) -> None:
        """See `ArrivalEvents`."""
        transfer = self._of(arrival)
        manifest = arrival.receiving.manifest
        if transfer is None or manifest is None:
            return  # we are stopping: the list comes again
        transfer.entry.journal = transfer.journal().pack()
        self._roll.keeping.put_lists(transfer.id, transfer.entry, manifest.data, b"")

    def completed(self, arrival: Arrival, names: list[str]) -> None:
        """See `ArrivalEvents`."""
        transfer = self._of(arrival)
        if transfer is None:
            return  # we are stopping; the next start finds the files in their places
        transfer.entry.waits = ""
        transfer.entry.paths = [str(Path(transfer.entry.folder) / name) for name in names]
        self._roll.keep(transfer, arrival.receiving.completed())
        self.discard(transfer)
        self._traffic.begin_some()

    def held_up(self, arrival: Arrival, error: StreembitError) -> None:
        """See `ArrivalEvents`."""
        transfer = self._of(arrival)
        if transfer is None:
            return
        _log.warn("files cannot be received: {code}", code=error.code, transfer=transfer.id)
        if transfer.stand.is_final:
            return  # what is left of it is removed at the next start
        transfer.entry.waits = error.code
        try:
            self._roll.keep(transfer)
        except StreembitError:  # the chest is on that disk too; it is a pause all the same
            self._roll.tell(transfer)
        self._traffic.begin_some()

    def failed(self, arrival: Arrival, error: StreembitError) -> None:
        """See `ArrivalEvents`."""
        transfer = self._of(arrival)
        if transfer is not None:
            self._end(transfer, error.code)

    def discarded(self, arrival: Arrival) -> None:
        """See `ArrivalEvents`."""
        transfer = self._of(arrival)
        if transfer is not None:
            transfer.entry.private = ""
            self._roll.forget_lists(transfer)

    def _of(self, arrival: Arrival) -> Transfer | None:
        """Return whose arrival it is; None while we stop."""
        return self._roll.all.get(arrival.receiving.offer.transfer)

    def _arrival(self, transfer: Transfer, receiving: Receiving) -> Arrival:
        download = Download(Path(transfer.entry.folder), transfer.entry.private)
        return Arrival(receiving, download, self._lane, self)
