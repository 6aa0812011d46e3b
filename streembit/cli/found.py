"""`streembit hub list`, `streembit hub search`, `streembit account publish`: a node's own hubs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from streembit.cli import show
from streembit.cli.command import Command, Settings, pass_settings
from streembit.cli.node import standing

if TYPE_CHECKING:
    from streembit.cli.client import Client
    from streembit.service.relay.rows import Entered, FoundRow, HubRow

_HUBS = ("NAME", "WHERE", "STATE", "OURS", "LINKS", "KEY")
_FOUND = ("NAME", "TYPE", "KNOWN AS", "HUB", "FINGERPRINT", "PUBLIC KEY", "NOTE")


@click.command("list", cls=Command, examples=("streembit hub list", "streembit --json hub list"))
@pass_settings
def list_(settings: Settings) -> None:
    """List the hubs that the node uses, its own first.

    Those of contacts are joined while they are needed.
    """
    from streembit.api.network import Hubs

    found = settings.client().ask("GET", "/v1/hubs", Hubs)
    if settings.json:
        show.as_json(found)
    else:
        show.table(_HUBS, map(_hub_row, found.hubs))


def shut_out(settings: Settings, at: str, what: str, member: str) -> None:
    """End the "sessions" of a member of one of the node's hubs, or take it off the "members"."""
    from streembit.api.operation import Done

    client = settings.client()
    path = f"/v1/hubs/{_key_of_hub(client, at)}/{what}/{_key_of_member(client, member)}"
    done = client.ask("DELETE", path, Done)
    if settings.json:
        show.as_json(done)
    else:
        show.line("It may join again." if what == "sessions" else "It is a member no more.")


def _key_of_hub(client: Client, name: str) -> str:
    """Return the key of the node's own hub that is called so, by name, address or key."""
    from streembit.api.network import Hubs

    own = [row for row in client.ask("GET", "/v1/hubs", Hubs).hubs if row.own and row.key]
    found = {row.key for row in own if name in (row.name, row.url, row.key, f"{row.url}#{row.key}")}
    if len(found) != 1:
        raise click.UsageError(f"{len(found) or 'None'} of the node's hubs is called {name!r}.")
    return found.pop()


def _key_of_member(client: Client, name: str) -> str:
    """Return a public key as it is, or that of a contact."""
    from streembit.service.hub.rows import KEY_PATTERN
    from streembit.service.people_rows import ContactRow

    if re.match(KEY_PATTERN, name):
        return name
    return client.ask("GET", f"/v1/contacts/{quote(name, safe='')}", ContactRow).public_key


def _hub_row(row: HubRow) -> tuple[object, ...]:
    ours = "yes" if row.own else "no"
    return row.name, row.url, standing(row), ours, row.links, row.key or "-"


@click.command(
    cls=Command,
    examples=("streembit hub search ali", "streembit contact request 02c0ff… --name Alice"),
)
@click.argument("name")
@pass_settings
def search(settings: Settings, name: str) -> None:
    """Find those whose name begins with NAME, at the node's own hubs.

    Only who wants to be found is. A name proves nothing: compare the
    fingerprint with the one that the person told you. Ask with: streembit
    contact request PUBLIC-KEY --name NAME.
    """
    from streembit.service.relay.rows import Found

    found = settings.client().ask("GET", f"/v1/found/{quote(name, safe='')}", Found)
    if settings.json:
        show.as_json(found)
        return
    show.table(_FOUND, map(_found_row, found.found))
    for row in found.found:
        if row.alarm:
            show.line(f"ALARM: {row.name}, {row.fingerprint}: {row.alarm}")
    if found.more:
        show.line("There are more: give more of the name.")


def _found_row(row: FoundRow) -> tuple[object, ...]:
    known = row.known_as or "-"
    return row.name, row.user_type, known, row.hub, row.fingerprint, row.public_key, row.note


@click.command(
    cls=Command,
    examples=(
        "streembit account publish --hub --note 'Alice of the harbour'",
        "streembit account publish --withdraw",
        "streembit account publish",
    ),
)
@click.option("--hub", "at_hubs", is_flag=True, help="Be found at all hubs of the node.")
@click.option("--note", metavar="TEXT", help="A remark that everybody sees who finds you.")
@click.option("--withdraw", is_flag=True, help="Be found no more.")
@pass_settings
def publish(settings: Settings, at_hubs: bool, note: str | None, withdraw: bool) -> None:
    """Be found by strangers, by the account's name; or no more.

    Who finds you learns your name, your key and that you use the hub, and
    can ask to be a contact. Nobody is found who did not ask for it.
    """
    from streembit.api.directory import PublishEntry
    from streembit.service.relay.rows import Entered

    if at_hubs and withdraw:
        raise click.UsageError("--hub and --withdraw exclude each other.")
    if note is not None and not at_hubs:
        raise click.UsageError("A note goes with --hub.")
    client = settings.client()
    if at_hubs:
        entered = client.ask("PUT", "/v1/entry", Entered, PublishEntry(note or ""))
    else:
        entered = client.ask("DELETE" if withdraw else "GET", "/v1/entry", Entered)
    if settings.json:
        show.as_json(entered)
    else:
        _print(entered)


def _print(entered: Entered) -> None:
    if not entered.wanted:
        show.line("The account is not shown to strangers.")
        return
    for hub in entered.hubs:
        show.line(f"found at {hub} until {show.moment(entered.expires)}, and renewed each day")
    for hub, why in entered.failed.items():
        show.line(f"NOT found at {hub}: {why}")
    if not entered.hubs and not entered.failed:
        show.line("to be found as soon as the node is joined to a hub of its own")
