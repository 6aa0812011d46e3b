"""Readiness that means something: a put and a get through other nodes, done lately."""

from __future__ import annotations

from typing import Final

from streembit.dht.record import make
from streembit.errors import NotReady, StreembitError
from streembit.service.facade import Readiness
from streembit.service.finder import Finder
from streembit.service.network import Network

CANARY_KIND: Final = "canary"
CANARY_LIFE_S: Final = 600  # of the record that is put; a node that dies leaves nothing for long
FRESH_ROUNDS: Final = 2.5  # rounds without success before the node is not ready any more


class Canary:
    """Puts a small record of its own and reads it back from other nodes.

    A port that is open proves nothing; this proves links, look-ups, signatures and other
    nodes' stores, all at once.  Each run has a place of its own: what others remember of the
    numbers of an earlier one, whose clock may have been ahead, is no hindrance.

    Attributes:
        salt: what tells this run's record from those of others.
    """

    def __init__(self, network: Network, finder: Finder) -> None:
        self._network = network
        self._finder = finder
        self.salt = f"{network.now_s() * 1000:.0f}"
        self._seq = 0
        self._good_s: float | None = None
        self._why = "not tried yet"

    @property
    def age_s(self) -> float | None:
        """Seconds since the last success, None before the first."""
        return None if self._good_s is None else max(0.0, self._network.now_s() - self._good_s)

    def readiness(self) -> Readiness:
        """Return whether the last success is fresh."""
        age_s = self.age_s
        limit_s = FRESH_ROUNDS * self._network.settings.canary_every_s
        ready = age_s is not None and age_s <= limit_s
        return Readiness(ready, age_s, "a put and a get went through" if ready else self._why)

    async def sing(self) -> None:
        """Try once; what goes wrong is kept as the reason."""
        try:
            await self._put_and_get()
        except StreembitError as error:
            self._why = str(error)
            raise
        self._good_s = self._network.now_s()

    async def _put_and_get(self) -> None:
        now_s = int(self._network.now_s())
        self._seq += 1
        network = self._network
        record = make(
            network.identity.signing,
            CANARY_KIND,
            self.salt,
            str(now_s).encode(),
            self._seq,
            now_s + CANARY_LIFE_S,
            network.settings.network,
        )
        outcome = await self._finder.put(record)
        if not outcome.receipts:
            raise NotReady("no other node took the canary's record")
        search = await self._finder.elsewhere(record.place)
        if search.item is None or search.item.digest != record.digest:
            raise NotReady("the canary's record was not found again")
