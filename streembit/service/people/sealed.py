"""Records between contacts: made, put and found at places that only the two of them know."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred

from streembit.contacts.pair import RECORD_KIND, expiry
from streembit.dht import record as records
from streembit.dht.keyspace import record_place
from streembit.dht.put import Outcome
from streembit.dht.record import Record
from streembit.errors import SeqConflict, SeqTooLow
from streembit.jose.keys import PrivateKey
from streembit.service.deposit import Deposit
from streembit.service.finder import Finder, Search
from streembit.service.network import Network
from streembit.service.people.pace import Pace

OUTDATED: Final = frozenset({SeqTooLow.code, SeqConflict.code})


class Sealed:
    """Puts and gets sealed records, as fast as the pace allows.

    They are signed by keys that serve for one place each; the node that is asked to keep one sees
    who asks.
    """

    def __init__(self, network: Network, finder: Finder, deposit: Deposit, pace: Pace) -> None:
        self._network = network
        self._finder = finder
        self._deposit = deposit
        self._pace = pace

    def put(self, key: PrivateKey, salt: str, value: bytes, version: int) -> Deferred[Outcome]:
        """Store a value; fire with who keeps it."""
        network, until_s = self._network.settings.network, expiry(self._network.now_s())
        record = records.make(key, RECORD_KIND, salt, value, version, until_s, network)
        return self._put(record)

    def erase(self, key: PrivateKey, salt: str, version: int) -> Deferred[Outcome]:
        """Put a tombstone in the place of a value of a lower version."""
        network, until_s = self._network.settings.network, expiry(self._network.now_s())
        return self._put(records.tombstone(key, RECORD_KIND, salt, version, until_s, network))

    async def find(self, key: PrivateKey, salt: str, *, newest: bool) -> Record | None:
        """Return what lies at a place: the newest version, or any; None where nothing does."""
        place = record_place(key.public.point, RECORD_KIND, salt)
        look = self._finder.latest if newest else self._finder.first

        async def search() -> Search:
            return await look(place)

        found = (await self._pace.run(search, urgent=True)).item
        return found if isinstance(found, Record) else None

    def _put(self, record: Record) -> Deferred[Outcome]:
        async def put() -> Outcome:
            self._deposit.keep(record)
            self._deposit.renewed(record.place)
            return await self._finder.put(record)

        return self._pace.run(put)
