"""What a node answers to its peers' requests, from its table and its store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, assert_never

from twisted.internet.defer import Deferred

from streembit.dht.keyspace import from_text, to_text
from streembit.dht.put import nearer
from streembit.dht.shelf import StoredItem
from streembit.dht.table import Table
from streembit.errors import BadMessage
from streembit.jose import base64url
from streembit.jose.envelope import Verified
from streembit.rpc.peer import Peer
from streembit.service.company import Company
from streembit.service.deposit import Deposit
from streembit.service.metrics import OTHER, Tally
from streembit.service.network import show_address
from streembit.wire.message import (
    Answer,
    Body,
    Contact,
    DialBack,
    Dialled,
    FindNode,
    FindValue,
    Hand,
    Handed,
    Knock,
    Knocked,
    Nodes,
    Ping,
    Pong,
    Punch,
    Punched,
    Refused,
    Rpc,
    Show,
    Shown,
    Signal,
    Signalled,
    Store,
    Stored,
    Value,
)

KINDS: Final[dict[type[Body], str]] = {
    Ping: "ping",
    FindNode: "find_node",
    FindValue: "find_value",
    Store: "store",
    DialBack: "dial_back",
    Hand: "hand",
    Knock: "knock",
    Show: "show",
    Punch: "punch",
    Signal: "signal",
}
MAX_TOLD: Final = (
    20  # contacts an answer: about 2 KiB, so that nobody is made to send much by asking
)


class Answers:
    """Serves verified requests.

    Args:
        dial_back: connects to a peer's own host at a port, and answers whether that peer was there.
        punch: agrees with a contact to meet directly.
        company: returns who takes what contacts say.
        asked: counts the requests by their kind.
    """

    def __init__(
        self,
        table: Table,
        deposit: Deposit,
        dial_back: Callable[[Peer, int], Deferred[Answer]],
        punch: Callable[[Peer, Punch], Answer],
        company: Callable[[], Company],
        asked: Tally,
    ) -> None:
        self._table = table
        self._deposit = deposit
        self._dial_back, self._punch = dial_back, punch
        self._company = company
        self._asked = asked

    def serve(self, peer: Peer, request: Verified[Rpc]) -> Answer | Deferred[Answer]:
        """Return the answer to a verified request.

        Raises:
            RecordRefused, BadMessage, KeyRefused, RateLimited, ...: it is refused; nothing has
                changed.
        """
        body = request.claims.body
        self._asked.add(KINDS.get(type(body), OTHER))
        match body:
            case Ping():
                return Pong(show_address(peer.carrier.host, peer.carrier.port))
            case FindNode():
                return Nodes(self._nearest(from_text(body.target), peer))
            case FindValue():
                return self._find_value(from_text(body.place), peer)
            case Store():
                return self._store(body, peer)
            case DialBack():
                return self._dial_back(peer, body.port)
            case Hand() | Knock() | Show() | Punch() | Signal():
                return self._people(peer, body)
            case (
                Pong()
                | Nodes()
                | Value()
                | Stored()
                | Dialled()
                | Handed()
                | Knocked()
                | Shown()
                | Punched()
                | Signalled()
                | Refused()
            ):
                raise BadMessage("an answer in the place of a request")
            case _:
                assert_never(body)

    def _people(
        self, peer: Peer, body: Hand | Knock | Show | Punch | Signal
    ) -> Answer | Deferred[Answer]:
        """Answer what only people are asked."""
        match body:
            case Hand():
                return self._company().hand(peer, body)
            case Knock():
                return self._company().knock(peer, body)
            case Show():
                return self._company().shown(peer, body)
            case Punch():
                return self._punch(peer, body)
            case Signal():
                return self._company().signal(peer, body)

    def _nearest(self, target: int, peer: Peer) -> list[Contact]:
        nodes = self._table.nearest(target, MAX_TOLD, exclude=(peer.node_id,))
        return [node.contact for node in nodes]

    def _find_value(self, place: int, peer: Peer) -> Answer:
        item = self._deposit.answer(place)
        return item if item is not None else Nodes(self._nearest(place, peer))

    def _store(self, body: Store, peer: Peer) -> Answer | Deferred[Answer]:
        if body.radius:
            from_text(body.radius[-1])  # the receipt reads it: what is no id is refused before
        stored = self._deposit.put(body.item, body.kind, peer.carrier.host)
        if isinstance(stored, Deferred):
            return stored.addCallback(self._receipt, body, peer)
        return self._receipt(stored, body, peer)

    def _receipt(self, receipt: StoredItem, body: Store, peer: Peer) -> Answer:
        return Stored(
            to_text(receipt.place),
            base64url.encode(receipt.digest),
            receipt.seq,
            self._deposit.kept_until(receipt),
            nearer(self._table, receipt.place, body.radius, peer.node_id),
        )
