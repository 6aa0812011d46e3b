"""What a hub tells Prometheus of itself: each figure is read when it is shown."""

from __future__ import annotations

from collections.abc import Callable

from streembit.net.gate import Gate
from streembit.net.hublisten import HubFactory
from streembit.service.hub.postman import Postman
from streembit.service.hub.router import Router
from streembit.service.metrics import Metrics


def show(
    metrics: Metrics,
    gate: Gate,
    factory: HubFactory,
    router: Router,
    postman: Postman,
    sessions: Callable[[], int],
    checks: Callable[[], int],
    started_s: float,
) -> None:
    """Register the figures of a hub that started then, with so many sessions, and checks done."""
    metrics.gauge("streembit_hub_sessions", "Joined members.", sessions)
    _show_connections(metrics, gate, factory)
    metrics.counter("streembit_hub_frames_checked", "Frames whose signature was checked.", checks)
    _show_traffic(metrics, router)
    _show_mail(metrics, postman)
    metrics.gauge("streembit_start_time_seconds", "When the hub started (Unix).", lambda: started_s)


def _show_connections(metrics: Metrics, gate: Gate, factory: HubFactory) -> None:
    traffic, backlog = factory.traffic, factory.backlog
    metrics.gauge("streembit_connections", "Connections of all kinds.", lambda: gate.total)
    metrics.gauge("streembit_connections_unknown", "Not joined yet.", lambda: gate.strangers)
    metrics.counter("streembit_received_bytes", "Bytes that came.", lambda: traffic.received_bytes)
    metrics.counter("streembit_sent_bytes", "Bytes that went.", lambda: traffic.sent_bytes)
    metrics.gauge(
        "streembit_queued_bytes", "That wait for slow members.", lambda: backlog.total_bytes
    )


def _show_traffic(metrics: Metrics, router: Router) -> None:
    metrics.counter("streembit_hub_relayed", "Live envelopes passed on.", lambda: router.relayed)
    metrics.counter("streembit_hub_relayed_bytes", "Their bytes.", lambda: router.relayed_bytes)
    metrics.counter(
        "streembit_hub_gone", "Live envelopes to who was not here.", lambda: router.gone
    )
    metrics.gauge(
        "streembit_hub_slow_members", "Who does not read what waits.", lambda: router.slow
    )


def _show_mail(metrics: Metrics, postman: Postman) -> None:
    metrics.counter("streembit_hub_mail_kept", "Mails kept.", lambda: postman.kept)
    metrics.counter("streembit_hub_mail_delivered", "Mails passed on.", lambda: postman.delivered)
    metrics.counter(
        "streembit_hub_mail_acknowledged",
        "Mails deleted at their recipient's word.",
        lambda: postman.acknowledged,
    )
