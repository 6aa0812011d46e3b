"""The node as its local API sees it: questions in plain terms, answers as immutable values."""

from __future__ import annotations

from pathlib import Path

from streembit._version import __version__
from streembit.dht import keyspace
from streembit.dht.lookup import Hop
from streembit.dht.peer import Node as Contacted
from streembit.dht.put import Outcome
from streembit.dht.record import Record
from streembit.dht.shortlist import State
from streembit.errors import BadName, NotFound
from streembit.jose import fingerprint
from streembit.jose.keys import PublicKey
from streembit.rpc.peer import Peer
from streembit.service.doctor import Doctor
from streembit.service.facade import (
    MAX_TTL_S,
    MIN_TTL_S,
    Check,
    FindResult,
    GetResult,
    HopRow,
    NearRow,
    PeerRow,
    PingResult,
    PutResult,
    Readiness,
    RecordRow,
    Replica,
    Status,
    StoreHealth,
    check_name,
)
from streembit.service.finder import Search
from streembit.service.limits import in_force
from streembit.service.node import Node
from streembit.service.publishing import NAME_KIND
from streembit.service.relay.rows import HubRow
from streembit.service.whois import HEX_ID_CHARS, Whois, parse_id
from streembit.wire.hub import Dismiss, Kick
from streembit.wire.message import Ping, Pong


