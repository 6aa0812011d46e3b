"""The live table of the network: one row a process, as each says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from twisted.internet.defer import Deferred, gatherResults

from demo.members import Member
from demo.steps import status_of
from streembit.service.facade import Status

COLUMNS: Final = ("peers", "links", "records", "signed checked", "refused")


async def table_of(members: Sequence[Member]) -> Table:
    """Ask every member and return the table."""
    found: Sequence[Status | None] = await gatherResults(
        [Deferred.fromCoroutine(status_of(member)) for member in members]
    )
    table = Table(title="Streembit on this machine", caption="Ctrl-C ends it")
    table.add_column("node")
    table.add_column("listens on")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    table.add_column("ready")
    for member, status in zip(members, found, strict=True):
        table.add_row(member.name, *cells(status))
    return table


def cells(status: Status | None) -> list[str]:
    """Return a row but for its name; a dead node has an empty one."""
    if status is None:
        return ["[red]ended[/red]", *[""] * (len(COLUMNS) + 1)]
    figures = (
        status.peers,
        status.links,
        status.records,
        status.signed_checked,
        sum(status.refusals.values()),
    )
    ready = "[green]yes[/green]" if status.readiness.ready else "[yellow]not yet[/yellow]"
    return [", ".join(status.listening), *map(str, figures), ready]
