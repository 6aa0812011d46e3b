"""Every limit that a node keeps to, by name: what `streembit status` shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from streembit.dht.record import CLOCK_SKEW_S, MAX_LIFE_S
from streembit.dht.store import StoreLimits
from streembit.net.events import LIMITS, LinkLimits
from streembit.net.gate import GateLimits
from streembit.service.settings import NetworkSettings
from streembit.wire.codec import MAX_DEPTH
from streembit.wire.frame import MAX_FRAME_PEER, MAX_FRAME_STRANGER
from streembit.wire.message import MAX_VALUE_BYTES

Figures = dict[str, int | float]

PROTOCOL: Final[Figures] = {
    "frame_bytes": MAX_FRAME_PEER,
    "frame_bytes_unknown": MAX_FRAME_STRANGER,
    "json_depth": MAX_DEPTH,
    "record_bytes": MAX_VALUE_BYTES,
    "record_life_s": MAX_LIFE_S,
    "record_clock_skew_s": CLOCK_SKEW_S,
}


@dataclass(frozen=True, slots=True)
class NodeLimits:
    """What one node takes: connections, what a link carries, what lies in its store."""

    gate: GateLimits = field(default_factory=GateLimits)
    link: LinkLimits = LIMITS
    store: StoreLimits = field(default_factory=StoreLimits)


DEFAULTS: Final = NodeLimits()


def in_force(settings: NetworkSettings, limits: NodeLimits) -> Figures:
    """Return the limits by name: as the configuration names them, then what cannot be set."""
    gate, link, store = limits.gate, limits.link, limits.store
    return {
        "connections_total": gate.total,
        "connections_per_address": gate.per_address,
        "connections_per_group": gate.per_group,
        "connections_unknown": gate.strangers,
        "new_connections_per_s": gate.new_per_address.per_s,
        "new_connections_burst": gate.new_per_address.burst,
        "checks_per_peer_per_s": settings.checks_per_peer_per_s,
        "checks_per_node_per_s": settings.checks_per_node_per_s,
        "store_bytes": store.total_bytes,
        "records_per_owner": store.owner_items,
        "bytes_per_address": store.address_bytes,
        "bytes_per_group": store.group_bytes,
        "queue_bytes": link.queue_bytes,
        "queue_bytes_total": link.queue_bytes_total,
        "links_kept": settings.kept_links,
        "discouraged_s": gate.discouraged_s,
        "hello_s": link.hello_s,
        "handshake_s": link.handshake_s,
        "frame_s": link.frame_s,
        "silence_s": settings.dead_after_s,
        "request_s": settings.request_timeout_s,
        **PROTOCOL,
    }
