"""`streembit offer`: contact offers, made for others, and shown before one takes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streembit.cli import asked, show
from streembit.cli.command import Group, Settings, pass_settings

if TYPE_CHECKING:
    from streembit.api.offers import OffersShown
    from streembit.service.people_rows import OfferMade, OfferRow, OfferShown


@click.group(
    cls=Group,
    examples=(
        "streembit offer create --expires 7d --once",
        "streembit offer show letter.txt",
    ),
)
def offer() -> None:
    """Contact offers: texts that let others ask to be contacts."""


@offer.command(
    examples=(
        "streembit offer create > offer.txt",
        "streembit offer create --once --expires 2h --qr offer.png",
        "streembit offer create --qr - --note 'Ann from the choir'",
    )
)
@click.option(
    "--expires", metavar="TIME", default="7d", help="How long it is valid: 7d, 2h.  [default: 7d]"
)
@click.option("--once", is_flag=True, help="For one person only.")
@click.option("--qr", type=asked.FILE, metavar="FILE", help="Also as a QR code; -: drawn here.")
@click.option("--note", metavar="TEXT", default="", help="A remark for who reads it.")
@pass_settings
def create(settings: Settings, expires: str, once: bool, qr: Path | None, note: str) -> None:
    """Make a contact offer and print it, to be sent by any means."""
    from streembit.api.offers import CreateOffer
    from streembit.service.people_rows import OfferMade

    body = CreateOffer(_life_s(expires), once, note)
    made = settings.client().ask("POST", "/v1/offers", OfferMade, body)
    if settings.json:
        show.as_json(made)
    else:
        click.echo(made.text, nl=False)
    if qr is not None:  # last: should it fail, the offer that was made is there to be used
        _draw(made, qr)


@offer.command(
    "show",
    examples=(
        "streembit offer show letter.txt",
        "xclip -o | streembit offer show -",
    ),
)
@click.argument("file", type=asked.FILE, required=False)
@pass_settings
def show_(settings: Settings, file: Path | None) -> None:
    """Tell what the offers in FILE contain; nothing is sent.

    A dash or nothing is standard input. No node needs to run.
    """
    from streembit.api.offers import MAX_OFFER_TEXT_CHARS

    found = _shown(settings, asked.text_of(file, MAX_OFFER_TEXT_CHARS))
    if settings.json:
        show.as_json(found)
        return
    for number, each in enumerate(found.offers):
        if number:
            show.line("")
        show.facts(_facts(each))


@offer.command("list", examples=("streembit offer list", "streembit --json offer list"))
@pass_settings
def list_(settings: Settings) -> None:
    """List your offers, newest first."""
    from streembit.api.offers import Offers

    found = settings.client().ask("GET", "/v1/offers", Offers)
    if settings.json:
        show.as_json(found)
        return
    show.table(("ID", "UNTIL", "FOR", "USED", "STATE", "NOTE"), map(_row, found.offers))


@offer.command(
    examples=("streembit offer revoke Zm9vYmFyYmF6cXV4MTIzNA",),
    context_settings={"ignore_unknown_options": True},
)
@click.argument("offer_id", metavar="ID")
@pass_settings
def revoke(settings: Settings, offer_id: str) -> None:
    """Answer nobody who quotes the offer ID from now on."""
    from urllib.parse import quote

    from streembit.service.people_rows import OfferRow

    path = f"/v1/offers/{quote(offer_id, safe='')}"
    gone = settings.client().ask("DELETE", path, OfferRow)
    if settings.json:
        show.as_json(gone)
    else:
        show.line(f"revoked {gone.id}")


def _life_s(text: str) -> int:
    from streembit.service.people_rows import MAX_OFFER_S, MIN_OFFER_S

    life_s = asked.seconds(text)
    if not MIN_OFFER_S <= life_s <= MAX_OFFER_S:
        raise click.BadParameter("an offer is valid from 60s to 366d.")
    return life_s


def _draw(made: OfferMade, file: Path) -> None:
    from streembit.cli import qr

    matrix = qr.matrix_of(made.token)
    if str(file) == "-":
        click.echo("\n".join(qr.drawn(matrix)), err=True)
    else:
        qr.write_new(file, qr.png(matrix))


def _shown(settings: Settings, text: str) -> OffersShown:
    """Ask the node, which knows our contacts; read here without one, and an offer of ours."""
    from streembit.api.offers import OfferIn, OffersShown
    from streembit.disk import config
    from streembit.errors import HomeMissing, NodeNotRunning, NodeRefusal, OwnOffer
    from streembit.service.facade import Status

    try:
        client = settings.client()
        return client.ask("POST", "/v1/shown-offers", OffersShown, OfferIn(text))
    except (HomeMissing, NodeNotRunning):
        network = config.load(settings.home / "node.toml", "node").network
    except NodeRefusal as e:
        if e.code != OwnOffer.code:
            raise
        network = client.ask("GET", "/v1/status", Status).network
    return OffersShown(list(_read(text, network)))


def _read(text: str, network: str) -> Iterator[OfferShown]:
    import time

    import msgspec

    from streembit.contacts import offer as offers
    from streembit.errors import BadOffer
    from streembit.service.people_rows import OfferShown

    tokens = offers.find(text)
    if not tokens:
        raise BadOffer("there is none in the text")
    for token in tokens:
        found = offers.read(token, None, network, time.time())
        yield msgspec.convert(offers.shown(found), OfferShown)


def _facts(offer: OfferShown) -> Iterator[tuple[str, object]]:
    yield "account", offer.account
    yield "kind", offer.user_type
    yield "fingerprint", offer.fingerprint
    yield "public key", offer.public_key
    yield "reached at", f"{offer.host} port {offer.port} ({offer.transport})" if offer.host else "-"
    if offer.hub:
        yield "the hub's key", offer.hub
    yield "network", offer.network
    yield "valid until", show.moment(offer.expires)
    yield "for", "one person" if offer.once else "everybody who has it"
    yield "note", offer.note or "-"
    if offer.known_as:
        yield "known as", offer.known_as
    if offer.alarm:
        yield "ALARM", offer.alarm


def _row(row: OfferRow) -> tuple[object, ...]:
    state = "revoked" if row.revoked else "used" if row.once and row.used else "valid"
    audience = "one" if row.once else "all"
    return row.id, show.moment(row.expires), audience, row.used, state, row.note
