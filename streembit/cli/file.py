"""`streembit file`: send files and folders to contacts, and take theirs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import click

from streembit.cli import show
from streembit.cli.command import Group, Settings, pass_settings
from streembit.cli.contact import path_of

if TYPE_CHECKING:
    from streembit.cli.client import Client
    from streembit.service.people_rows import TransferRow

WAIT_S: Final = 20  # for events, in one request
AGAIN_S: Final = 2.0  # after the node could not be asked
FINAL: Final = ("denied", "done", "failed")
_BY_ID: Final = {"ignore_unknown_options": True}  # an id may begin with a dash
_detach = click.option("--detach", is_flag=True, help="Leave it to the node; do not wait.")


@click.group(
    cls=Group,
    examples=(
        "streembit file send Bob holiday/ plan.pdf",
        "streembit file list",
        "streembit file accept Zm9v",
    ),
)
def file() -> None:
    """Files of any size, sent and taken by the node."""


@file.command(
    examples=(
        "streembit file send Bob plan.pdf",
        "streembit file send Bob holiday/ --detach",
    )
)
@click.argument("name")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@_detach
@pass_settings
def send(settings: Settings, name: str, paths: tuple[Path, ...], detach: bool) -> None:
    """Offer files and folders to NAME, and show how far it is.

    Ctrl-C leaves it to the node, which goes on. The exit status is 1 when
    they are refused or fail.
    """
    from streembit.api.files import SendFiles
    from streembit.service.people_rows import TransferRow

    body = SendFiles([str(path.absolute()) for path in paths])
    _run(settings, detach, lambda c: c.ask("POST", path_of(name, "files"), TransferRow, body))


@file.command(
    examples=("streembit file accept Zm9v", "streembit file accept Zm9v --folder /mnt/films"),
    context_settings=_BY_ID,
)
@click.argument("transfer_id", metavar="ID")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to put them.  [default: the downloads]",
)
@_detach
@pass_settings
def accept(settings: Settings, transfer_id: str, folder: Path | None, detach: bool) -> None:
    """Take the offered files ID, and show how far it is.

    The beginning of an ID is enough.
    """
    from streembit.api.files import AcceptFiles

    body = AcceptFiles("" if folder is None else str(folder.absolute()))
    _run(settings, detach, lambda client: _do(client, transfer_id, "accept", body))


@file.command(examples=("streembit file deny Zm9v",), context_settings=_BY_ID)
@click.argument("transfer_id", metavar="ID")
@pass_settings
def deny(settings: Settings, transfer_id: str) -> None:
    """Refuse the offered files ID."""
    _told(settings, _do(settings.client(), transfer_id, "deny"))


@file.command(examples=("streembit file cancel Zm9v",), context_settings=_BY_ID)
@click.argument("transfer_id", metavar="ID")
@pass_settings
def cancel(settings: Settings, transfer_id: str) -> None:
    """End the transfer ID for good."""
    _told(settings, _do(settings.client(), transfer_id, "cancel"))


@file.command(examples=("streembit file pause Zm9v",), context_settings=_BY_ID)
@click.argument("transfer_id", metavar="ID")
@pass_settings
def pause(settings: Settings, transfer_id: str) -> None:
    """Move nothing of the transfer ID until it is resumed."""
    _told(settings, _do(settings.client(), transfer_id, "pause"))


@file.command(examples=("streembit file resume Zm9v",), context_settings=_BY_ID)
@click.argument("transfer_id", metavar="ID")
@_detach
@pass_settings
def resume(settings: Settings, transfer_id: str, detach: bool) -> None:
    """Take up the transfer ID, which failed or pauses."""
    _run(settings, detach, lambda client: _do(client, transfer_id, "resume"))


@file.command("list", examples=("streembit file list", "streembit --json file list"))
@pass_settings
def list_(settings: Settings) -> None:
    """List the transfers, newest first."""
    from streembit.api.contacts import Contacts
    from streembit.api.files import Transfers

    client = settings.client()
    found = client.ask("GET", "/v1/files", Transfers)
    if settings.json:
        show.as_json(found)
        return
    book = client.ask("GET", "/v1/contacts", Contacts).contacts
    names = {row.public_key: row.name for row in book}
    headers = ("ID", "WAY", "CONTACT", "NAME", "FILES", "BYTES", "DONE", "STATE", "FOLDER")
    show.table(headers, (_row(row, names) for row in found.files))


def _row(row: TransferRow, names: dict[str, str]) -> tuple[object, ...]:
    way = "to" if row.outgoing else "from"
    contact = names.get(row.contact, row.contact[:16])
    done = f"{100 * row.done_bytes // max(1, row.total_bytes)} %"
    return (
        *(row.id, way, contact, row.name, row.files, f"{row.total_bytes:,}"),
        *(done, _state(row), row.folder),
    )


def _do(client: Client, beginning: str, deed: str, body: object = None) -> TransferRow:
    from streembit.service.people_rows import TransferRow

    transfer = _find(client, beginning)
    return client.ask("POST", f"/v1/files/{transfer}/{deed}", TransferRow, body)


def _find(client: Client, beginning: str) -> str:
    """Return the id of the one transfer that begins so; raise NoSuchTransfer."""
    from streembit.api.files import Transfers
    from streembit.errors import NoSuchTransfer

    rows = client.ask("GET", "/v1/files", Transfers).files
    found = [row.id for row in rows if row.id.startswith(beginning)]
    if len(found) != 1:
        raise NoSuchTransfer("several begin so" if found else "see: streembit file list")
    return found[0]


def _run(settings: Settings, detach: bool, begin: Callable[[Client], TransferRow]) -> None:
    """Begin a transfer and, unless detached, wait for its end."""
    client = settings.client()
    position = _position(client)
    row = begin(client)
    for line in row.left_out:
        click.echo(f"left out: {show.plain(line)}", err=True)
    if not detach:
        row = _watched(client, row, position, settings.json)
    _told(settings, row)
    if row.state in ("denied", "failed"):
        raise click.exceptions.Exit(1)


def _position(client: Client) -> str:
    from streembit.service.people_events import Events

    return client.ask("GET", "/v1/events", Events).next


def _watched(client: Client, row: TransferRow, position: str, quiet: bool) -> TransferRow:
    """Follow a transfer to its end, or until Ctrl-C; return how it stands.

    A node that is gone is waited for: when it is back, it goes on where it was.
    """
    from streembit.errors import NodeNotRunning

    bar: Bar = Silent() if quiet else Progress(row) if sys.stderr.isatty() else Lines(row)
    try:
        with bar:
            while row.state not in FINAL:
                try:
                    row, position = _next(client, row, position)
                except NodeNotRunning:
                    bar.say("the node does not answer; waiting for it")
                    time.sleep(AGAIN_S)
                else:
                    bar.update(row)
    except KeyboardInterrupt:
        click.echo("the node goes on; see: streembit file list", err=True)
    return row


def _next(client: Client, row: TransferRow, position: str) -> tuple[TransferRow, str]:
    """Wait for news of a transfer; return how it stands now, and the position behind them."""
    from streembit.api.files import Transfers
    from streembit.service.people_events import Events, Transferred

    found = client.ask("GET", f"/v1/events?after={position}&wait_s={WAIT_S}", Events)
    if found.lost:
        rows = client.ask("GET", "/v1/files", Transfers).files
        row = next((each for each in rows if each.id == row.id), row)
    for happened in found.events:
        if isinstance(happened.event, Transferred) and happened.event.transfer.id == row.id:
            row = happened.event.transfer
    return row, found.next


class Bar(Protocol):
    """Shows how far a transfer is."""

    def __enter__(self) -> object: ...

    def __exit__(self, *_: object) -> None: ...

    def update(self, row: TransferRow) -> None:
        """Show how it stands now."""

    def say(self, text: str) -> None:
        """Show a line for people, unless it was the last one."""


class Silent:
    """Shows nothing."""

    def __enter__(self) -> object:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was begun."""

    def update(self, row: TransferRow) -> None:
        """Nothing is shown."""

    def say(self, text: str) -> None:
        """Nothing is shown."""


