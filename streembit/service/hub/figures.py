"""What a hub tells Prometheus of itself: each figure is read when it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streembit.service.metrics import Metrics

if TYPE_CHECKING:
    from streembit.service.hub.hub import Hub


def show(hub: Hub, metrics: Metrics) -> None:
    """Register the figures of a hub."""
    _show_connections(hub, metrics)
    _show_traffic(hub, metrics)
    _show_mail(hub, metrics)
    metrics.gauge(
        "streembit_start_time_seconds", "When the hub started (Unix).", lambda: hub.started_s
    )


def _show_connections(hub: Hub, metrics: Metrics) -> None:
    gate, traffic, backlog = hub.gate, hub.factory.traffic, hub.factory.backlog
    metrics.gauge("streembit_hub_sessions", "Joined members.", lambda: len(hub.sessions()))
    metrics.gauge("streembit_connections", "Connections of all kinds.", lambda: gate.total)
    metrics.gauge("streembit_connections_unknown", "Not joined yet.", lambda: gate.strangers)
    metrics.counter("streembit_received_bytes", "Bytes that came.", lambda: traffic.received_bytes)
    metrics.counter("streembit_sent_bytes", "Bytes that went.", lambda: traffic.sent_bytes)
    metrics.gauge(
        "streembit_queued_bytes", "That wait for slow members.", lambda: backlog.total_bytes
    )


def _show_traffic(hub: Hub, metrics: Metrics) -> None:
    router = hub.router
    metrics.counter(
        "streembit_hub_frames_checked", "Frames whose signature was checked.", lambda: hub.checks
    )
    metrics.counter("streembit_hub_relayed", "Live envelopes passed on.", lambda: router.relayed)
    metrics.counter("streembit_hub_relayed_bytes", "Their bytes.", lambda: router.relayed_bytes)
    metrics.counter(
        "streembit_hub_gone", "Live envelopes to who was not here.", lambda: router.gone
    )
    metrics.gauge(
        "streembit_hub_slow_members", "Who does not read what waits.", lambda: router.slow
    )


def _show_mail(hub: Hub, metrics: Metrics) -> None:
    postman = hub.postman
    metrics.counter("streembit_hub_mail_kept", "Mails kept.", lambda: postman.kept)
    metrics.counter("streembit_hub_mail_delivered", "Mails passed on.", lambda: postman.delivered)
    metrics.counter(
        "streembit_hub_mail_acknowledged",
        "Mails deleted at their recipient's word.",
        lambda: postman.acknowledged,
    )
