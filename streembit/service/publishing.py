"""Our own records: numbered on disk before they leave, renewed while we live, deleted for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from streembit.dht import record as records
from streembit.dht.keyspace import KEY_KIND
from streembit.dht.put import Outcome
from streembit.dht.record import Record
from streembit.disk.published import Published, Slot
from streembit.errors import NoPeers, NotFound, SeqConflict, SeqTooLow
from streembit.jose import base64url
from streembit.jose.envelope import parse_record
from streembit.jose.keys import PublicKey
from streembit.service.deposit import Deposit
from streembit.service.finder import Finder
from streembit.service.network import Network

NAME_KIND: Final = "name"  # records that a user puts under a path of his own
KEY_TTL_S: Final = 24 * 3600
RENEW_BELOW: Final = 0.5  # of its life left: then a record is signed anew
LOST_STATE: Final = frozenset({SeqTooLow.code, SeqConflict.code})
LEAP: Final = 16  # times the number that most refused as too low; numbers are plenty
MAX_LEAPS: Final = 4  # of one put, so beyond 65,536: two renewals a day for 89 years
MAX_LEAP: Final = 2**32  # no leap goes beyond: liars could use up all numbers


class OwnRecords(Protocol):
    """Where our records and their numbers are kept; see `streembit.disk.published`."""

    def reserve(self, slot: Slot, seen: int = 0) -> int:
        """Return a number above all reserved before and above `seen`; it is on the medium."""

    def keep(self, record: Published) -> None:
        """Remember the record to publish again."""

    def get(self, slot: Slot) -> Published | None:
        """Return the record kept for the slot, or None."""

    def all(self, owner: bytes) -> list[Published]:
        """Return the records kept for the owner, by kind and salt."""

    def forget(self, slot: Slot) -> None:
        """Publish the slot's record no more; its counter stays."""


