"""`streembit peer`: the peers that the node knows, and the way to others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from streembit.cli import show
from streembit.cli.command import Group, Settings, pass_settings

if TYPE_CHECKING:
    from streembit.service.facade import FindResult, PeerRow


@click.group(
    cls=Group,
    examples=("streembit peer list", "streembit peer find 3f8a…"),
)
def peer() -> None:
    """The peers that the node knows, and the way to others."""


@peer.command("list", examples=("streembit peer list", "streembit --json peer list"))
@pass_settings
def list_(settings: Settings) -> None:
    """List the peers, nearest first."""
    from streembit.api.network import Peers

    found = settings.client().ask("GET", "/v1/peers", Peers)
    if settings.json:
        show.as_json(found)
    else:
        headers = ("NODE ID", "ADDRESS", "LINK", "STORES", "RTT", "HEARD")
        show.table(headers, map(_peer_row, found.peers))


def _peer_row(row: PeerRow) -> tuple[object, ...]:
    return (
        row.node_id,
        _address(row.host, row.port),
        "yes" if row.linked else "no",
        "yes" if row.storage else "no",
        show.millis(row.rtt_ms),
        f"{show.span(row.idle_s)} ago",
    )


@peer.command(examples=("streembit peer ping 3f8a…",))
@click.argument("node")
@pass_settings
def ping(settings: Settings, node: str) -> None:
    """Ask NODE (a node id, public key or fingerprint) for a signed answer."""
    from streembit.service.facade import PingResult

    answer = settings.client().ask("POST", f"/v1/peers/{quote(node, safe='')}/ping", PingResult)
    if settings.json:
        show.as_json(answer)
        return
    show.line(
        f"{answer.node_id} at {_address(answer.host, answer.port)} answered in "
        f"{answer.rtt_ms:.1f} ms and sees us at {answer.observed or 'no address'}"
    )


@peer.command(examples=("streembit peer find 3f8a…", "streembit --json peer find 3f8a…"))
@click.argument("node_id", metavar="NODE-ID")
@pass_settings
def find(settings: Settings, node_id: str) -> None:
    """Look for the nodes nearest to NODE-ID and show the hops taken."""
    from streembit.service.facade import FindResult

    found = settings.client().ask("GET", f"/v1/find/{quote(node_id, safe='')}", FindResult)
    if settings.json:
        show.as_json(found)
        return
    show.table(("ROUND", "NODE ID", "ADDRESS", "BITS", "RTT", "GAVE"), _hop_rows(found))
    show.line("")
    nearest = ((r.node_id, _address(r.host, r.port), r.distance_bits) for r in found.nearest)
    show.table(("NEAREST", "ADDRESS", "BITS"), nearest)
    show.line("")
    show.line(
        f"{show.count(found.rounds, 'round')}, {show.count(found.requests, 'request')}, "
        f"{found.took_ms:.1f} ms"
    )


def _hop_rows(found: FindResult) -> Iterator[tuple[object, ...]]:
    for hop in found.hops:
        gave = hop.code or show.count(hop.gave, "contact")
        address = _address(hop.host, hop.port)
        yield hop.round, hop.node_id, address, hop.distance_bits, show.millis(hop.rtt_ms), gave


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