class Lines:
    """Says what changes, line by line: somebody may read the log of a script that waits."""

    def __init__(self, row: TransferRow) -> None:
        self._said = ""
        self.update(row)

    def __enter__(self) -> object:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was begun."""

    def update(self, row: TransferRow) -> None:
        """Say how it stands, but for its end, which is said in any case."""
        if row.state not in FINAL:
            self.say(_described(row))

    def say(self, text: str) -> None:
        """Write a line to standard error, unless it was the last one."""
        if text != self._said:
            self._said = text
            click.echo(text, err=True)


class Progress:
    """A bar on the terminal, with rate and time left."""

    def __init__(self, row: TransferRow) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._rich = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True, highlight=False, emoji=False, markup=False),
        )
        self._task = self._rich.add_task(_described(row), total=max(1, row.total_bytes))
        self._said = ""
        self.update(row)

    def __enter__(self) -> object:
        return self._rich.__enter__()

    def __exit__(self, *_: object) -> None:
        self._rich.stop()

    def update(self, row: TransferRow) -> None:
        """Draw the bar anew."""
        done = row.total_bytes or 1 if row.state == "done" else row.done_bytes
        self._rich.update(self._task, completed=done, description=_described(row))
        self._said = ""

    def say(self, text: str) -> None:
        """Write a line above the bar, unless it was the last one."""
        if text != self._said:
            self._said = text
            self._rich.console.print(text)


def _described(row: TransferRow) -> str:
    return show.plain(f"{row.name} ({_state(row)})")


def _state(row: TransferRow) -> str:
    return f"{row.state} ({row.why})" if row.why and row.why != row.state else row.state


def _told(settings: Settings, row: TransferRow) -> None:
    if settings.json:
        show.as_json(row)
        return
    where = f" in {row.folder}" if row.folder and row.state == "done" else ""
    files = show.count(row.files, "file")
    show.line(f"{_state(row)}  {row.id}  {row.name}, {files}, {row.total_bytes:,} bytes{where}")
