"""Operations of contact offers."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from streembit.api.operation import ID_PATTERN, Ask, Operation, Parameter
from streembit.service import people_rows as rows
from streembit.service.people_facade import PeopleFacade
from streembit.service.people_rows import DEFAULT_OFFER_S, MAX_NOTE_CHARS, MAX_OFFER_S, MIN_OFFER_S

MAX_OFFER_TEXT_CHARS: Final = 64 * 1024  # contacts.offer: a long mail

NoteText = Annotated[str, Meta(max_length=MAX_NOTE_CHARS)]
OfferText = Annotated[str, Meta(max_length=MAX_OFFER_TEXT_CHARS)]


class CreateOffer(Struct, frozen=True, forbid_unknown_fields=True):
    """For how many seconds an offer is valid, whether for one person only, and a remark."""

    life_s: Annotated[float, Meta(ge=MIN_OFFER_S, le=MAX_OFFER_S)] = DEFAULT_OFFER_S
    once: bool = False
    note: NoteText = ""


class OfferIn(Struct, frozen=True, forbid_unknown_fields=True):
    """A text with offers in it."""

    text: OfferText


class Offers(Struct, frozen=True):
    """Our own offers."""

    offers: list[rows.OfferRow]


class OffersShown(Struct, frozen=True):
    """What the offers of a text contain."""

    offers: list[rows.OfferShown]


OFFER: Final = Parameter("offer", "an offer's id", ID_PATTERN, "A" * 22)


async def _create_offer(people: PeopleFacade, ask: Ask) -> rows.OfferMade:
    return await people.create_offer(int(ask.body.life_s), ask.body.once, ask.body.note)


async def _offers(people: PeopleFacade, _ask: Ask) -> Offers:
    return Offers(await people.list_offers())


async def _show_offers(people: PeopleFacade, ask: Ask) -> OffersShown:
    return OffersShown(await people.show_offers(ask.body.text))


async def _revoke_offer(people: PeopleFacade, ask: Ask) -> rows.OfferRow:
    return await people.revoke_offer(ask.checked(OFFER))


OWN_CHEST: Final = ("chest-damaged", "disk-full", "disk-failed")
OF_OFFER: Final = (
    *("bad-header", "bad-key", "bad-name", "bad-offer", "bad-signature", "bad-token"),
    *("offer-expired", "own-offer", "wrong-network"),
)

OPERATIONS: Final[tuple[Operation[PeopleFacade], ...]] = (
    Operation(
        "create_offer",
        "POST",
        "/v1/offers",
        "Make a contact offer to give to somebody.",
        rows.OfferMade,
        _create_offer,
        body=CreateOffer,
        errors=("bad-name", "bad-offer", "key-revoked", "request-quota", *OWN_CHEST),
    ),
    Operation("offers", "GET", "/v1/offers", "Our offers, newest first.", Offers, _offers),
    Operation(
        "show_offers",
        "POST",
        "/v1/shown-offers",
        "Tell what the offers in a text contain, without doing anything.",
        OffersShown,
        _show_offers,
        body=OfferIn,
        errors=OF_OFFER,
    ),
    Operation(
        "revoke_offer",
        "DELETE",
        "/v1/offers/{offer}",
        "Answer nobody who quotes this offer.",
        rows.OfferRow,
        _revoke_offer,
        (OFFER,),
        errors=("bad-name", "not-found", *OWN_CHEST),
    ),
)