class Desk:
    """Answers for a running node; see `facade.NodeFacade` for what each method promises.

    Args:
        home: the node's folder, for the doctor; None for a node that has none.
    """

    def __init__(self, node: Node, home: Path | None = None) -> None:
        self._node = node
        self._network = node.network
        self._doctor = Doctor(node, home)
        self._whois = Whois(node.network, node.dht.finder)

    # --- state
    async def ready(self) -> Readiness:
        return self._node.dht.canary.readiness()

    async def status(self) -> Status:
        node, network = self._node, self._network
        key = network.identity.public
        usage = node.dht.deposit.usage()
        return Status(
            version=__version__,
            role=node.settings.role,
            network=node.settings.network,
            account=network.identity.name,
            public_key=key.hex,
            node_id=keyspace.to_hex(network.id),
            fingerprint=fingerprint.of(key),
            listening=list(node.reach.listening),
            observed=node.reach.reachability.observed,
            reachability=node.reach.reachability.verdict,
            peers=len(network.table),
            links=len(network.roster),
            records=usage.items,
            bytes=usage.size_bytes,
            limits=in_force(node.settings, node.limits),
            refusals=node.refusals.counts(),
            readiness=node.dht.canary.readiness(),
            clock_skew_s=node.reach.reachability.clock_skew_s,
            uptime_s=node.up_s(),
            signed_checked=network.checks.good,
            store=StoreHealth(*node.dht.deposit.health()),
            people=node.company.standing(),
            hubs=await self.hubs(),
            lan="" if node.reach.lan is None else node.reach.lan.detail,
            mapped="" if node.reach.mapping is None else node.reach.mapping.detail,
        )

    async def hubs(self) -> list[HubRow]:
        return [hub.row() for hub in self._node.hubs.all()]

    async def kick_member(self, hub: str, member: str) -> None:
        await self._ask_hub(hub, Kick(PublicKey.from_hex(member).text))

    async def dismiss_member(self, hub: str, member: str) -> None:
        await self._ask_hub(hub, Dismiss(PublicKey.from_hex(member).text))

    async def _ask_hub(self, hub: str, body: Kick | Dismiss) -> None:
        await self._node.hubs.ours(PublicKey.from_hex(hub)).ask(body)

    async def doctor(self) -> list[Check]:
        return await self._doctor.examine()

    # --- records
    async def put_record(self, name: str, value: bytes, ttl_s: int) -> PutResult:
        check_name(name)
        if not MIN_TTL_S <= ttl_s <= MAX_TTL_S:
            raise BadName("a record lives from a minute to a day", ttl_s=ttl_s)
        begun_s = self._network.now_s()
        record, outcome = await self._node.dht.publishing.put(NAME_KIND, name, value, ttl_s)
        return self._put_result(name, record, outcome, begun_s)

    async def get_record(self, owner: str, name: str) -> GetResult | None:
        check_name(name)
        begun_s = self._network.now_s()
        key = await self._whois.key_of(owner)
        search = await self._node.dht.finder.surely(
            keyspace.record_place(key.point, NAME_KIND, name)
        )
        if not isinstance(search.item, Record) or search.item.tombstone:
            return None
        return self._get_result(owner, name, search.item, search, begun_s)

    async def delete_record(self, name: str) -> PutResult:
        check_name(name)
        begun_s = self._network.now_s()
        record, outcome = await self._node.dht.publishing.delete(NAME_KIND, name)
        return self._put_result(name, record, outcome, begun_s)

    async def list_records(self) -> list[RecordRow]:
        rows = []
        for kept in self._node.dht.publishing.list(NAME_KIND):
            slot = kept.slot
            place = keyspace.record_place(slot.owner, slot.kind, slot.salt)
            rows.append(
                RecordRow(
                    slot.salt,
                    keyspace.to_hex(place),
                    kept.seq,
                    kept.expires_unix_s,
                    len(self._node.dht.publishing.value(kept)),
                    kept.ttl_s,
                    kept.deleted,
                )
            )
        return rows

    # --- nodes
    async def peers(self) -> list[PeerRow]:
        network = self._network
        known = {node.contact.key: node for node in network.table}
        rows = [self._row(node) for node in known.values()]
        rows += [self._linked_row(peer) for peer in network.roster if peer.key.text not in known]
        own = network.id
        return sorted(rows, key=lambda row: int(row.node_id, 16) ^ own)

    async def ping(self, node: str) -> PingResult:
        begun_s = self._network.now_s()
        found = await self._find_node(node)
        verified = await self._network.ask_one(found, Ping())
        self._network.heard(found, verified)
        answer = verified.claims.body
        took_s = self._network.now_s() - begun_s
        peer = self._network.roster.by_text(found.contact.key)
        rtt_s = peer.rtt_s if peer is not None and peer.rtt_s is not None else took_s
        return PingResult(
            node_id=keyspace.to_hex(found.id),
            public_key=verified.key.hex,
            host=found.contact.host,
            port=found.contact.port,
            rtt_ms=_ms(rtt_s),
            observed=answer.observed if isinstance(answer, Pong) else "",
        )

    async def find(self, node_id: str) -> FindResult:
        target = parse_id(node_id)
        begun_s = self._network.now_s()
        search = await self._node.dht.finder.nodes(target)
        nodes = search.found.nodes if search.found is not None else ()
        return FindResult(
            target=keyspace.to_hex(target),
            hops=[self._hop(hop, target) for hop in search.hops],
            nearest=[self._near(node, target) for node in nodes],
            rounds=search.rounds,
            requests=search.requests,
            took_ms=_ms(self._network.now_s() - begun_s),
        )

    # --- whom a reference means
    async def _find_node(self, reference: str) -> Contacted:
        """Return the node that a reference means, looked up where we do not know it."""
        text = reference.strip()
        is_id = len(text) == HEX_ID_CHARS
        target = (
            parse_id(text) if is_id else keyspace.node_id((await self._whois.key_of(text)).point)
        )
        known = self._network.table.get(target)
        if known is not None:
            return known
        search = await self._node.dht.finder.nodes(target)
        for node in search.found.nodes if search.found is not None else ():
            if node.id == target:
                return node
        raise NotFound("no node of this id was found", node=text)

    # --- rows
    def _put_result(self, name: str, record: Record, outcome: Outcome, begun_s: float) -> PutResult:
        return PutResult(
            name=name,
            place=keyspace.to_hex(record.place),
            seq=record.seq,
            exp=record.exp,
            replicas=[
                Replica(keyspace.to_hex(r.node.id), r.node.contact.host, r.node.contact.port)
                for r in outcome.receipts
            ],
            refused=dict(outcome.refusals),
            took_ms=_ms(self._network.now_s() - begun_s),
            requests=outcome.requests,
        )

    def _get_result(
        self, owner: str, name: str, record: Record, search: Search, begun_s: float
    ) -> GetResult:
        return GetResult(
            owner=owner,
            name=name,
            value=record.value,
            seq=record.seq,
            exp=record.exp,
            signer=record.key.hex,
            hops=search.rounds,
            replicas_seen=len(search.via) + search.local,
            took_ms=_ms(self._network.now_s() - begun_s),
            requests=search.requests,
            via=[keyspace.to_hex(node.id) for node in search.via],
        )

    def _row(self, node: Contacted) -> PeerRow:
        peer = self._network.roster.by_text(node.contact.key)
        hello = peer.hello if peer is not None else None
        rtt_s = peer.rtt_s if peer is not None and peer.rtt_s is not None else node.rtt_s
        heard_s = max(node.seen_s, peer.heard_s if peer is not None else 0.0)
        return PeerRow(
            node_id=keyspace.to_hex(node.id),
            public_key=self._network.keys.get(node.contact.key).hex,
            host=node.contact.host,
            port=node.contact.port,
            name=node.contact.name,
            agent=hello.agent if hello is not None else "",
            linked=peer is not None,
            storage=node.storage,
            rtt_ms=None if rtt_s is None else _ms(rtt_s),
            idle_s=max(0.0, self._network.now_s() - heard_s),
        )

    def _linked_row(self, peer: Peer) -> PeerRow:
        hello = peer.hello
        return PeerRow(
            node_id=keyspace.to_hex(peer.node_id),
            public_key=peer.key.hex,
            host=peer.carrier.host,
            port=hello.port,
            name=hello.name,
            agent=hello.agent,
            linked=True,
            storage=False,
            rtt_ms=None if peer.rtt_s is None else _ms(peer.rtt_s),
            idle_s=max(0.0, self._network.now_s() - peer.heard_s),
        )

    def _hop(self, hop: Hop, target: int) -> HopRow:
        contact = hop.node.contact
        peer = self._network.roster.by_text(contact.key)
        return HopRow(
            round=hop.depth,
            node_id=keyspace.to_hex(hop.node.id),
            host=contact.host,
            port=contact.port,
            distance_bits=(hop.node.id ^ target).bit_length(),
            rtt_ms=None if peer is None or peer.rtt_s is None else _ms(peer.rtt_s),
            gave=hop.gave,
            code="" if hop.state is State.ANSWERED else hop.state.name.lower(),
        )

    def _near(self, node: Contacted, target: int) -> NearRow:
        return NearRow(
            keyspace.to_hex(node.id),
            self._network.keys.get(node.contact.key).hex,
            node.contact.host,
            node.contact.port,
            (node.id ^ target).bit_length(),
        )


def _ms(seconds: float) -> float:
    return round(max(0.0, seconds) * 1000, 3)
