"""The good peers of this run, kept for the next start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from streembit.dht.grouping import Grouping
from streembit.dht.peers import PeersCache, PeersDocument
from streembit.errors import StreembitError
from streembit.jose.keys import PublicKey
from streembit.service.membership import Address
from streembit.service.network import Network
from streembit.service.upkeep import Upkeep

SAVE_EVERY_S: Final = 300.0  # what a crash may lose of the picture
FIRST_SAVE_S: Final = 2.0  # after the start, and each wait is twice the last: young pictures change
MAX_REMEMBERED: Final = 64  # dialled, a few at a time, before the seeds

_log = Logger()


class PeersKeeper(Protocol):
    """Where the document lies: `disk.peers.PeersFile`."""

    def load(self) -> PeersDocument:
        """Return what was saved, an empty document where nothing was."""

    def save(self, document: PeersDocument) -> None:
        """Write it."""


class Memory:
    """What is remembered: read once, before there is a network.

    A document that cannot be read is as good as an empty one, but for one
    that a newer program wrote: HomeTooNew.
    """

    def __init__(self, keeper: PeersKeeper, grouping: Grouping) -> None:
        self._keeper = keeper
        self._cache = PeersCache.read(keeper.load(), grouping)
        self._met: set[str] = set()  # keys in the table at the last look; bounded by it

    def best(self, now_s: float) -> list[Address]:
        """Return where to begin, the anchors first."""
        contacts = self._cache.best(MAX_REMEMBERED, now_s)
        found = []
        for contact in contacts:
            try:
                found.append(Address(contact.host, contact.port, PublicKey.from_text(contact.key)))
            except StreembitError:
                self._cache.failed(contact.key)
        return found

    def note(self, network: Network) -> None:
        """Take note of whom the table knows now, and whom it has lost since the last look."""
        now_s = network.now_s()
        met = {node.contact.key: node.contact for node in network.table if not node.failures}
        for contact in met.values():
            self._cache.met(contact, now_s)
        if met:  # else it is our own line that is down
            for key in self._met - met.keys():
                self._cache.failed(key)
        self._met = set(met)

    def save(self) -> None:
        """Write down what is remembered; raise DiskFull or DiskFailed."""
        self._keeper.save(self._cache.document())


class Recall(MultiService):
    """Notes and saves the peers now and then, and at the end."""

    def __init__(self, memory: Memory, network: Network, random: Callable[[], float]) -> None:
        super().__init__()
        self.setName("recall")
        self._memory = memory
        self._network = network
        self._wait_s = FIRST_SAVE_S
        self._upkeep = Upkeep(
            "recall",
            network.clock,
            SAVE_EVERY_S,
            self._round,
            random,
            jitter_s=SAVE_EVERY_S / 10,
            first_s=FIRST_SAVE_S,
        )
        self._upkeep.setServiceParent(self)

    def stopService(self) -> Deferred[None] | None:  # noqa: N802 - Twisted's name
        """Save once more; a disk that fails now costs the picture of the last minutes."""
        try:
            self._keep()
        except StreembitError as error:
            _log.warn("peers not saved: {error}", error=str(error))
        stopped: Deferred[None] | None = super().stopService()
        return stopped

    def _round(self) -> None:
        self._wait_s *= 2
        if self._wait_s < SAVE_EVERY_S:
            self._upkeep.next_in(self._wait_s)
        self._keep()

    def _keep(self) -> None:
        self._memory.note(self._network)
        self._memory.save()
