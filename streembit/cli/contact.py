"""`streembit contact`: who is in the book, who asks to be, and whether keys are who they say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from streembit.cli import asked, show
from streembit.cli.command import Group, Settings, pass_settings

if TYPE_CHECKING:
    from streembit.service.people_rows import ContactRow, RequestRow

SHORT_KEY_CHARS = 12  # tells the keys of one's own requests apart

DECISIONS = {"on": True, "off": False, "default": None}
_decision = click.argument("decision", type=click.Choice(list(DECISIONS)))

_note = click.option("--note", metavar="TEXT", default="", help="A remark for them.")


def path_of(contact: str, *rest: str) -> str:
    """Return the API's path of a contact, or of something that it has."""
    return "/".join(["/v1/contacts", quote(contact, safe=""), *rest])


@click.group(
    cls=Group,
    examples=(
        "streembit contact add offer.txt",
        "streembit contact requests",
        "streembit contact verify Bob",
    ),
)
def contact() -> None:
    """Contacts: whom you know, and by which key."""


@contact.command(
    examples=(
        "streembit contact add offer.txt",
        "xclip -o | streembit contact add - --name Bob --note 'Ann from the choir'",
    )
)
@click.argument("file", type=asked.FILE, required=False)
@click.option("--name", metavar="NAME", default="", help="What to call them.")
@_note
@pass_settings
def add(settings: Settings, file: Path | None, name: str, note: str) -> None:
    """Ask the maker of the offer in FILE to be a contact.

    A dash or nothing is standard input. They are a contact as soon as they
    have accepted; until then the request waits and travels by itself.
    """
    from streembit.api.contacts import AddContact
    from streembit.api.offers import MAX_OFFER_TEXT_CHARS
    from streembit.service.people_rows import ContactRow

    body = AddContact(asked.text_of(file, MAX_OFFER_TEXT_CHARS), name, note)
    _told(settings, settings.client().ask("POST", "/v1/contacts", ContactRow, body))


@contact.command("list", examples=("streembit contact list", "streembit --json contact list"))
@pass_settings
def list_(settings: Settings) -> None:
    """List the contacts, by name."""
    from streembit.api.contacts import Contacts

    found = settings.client().ask("GET", "/v1/contacts", Contacts)
    if settings.json:
        show.as_json(found)
        return
    headers = ("NAME", "STATE", "VERIFIED", "PRESENCE", "VIA", "LAST SEEN", "UNREAD", "WAITING")
    show.table(headers, map(_row, found.contacts))


@contact.command("show", examples=("streembit contact show Bob",))
@click.argument("name")
@pass_settings
def show_(settings: Settings, name: str) -> None:
    """Show one contact: fingerprint, last seen, verified or not."""
    from streembit.service.people_rows import ContactRow

    found = settings.client().ask("GET", path_of(name), ContactRow)
    if settings.json:
        show.as_json(found)
    else:
        show.facts(_facts(found))


@contact.command(
    examples=(
        "streembit contact verify Bob",
        "streembit contact verify Bob 01234 56789 …",
        "streembit contact verify Bob --former",
    )
)
@click.argument("name")
@click.argument("proof", nargs=-1)
@click.option("--former", is_flag=True, help="Go back to a key that they had before.")
@pass_settings
def verify(settings: Settings, name: str, proof: tuple[str, ...], former: bool) -> None:
    """Mark NAME as verified, by number or fingerprint.

    PROOF is what they told. Have them read out theirs (`streembit account
    show`) over a way on which you know them. Without PROOF it is asked for,
    or read from standard input.

    Should NAME have gone on with a key that a thief announced, then
    --former goes back to the one that PROOF is of, and refuses for good
    those that came after.
    """
    from streembit.api.contacts import VerifyContact
    from streembit.service.people_rows import ContactRow

    given = asked.no_secret(" ".join(proof).strip() or _typed_proof(name))
    if not given:
        raise click.UsageError("Give the number or the fingerprint that they told.")
    body = VerifyContact(given, former)
    row = settings.client().ask("PUT", path_of(name, "verified"), ContactRow, body)
    _told(settings, row)


