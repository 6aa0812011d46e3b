"""`streembit record`: put, get, delete and list signed records."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from streembit.cli import asked, show
from streembit.cli.command import Group, Settings, pass_settings

if TYPE_CHECKING:
    from streembit.service.facade import GetResult, PutResult


def _seconds(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    """Return a length of time such as 90s, 30m, 24h or 1d in seconds."""
    from streembit.service.facade import MAX_TTL_S, MIN_TTL_S

    seconds = asked.seconds(value)
    if not MIN_TTL_S <= seconds <= MAX_TTL_S:
        raise click.BadParameter("a record lives from 60s to 24h.")
    return seconds


@click.group(
    cls=Group,
    examples=(
        "streembit record put Acme/Sensors/Roof 21.5",
        "streembit record get 02ab… Acme/Sensors/Roof",
    ),
)
def record() -> None:
    """Signed records in the network, under a name of yours."""


@record.command(
    examples=(
        "streembit record put Acme/Sensors/Roof 21.5",
        "streembit record put Acme/Site/Plan --ttl 2h < plan.txt",
        "date | streembit record put Acme/Clock/Now -",
    )
)
@click.argument("name")
@click.argument("value", required=False)
@click.option(
    "--ttl", metavar="TIME", callback=_seconds, default="24h", help="How long it lives: 24h, 30m."
)
@pass_settings
def put(settings: Settings, name: str, value: str | None, ttl: int) -> None:
    """Sign VALUE (- or nothing: standard input) and store it as NAME.

    The node publishes it anew each hour as long as it runs.
    """
    from streembit.api.network import PutRecord
    from streembit.service.facade import PutResult

    body = PutRecord(_given(value), ttl)
    path = f"/v1/records/{_checked(name)}"
    _show_put(settings, settings.client().ask("PUT", path, PutResult, body), "stored")


@record.command(
    examples=(
        "streembit record get 02ab… Acme/Sensors/Roof",
        "streembit record get 'ABCD EFGH …' Acme/Site/Plan > plan.txt",
    )
)
@click.argument("owner")
@click.argument("name")
@pass_settings
def get(settings: Settings, owner: str, name: str) -> None:
    """Print the newest record NAME of OWNER.

    OWNER is a public key, a fingerprint or a node id. The value goes to
    standard output as it is, who signed it to standard error.
    """
    from streembit.service.facade import GetResult

    path = f"/v1/owners/{quote(owner, safe='')}/records/{_checked(name)}"
    found = settings.client().ask("GET", path, GetResult)
    if settings.json:
        show.as_json(found)
    else:
        _show_value(found.value)
        click.echo(show.plain(_told(found)), err=True)


@record.command(examples=("streembit record delete Acme/Sensors/Roof",))
@click.argument("name")
@pass_settings
def delete(settings: Settings, name: str) -> None:
    """Put a tombstone over your record NAME."""
    from streembit.service.facade import PutResult

    path = f"/v1/records/{_checked(name)}"
    _show_put(settings, settings.client().ask("DELETE", path, PutResult), "deleted")


@record.command("list", examples=("streembit record list", "streembit --json record list"))
@pass_settings
def list_(settings: Settings) -> None:
    """List your records that the node keeps alive."""
    from streembit.api.network import Records

    found = settings.client().ask("GET", "/v1/records", Records)
    if settings.json:
        show.as_json(found)
        return
    headers = ("NAME", "SEQ", "BYTES", "EXPIRES", "PLACE")
    rows = (
        (row.name, row.seq, _size(row), show.moment(row.exp), row.place) for row in found.records
    )
    show.table(headers, rows)


def _size(row: object) -> object:
    from streembit.service.facade import RecordRow

    assert isinstance(row, RecordRow)
    return "deleted" if row.deleted else row.size_bytes


def _given(value: str | None) -> bytes:
    from streembit.errors import TooLarge
    from streembit.service.facade import MAX_VALUE_BYTES

    if value is not None and value != "-":
        data = os.fsencode(value)
    else:
        data = sys.stdin.buffer.read(MAX_VALUE_BYTES + 1)
    if len(data) > MAX_VALUE_BYTES:
        raise TooLarge("a record's value", limit_bytes=MAX_VALUE_BYTES)
    return data


def _checked(name: str) -> str:
    from streembit.service.facade import check_name

    check_name(name)
    return quote(name, safe="")


def _show_put(settings: Settings, result: PutResult, done: str) -> None:
    if settings.json:
        show.as_json(result)
        return
    replicas = show.count(len(result.replicas), "node")
    until = "" if done == "deleted" else f", until {show.moment(result.exp)}"
    show.line(
        f"{done} {result.name} (seq {result.seq}) on {replicas} in {result.took_ms:.1f} ms{until}"
    )
    for code, times in result.refused.items():
        show.line(f"refused by {show.count(times, 'node')}: {code}")


def _show_value(value: bytes) -> None:
    if sys.stdout.isatty():
        for text in value.decode("utf-8", "backslashreplace").splitlines():
            show.line(text)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(value)


def _told(found: GetResult) -> str:
    return (
        f"signed by {found.signer}, seq {found.seq}, until {show.moment(found.exp)}; "
        f"{show.count(found.hops, 'hop')}, {show.count(found.requests, 'request')}, "
        f"{show.count(found.replicas_seen, 'replica')} seen, {found.took_ms:.1f} ms"
    )
