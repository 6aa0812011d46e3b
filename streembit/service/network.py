"""A node's part in the network: its links and table, and the requests that it sends and serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, cast

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from streembit._version import __version__
from streembit.dht.candidates import Candidates
from streembit.dht.keyspace import address_id, composite_id, node_id
from streembit.dht.nearby import Nearby
from streembit.dht.peer import Node
from streembit.dht.table import Table
from streembit.errors import (
    DeadlineExceeded,
    PeerGone,
    RequestTimeout,
    StreembitError,
    WrongIdentity,
)
from streembit.jose.envelope import Verified
from streembit.jose.keys import Identity, ParsedKeys, PublicKey
from streembit.link.hello import Hello
from streembit.net.relayed import is_hub_host
from streembit.net.tcp import LinkProtocol
from streembit.rpc.peer import Peer, Rules
from streembit.rpc.scrutiny import Checks
from streembit.rpc.signer import Signer
from streembit.service.roster import Roster, RosterEvents
from streembit.service.settings import NetworkSettings
from streembit.wire.message import Answer, Contact, Nodes, Request, Rpc, Scheme

Reply = Deferred[Verified[Rpc]]


class Dialler(Protocol):
    """Opens links: over TCP in a process, over the in-memory network in tests."""

    def dial(self, host: str, port: int, expect: PublicKey | None) -> Deferred[LinkProtocol]:
        """Fire with an open link; `expect` is the only key that may answer, None for any."""


class Watcher(RosterEvents, Protocol):
    """Who is told of the links that come and go, and of refusals, and answers requests."""

    def serve(self, peer: Peer, request: Verified[Rpc]) -> Answer | Deferred[Answer]:
        """Answer a verified request."""


class Network:
    """What the services of one node share to speak with others.

    Args:
        wait_s: asks the budgets how long a peer's next request waits for its check.
        first_jti: where our messages' numbers start.
    """

    def __init__(
        self,
        identity: Identity,
        settings: NetworkSettings,
        clock: IReactorTime,
        dialler: Dialler,
        watcher: Watcher,
        wait_s: Callable[[Peer], float],
        first_jti: int,
    ) -> None:
        self.identity = identity
        self.settings = settings
        self.clock = clock
        self.dialler = dialler
        self.port = 0
        self.client_only = settings.client_only
        self.id = own_id(identity, settings)
        self.table = Table(self.id, grouping=settings.grouping)
        self.candidates = Candidates(self.table)
        self.nearby = Nearby()
        self.keys = ParsedKeys()
        self._reaching: dict[Contact, list[Deferred[Peer]]] = {}  # bounded by the dialler
        self.checks = Checks()
        self.requests = 0
        self.signer = Signer(identity.signing, settings.network, clock.seconds, first_jti)
        rules = Rules(
            self.signer,
            clock,
            self.checks,
            watcher.serve,
            wait_s,
            watcher.refused,
            settings.request_timeout_s,
        )
        self.roster = Roster(rules, identity.public, watcher)
        self._watcher = watcher

    def now_s(self) -> float:
        """Return the clock's time, which is Unix time in a process."""
        return self.clock.seconds()

    def is_apart(self, host: str) -> bool:
        """Tell whether a link to this host has no part in the network.

        So it is through a hub: who has no address there serves nobody, and what it says of others
        cannot be checked against where it stands. In a private network it is a member like any.
        """
        return is_hub_host(host) and not self.settings.relayed_members

    def members(self) -> Iterator[Peer]:
        """Yield the conversations with nodes that have a part in the network."""
        return (p for p in self.roster.conversations() if not self.is_apart(p.carrier.host))

    def hello(self, host: str, port: int) -> Hello:
        """Return what we say of ourselves to a peer that we see at this address."""
        apart = self.is_apart(host)
        return Hello(
            self.identity.public,
            scheme=self.settings.scheme,
            name=self.identity.name if self.settings.scheme == "composite" else "",
            port=0 if apart else self.port,
            client_only=apart or self.client_only,
            agent=f"streembit/{__version__}",
            clock_s=int(self.now_s()),
            observed=show_address(host, port),
        )

    # --- whom
    def linked(self, peer: Peer) -> None:
        """Take note of an open link: a peer that may store can be asked about places near it."""
        hello = peer.hello
        if self.is_apart(peer.carrier.host):
            return
        if hello.client_only or not hello.port or hello.scheme == "address":
            self.nearby.remove(peer.node_id)
            return
        if (node := self.node_of(hello, peer.carrier.host, hello.port)) is not None:
            self.nearby.add(node)

    def node_of(self, hello: Hello, host: str, port: int) -> Node | None:
        """Return the node that said this of itself, at this address; None if it cannot be one."""
        scheme = cast("Scheme", hello.scheme)  # which the handshake has checked
        contact = Contact(hello.public.text, host, port, scheme, hello.name)
        try:
            return Node.of(contact, self.settings.grouping)
        except StreembitError:
            return None

    def unlinked(self, peer: Peer) -> None:
        """Take note that the last link to a peer is gone."""
        self.nearby.remove(peer.node_id)

    def at_hand(self, place: int) -> Node | None:
        """Return the linked peer nearest to a place, if it is one of about k that may hold it."""
        node = self.nearby.nearest(place)
        if node is None or node.id ^ place >= self.table.radius():
            return None
        node = self.table.get(node.id) or node
        return None if node.failures else node

    # --- asking
    def ask(self, nodes: Sequence[Node], body: Request) -> list[Reply]:
        """Send a request to all these nodes: one signature for those that we have links to."""
        open_peers = [self.roster.by_text(node.contact.key) for node in nodes]
        links = [peer.link_id for peer in open_peers if peer is not None]
        jti, token = self.signer.request(body, links) if links else ("", b"")
        self.roster.expect_answer()
        self.requests += len(nodes)
        return [
            self._dial_and_ask(node, body) if peer is None else peer.post(body, jti, token)
            for node, peer in zip(nodes, open_peers, strict=True)
        ]

    def ask_one(self, node: Node, body: Request) -> Reply:
        """Send a request to one node, over the open link or a new one."""
        return self.ask([node], body)[0]

    def reach(self, node: Node) -> Deferred[Peer]:
        """Fire with the open conversation with a node, dialling it where there is none.

        Nobody waits for a dial to another address of the same key: it may be a lie.
        """
        contact = node.contact
        peer = self.roster.by_text(contact.key)
        if peer is not None:
            return succeed(peer)
        done: Deferred[Peer] = Deferred()
        if contact in self._reaching:
            self._reaching[contact].append(done)
        else:
            self._reaching[contact] = [done]
            self._dial(contact).addBoth(self._reached, contact)
        return done

    def _dial(self, contact: Contact) -> Deferred[Peer]:
        """Open a link to a contact, which has to hold its key."""
        if self.is_apart(contact.host):
            return fail(PeerGone("nodes of this network are not reached through hubs"))
        try:
            expect = self.keys.get(contact.key)
        except StreembitError as error:
            return fail(error)
        link = self.dialler.dial(contact.host, contact.port, expect)
        return link.addCallback(self._conversation)

    def _reached(self, result: Peer | Failure, contact: Contact) -> None:
        """Tell all who wait for this node: they share one connection."""
        for done in self._reaching.pop(contact):
            if isinstance(result, Failure):
                done.errback(result.value)
            else:
                done.callback(result)

    def heard(self, node: Node, verified: Verified[Rpc]) -> None:
        """Take note of an answer: who is alive, how fast, and whom it names."""
        now_s = self.now_s()
        peer = self.roster.by_text(node.contact.key)
        if peer is not None:
            self.table.answered(node.id, now_s, peer.rtt_s)
            if node.failures:  # one that is not in the table
                node.answered(now_s, peer.rtt_s)
            body = verified.claims.body
            if isinstance(body, Nodes) and not self.is_apart(peer.carrier.host):
                self.candidates.suggest(body.nodes, now_s, peer.carrier.host)

    def unheard(self, node: Node, error: StreembitError) -> None:
        """Take note that a node did not answer; if it cannot be reached, forget it.

        A false address that somebody told of it says nothing about the node that we know.
        """
        if self.roster.by_text(node.contact.key) is None:
            if isinstance(error, PeerGone | DeadlineExceeded | WrongIdentity):
                known = self.table.get(node.id)
                if known is not None and known.contact == node.contact:
                    self.table.remove(node.id)
                self.candidates.unreached(node, self.now_s())
        elif isinstance(error, RequestTimeout):
            if self.table.get(node.id) is None:
                node.failures += 1
            self.table.failed(node.id)

    def believed(self, node: Node, contacts: Sequence[Contact]) -> Sequence[Contact]:
        """Return the contacts of which a node may tell us."""
        return self.settings.grouping.believed(contacts, node.contact.host)

    def refused(self, node: Node, error: StreembitError) -> None:
        """Take note that a node's answer was well signed, and its contents were not taken."""
        self._watcher.refused(node.contact.host, error)

    def _dial_and_ask(self, node: Node, body: Request) -> Reply:
        return self.reach(node).addCallback(lambda peer: peer.request(body))

    def _conversation(self, link: LinkProtocol) -> Peer:
        peer = self.roster.of(link)
        if peer is None:
            raise PeerGone("the link closed at once")
        return peer


def own_id(identity: Identity, settings: NetworkSettings) -> int:
    """Return the node's id by its scheme."""
    if settings.scheme == "composite":
        return composite_id(identity.public.point, identity.name)
    if settings.scheme == "address":
        host, _, port = settings.advertise.rpartition(":")
        return address_id(host.strip("[]"), int(port))
    return node_id(identity.public.point)


def show_address(host: str, port: int) -> str:
    """Return "host:port", an IPv6 address in brackets, at most 64 characters."""
    text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return text if len(text) <= 64 and text.isascii() and text.isprintable() else ""
