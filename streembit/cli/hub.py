"""`streembit hub`: who may use a hub, who does, and the file that says so."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import click

from streembit.cli import asked, show
from streembit.cli.command import Group, Settings, pass_settings
from streembit.cli.found import shut_out

if TYPE_CHECKING:
    from streembit.hub.allowlist import Member
    from streembit.service.hub.rows import MemberRow, Reloaded, SessionRow
    from streembit.wire.hub import Permission
    from streembit.wire.offer import UserType

# As the wire has them, which is not imported only to show a help text.
USER_TYPES: Final = ("human", "device", "service")
PERMISSIONS: Final = ("relay", "mailbox", "dht", "directory", "admin")

_WITHIN: Final = ":0"  # the address of a session that comes from nowhere
_HEADERS: Final = ("ACCOUNT", "TYPE", "MAY", "UNTIL", "HERE", "PUBLIC KEY", "NOTE")


@click.group(
    cls=Group,
    examples=("streembit hub members", "streembit hub check allowlist.json"),
)
def hub() -> None:
    """Run a hub: its members, its allowlist, its sessions."""


@hub.command(examples=("streembit hub members", "streembit --json hub members"))
@pass_settings
def members(settings: Settings) -> None:
    """List the members of the allowlist in use."""
    from streembit.api.hub import Members

    found = settings.client("hub").ask("GET", "/v1/hub/members", Members)
    if settings.json:
        show.as_json(found)
    else:
        show.table(_HEADERS, map(_member_row, found.members))


def _member_row(row: MemberRow) -> tuple[object, ...]:
    return (
        row.account,
        row.user_type,
        " ".join(row.permissions) or "nothing",
        show.moment(row.expires) if row.expires else "-",
        "yes" if row.joined else "no",
        row.public_key,
        row.note,
    )


@hub.command(
    examples=(
        "streembit hub add alice 02c0ff…",
        "streembit hub add lamp 03beef… --type device --may relay --for 365d",
    )
)
@click.argument("account")
@click.argument("public_key", metavar="PUBLIC-KEY")
@click.option("--type", "user_type", type=click.Choice(USER_TYPES), default="human")
@click.option(
    "--may",
    type=click.Choice(PERMISSIONS),
    multiple=True,
    help="What the member may do; may be repeated.  [default: all but admin]",
)
@click.option("--for", "lasts", metavar="TIME", help="How long, such as 12h or 30d.")
@click.option("--note", default="", help="A comment for people.")
@pass_settings
def add(
    settings: Settings,
    account: str,
    public_key: str,
    user_type: UserType,
    may: tuple[Permission, ...],
    lasts: str | None,
    note: str,
) -> None:
    """Write ACCOUNT with its PUBLIC-KEY into the allowlist."""
    from streembit.jose.keys import PublicKey
    from streembit.service.hub.rows import DEFAULT_PERMISSIONS, NewMember

    PublicKey.from_hex(public_key)  # says what is wrong with it
    expires = 0 if lasts is None else int(time.time()) + _some_time(lasts)
    permissions = list(may or DEFAULT_PERMISSIONS)
    member = NewMember(public_key, account, user_type, permissions, expires, note)
    _tell(settings, "POST", "/v1/hub/members", member)


def _some_time(text: str) -> int:
    lasts_s = asked.seconds(text)
    if not lasts_s:
        raise click.BadParameter(f"{text!r} is no time at all.")
    return lasts_s


_AT: Final = click.option(
    "--at",
    metavar="HUB",
    help="Of a hub that this node uses, where you are an admin: its name, address or key.",
)


@hub.command(examples=("streembit hub remove alice", "streembit hub remove Bob --at 'Our hub'"))
@click.argument("member")
@_AT
@pass_settings
def remove(settings: Settings, member: str, at: str | None) -> None:
    """Take MEMBER out of the allowlist, and end its sessions.

    MEMBER is an account of the list, a public key or a fingerprint; with
    --at a contact or a public key.
    """
    if at is not None:
        shut_out(settings, at, "members", member)
        return
    _tell(settings, "DELETE", f"/v1/hub/members/{quote(member, safe='')}")


@hub.command(examples=("streembit hub check allowlist.json && streembit hub reload",))
@click.argument("file", type=click.Path(path_type=Path))
@pass_settings
def check(settings: Settings, file: Path) -> None:
    """Say whether FILE is a sound allowlist, or where it is wrong.

    Asks no hub. The exit status is 1 if the file cannot be used.
    """
    from streembit.disk import allowlist

    found = list(allowlist.load(file).members.values())
    if settings.json:
        click.echo(f'{{"ok": true, "members": {len(found)}}}')
        return
    over = sum(_is_over(member) for member in found)
    ended = f", of which {over:,} may nothing any more" if over else ""
    show.line(f"{file} is sound: {show.count(len(found), 'member')}{ended}")


def _is_over(member: Member) -> bool:
    return member.grant.is_over(time.time())


@hub.command(examples=("streembit hub reload",))
@pass_settings
def reload(settings: Settings) -> None:
    """Have the hub read its allowlist again.

    A list that is not sound changes nothing, and the exit status is 1.
    """
    _tell(settings, "POST", "/v1/hub/reload")


def _tell(settings: Settings, method: str, path: str, body: object = None) -> None:
    """Ask for a change of the allowlist, and say what became of it."""
    from streembit.service.hub.rows import Reloaded

    done = settings.client("hub").ask(method, path, Reloaded, body)
    if settings.json:
        show.as_json(done)
        return
    for line in _changes(done):
        show.line(line)


def _changes(done: Reloaded) -> list[str]:
    lines = [f"{mark} {key}" for mark, keys in _marked(done) for key in keys]
    ended = f", {show.count(done.closed, 'session')} ended" if done.closed else ""
    return [*lines, f"{show.count(done.members, 'member')}, list {done.generation}{ended}"]


def _marked(done: Reloaded) -> tuple[tuple[str, list[str]], ...]:
    return ("+", done.added), ("-", done.removed), ("~", done.altered)


@hub.command(examples=("streembit hub sessions", "streembit --json hub sessions"))
@pass_settings
def sessions(settings: Settings) -> None:
    """List who is joined to this process of the hub, the newest first."""
    from streembit.api.hub import Sessions

    found = settings.client("hub").ask("GET", "/v1/hub/sessions", Sessions)
    if settings.json:
        show.as_json(found)
        return
    headers = ("ACCOUNT", "ADDRESS", "SINCE", "HEARD", "IN", "OUT", "QUEUED", "PUBLIC KEY")
    show.table(headers, map(_session_row, found.sessions))


def _session_row(row: SessionRow) -> tuple[object, ...]:
    return (
        row.account or "-",
        "the hub's node" if row.observed == _WITHIN else row.observed,
        show.moment(row.since),
        f"{show.span(row.idle_s)} ago",
        f"{row.frames_in:,}",
        f"{row.frames_out:,}",
        f"{row.queued_bytes:,}",
        row.public_key,
    )


@hub.command(examples=("streembit hub kick alice", "streembit hub kick Bob --at 'Our hub'"))
@click.argument("member")
@_AT
@pass_settings
def kick(settings: Settings, member: str, at: str | None) -> None:
    """End the sessions of MEMBER, who may join again."""
    if at is not None:
        shut_out(settings, at, "sessions", member)
        return
    from streembit.service.hub.rows import Kicked

    path = f"/v1/hub/sessions/{quote(member, safe='')}"
    done = settings.client("hub").ask("DELETE", path, Kicked)
    if settings.json:
        show.as_json(done)
    else:
        show.line(f"{show.count(done.sessions, 'session')} ended")
