"""The directories of hubs: the account shown in them, if it wants to be, and others found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.errors import (
    ChestDamaged,
    NoHub,
    RemoteError,
    StreembitError,
)
from streembit.hub import directory
from streembit.hub.directory import LIFE_S, Entry
from streembit.jose import fingerprint as fingerprints
from streembit.jose.keys import PublicKey
from streembit.service.network import Network
from streembit.service.people.chest import Chest
from streembit.service.people.ownkeys import OwnKeys
from streembit.service.people.register import Register
from streembit.service.people.shown import alarm_of
from streembit.service.relay.hub import Hub
from streembit.service.relay.hubs import Hubs
from streembit.service.relay.rows import Entered, Found, FoundRow
from streembit.service.upkeep import Upkeep
from streembit.wire.hub import Entries, Publish, Search, Withdraw
from streembit.wire.offer import Address

ROOM: Final = "listed"
KEY: Final = b"entry"
EVERY_S: Final = 24 * 3600.0  # an entry lives for a week: some days off do no harm
MAX_FOUND: Final = 100  # of all hubs together, as a terminal shows
MAX_PLACES: Final = 1_000  # of those found, until one of them is asked to be a contact

_log = Logger()


class Wish(Struct, array_like=True):
    """The user wants to be found, with this remark."""

    note: str = ""


class Listed:
    """Publishes the account's entry at the hubs of ours, and looks others up there.

    Nothing is published unless the user asked for it; that is kept, and the entry published anew
    each day and at each joining.

    Args:
        refused: told of entries that do not hold; nobody's host is named.
    """

    def __init__(
        self,
        network: Network,
        hubs: Hubs,
        chest: Chest,
        register: Register,
        own: OwnKeys,
        refused: Callable[[str, RemoteError], None],
        random: Callable[[], float],
    ) -> None:
        self._network, self._hubs, self._chest = network, hubs, chest
        self._register, self._own, self._refused, self._random = register, own, refused, random
        self._told: dict[str, str] = {}  # by the hub's label: "" or why the entry is not there
        self._expires_s = 0
        self._places: dict[PublicKey, Address] = {}  # where others were found, the latest last

    def upkeep(self) -> Upkeep:
        """Return the service that publishes anew."""
        clock, random = self._network.clock, self._random
        return Upkeep("directory", clock, EVERY_S, self._renew, random, jitter_s=EVERY_S / 10)

    # --- ours
    async def publish(self, note: str) -> Entered:
        """Be found at all hubs of ours, from now on.

        Raises:
            NoHub: we have none.
            BadName, BadEntry: a name or note that no entry may have.
        """
        self._check_hubs()
        self._entry(note)
        self._chest.commit([(ROOM, KEY, msgspec.msgpack.encode(Wish(note)))])
        for hub in self._hubs.own:
            await self._publish(hub)
        return self.standing()

    async def withdraw(self) -> Entered:
        """Be found no more; a hub that cannot be told forgets the entry when its time is over."""
        self._chest.commit([(ROOM, KEY, None)])
        await self._retract(self._hubs.own)
        return self.standing()

    async def retract(self) -> None:
        """Be found no more under the key that we have now, at hubs where we are.

        The wish to be found stays, for the key that comes.
        """
        if self._wish() is not None:
            await self._retract([hub for hub in self._hubs.own if hub.seat is not None])

    async def _retract(self, hubs: Iterable[Hub]) -> None:
        await gatherResults([Deferred.fromCoroutine(self._tell(hub, Withdraw())) for hub in hubs])

    def standing(self) -> Entered:
        """Return where we are to be found."""
        wish, hubs = self._wish(), self._hubs.own
        shown = [] if wish is None else [hub for hub in hubs if self._told.get(hub.label) == ""]
        failed = {hub.title: why for hub in hubs if (why := self._told.get(hub.label))}
        return Entered(
            wish is not None,
            "" if wish is None else wish.note,
            [hub.title for hub in shown],
            self._expires_s if shown else 0,
            failed,
        )

    def hub_joined(self, hub: Hub) -> None:
        """Publish at a hub of ours that we have just joined."""
        if hub.own and self._wish() is not None:
            Deferred.fromCoroutine(self._publish(hub)).addErrback(_failed)

    async def _renew(self) -> None:
        for hub in self._hubs.own if self._wish() is not None else []:
            await self._publish(hub)

    async def _publish(self, hub: Hub) -> None:
        wish = self._wish()
        if wish is not None:
            entry = self._entry(wish.note)
            self._expires_s = entry.claims.exp
            await self._tell(hub, Publish(entry.token))

    async def _tell(self, hub: Hub, body: Publish | Withdraw) -> None:
        try:
            await hub.ask(body)
        except StreembitError as error:
            self._told[hub.label] = error.code
        else:
            self._told[hub.label] = ""

    def _entry(self, note: str) -> Entry:
        return directory.make(
            self._own.newest,
            network=self._network.settings.network,
            now_unix_s=int(self._network.now_s()),
            user_type=self._register.settings.user_type,
            life_s=LIFE_S,
            note=note,
        )

    def _wish(self) -> Wish | None:
        row = self._chest.get(ROOM, KEY)
        try:
            return None if row is None else msgspec.msgpack.decode(row, type=Wish)
        except msgspec.MsgspecError as e:
            raise ChestDamaged(f"the wish to be found: {e}") from None

    # --- others
    async def search(self, name: str) -> Found:
        """Return who wants to be found by a name that begins so, at all hubs of ours.

        Raises:
            NoHub: we have none.
            BadName: too short, or no name.
            RemoteError: no hub answered; what the last one said.
        """
        self._check_hubs()
        directory.prefix(name)
        rows: dict[str, FoundRow] = {}
        more, last, answers = False, None, 0
        for hub in self._hubs.own:
            try:
                reply = await hub.ask(Search(name))
            except RemoteError as error:
                last = error
                continue
            assert isinstance(reply, Entries)  # Seat lets no other answer through
            answers += 1
            more = more or reply.more
            for row in self._found(hub, reply, name):
                rows.setdefault(row.public_key, row)
        if last is not None and not answers:
            raise last
        found = sorted(rows.values(), key=lambda row: (row.name, row.public_key))
        return Found(found[:MAX_FOUND], more or len(found) > MAX_FOUND)

    def _found(self, hub: Hub, reply: Entries, name: str) -> list[FoundRow]:
        """Return the rows of the entries that somebody signed, and that were searched for."""
        rows, network = [], self._network
        for token in reply.entries:
            try:
                entry = directory.found(token, name, network.settings.network, network.now_s())
            except RemoteError as error:
                self._refused("", error)  # its publisher has no address here
                continue
            if entry.key != network.identity.public:
                rows.append(self._row(hub, entry))
                self._remember(entry.key, hub)
        return rows

    def places(self, key: PublicKey) -> list[Address]:
        """Return the hub where somebody was found lately, if anywhere."""
        return [self._places[key]] if key in self._places else []

    def _remember(self, key: PublicKey, hub: Hub) -> None:
        self._places.pop(key, None)
        self._places[key] = hub.address
        if len(self._places) > MAX_PLACES:
            del self._places[next(iter(self._places))]

    def _row(self, hub: Hub, entry: Entry) -> FoundRow:
        claims, book = entry.claims, self._register.book
        known, alike = book.get(entry.key), book.lookalike(claims.name, entry.key)
        return FoundRow(
            name=claims.name,
            public_key=entry.key.hex,
            fingerprint=fingerprints.of(entry.key),
            user_type=claims.user_type,
            hub=hub.title,
            expires=claims.exp,
            note=claims.note,
            known_as=known.name if known is not None else "",
            alarm=alarm_of(alike),
        )

    def _check_hubs(self) -> None:
        if not self._hubs.own:
            raise NoHub("tell the node one: --hub, or hubs in node.toml")


def _failed(failure: Failure) -> None:
    _log.failure("the account's entry could not be published", failure)
