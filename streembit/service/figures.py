"""What a node tells Prometheus of itself: each figure is read when it is shown."""

from __future__ import annotations

from math import inf, nan

from streembit.service.canary import Canary
from streembit.service.carriers import Carriers
from streembit.service.deposit import Deposit
from streembit.service.dht import Dht
from streembit.service.metrics import Metrics
from streembit.service.network import Network
from streembit.service.reach import Reach
from streembit.service.reachability import Reachability
from streembit.service.relay.hubs import Hubs


def show(
    metrics: Metrics,
    network: Network,
    carriers: Carriers,
    hubs: Hubs,
    dht: Dht,
    reach: Reach,
    started_s: float,
) -> None:
    """Register the figures of a node that started then."""
    _show_links(metrics, network, carriers)
    _show_hubs(metrics, hubs)
    _show_store(metrics, dht.deposit)
    _show_health(metrics, dht.canary, reach.reachability)
    metrics.gauge(
        "streembit_client_only",
        "1 while others are not asked to store here.",
        lambda: network.client_only,
    )
    metrics.gauge(
        "streembit_start_time_seconds", "When the node started (Unix).", lambda: started_s
    )


def _show_links(metrics: Metrics, network: Network, carriers: Carriers) -> None:
    gate, checks = carriers.gate, network.checks
    metrics.gauge("streembit_links", "Open links.", lambda: len(network.roster))
    metrics.gauge("streembit_connections", "Connections of all kinds.", lambda: gate.total)
    metrics.gauge(
        "streembit_connections_unknown", "That have not said who they are.", lambda: gate.strangers
    )
    traffic, backlog = carriers.traffic, carriers.backlog
    metrics.counter(
        "streembit_received_bytes", "Bytes that links received.", lambda: traffic.received_bytes
    )
    metrics.counter("streembit_sent_bytes", "Bytes that links sent.", lambda: traffic.sent_bytes)
    metrics.gauge(
        "streembit_queued_bytes",
        "That wait for peers who read slowly.",
        lambda: backlog.total_bytes,
    )
    metrics.gauge("streembit_peers", "Nodes in the table.", lambda: len(network.table))
    metrics.counter("streembit_signatures_good", "Signatures that verified.", lambda: checks.good)
    metrics.counter("streembit_signatures_bad", "Signatures that did not.", lambda: checks.bad)


def _show_hubs(metrics: Metrics, hubs: Hubs) -> None:
    metrics.gauge(
        "streembit_hubs_joined",
        "Hubs where we are, contacts' included.",
        lambda: sum(hub.seat is not None for hub in hubs.all()),
    )
    metrics.gauge(
        "streembit_hub_links",
        "Links that go through hubs.",
        lambda: sum(hub.row().links for hub in hubs.all()),
    )


def _show_store(metrics: Metrics, deposit: Deposit) -> None:
    metrics.gauge("streembit_records", "Items kept for the network.", lambda: deposit.usage().items)
    metrics.gauge(
        "streembit_record_bytes", "What they take of the quota.", lambda: deposit.usage().size_bytes
    )
    metrics.counter(
        "streembit_evicted", "Items that gave way when the store was full.", lambda: deposit.evicted
    )
    metrics.counter(
        "streembit_conflicts",
        "Two versions of one number: the second was refused.",
        lambda: deposit.conflicts,
    )
    metrics.gauge(
        "streembit_store_ok", "1 while the disk takes changes.", lambda: deposit.health()[0]
    )


def _show_health(metrics: Metrics, canary: Canary, reachability: Reachability) -> None:
    metrics.gauge(
        "streembit_ready",
        "1 if a put and a get through others succeeded lately.",
        lambda: canary.readiness().ready,
    )
    metrics.gauge(
        "streembit_canary_age_seconds",
        "Since the last such success; infinite before the first.",
        lambda: inf if canary.age_s is None else canary.age_s,
    )
    metrics.gauge(
        "streembit_clock_ahead_seconds",
        "Of the median peer; not a number while fewer than three told.",
        lambda: nan if reachability.clock_skew_s is None else reachability.clock_skew_s,
    )
