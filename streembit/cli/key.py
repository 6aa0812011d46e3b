"""`streembit key`: take a new key, or declare one's own void."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from streembit.cli import asked, show
from streembit.cli.account import passcode_for, passcode_option
from streembit.cli.command import Group, Settings, pass_settings

if TYPE_CHECKING:
    from streembit.service.people_rows import KeyChanged

WITH_NEW_KEY: Final = "The node runs with the new key now."
WITHOUT_KEY: Final = (
    "Nothing more is said under this key. Leave the node running: it tells those who were away."
)


@click.group(cls=Group, examples=("streembit key rotate", "streembit key revoke"))
def key() -> None:
    """The account's key: changed in good time, or declared void."""


@key.command(
    examples=("streembit key rotate", "streembit key rotate --passcode-file ~/.streembit-passcode")
)
@passcode_option
@pass_settings
def rotate(settings: Settings, passcode_file: Path | None) -> None:
    """Take a new identity key, signed by the old one.

    The node goes on with it at once, which takes some seconds. Contacts
    follow it by themselves, and are told. Open offers end. A private hub lets it in when its
    operator has put it on the list.
    """
    _told(settings, _changed(settings, passcode_file, "rotate"))


@key.command(examples=("streembit key revoke", "streembit key revoke --yes"))
@passcode_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_settings
def revoke(settings: Settings, passcode_file: Path | None, yes: bool) -> None:
    """Declare the key void: contacts refuse it. There is no way back.

    Open offers, requests and transfers end, and what waits to be sent
    fails. The node goes on running, to tell those who were away.
    """
    if not yes:
        asked.insist(running_account(settings), "The key will be void for everybody, for ever.")
    _told(settings, _changed(settings, passcode_file, "revoke"))


def running_account(settings: Settings) -> str:
    """Return the name of the account that the node runs as."""
    from streembit.service.facade import Status

    return settings.client().ask("GET", "/v1/status", Status).account


def _changed(settings: Settings, passcode_file: Path | None, deed: str) -> KeyChanged:
    from streembit.api.account import UnlockKey
    from streembit.service.people_rows import KeyChanged

    client, name = settings.client(), running_account(settings)
    body = UnlockKey(passcode_for(settings.accounts(), name, passcode_file))
    return client.ask("POST", f"/v1/key/{deed}", KeyChanged, body)


def _told(settings: Settings, changed: KeyChanged) -> None:
    if settings.json:
        show.as_json(changed)
    else:
        show.facts(_facts(changed))
        show.line(WITH_NEW_KEY if changed.public_key else WITHOUT_KEY)


def _facts(changed: KeyChanged) -> Iterator[tuple[str, object]]:
    yield "old key", changed.old_key
    yield "new key", changed.public_key or "none: the key is void"
    if changed.fingerprint:
        yield "fingerprint", changed.fingerprint
    yield "contacts", f"{changed.told} know, {changed.untold} will when they are reached"
    if changed.offers:
        yield "offers", f"{changed.offers:,} ended, for they lead to the old key: make new ones"
