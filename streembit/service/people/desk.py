"""The front desk of an account's people: what the local API asks, answered by its parts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from streembit.chat.history import Entry as Said
from streembit.contacts import offer as offers
from streembit.contacts.book import Book
from streembit.contacts.entry import Entry
from streembit.errors import BadName, BadOffer, NotFound, TooLarge, WrongState
from streembit.jose import base64url
from streembit.jose.keys import PublicKey
from streembit.service.feed import Feed
from streembit.service.people import pages
from streembit.service.people.keyfile import KeyFile
from streembit.service.people.people import People
from streembit.service.people.shown import message_row
from streembit.service.people.talk import Talk
from streembit.service.people_events import Deleted, Events
from streembit.service.people_rows import (
    MAX_OFFER_S,
    MAX_TEXT_CHARS,
    MIN_OFFER_S,
    ContactRow,
    ExportContact,
    ExportHead,
    ExportLine,
    ExportMessage,
    KeyChanged,
    MessageRow,
    OfferMade,
    OfferRow,
    OfferShown,
    PeopleSettings,
    PresenceState,
    RequestRow,
    TransferRow,
    UserType,
)
from streembit.service.relay.rows import Entered, Found
from streembit.wire.content import Text, Typing
from streembit.wire.message import Signal, Step

ID_BYTES: Final = 16
EXPORT_VERSION: Final = 1


class PeopleDesk:
    """Implements `people_facade.PeopleFacade` for one account."""

    def __init__(self, people: People, key_file: KeyFile) -> None:
        self._people = people
        self._key_file = key_file
        self._contacts, self._circle = people.contacts, people.contacts.circle
        self._transfers, self._transfer = people.transfers, people.porter.row

    # --- offers
    async def create_offer(self, life_s: int, once: bool, note: str) -> OfferMade:
        """See `PeopleFacade`."""
        if not MIN_OFFER_S <= life_s <= MAX_OFFER_S:
            raise BadName("an offer lives from a minute to a year", life_s=life_s)
        row, offer = self._contacts.inviting.invite(life_s, once, note)
        return OfferMade(row, offers.to_text(offer), offer.token)

    async def show_offers(self, text: str) -> list[OfferShown]:
        """See `PeopleFacade`."""
        offered = self._contacts.offered
        return [offered.row(offer) for offer in offered.read(text)]

    async def list_offers(self) -> list[OfferRow]:
        """See `PeopleFacade`."""
        return self._contacts.inviting.invitations()

    async def revoke_offer(self, offer: str) -> OfferRow:
        """See `PeopleFacade`."""
        return self._contacts.inviting.revoke(offer)

    # --- contacts
    async def add_contact(self, text: str, name: str, note: str) -> ContactRow:
        """See `PeopleFacade`."""
        found = self._contacts.offered.read(text)
        if len(found) > 1:
            raise BadOffer("more than one offer: take one at a time", count=len(found))
        return self._contact(self._contacts.asking.by_offer(found[0], name, note))

    async def request_contact(self, node: str, name: str, note: str) -> ContactRow:
        """See `PeopleFacade`."""
        key = await self._people.whois.key_of(node)
        return self._contact(self._contacts.asking.by_key(key, name, note))

    async def list_contacts(self) -> list[ContactRow]:
        """See `PeopleFacade`."""
        return [self._contact(entry) for entry in self._book if entry.is_live]

    async def show_contact(self, contact: str) -> ContactRow:
        """See `PeopleFacade`."""
        return self._contact(self._book.find(contact))

    async def verify_contact(self, contact: str, proof: str, former: bool = False) -> ContactRow:
        """See `PeopleFacade`."""
        decisions = self._contacts.decisions
        decide = decisions.restore if former else decisions.verify
        return self._contact(decide(self._key(contact), proof))

    async def set_receipts(self, contact: str, on: bool | None) -> ContactRow:
        """See `PeopleFacade`."""
        return self._contact(self._people.discretion.set_receipts(self._key(contact), on))

    async def show_presence(self, contact: str, on: bool | None) -> ContactRow:
        """See `PeopleFacade`."""
        return self._contact(self._people.discretion.set_presence(self._key(contact), on))

    async def list_requests(self) -> list[RequestRow]:
        """See `PeopleFacade`."""
        return self._contacts.knocks.rows()

    async def accept_request(self, request: str, name: str) -> ContactRow:
        """See `PeopleFacade`."""
        return self._contact(self._contacts.knocks.accept(request, name))

    async def deny_request(self, request: str) -> RequestRow:
        """See `PeopleFacade`."""
        return self._contacts.knocks.deny(request)

    async def rename_contact(self, contact: str, name: str) -> ContactRow:
        """See `PeopleFacade`."""
        return self._contact(self._contacts.decisions.rename(self._key(contact), name))

    async def remove_contact(self, contact: str) -> ContactRow:
        """See `PeopleFacade`."""
        return self._contact(self._contacts.decisions.remove(self._key(contact)))

    async def block_contact(self, contact: str) -> ContactRow:
        """See `PeopleFacade`."""
        return self._contact(self._contacts.decisions.block(self._key(contact)))

    async def unblock_contact(self, contact: str) -> ContactRow:
        """See `PeopleFacade`."""
        return self._contact(self._contacts.decisions.unblock(self._key(contact)))

    # --- directories of hubs
    async def search_hubs(self, name: str) -> Found:
        """See `PeopleFacade`."""
        return await self._people.listed.search(name)

    async def publish_entry(self, note: str) -> Entered:
        """See `PeopleFacade`."""
        self._people.held.lineage.check_valid()
        return await self._people.listed.publish(note)

    async def withdraw_entry(self) -> Entered:
        """See `PeopleFacade`."""
        return await self._people.listed.withdraw()

    async def entry(self) -> Entered:
        """See `PeopleFacade`."""
        return self._people.listed.standing()

    # --- conversation
    async def send_message(self, contact: str, text: str) -> MessageRow:
        """See `PeopleFacade`."""
        if len(text) > MAX_TEXT_CHARS:
            raise TooLarge("a message", size_chars=len(text), limit_chars=MAX_TEXT_CHARS)
        if not text:
            raise BadName("a message says something")
        talk = self._open_talk(contact)
        name = base64url.encode(os.urandom(ID_BYTES))
        number = await talk.write(Text(name, int(self._now_s()), text))
        return self._message(talk, self._said(talk, number))

    async def list_messages(self, contact: str, before: int | None, limit: int) -> list[MessageRow]:
        """See `PeopleFacade`."""
        key = self._key(contact)
        talk = self._contacts.bonds.conversation(key)
        if talk is None:
            return []
        newest = pages.newest_first(key, talk, before, limit, self._now_s())
        return list(newest)[::-1]

    async def delete_message(self, contact: str, message: str) -> None:
        """See `PeopleFacade`."""
        talk = self._talk(contact)
        number = talk.conversation.find(message)
        if number is None or not await talk.delete(number):
            raise NotFound("no message has this id")
        self._feed.tell(Deleted(talk.contact.hex, message))

    async def mark_read(self, contact: str, upto: int) -> ContactRow:
        """See `PeopleFacade`."""
        talk = self._talk(contact)
        await talk.see(upto)
        return self._contact(self._book.of(talk.contact))

    async def set_typing(self, contact: str, on: bool) -> None:
        """See `PeopleFacade`."""
        talk = self._talk(contact)
        if self._people.register.tells(talk.contact, "presence"):
            talk.say(Typing(on))

    async def set_presence(self, state: PresenceState) -> None:
        """See `PeopleFacade`."""
        self._people.presence.tell(state)

    # --- calls
    async def signal(self, contact: str, call: str, step: Step, text: str) -> None:
        """See `PeopleFacade`."""
        await self._people.signals.send(self._open_talk(contact).contact, Signal(call, step, text))

    # --- files
    async def send_files(self, contact: str, paths: Sequence[str]) -> TransferRow:
        """See `PeopleFacade`."""
        friend = self._people.friends[self._open_talk(contact).contact]
        row = await self._transfers.offer(friend.name, _absolute(paths))
        return self._transfer(row)

    async def accept_files(self, transfer: str, folder: str) -> TransferRow:
        """See `PeopleFacade`."""
        (target,) = _absolute([folder]) if folder else (None,)
        return self._transfer(await self._transfers.accept(transfer, target))

    async def deny_files(self, transfer: str) -> TransferRow:
        """See `PeopleFacade`."""
        return self._transfer(self._transfers.deny(transfer))

    async def cancel_files(self, transfer: str) -> TransferRow:
        """See `PeopleFacade`."""
        return self._transfer(self._transfers.cancel(transfer))

    async def pause_files(self, transfer: str) -> TransferRow:
        """See `PeopleFacade`."""
        return self._transfer(self._transfers.pause(transfer))

    async def resume_files(self, transfer: str) -> TransferRow:
        """See `PeopleFacade`."""
        return self._transfer(self._transfers.resume(transfer))

    async def list_files(self) -> list[TransferRow]:
        """See `PeopleFacade`."""
        return [self._transfer(row) for row in self._transfers.rows()]

    # --- events
    async def events(self, after: str, wait_s: float) -> Events:
        """See `PeopleFacade`."""
        return await self._feed.after(after, wait_s)

    # --- the account
    async def settings(self) -> PeopleSettings:
        """See `PeopleFacade`."""
        return self._settings()

    async def change_settings(
        self,
        read_receipts: bool | None,
        downloads: str | None,
        presence: bool | None,
        user_type: UserType | None = None,
    ) -> PeopleSettings:
        """See `PeopleFacade`."""
        settings = self._people.register.settings
        if read_receipts is not None:
            settings = replace(settings, read_receipts=read_receipts)
        if downloads is not None:
            (folder,) = _absolute([downloads])
            settings = replace(settings, downloads=str(folder))
            self._transfers.downloads = folder
        if presence is not None:
            settings = replace(settings, presence=presence)
        if user_type is not None:
            settings = replace(settings, user_type=user_type)
        self._people.discretion.change_settings(settings)
        return self._settings()

    async def rotate_key(self, passcode: str | None) -> KeyChanged:
        """See `PeopleFacade`."""
        self._key_file.check(passcode)
        return await self._people.keys.succession.rotate(self._key_file, passcode)

    async def revoke_key(self, passcode: str | None) -> KeyChanged:
        """See `PeopleFacade`."""
        self._key_file.check(passcode)
        return await self._people.keys.succession.revoke()

    def export(self) -> Iterator[ExportLine]:
        """See `PeopleFacade`."""
        identity = self._people.node.identity
        yield ExportHead(EXPORT_VERSION, identity.name, identity.public.hex, int(self._now_s()))
        for entry in self._book:
            yield ExportContact(self._contact(entry))
        for entry in self._book:
            talk = self._contacts.bonds.conversation(entry.public())
            if talk is not None:
                yield from map(
                    ExportMessage, pages.oldest_first(entry.public(), talk, self._now_s())
                )

    async def wipe(self, account: str) -> None:
        """See `PeopleFacade`."""
        if account != self._people.node.identity.name:
            raise BadName("give the name of the account that is to be destroyed")
        self._key_file.wipe()

    # --- how
    @property
    def _feed(self) -> Feed:
        return self._people.feed

    @property
    def _book(self) -> Book:
        return self._people.register.book

    def _settings(self) -> PeopleSettings:
        decided, downloads = self._people.register.settings, self._transfers.downloads
        return PeopleSettings(
            decided.read_receipts, str(downloads), decided.presence, decided.user_type
        )

    def _now_s(self) -> float:
        return self._people.node.network.now_s()

    def _key(self, contact: str) -> PublicKey:
        return self._book.find(contact).public()

    def _talk(self, contact: str) -> Talk:
        """Return the talk with a contact with whom words may be exchanged now."""
        key = self._book.check_usable(self._key(contact)).public()
        return self._people.friends[key].talk

    def _open_talk(self, contact: str) -> Talk:
        """Return the talk with a contact who still hears us."""
        self._people.held.lineage.check_valid()
        talk = self._talk(contact)
        if self._circle.is_ended(talk.contact):
            raise WrongState("they have ended the contact; it takes a new request or offer")
        return talk

    def _contact(self, entry: Entry) -> ContactRow:
        return self._circle.row(entry)

    def _said(self, talk: Talk, number: int) -> Said:
        said = talk.conversation.entry(number)
        if said is None:
            raise NotFound("the message was deleted")
        return said

    def _message(self, talk: Talk, said: Said) -> MessageRow:
        return message_row(talk.contact, said, talk.conversation, self._now_s())


def _absolute(paths: Sequence[str]) -> list[Path]:
    """Return the paths; raise BadName for one that is not absolute."""
    found = [Path(path) for path in paths]
    for path in found:
        if not path.is_absolute():
            raise BadName("give the whole path, from the root", path=str(path))
    return found
