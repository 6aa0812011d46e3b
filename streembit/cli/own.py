"""`streembit settings`, `export` and `wipe`: what the user decided, has, and wants gone."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from streembit.cli import asked, show
from streembit.cli.command import Command, Settings, pass_settings
from streembit.cli.key import running_account

if TYPE_CHECKING:
    from streembit.cli.client import Client
    from streembit.service.people_rows import PeopleSettings, UserType

GONE_WITHIN_S: Final = 15.0  # a node's end takes at most 5 s
LOOK_EVERY_S: Final = 0.1


@click.command(
    cls=Command,
    examples=(
        "streembit settings",
        "streembit settings --read-receipts on --downloads ~/Downloads",
        "streembit settings --presence off",
    ),
)
@click.option(
    "--read-receipts",
    type=click.Choice(["on", "off"]),
    help="Whether contacts are told what you read.",
)
@click.option(
    "--presence",
    type=click.Choice(["on", "off"]),
    help="Whether contacts are told when you are here, and type.",
)
@click.option(
    "--type",
    "user_type",
    type=click.Choice(["human", "device", "service"]),
    help="Whose account it is, as offers and requests say from now on.",
)
@click.option(
    "--downloads",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for files of contacts.",
)
@pass_settings
def settings(
    settings: Settings,
    read_receipts: str | None,
    presence: str | None,
    user_type: UserType | None,
    downloads: Path | None,
) -> None:
    """Show or change how the node treats messages and files.

    What contacts are told can be decided for each: `streembit contact
    receipts` and `streembit contact presence`.
    """
    from streembit.api.account import ChangeSettings
    from streembit.service.people_rows import PeopleSettings

    client = settings.client()
    body = ChangeSettings(
        None if read_receipts is None else read_receipts == "on",
        None if downloads is None else str(downloads.expanduser().absolute()),
        None if presence is None else presence == "on",
        user_type,
    )
    if body == ChangeSettings():
        decided = client.ask("GET", "/v1/settings", PeopleSettings)
    else:
        decided = client.ask("PUT", "/v1/settings", PeopleSettings, body)
    _show_settings(settings, decided)


@click.command(
    cls=Command, examples=("streembit export history.jsonl", "streembit export - | gzip > h.gz")
)
@click.argument("file", type=asked.FILE)
@pass_settings
def export(settings: Settings, file: Path) -> None:
    """Write contacts and history, in clear, to the new FILE.

    A dash is standard output. Each line is a JSON object. Whoever can read the file can read all.
    """
    client = settings.client()
    if str(file) == "-":
        for part in client.stream("/v1/export"):
            sys.stdout.buffer.write(part)
        return
    count = _written(client, file)
    if settings.json:
        show.as_json({"file": str(file.absolute()), "lines": count})
    else:
        show.line(f"written: {file}, {show.count(count, 'line')}")


@click.command(cls=Command, examples=("streembit wipe", "streembit --account bob wipe --yes"))
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_settings
def wipe(settings: Settings, yes: bool) -> None:
    """Destroy the account on this machine, its keys first.

    Contacts, messages, records and the downloads in the home go with it. A
    running node destroys its own and ends, with its other accounts, which
    are not touched. What lies outside of the home stays, but for files that
    were on their way: backups of the key, and what arrived in other folders.
    """
    from streembit.errors import NodeNotRunning

    try:
        name = running_account(settings)
    except NodeNotRunning:
        name, running = _doomed(settings), False
    else:
        running = True
    if not yes:
        asked.insist(name, f"All of the account {name} will be destroyed.")
    backups = _backups(settings, name)
    if running:
        _wipe_running(settings, name)
    else:
        _wipe_files(settings, name)
    _tell_wiped(settings, name, backups)


def _show_settings(settings: Settings, decided: PeopleSettings) -> None:
    if settings.json:
        show.as_json(decided)
        return
    show.facts(
        (
            ("read receipts", "on" if decided.read_receipts else "off"),
            ("presence", "on" if decided.presence else "off"),
            ("type", decided.user_type),
            ("downloads", decided.downloads),
        )
    )


def _written(client: Client, file: Path) -> int:
    """Write the export to a new file for its owner alone; leave none if it breaks off."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    count = 0
    try:
        with os.fdopen(descriptor, "wb") as opened:
            for part in client.stream("/v1/export"):
                opened.write(part)
                count += part.count(b"\n")
            opened.flush()
            os.fsync(opened.fileno())
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return count


def _doomed(settings: Settings) -> str:
    """Return the account to destroy while no node runs."""
    return settings.accounts().choose(settings.account)


def _backups(settings: Settings, name: str) -> list[str]:
    from streembit.disk import backups
    from streembit.disk.accounts import PREVIOUS
    from streembit.disk.files import SYSTEM

    key_file = settings.accounts().key_path(name)
    found = backups.existing(key_file, PREVIOUS, SYSTEM)
    return [str(path) for path in found if path.parent != key_file.parent]


def _wipe_running(settings: Settings, name: str) -> None:
    from streembit.api.account import WipeAccount
    from streembit.api.operation import Done

    client = settings.client()
    client.ask("POST", "/v1/wipe", Done, WipeAccount(name))
    _wait_for_its_end(settings, name)


def _wait_for_its_end(settings: Settings, name: str) -> None:
    """Wait until the key file is gone; raise BadAnswer if it stays."""
    from streembit.disk.accounts import KEY
    from streembit.errors import BadAnswer

    key_file = settings.home / "accounts" / name / KEY
    until_s = time.monotonic() + GONE_WITHIN_S
    while key_file.exists():
        if time.monotonic() > until_s:
            raise BadAnswer("the account is still there", account=name)
        time.sleep(LOOK_EVERY_S)


def _wipe_files(settings: Settings, name: str) -> None:
    from streembit.disk.home import Home
    from streembit.disk.wiping import wipe_account

    home = Home.open(settings.home)
    with home.lock:
        wipe_account(home, name)


def _tell_wiped(settings: Settings, name: str, backups: list[str]) -> None:
    if settings.json:
        show.as_json({"wiped": name, "backups": backups})
        return
    show.line(f"wiped {name}")
    for backup in backups:
        show.line(f"a backup of its key may be at {backup}")
