"""`streembit message`: send, list and delete messages, one at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from streembit.cli import asked, show
from streembit.cli.command import Group, Settings, pass_settings
from streembit.cli.contact import path_of

if TYPE_CHECKING:
    from streembit.service.people_rows import MessageRow


# Codes that are no errors; all others are those of streembit.errors.
REASONS = {
    "in-the-network": "It lies in the network, sealed, until the contact is back.",
    "in-mailbox": "It waits, sealed, in the contact's mailbox at a hub.",
    "no-prekeys": "The contact's node has not told its keys yet; the message waits.",
    "expired": "The contact was not reached for 14 days.",
    "removed": "You are no contacts any more.",
}


@click.group(
    cls=Group,
    examples=(
        "streembit message send Bob 'See you at noon.'",
        "streembit message list Bob",
    ),
)
def message() -> None:
    """Messages to contacts, and theirs; `streembit chat` for talking."""


@message.command(
    examples=(
        "streembit message send Bob 'See you at noon.'",
        "fortune | streembit message send Bob -",
    )
)
@click.argument("name")
@click.argument("text")
@pass_settings
def send(settings: Settings, name: str, text: str) -> None:
    """Send TEXT (-: standard input) to NAME.

    It waits in the node's outbox until it is delivered, for 14 days.
    """
    from streembit.api.messages import SendMessage
    from streembit.service.people_rows import MAX_TEXT_CHARS, MessageRow

    if text == "-":
        text = asked.text_of(Path("-"), MAX_TEXT_CHARS, exact=True).rstrip("\n")
    if not text:
        raise click.UsageError("A message says something.")
    sent = settings.client().ask("POST", path_of(name, "messages"), MessageRow, SendMessage(text))
    if settings.json:
        show.as_json(sent)
    else:
        show.line(f"{state_of(sent)}  {sent.id}")


@message.command(
    "list",
    examples=(
        "streembit message list Bob",
        "streembit --json message list Bob --limit 500 --before 1200",
    ),
)
@click.argument("name")
@click.option("--limit", type=click.IntRange(1, 500), default=50, help="How many.  [default: 50]")
@click.option(
    "--before", type=click.IntRange(1), metavar="NUMBER", help="Those with lower numbers only."
)
@pass_settings
def list_(settings: Settings, name: str, limit: int, before: int | None) -> None:
    """List the messages of a conversation, oldest first."""
    from streembit.api.messages import Messages

    query = f"?limit={limit}" + (f"&before={before}" if before is not None else "")
    found = settings.client().ask("GET", path_of(name, "messages") + query, Messages)
    if settings.json:
        show.as_json(found)
        return
    headers = ("NUMBER", "WHEN", "WHO", "STATE", "ID", "TEXT")
    show.table(headers, (_row(row, name) for row in found.messages))
    for code in dict.fromkeys(row.why for row in found.messages if row.why):
        show.line(f"{code}: {reason_of(code)}")


@message.command(
    examples=("streembit message delete Bob Zm9vYmFyYmF6cXV4MTIzNA",),
    context_settings={"ignore_unknown_options": True},
)
@click.argument("name")
@click.argument("message_id", metavar="ID")
@pass_settings
def delete(settings: Settings, name: str, message_id: str) -> None:
    """Delete the message ID here; if it waits, it is not sent any more."""
    from streembit.api.operation import Done

    path = path_of(name, "messages", quote(message_id, safe=""))
    settings.client().ask("DELETE", path, Done)
    if settings.json:
        show.as_json({"deleted": message_id})
    else:
        show.line(f"deleted {message_id}")


def state_of(row: MessageRow) -> str:
    """Return how it stands with a message, and why it is not delivered."""
    if row.why and row.state in ("queued", "sent", "failed"):
        return f"{row.state} ({row.why})"
    return row.state


def reason_of(code: str) -> str:
    """Return in words why a message is not delivered."""
    from streembit.errors import by_code

    kind = by_code(code)
    return REASONS.get(code) or (
        kind.sentence() if kind is not None else "the contact's node said so"
    )


def _row(row: MessageRow, name: str) -> tuple[object, ...]:
    who = "you" if row.outgoing else name
    text = f"[files] {row.text}" if row.transfer else row.text
    return row.number, show.moment(row.sent), who, state_of(row), row.id, text
