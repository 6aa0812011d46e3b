"""The open links of a node: one conversation a peer, found by its key."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from streembit.errors import (
    BadSignature,
    KeyRefused,
    PeerGone,
    StreembitError,
    Superseded,
    WrongIdentity,
)
from streembit.jose.keys import PublicKey
from streembit.net.relayed import is_hub_host, read_hub_host
from streembit.net.tcp import LinkProtocol
from streembit.rpc.peer import Peer, Rules
from streembit.wire.transfer import is_file_frame

DUPLICATE_GRACE_S: Final = 5.0  # how long two links to one peer live side by side
EXPIRY_TICK_S: Final = 0.25  # how exactly the time limit of a request is kept


class RosterEvents(Protocol):
    """What the owner of the roster is asked and told."""

    def is_refused(self, key: PublicKey) -> bool:
        """Tell whether no link to the holder of a key may open."""

    def frame(self, peer: Peer, payload: bytes) -> bool:
        """Take a payload that belongs to a transfer of files; return whether it was taken."""

    def linked(self, peer: Peer, link: LinkProtocol) -> None:
        """A link is open, the first to this peer or another one."""

    def unlinked(self, peer: Peer, reason: StreembitError) -> None:
        """The last link to this peer is gone."""

    def refused(self, host: str, error: StreembitError) -> None:
        """A connection was refused and dropped, for this."""

    def misbehaved(self, host: str) -> None:
        """This host sent too many bad signatures, or one in a handshake."""


class Roster:
    """Keeps one conversation a peer, whoever dialled; it is the owner of all links.

    Two sides that dial each other at once get two links.  Both then keep the same one: a direct one
    rather than one through a hub, then that of the dialler with the smaller key, and of two by the
    same dialler the newer.  The other lives on for
    a grace time, so that requests on it are answered and a link that died unnoticed is replaced.
    """

    def __init__(self, rules: Rules, own: PublicKey, events: RosterEvents) -> None:
        self._rules = rules
        self._own = own
        self._events = events
        self._peers: dict[str, Peer] = {}  # bounded by the gate's connection limit, as all here
        self._by_link: dict[LinkProtocol, Peer] = {}
        self._links: dict[str, list[Peer]] = {}  # of each key, in the order in which they opened
        self._graces: dict[Peer, IDelayedCall] = {}
        self._ticking: IDelayedCall | None = None
        self._closed = False

    # --- looking
    def get(self, key: PublicKey) -> Peer | None:
        """Return the conversation with the holder of a key, None without an open link."""
        return self._peers.get(key.text)

    def by_text(self, key_text: str) -> Peer | None:
        """Return the conversation with the holder of a key, given as its text."""
        return self._peers.get(key_text)

    def of(self, link: LinkProtocol) -> Peer | None:
        """Return the conversation over a link, None once it is gone."""
        return self._by_link.get(link)

    def __contains__(self, key_text: str) -> bool:
        """Tell whether there is an open link to the holder of a key, given as its text."""
        return key_text in self._peers

    def __iter__(self) -> Iterator[Peer]:
        return iter(list(self._peers.values()))

    def __len__(self) -> int:
        return len(self._by_link)

    def conversations(self) -> list[Peer]:
        """Return those over all open links, also over links that another one took over from."""
        return list(self._by_link.values())

    # --- LinkEvents
    def link_open(self, link: LinkProtocol) -> None:
        """Begin the conversation of a link that just opened.

        Raises:
            KeyRefused: nothing is taken from this peer.
            WrongIdentity: a member of a hub passes on the link of somebody else.
        """
        if self._closed:
            link.abort(PeerGone("we are stopping"))
            return
        assert link.link is not None
        if self._events.is_refused(link.link.peer.public):
            raise KeyRefused
        if is_hub_host(link.host) and read_hub_host(link.host)[0] != link.link.peer.public:
            raise WrongIdentity("another key than that of the member who opened the stream")
        peer = Peer(link, link.link, self._rules)
        self._by_link[link] = peer
        self._links.setdefault(peer.key.text, []).append(peer)
        former = self._peers.get(peer.key.text)
        if former is None or self._takes_over(peer, former):
            self._peers[peer.key.text] = peer
        if former is not None:
            self._grace(former if self._peers[peer.key.text] is peer else peer)
        self._events.linked(peer, link)

    def message(self, link: LinkProtocol, payload: bytes) -> None:
        """Pass a payload on to its conversation, or to the files of a contact."""
        peer = self._by_link[link]
        if is_file_frame(payload) and self._events.frame(peer, payload):
            peer.heard_s = peer.used_s = self._clock.seconds()
        else:
            peer.message(payload)

    def link_lost(self, link: LinkProtocol, reason: StreembitError) -> None:
        """End the conversation of a link that is gone; a spare link takes over."""
        peer = self._by_link.pop(link, None)
        if peer is None:
            return
        if (grace := self._graces.pop(peer, None)) is not None:
            grace.cancel()
        peer.lost()
        spare = self._remove(peer)
        if self._peers.get(peer.key.text) is not peer:
            return
        if spare is None:
            del self._peers[peer.key.text]
            self._events.unlinked(peer, reason)
        else:
            self._peers[peer.key.text] = spare
            if (grace := self._graces.pop(spare, None)) is not None:
                grace.cancel()

    def refused(self, peer_host: str, error: StreembitError) -> None:
        """Pass a refused connection on; one that ended for bad signatures was no accident."""
        self._events.refused(peer_host, error)
        if isinstance(error, BadSignature):
            self._events.misbehaved(peer_host)

    # --- time
    def expect_answer(self) -> None:
        """Say that a request was sent: its time limit is watched from now on."""
        if self._ticking is None and not self._closed:
            self._ticking = self._clock.callLater(EXPIRY_TICK_S, self._tick)

    def _tick(self) -> None:
        self._ticking = None
        now_s = self._clock.seconds()
        waiting = 0
        for peer in list(self._by_link.values()):
            if peer.waiting:
                peer.expire(now_s)
                waiting += peer.waiting
        if waiting:
            self.expect_answer()

    # --- ending
    def close(self, reason: StreembitError) -> Deferred[None]:
        """Close every link; fire when all are gone."""
        self._closed = True
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        for link in list(self._by_link):
            link.abort(reason)
        for grace in self._graces.values():
            grace.cancel()
        self._graces.clear()
        return self._when_empty()

    def _when_empty(self) -> Deferred[None]:
        done: Deferred[None] = Deferred()

        def look() -> None:
            if self._by_link:
                self._clock.callLater(0, look)
            else:
                done.callback(None)

        look()
        return done

    # --- two links to one peer
    @property
    def _clock(self) -> IReactorTime:
        return self._rules.clock

    def _takes_over(self, new: Peer, former: Peer) -> bool:
        if is_hub_host(new.carrier.host) != is_hub_host(former.carrier.host):
            return is_hub_host(former.carrier.host)
        if new.initiator == former.initiator:
            return True
        return new.initiator == (self._own.point < new.key.point)

    def _remove(self, gone: Peer) -> Peer | None:
        """Return the conversation that the other side goes on with, too: the best that is left."""
        left = self._links[gone.key.text]
        left.remove(gone)
        if not left:
            del self._links[gone.key.text]
            return None
        return reduce(lambda best, peer: peer if self._takes_over(peer, best) else best, left)

    def _grace(self, peer: Peer) -> None:
        if peer not in self._graces:
            self._graces[peer] = self._clock.callLater(DUPLICATE_GRACE_S, self._supersede, peer)

    def _supersede(self, peer: Peer) -> None:
        del self._graces[peer]
        if self._peers.get(peer.key.text) is not peer:
            peer.close(Superseded())
