"""Links to people: opened again and again until they are there, direct ones rather than others."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, Protocol

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.contacts.book import MAX_CONTACTS
from streembit.dht.backoff import Backoff
from streembit.errors import PeerGone, StreembitError
from streembit.jose.keys import PublicKey
from streembit.net.budget import Buckets, Rate
from streembit.net.relayed import PORT, hub_host, is_hub_host
from streembit.net.tcp import LinkProtocol
from streembit.service.network import Network
from streembit.service.people.diary import Diary
from streembit.service.relay.hubs import Hubs
from streembit.wire.offer import Address

# Of the places of one contact, who may name any: nobody else is to be flooded in our name. The
# first ten searches for somebody who is gone take half an hour, and most know of four places.
DIALS: Final = Rate(per_s=1 / 60, burst=24.0)
FIRST_S: Final = 2.0
MOST_S: Final = 900.0  # who comes back dials us, and reads our card: this is for those who cannot
DIRECT_FIRST_S: Final = 10.0  # who is linked through a hub is looked for at first so soon again
SETTLED_S: Final = 10.0  # of two links the one that is not kept is gone by then
DIALS_AT_ONCE: Final = 16  # of all people; a dial to nobody takes ten seconds
START_WITHIN_S: Final = 1.0  # the first dials of a start are spread over this

_log = Logger()


class Whereabouts(Protocol):
    """Who knows where people are."""

    def known(self, key: PublicKey) -> Sequence[Address]:
        """Return where somebody was last, the best first."""

    def look(self, key: PublicKey) -> Coroutine[Deferred[Any], Any, Sequence[Address]]:
        """Find out on the network where somebody says to be."""

    def away(self, key: PublicKey, why: str) -> None:
        """Nobody was reached with this key; the code says what the last dial ended with."""


class _Line:
    """The state of the search for one person."""

    def __init__(self, random: Callable[[], float]) -> None:
        self.backoff = Backoff(random, first_s=FIRST_S, most_s=MOST_S)
        self.direct = Backoff(random, first_s=DIRECT_FIRST_S, most_s=MOST_S)
        self.search: Deferred[None] | None = None


class Links:
    """Keeps a link to everybody who is wanted, by whoever's dial it came about.

    Their own places and the hubs that they are at are tried at the same time, and whichever answers
    first will do. While there is only a link through a hub, a direct one is looked for, ever more
    rarely; the roster moves to it when it is there.

    Attributes:
        where: who knows where people are; set once, before anybody is wanted.
    """

    where: Whereabouts

    def __init__(self, network: Network, hubs: Hubs, random: Callable[[], float]) -> None:
        self._network = network
        self._hubs = hubs
        self._random = random
        self._lines: dict[PublicKey, _Line] = {}  # as many as the book has contacts
        self._dials = DeferredSemaphore(DIALS_AT_ONCE)
        self._budgets = Buckets(DIALS, MAX_CONTACTS)
        self._times: Diary[PublicKey] = Diary(network.clock, self._due)

    def want(self, key: PublicKey) -> None:
        """Look for somebody from now on."""
        if key not in self._lines:
            self._lines[key] = _Line(self._random)
            self._times.put(key, self._random() * START_WITHIN_S)

    def unwant(self, key: PublicKey) -> None:
        """Look for somebody no longer; a link that is open stays."""
        line = self._lines.pop(key, None)
        self._times.strike(key)
        if line is not None and line.search is not None:
            line.search.cancel()

    def seek(self, key: PublicKey) -> None:
        """Look for somebody now, unless there is a link or a search."""
        if key.text not in self._network.roster:
            self._due(key)

    def opened(self, key: PublicKey) -> None:
        """Take note of a link."""
        line = self._lines.get(key)
        if line is None:
            return
        if self._is_direct(key):
            line.direct.reset()
            self._times.put(key, SETTLED_S)  # to see whether it lasts
        else:
            self._times.put(key, line.direct.next_s())

    def moved(self, key: PublicKey) -> None:
        """Take note that somebody linked is at another place: it may be one that we can dial."""
        line = self._lines.get(key)
        if line is not None and key.text in self._network.roster:
            line.direct.reset()
            self._times.soon(key, line.direct.next_s())

    def lost(self, key: PublicKey, *, spoke: bool) -> None:
        """Take note that the last link is gone.

        Args:
            spoke: something came over it. A link that ends before is no success: so it goes with
                those who let us in no more, and do not tell.
        """
        line = self._lines.get(key)
        if line is None:
            return
        if spoke:
            line.backoff.reset()
        self._times.strike(key)  # what was to be seen of the link
        self._again(key, line)

    def close(self) -> Deferred[None]:
        """Look for nobody any more; fire when no search runs."""
        self._times.close()
        searches = [line.search for line in self._lines.values() if line.search is not None]
        self._lines.clear()
        for search in searches:
            search.cancel()
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done

    def _due(self, key: PublicKey) -> None:
        """Begin a search, unless there is one, or nothing better to be found."""
        line = self._lines.get(key)
        if line is None or line.search is not None or self._is_direct(key):
            return
        self._times.strike(key)
        line.search = search = Deferred.fromCoroutine(self._search(key))
        search.addErrback(partial(self._failed, key))
        search.addBoth(lambda _: self._searched(key, line))

    def _is_direct(self, key: PublicKey) -> bool:
        """Tell whether there is a link, and not through a hub."""
        peer = self._network.roster.get(key)
        return peer is not None and not is_hub_host(peer.carrier.host)

    async def _search(self, key: PublicKey) -> None:
        """Dial where they were last, then where they say to be; and beside it the hubs there.

        Raises:
            StreembitError: what the last dial ended with.
        """
        if key.text in self._network.roster:
            await self._dial_each(key, self.where.known(key))
            return
        # The card is read while the places that are known are dialled: it may tell of parcels, too.
        looking = Deferred.fromCoroutine(self._look(key))
        known = self.where.known(key)
        why = await self._dial_all(key, known)
        if key.text not in self._network.roster:
            told = [each for each in await looking if each not in known]
            why = await self._dial_all(key, told) or why
        if key.text not in self._network.roster:
            raise why or PeerGone("no address is known")

    async def _look(self, key: PublicKey) -> Sequence[Address]:
        """Return where somebody says to be; nowhere, if that cannot be found out."""
        try:
            return await self.where.look(key)
        except (StreembitError, CancelledError) as error:
            _log.debug("no card was read: {error}", error=str(error))
            return ()

    async def _dial_all(
        self, key: PublicKey, addresses: Sequence[Address]
    ) -> StreembitError | None:
        """Dial places and hubs at the same time; return what a dial ended with, None for none."""
        relaying = Deferred.fromCoroutine(self._dial_hubs(key, addresses))
        try:
            why = await self._dial_each(key, addresses)
        except CancelledError:
            relaying.cancel()
            raise
        return await relaying or why

    async def _dial_each(
        self, key: PublicKey, addresses: Sequence[Address]
    ) -> StreembitError | None:
        """Dial until there is a direct link; return what the last dial ended with, None for none.

        Places for which nothing is left of DIALS are passed over until the next search.
        """
        why: StreembitError | None = None
        budget = self._budgets.of(key)
        for address in addresses:
            if self._is_direct(key) or address.is_hub:
                continue
            if not budget.take(self._network.now_s()):
                break
            try:
                await self._dial(key, address.host, address.port)
            except StreembitError as error:
                why = error
        return why

    async def _dial_hubs(
        self, key: PublicKey, addresses: Sequence[Address]
    ) -> StreembitError | None:
        """Dial through hubs until there is a link; return as `_dial_each`.

        To join a hub costs as much of DIALS as to dial a place.
        """
        why: StreembitError | None = None
        budget = self._budgets.of(key)
        for address in addresses:
            if key.text in self._network.roster or not address.is_hub:
                continue
            if not self._hubs.is_at(address) and not budget.take(self._network.now_s()):
                break
            try:
                hub = self._hubs.at(address)
                await self._dial(key, hub_host(key, hub.label), PORT)
            except StreembitError as error:
                why = error
            except CancelledError:
                break
        return why

    async def _dial(self, key: PublicKey, host: str, port: int) -> None:
        def dial() -> Deferred[LinkProtocol]:
            return self._network.dialler.dial(host, port, key)

        await self._dials.run(dial)

    def _failed(self, key: PublicKey, failure: Failure) -> None:
        error = failure.value
        if isinstance(error, StreembitError):
            if key in self._lines and key.text not in self._network.roster:
                self.where.away(key, error.code)
        elif not isinstance(error, CancelledError):
            _log.failure("a search for a contact failed", failure)

    def _searched(self, key: PublicKey, line: _Line) -> None:
        line.search = None
        if self._lines.get(key) is line and not self._is_direct(key):
            self._again(key, line)

    def _again(self, key: PublicKey, line: _Line) -> None:
        linked = key.text in self._network.roster
        self._times.soon(key, (line.direct if linked else line.backoff).next_s())