@contact.command(
    examples=("streembit contact request 02ab… --name Bob --note 'Ann from the choir'",)
)
@click.argument("node")
@click.option(
    "--name", metavar="NAME", default="", help="What to call them.  [default: the key's beginning]"
)
@_note
@pass_settings
def request(settings: Settings, node: str, name: str, note: str) -> None:
    """Ask the owner of a key to be a contact.

    NODE is a public key, a fingerprint or a node id.
    """
    from streembit.api.contacts import RequestContact
    from streembit.service.people_rows import ContactRow

    asked.no_secret(node)
    body = RequestContact(node, name or "".join(node.split())[:SHORT_KEY_CHARS], note)
    _told(settings, settings.client().ask("POST", "/v1/requests", ContactRow, body))


@contact.command(examples=("streembit contact requests",))
@pass_settings
def requests(settings: Settings) -> None:
    """List who asks to be a contact, and whom you asked."""
    from streembit.api.contacts import Requests

    found = settings.client().ask("GET", "/v1/requests", Requests)
    if settings.json:
        show.as_json(found)
        return
    headers = ("NAME", "WHO ASKS", "SINCE", "OFFER", "FINGERPRINT", "NOTE")
    show.table(headers, map(_request_row, found.requests))
    for row in found.requests:
        if row.alarm:
            show.line(f"ALARM: {row.name}: {row.alarm}")
        if row.why:
            show.line(f"REFUSED: {row.name}: {_refused(row.why)}")


@contact.command(
    examples=("streembit contact accept Carl", "streembit contact accept 02ab… --name Carl")
)
@click.argument("asker")
@click.option("--name", metavar="NAME", default="", help="What to call them.")
@pass_settings
def accept(settings: Settings, asker: str, name: str) -> None:
    """Take ASKER, by name, key or request id, as a contact."""
    from streembit.api.contacts import AcceptRequest
    from streembit.service.people_rows import ContactRow

    path = f"/v1/requests/{quote(asker, safe='')}/accept"
    _told(settings, settings.client().ask("POST", path, ContactRow, AcceptRequest(name)))


@contact.command(examples=("streembit contact deny Carl",))
@click.argument("asker")
@pass_settings
def deny(settings: Settings, asker: str) -> None:
    """Refuse ASKER, by name, key or request id."""
    from streembit.service.people_rows import RequestRow

    path = f"/v1/requests/{quote(asker, safe='')}/deny"
    refused = settings.client().ask("POST", path, RequestRow)
    if settings.json:
        show.as_json(refused)
    else:
        show.line(f"denied {refused.name} ({refused.fingerprint})")


@contact.command(examples=("streembit contact rename Bob 'Bob the baker'",))
@click.argument("name")
@click.argument("new_name", metavar="NEW-NAME")
@pass_settings
def rename(settings: Settings, name: str, new_name: str) -> None:
    """Call NAME otherwise."""
    from streembit.api.contacts import RenameContact
    from streembit.service.people_rows import ContactRow

    body = RenameContact(new_name)
    _told(settings, settings.client().ask("PUT", path_of(name, "name"), ContactRow, body))


@contact.command(examples=("streembit contact remove Bob",))
@click.argument("name")
@pass_settings
def remove(settings: Settings, name: str) -> None:
    """End NAME as a contact, and refuse their key from now on."""
    from streembit.service.people_rows import ContactRow

    _told(settings, settings.client().ask("DELETE", path_of(name), ContactRow))


@contact.command(examples=("streembit contact block Bob",))
@click.argument("name")
@pass_settings
def block(settings: Settings, name: str) -> None:
    """Refuse the key of NAME without telling them."""
    from streembit.service.people_rows import ContactRow

    _told(settings, settings.client().ask("PUT", path_of(name, "block"), ContactRow))


@contact.command(examples=("streembit contact unblock Bob",))
@click.argument("name")
@pass_settings
def unblock(settings: Settings, name: str) -> None:
    """Take NAME, who was blocked, back."""
    from streembit.service.people_rows import ContactRow

    _told(settings, settings.client().ask("DELETE", path_of(name, "block"), ContactRow))


@contact.command(
    examples=("streembit contact receipts Bob on", "streembit contact receipts Bob default")
)
@click.argument("name")
@_decision
@pass_settings
def receipts(settings: Settings, name: str, decision: str) -> None:
    """Let NAME know what you have read, or not.

    `default` is as `streembit settings --read-receipts` says for all contacts.
    """
    _decide(settings, name, "receipts", decision)


