"""What a hub's own node does for members: it puts and gets in the table, and dials them back."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.defer import Deferred

from streembit.dht.keyspace import from_text
from streembit.dht.record import Blob, Item, read
from streembit.errors import NotReady, NotThere
from streembit.jose import base64url
from streembit.jose.keys import PublicKey
from streembit.net.carrier import Carrier
from streembit.service.hub.session import Session
from streembit.service.node import Node
from streembit.service.probes import Probes
from streembit.wire import message
from streembit.wire.hub import Dialled, Found
from streembit.wire.message import ItemKind


class NodeTable:
    """See `Table`; the node verifies what it puts and what it gets."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def put(self, item: str, kind: ItemKind) -> Deferred[int]:
        """See `Table`."""
        return Deferred.fromCoroutine(self._put(item, kind))

    def get(self, place: str) -> Deferred[Found]:
        """See `Table`."""
        return Deferred.fromCoroutine(self._get(from_text(place)))

    async def _put(self, text: str, kind: ItemKind) -> int:
        item = self._read(text, kind)
        if not len(self._node.network.roster):
            raise NotReady("the hub's node has no peers just now")
        outcome = await self._node.dht.finder.put(item)
        return len(outcome.receipts)

    async def _get(self, place: int) -> Found:
        search = await self._node.dht.finder.latest(place)
        if search.item is None:
            raise NotThere
        kind: ItemKind = "blob" if isinstance(search.item, Blob) else "record"
        return Found(search.item.token, kind)

    def _read(self, text: str, kind: ItemKind) -> Item:
        if kind == "blob":
            return Blob.of(base64url.decode(text))
        network = self._node.network
        return read(text, network.keys, network.now_s(), network.settings.network)


@dataclass(frozen=True, slots=True)
class Asker:
    """A member as the node's probes see who asks."""

    carrier: Carrier
    key: PublicKey


class NodeProber:
    """See `Prober`; only the address that the member comes from is dialled."""

    def __init__(self, probes: Probes) -> None:
        self._probes = probes

    def dial_back(self, session: Session, port: int) -> Deferred[Dialled]:
        """See `Prober`; raises as `Probes.dial_back`."""
        asker = Asker(session.carrier, session.served.member)
        return self._probes.dial_back(asker, port).addCallback(_answer)


def _answer(answer: object) -> Dialled:
    assert isinstance(answer, message.Dialled)  # probes answer with nothing else
    return Dialled(answer.reachable, answer.code)