class Publishing:
    """Publishes the records of one identity and keeps them alive.

    A record lives for its `ttl_s` from the last renewal, so that long beyond its node; while the
    node runs it is renewed.  A deletion is a tombstone that is renewed no more.

    Args:
        sent: told of each put, which says how long the record is kept.
    """

    def __init__(
        self,
        network: Network,
        finder: Finder,
        deposit: Deposit,
        own: OwnRecords,
        sent: Callable[[Outcome], None] = lambda _outcome: None,
    ) -> None:
        self._network = network
        self._finder = finder
        self._deposit = deposit
        self._own = own
        self._sent = sent
        self._agreement: PublicKey | None = None

    def agree_by(self, key: PublicKey) -> None:
        """Tell this agreement key in our key records from their next renewal on."""
        self._agreement = key

    # --- what users do
    async def put(self, kind: str, salt: str, value: bytes, ttl_s: int) -> tuple[Record, Outcome]:
        """Sign a value and store it near its place.

        Raises:
            NoPeers: nobody is known, and nothing was changed; or nobody gave a receipt, and the
                record is kept to be published later.
            RecordTooLarge, BadMessage: it cannot be a record; nothing was changed.
        """
        self._require_peers()
        return await self._publish(self._slot(kind, salt), self._writer(kind, salt, value), ttl_s)

    async def delete(self, kind: str, salt: str) -> tuple[Record, Outcome]:
        """Put a tombstone over a record of ours.

        Raises:
            NotFound: there is none of that name.
            NoPeers: see `put`.
        """
        slot = self._slot(kind, salt)
        known = self._own.get(slot)
        if known is None or known.deleted:
            raise NotFound("we have not published a record of this name", name=salt)
        self._require_peers()
        return await self._publish(slot, self._eraser(kind, salt), records.MAX_LIFE_S)

    def list(self, kind: str) -> list[Published]:
        """Return our records of a kind, by salt."""
        owner = self._network.identity.public.point
        return [kept for kept in self._own.all(owner) if kept.slot.kind == kind]

    @staticmethod
    def value(kept: Published) -> bytes:
        """Return the value of a record of ours, empty for a tombstone."""
        return base64url.decode(parse_record(kept.token)[0].val)

    # --- what upkeep does
    @property
    def announced(self) -> bool:
        """Whether our key records have been published, in this run or an earlier one."""
        return all(self._own.get(self._slot(KEY_KIND, salt)) for salt in self._key_salts())

    async def announce(self) -> None:
        """Publish our key records, so that who holds our id or fingerprint finds our keys."""
        for salt in self._key_salts():
            await self._keep_alive_key(salt)

    def _key_salts(self) -> tuple[str, ...]:
        if self._network.settings.scheme == "composite":
            return "id", "fingerprint", f"composite:{self._network.identity.name}"
        return "id", "fingerprint"

    async def republish(self) -> None:
        """Put every record of ours again, signed anew where its life runs out."""
        await self.announce()
        owner = self._network.identity.public.point
        for kept in self._own.all(owner):
            if kept.slot.kind != KEY_KIND:
                await self._keep_alive(kept)

    async def _keep_alive_key(self, salt: str) -> None:
        slot = self._slot(KEY_KIND, salt)
        kept = self._own.get(slot)
        agreement = self._agreement or self._network.identity.agreement.public
        is_new = self._agreement is not None and kept is not None
        if kept is None or (is_new and self.value(kept) != agreement.point):
            value = agreement.point
            await self._publish(slot, self._writer(KEY_KIND, salt, value), KEY_TTL_S)
        else:
            await self._keep_alive(kept)

    async def _keep_alive(self, kept: Published) -> None:
        left_s = kept.expires_unix_s - self._network.now_s()
        if kept.deleted:
            if left_s <= 0:
                self._own.forget(kept.slot)
            else:
                await self._put_again(kept)
        elif left_s < RENEW_BELOW * kept.ttl_s:
            write = self._writer(kept.slot.kind, kept.slot.salt, self.value(kept))
            await self._publish(kept.slot, write, kept.ttl_s)
        else:
            await self._put_again(kept)

    async def _put_again(self, kept: Published) -> None:
        network = self._network
        record = records.read(
            kept.token.decode(), network.keys, network.now_s(), network.settings.network
        )
        await self._send(record)

    # --- how
    def _slot(self, kind: str, salt: str) -> Slot:
        return Slot(self._network.identity.public.point, kind, salt)

    def _writer(self, kind: str, salt: str, value: bytes) -> Callable[[int, int], Record]:
        key, net = self._network.identity.signing, self._network.settings.network
        return lambda seq, exp: records.make(key, kind, salt, value, seq, exp, net)

    def _eraser(self, kind: str, salt: str) -> Callable[[int, int], Record]:
        key, net = self._network.identity.signing, self._network.settings.network
        return lambda seq, exp: records.tombstone(key, kind, salt, seq, exp, net)

    async def _publish(
        self, slot: Slot, write: Callable[[int, int], Record], ttl_s: int
    ) -> tuple[Record, Outcome]:
        """Reserve a number, sign, keep, send; where the network knows a higher number, once more.

        That happens after our own state was lost: the number that others hold is then found by a
        look-up and gone beyond.  Where the record's life is over, others still remember how new it
        was, but tell nobody; then leaps lead beyond that.
        """
        write(0, 0)  # what cannot be a record is refused before a number is used up
        record, outcome = await self._version(slot, write, ttl_s, seen=0)
        if LOST_STATE & outcome.refusals.keys():
            search = await self._finder.latest(record.place)
            seen = search.item.seq if search.item is not None else record.seq
            record, outcome = await self._version(slot, write, ttl_s, max(seen, record.seq))
        for _ in range(MAX_LEAPS):
            if not _is_too_low(outcome) or record.seq * LEAP > MAX_LEAP:
                break
            record, outcome = await self._version(slot, write, ttl_s, record.seq * LEAP)
        if not outcome.receipts:
            raise NoPeers("nobody gave a receipt; the record is kept and will be sent again")
        return record, outcome

    async def _version(
        self, slot: Slot, write: Callable[[int, int], Record], ttl_s: int, seen: int
    ) -> tuple[Record, Outcome]:
        seq = self._own.reserve(slot, seen)
        exp = int(self._network.now_s()) + ttl_s
        record = write(seq, exp)
        token = record.token.encode()
        self._own.keep(Published(slot, seq, token, ttl_s, exp, record.tombstone))
        return record, await self._send(record)

    async def _send(self, record: Record) -> Outcome:
        self._deposit.keep(record)
        self._deposit.renewed(record.place)
        outcome = await self._finder.put(record)
        self._sent(outcome)
        return outcome

    def _require_peers(self) -> None:
        if not len(self._network.table):
            raise NoPeers("no other node is known yet")


def _is_too_low(outcome: Outcome) -> bool:
    """Return whether more nodes know a higher number than took this one."""
    return outcome.refusals.get(SeqTooLow.code, 0) > len(outcome.receipts)