@contact.command(
    examples=("streembit contact presence Bob off", "streembit contact presence Bob default")
)
@click.argument("name")
@_decision
@pass_settings
def presence(settings: Settings, name: str, decision: str) -> None:
    """Let NAME know when you are here and type, or not.

    `default` is as `streembit settings --presence` says for all contacts.
    """
    _decide(settings, name, "presence", decision)


def _decide(settings: Settings, name: str, what: str, decision: str) -> None:
    """Decide what a contact is told, and print it."""
    from streembit.api.contacts import Decide
    from streembit.service.people_rows import ContactRow

    body = Decide(DECISIONS[decision])
    row = settings.client().ask("PUT", path_of(name, what), ContactRow, body)
    if settings.json:
        show.as_json(row)
    else:
        show.line(f"{row.name} is told: {_told_of_us(row)}")


STATES = {
    "contact": "contact",
    "asked": "asked, has not answered",
    "asks": "asks you",
    "blocked": "blocked",
    "removed": "removed",
}


def state_of(row: ContactRow) -> str:
    """Return what somebody is to us, and whether they have ended or refused it."""
    if row.why:
        return f"asked, and refused ({row.why})"
    return STATES[row.state] + (", but they have ended it" if row.ended else "")


def _refused(code: str) -> str:
    """Return in words why our request was refused."""
    from streembit.errors import by_code

    kind = by_code(code)
    return f"{kind.sentence()} ({code})" if kind is not None else code


def _told(settings: Settings, row: ContactRow) -> None:
    """Print what became of a contact."""
    if settings.json:
        show.as_json(row)
        return
    verified = "verified" if row.verified else "NOT verified"
    show.line(f"{row.name}: {state_of(row)}, {verified}, {row.fingerprint}")
    if row.alarm:
        show.line(f"ALARM: {row.alarm}")


def _typed_proof(name: str) -> str:
    from streembit.api.contacts import MAX_PROOF_CHARS

    if not sys.stdin.isatty():
        return sys.stdin.read(MAX_PROOF_CHARS).strip()
    return str(click.prompt(f"The number or the fingerprint that {name} told", err=True))


def _row(row: ContactRow) -> tuple[object, ...]:
    presence = row.presence if row.linked else "gone"
    seen = "never" if row.last_seen is None else show.moment(row.last_seen)
    state = f"{row.state}, ended" if row.ended else row.state
    state += ", REFUSED" if row.why else ""
    state += ", ALARM" if row.alarm else ""
    verified = "yes" if row.verified else "no"
    return row.name, state, verified, presence, row.via or "-", seen, row.unread, row.queued


def _facts(row: ContactRow) -> Iterator[tuple[str, object]]:
    yield "name", row.name
    yield "state", state_of(row)
    yield "kind", row.user_type
    yield "verified", "yes" if row.verified else "NO: compare fingerprints"
    yield "fingerprint", row.fingerprint
    yield "number", row.number
    yield "public key", row.public_key
    yield "link", f"via {row.via}" if row.via else "none"
    yield "presence", row.presence if row.linked else "no link"
    yield "last seen", "never" if row.last_seen is None else show.moment(row.last_seen)
    yield "added", show.moment(row.added)
    yield "addresses", ", ".join(row.addresses) or "none known"
    yield "is told", _told_of_us(row)
    yield "messages", f"{row.unread} unread, {row.queued} not delivered"
    if row.why:
        yield "REFUSED", _refused(row.why)
    if row.note:
        yield "note", row.note
    if row.alarm:
        yield "ALARM", row.alarm


def _told_of_us(row: ContactRow) -> str:
    """Return what they are told of the user, and what of it was not decided for them."""
    receipts = "on" if "receipts" in row.told else "off"
    presence = "on" if "presence" in row.told else "off"
    of_receipts = " (the default)" if row.receipts is None else ""
    of_presence = " (the default)" if row.shows_presence is None else ""
    return f"read receipts {receipts}{of_receipts}, presence {presence}{of_presence}"


def _request_row(row: RequestRow) -> tuple[object, ...]:
    who = "they ask you" if row.incoming else "you asked"
    offer = "by an offer" if row.invited else "no offer"
    return row.name, who, show.moment(row.at), offer, row.fingerprint, row.note
