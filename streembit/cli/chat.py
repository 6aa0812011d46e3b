"""`streembit chat`: talk with a contact, line by line."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import click

from streembit.cli.command import Command, Settings, pass_settings

if TYPE_CHECKING:
    from streembit.cli.client import Client
    from streembit.cli.screen import Screen
    from streembit.cli.talk import Talk

WAIT_S: Final = 20  # for events, in one request
AGAIN_S: Final = 2.0  # after the node could not be asked
LOOK_EVERY_S: Final = 0.5  # at what is being typed
HERE_EVERY_S: Final = 40.0  # presence lasts a minute


@click.command(
    cls=Command,
    examples=(
        "streembit chat Bob",
        "echo 'See you at noon.' | streembit chat Bob",
    ),
)
@click.argument("name")
@pass_settings
def chat(settings: Settings, name: str) -> None:
    """Talk with NAME, line by line; /help tells the commands.

    Messages to somebody who is away wait, and arrive when they are back.
    Without a terminal each line of standard input is a message.
    """
    from streembit.cli.contact import path_of
    from streembit.cli.screen import screen
    from streembit.cli.talk import Talk
    from streembit.service.people_events import Events
    from streembit.service.people_rows import ContactRow

    client = settings.client()
    contact = client.ask("GET", path_of(name), ContactRow)
    position = client.ask("GET", "/v1/events", Events).next
    shown = screen(settings.json)
    talk = Talk(client, contact, shown)
    talk.begin()
    for work in (lambda: _listen(client, talk, shown, position), lambda: _tell(client, talk)):
        threading.Thread(target=work, daemon=True).start()
    while (line := shown.read()) is not None and talk.said(line):
        pass
    shown.close()
    _say_presence(client, "away")


def _listen(client: Client, talk: Talk, shown: Screen, position: str) -> None:
    """Show what happens, for ever; a node that is gone is waited for."""
    from streembit.errors import StreembitError
    from streembit.service.people_events import Events

    gone = False
    while True:
        try:
            path = f"/v1/events?after={position}&wait_s={WAIT_S}"
            found = client.ask("GET", path, Events)
            if found.lost or gone:
                talk.catch_up()
            gone = False
            position = found.next
            for happened in found.events:
                talk.heard(happened.event)
        except StreembitError as e:
            if not gone:
                shown.show(f"-- {e.code}: the node does not answer; waiting for it")
            gone = True
            time.sleep(AGAIN_S)


def _tell(client: Client, talk: Talk) -> None:
    """Tell the contact that the user is here, and types, for ever."""
    from streembit.errors import StreembitError

    told_s = -HERE_EVERY_S
    while True:
        now_s = time.monotonic()
        if now_s - told_s >= HERE_EVERY_S:
            told_s = now_s
            _say_presence(client, "here")
        try:
            talk.tick(now_s)
        except StreembitError:  # the listener tells of it
            pass
        time.sleep(LOOK_EVERY_S)


def _say_presence(client: Client, state: str) -> None:
    from streembit.api.operation import Done
    from streembit.errors import StreembitError

    try:
        client.ask("PUT", "/v1/presence", Done, {"state": state})
    except StreembitError:
        pass
