"""The store's front desk: items come in as text and are verified before the rules see them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from twisted.internet.defer import Deferred

from streembit.dht.keyspace import REPLICAS
from streembit.dht.record import Blob, Item, read, read_at
from streembit.dht.shelf import StoredItem, Usage
from streembit.dht.store import Store
from streembit.errors import RecordRefused, RemoteError, StoreDegraded, StreembitError
from streembit.jose import base64url
from streembit.service.batch import Batch
from streembit.service.network import Network
from streembit.service.storeclock import StoreClock
from streembit.wire.message import ItemKind, Value

MAX_HEARD: Final = 65_536  # places whose last store is remembered: as many as a full store has


class Deposit:
    """Takes, gives and keeps items for one node.

    A receipt promises what is durable: it leaves after the commit of the turn's batch.
    """

    def __init__(self, store: Store, network: Network, clock: StoreClock) -> None:
        self._store = store
        self._network = network
        self._clock = clock
        self._batch = Batch(store.shelf, network.clock)
        self._heard_s: OrderedDict[int, float] = OrderedDict()

    # --- serving
    def put(self, text: str, kind: ItemKind, host: str) -> StoredItem | Deferred[StoredItem]:
        """Verify and take what a peer at this host wants stored; answer when it is durable.

        Raises:
            RecordRefused, BadToken, BadHeader, BadJson, BadKey, BadSignature, BadMessage,
            WrongNetwork: nothing was changed.
        """
        item = self._read(text, kind)
        stored = self._take(item, host)
        self._note(item.place)
        durable = self._batch.durable()
        return stored if durable is None else durable.addCallback(lambda _: stored)

    def kept_until(self, stored: StoredItem) -> int:
        """Return until when an item is kept, in Unix seconds: what a receipt promises."""
        left_s = stored.kept_until_s - self._clock.now_s()
        until_s = int(self._network.now_s() + max(0.0, left_s))
        return min(until_s, stored.expires_unix_s) if stored.kind == "record" else until_s

    def answer(self, place: int) -> Value | None:
        """Return what lies at a place, as a peer gets it; None where nothing does."""
        held = self._held(place)
        if held is None:
            return None
        body = held.body if held.kind == "record" else base64url.encode(held.body).encode()
        return Value(body.decode("ascii"), held.kind)

    # --- our own use
    def item(self, place: int) -> Item | None:
        """Return the verified item at a place of our own store."""
        held = self._held(place)
        if held is None:
            return None
        try:
            return self._verified(held)
        except RemoteError:
            return None

    def keep(self, item: Item) -> bool:
        """Keep an item of ours, if we are among the nearest to its place; return whether."""
        if self._network.client_only or self._network.table.rank(item.place) >= REPLICAS:
            return False
        try:
            self._take(item, "")
            self._batch.commit()
        except RecordRefused:
            return False
        return True

    def usage(self) -> Usage:
        """Return how much lies here."""
        try:
            return self._store.shelf.total()
        except StoreDegraded:
            return Usage()

    def health(self) -> tuple[bool, str]:
        """Return whether items can be taken, and if not, why."""
        trouble = self._store.shelf.trouble
        return not trouble, trouble

    @property
    def evicted(self) -> int:
        """How many items gave way to others."""
        return self._store.evicted

    @property
    def conflicts(self) -> int:
        """How many records came with a number that another version has."""
        return self._store.conflicts

    # --- upkeep
    def expire(self) -> None:
        """Drop what is past its time, and find out whether a failed medium is well again.

        Raises:
            StoreDegraded: it is not.
        """
        self.settle()
        if self._store.shelf.trouble:
            self._store.shelf.probe()
        try:
            self._store.expire(self._clock.now_s())
        finally:
            self._batch.commit()

    def settle(self) -> None:
        """End the batch: who waits for it hears whether it is durable or lost."""
        with suppress(StoreDegraded):
            self._batch.commit()

    def pages(self, size: int, after: int | None = None) -> Iterator[list[StoredItem]]:
        """Yield all that lies here behind the place `after`, `size` items at a time, in order."""
        while page := self._store.shelf.iterate(size, after):
            yield page
            after = page[-1].place

    def read(self, held: StoredItem) -> Item | None:
        """Return a stored item, verified, or None where it cannot be given out any more."""
        try:
            return self._verified(held)
        except StreembitError:
            return None

    def is_fresh(self, place: int, within_s: float) -> bool:
        """Tell whether somebody stored this place's item here so lately."""
        heard_s = self._heard_s.get(place)
        return heard_s is not None and self._clock.now_s() - heard_s < within_s

    def renewed(self, place: int) -> None:
        """Take note that we stored an item again ourselves."""
        self._note(place)

    # --- how
    def _held(self, place: int) -> StoredItem | None:
        try:
            return self._store.get(place, self._clock.now_s())
        except StoreDegraded:
            return None

    def _take(self, item: Item, host: str) -> StoredItem:
        rank = self._network.table.rank(item.place)
        now_s, now_unix_s = self._clock.now_s(), self._network.now_s()
        try:
            return self._store.put(item, host, now_s, now_unix_s, rank=rank)
        except StoreDegraded:
            self.settle()  # what others stored in this turn is lost with it
            raise

    def _read(self, text: str, kind: ItemKind) -> Item:
        if kind == "blob":
            return Blob.of(base64url.decode(text))
        network = self._network
        return read(text, network.keys, network.now_s(), network.settings.network)

    def _verified(self, held: StoredItem) -> Item:
        if held.kind == "blob":
            return Blob.of(held.body)
        network = self._network
        return read_at(
            held.place,
            held.kind,
            held.body.decode("ascii"),
            network.keys,
            network.now_s(),
            network.settings.network,
        )

    def _note(self, place: int) -> None:
        self._heard_s[place] = self._clock.now_s()
        self._heard_s.move_to_end(place)
        if len(self._heard_s) > MAX_HEARD:
            self._heard_s.popitem(last=False)
