"""Joining the network and staying in it: first contacts, a full table, signs of life."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from twisted.application.service import MultiService
from twisted.logger import Logger

from streembit.dht import refresh
from streembit.dht.backoff import Backoff
from streembit.dht.keyspace import ID_BITS, K
from streembit.dht.peer import Node
from streembit.dht.table import Added, Full
from streembit.errors import (
    PeerGone,
    RemoteRefusal,
    StreembitError,
    Superseded,
    TooManyConnections,
    TooManyRequests,
)
from streembit.jose.keys import PublicKey
from streembit.link.hello import Hello
from streembit.net.tcp import LinkProtocol
from streembit.rpc.peer import Peer
from streembit.service.entrance import Address, Entrance, all_of
from streembit.service.errands import Errands
from streembit.service.finder import Finder
from streembit.service.network import Network
from streembit.service.upkeep import Upkeep, Work
from streembit.wire.message import Ping

RENEW_IN_S: Final = 1.0  # links that are closed in order are gone by then
FILL_ROUNDS: Final = 6  # right after joining: at most so many rounds of handshakes with candidates
SPARE_LINKS: Final = 32  # opened beyond those that are kept, before the oldest are closed at once
FICKLE_S: Final = 5.0  # whose link is reset so soon is forgotten, not dialled again at once
TEST_AFTER_S: Final = 60.0  # a full bucket's oldest is asked whether it lives, if not heard since

__all__ = ["Address", "Membership"]

_log = Logger()


class Membership(MultiService):
    """Keeps the node in the network.

    Args:
        remembered: the good peers of former runs, anchors first, tried before the seeds.
        seeds: where newcomers start.
        met: told of each node that is new in the table.
        settled: told when the node has joined.
        keeps: tells whether a link to the holder of a key is kept whatever the table says.
    """

    def __init__(
        self,
        network: Network,
        finder: Finder,
        errands: Errands,
        random: Random,
        seeds: Sequence[Address],
        remembered: Sequence[Address] = (),
        met: Callable[[Node], None] = lambda _node: None,
        settled: Callable[[], None] = lambda: None,
        keeps: Callable[[PublicKey], bool] = lambda _key: False,
    ) -> None:
        super().__init__()
        self.setName("membership")
        self.joined = False
        self._opened = 0  # links since the last trim
        self._network = network
        self._finder = finder
        self._errands = errands
        self._random = random
        self._entrance = Entrance(network, remembered, seeds, random)
        self._met = met
        self._settled = settled
        self._keeps = keeps
        self._backoff = Backoff(random.random)
        settings = network.settings
        self._round = self._each(settings.membership_every_s, 5, "membership", self._keep, 0.0)
        self._pulse = self._each(settings.keepalive_s / 4, 5, "signs of life", self._check_life)
        self._visits = self._each(settings.refresh_every_s, 10, "seeds", self._entrance.visit)
        for upkeep in (self._round, self._pulse, self._visits):
            upkeep.setServiceParent(self)

    def _each(
        self, every_s: float, part: int, name: str, work: Work, first_s: float | None = None
    ) -> Upkeep:
        """Return work that is done every so often, give or take such a part of the time."""
        return Upkeep(
            name,
            self._network.clock,
            every_s,
            work,
            self._random.random,
            jitter_s=every_s / part,
            first_s=first_s,
        )

    # --- links that come and go
    def linked(self, peer: Peer, link: LinkProtocol) -> None:
        """Take note of an open link: whom we dialled is met, who dialled us is dialled back."""
        hello = peer.hello
        now_s = self._network.now_s()
        if self._network.is_apart(link.host):
            return
        if hello.client_only or not hello.port:
            self._network.table.remove(peer.node_id)
            return
        if link.initiator:
            self._opened += 1
            if self._opened >= SPARE_LINKS:
                self._trim()
            node = self._network.node_of(hello, link.host, link.port)
            if node is not None:
                self._meet(node, now_s)
        else:
            node = self._network.node_of(hello, link.host, hello.port)
            if node is not None:
                self._consider(node)

    def unlinked(self, peer: Peer, reason: StreembitError) -> None:
        """Take note of a lost link: unless it was ended in order, the node may be gone."""
        if isinstance(reason, Superseded) or self._network.is_apart(peer.carrier.host):
            return
        node = self._network.table.get(peer.node_id)
        if node is not None and self.running and not _is_orderly(reason):
            self._lost(node, self._network.now_s() - peer.opened_s)
        if not any(self._network.members()):
            self._round.next_in(self._backoff.next_s())

    def _lost(self, node: Node, lived_s: float) -> None:
        """Ask a node whether it lives, unless it would only reset that link as well."""
        if 0 <= lived_s < FICKLE_S:
            self._network.table.remove(node.id)
        else:
            self._network.table.failed(node.id)
            self._errands.start(lambda: self._recheck(node))

    def knows(self, hello: Hello, host: str) -> bool:
        """Tell whether the table holds the node that says this of itself at this host."""
        node = self._network.node_of(hello, host, hello.port)
        known = None if node is None else self._network.table.get(node.id)
        return known is not None and known.contact.key == hello.public.text

    def renew(self) -> None:
        """Make our links anew: peers hear what we say of ourselves only when one opens."""
        for peer in self._network.roster.conversations():
            peer.close(Superseded("what we say of ourselves has changed"))
        self.joined = False
        self._round.next_in(RENEW_IN_S)

    def _meet(self, node: Node, now_s: float) -> None:
        """Put a node in the table that we reached at its address."""
        entry = self._network.table.add(node, now_s)
        if isinstance(entry, Added):
            self._met(node)
        if isinstance(entry, Full) and now_s - entry.oldest.seen_s > TEST_AFTER_S:
            self._errands.start(lambda: self._test(entry.oldest, node))

    def _consider(self, node: Node) -> None:
        """Dial a node back that came to us, if the table wants it."""
        known = self._network.table.get(node.id)
        if known is not None and known.contact == node.contact:
            self._network.table.answered(node.id, self._network.now_s())
        elif known is not None or self._network.table.wants(node):
            self._errands.start(lambda: self._dial_back(node))

    async def _dial_back(self, node: Node) -> None:
        key = self._network.keys.get(node.contact.key)
        link = await self._network.dialler.dial(node.contact.host, node.contact.port, key)
        peer = self._network.roster.of(link)
        if peer is not None and self._network.roster.get(key) is not peer:
            peer.close(Superseded())

    async def _test(self, oldest: Node, newcomer: Node) -> None:
        if not await self._lives(oldest):
            self._network.table.replace(oldest, newcomer, self._network.now_s())

    async def _recheck(self, node: Node) -> None:
        if not await self._lives(node):
            self._network.table.remove(node.id)

    async def _lives(self, node: Node) -> bool:
        """Ask a node for a sign of life; a refusal is one, and our own trouble says nothing."""
        try:
            self._network.heard(node, await self._network.ask_one(node, Ping()))
        except RemoteRefusal:
            self._network.table.answered(node.id, self._network.now_s())
        except (TooManyConnections, TooManyRequests):
            return True
        except StreembitError:
            return False
        return True

    # --- joining
    async def _keep(self) -> None:
        """One round: join if nobody is known, else take candidates and refresh what is stale."""
        if not self.joined or not len(self._network.table):
            await self._join()
        else:
            await self._fill(1, spread=False)
            await self._refresh(limit=1)
            self._trim()

    async def _join(self) -> None:
        if not any(self._network.members()):
            await self._entrance.enter()
        if any(self._network.members()):
            self._backoff.reset()
            await self._settle()
        elif self._entrance.known:
            self._round.next_in(self._backoff.next_s())

    async def _settle(self) -> None:
        """Let our neighbours know us, then get a picture of the whole ring (`dht.refresh`)."""
        search = await self._finder.nodes(self._network.id, confirm=True)
        if search.found is not None:
            await all_of(self._network.reach(node) for node in search.found.nodes)
        await self._refresh(limit=ID_BITS)
        await self._fill(FILL_ROUNDS)
        for target in refresh.gap_targets(
            self._network.table, self._network.candidates, self._random.getrandbits
        ):
            await self._finder.explore(target)
        await self._fill(FILL_ROUNDS)
        await self._fill(FILL_ROUNDS, spread=False)
        if len(self._network.table):
            self.joined = True
            self._settled()
            _log.info("joined: {peers} peers known", peers=len(self._network.table))

    async def _fill(self, rounds: int, *, spread: bool = True) -> None:
        """Shake hands with candidates that the table has room for."""
        limit = self._network.settings.dials_at_once
        for _ in range(rounds):
            nodes = self._network.candidates.take(limit, spread=spread)
            if not nodes:
                return
            await all_of(self._greet(node) for node in nodes)

    async def _greet(self, node: Node) -> None:
        try:
            await self._network.reach(node)
        except TooManyConnections:
            pass  # of our own: it is told of again
        except StreembitError:
            self._network.candidates.unreached(node, self._network.now_s())

    async def _refresh(self, limit: int) -> None:
        """Look something up in each bucket that nothing went to for long."""
        network = self._network
        targets = refresh.wide_targets(
            network.table,
            network.now_s(),
            self._random.getrandbits,
            network.settings.refresh_every_s,
        )
        for target in targets[:limit]:
            await self._finder.nodes(target)

    # --- links
    def _check_life(self) -> None:
        """Ask silent peers for a sign of life, and give up those that stay silent."""
        settings, now_s = self._network.settings, self._network.now_s()
        for peer in self._network.roster:
            idle_s = now_s - peer.heard_s
            if idle_s >= settings.dead_after_s:
                self._network.table.remove(peer.node_id)
                peer.abort(PeerGone("no sign of life", silent_s=round(idle_s)))
            elif idle_s >= settings.keepalive_s:
                peer.ask_life()

    def _trim(self) -> None:
        """Close the links used least of those that we opened, beyond those that are kept.

        Who came to us may stay as long as the gate has room: a seed serves many who keep few.
        """
        network, self._opened = self._network, 0
        ours = [peer for peer in network.roster if peer.initiator and not self._keeps(peer.key)]
        surplus = len(ours) - network.settings.kept_links
        if surplus <= 0:
            return
        near = {node.id for node in network.table.nearest(network.id, K)}
        idle = [peer for peer in ours if not peer.waiting and peer.node_id not in near]
        for peer in sorted(idle, key=lambda peer: peer.used_s)[:surplus]:
            peer.close(Superseded("links beyond those that are kept"))


def _is_orderly(reason: StreembitError) -> bool:
    return isinstance(reason, PeerGone) and reason.fields.get("clean") is True
