"""People who stand alone: the facade over dictionaries, for tests of what is built on it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, TypeVar

from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime

from streembit.errors import (
    BadName,
    BadOffer,
    ChestDamaged,
    FingerprintDiffers,
    NoSuchContact,
    NoSuchTransfer,
    NotFound,
    PeerGone,
    WrongPasscode,
)
from streembit.jose import base64url
from streembit.service import people_events as events
from streembit.service.feed import Feed
from streembit.service.people_rows import (
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
    Told,
    TransferRow,
    UserType,
)
from streembit.service.relay.rows import Entered, Found, FoundRow
from streembit.wire.message import Step
from tests.api.fake import FINGERPRINT, OWN_KEY

BOB_KEY = "02" + "b0" * 32
CARL_KEY = "03" + "ca" * 32
NOW_S = 1_800_000_000
OFFER_TEXT = "--- BEGIN STREEMBIT CONTACT OFFER ---\neyJoaQ\n--- END STREEMBIT CONTACT OFFER ---\n"
NUMBER = " ".join(["01234"] * 8)

R = TypeVar("R")


def an_id(text: str) -> str:
    """Return an id of the right form."""
    return base64url.encode(sha256(text.encode()).digest()[:16])


def contact(name: str, key: str, **members: Any) -> ContactRow:
    """Return a contact that is linked and has said nothing."""
    row = ContactRow(
        name=name,
        public_key=key,
        fingerprint=FINGERPRINT,
        state="contact",
        user_type="human",
        verified=False,
        linked=True,
        presence="here",
        added=NOW_S,
        last_seen=NOW_S + 60,
        addresses=["192.0.2.2:8905"],
        unread=0,
        queued=0,
    )
    return replace(row, **members)


class FakePeople:
    """Bob is a contact, Carl asks to be one. Every call raises `broken` once it is set."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._starts = itertools.count(0xFEED)
        self.start_again()
        self.offers: dict[str, OfferRow] = {}
        self.entered = Entered(False, "", [], 0, {})
        self.book = {BOB_KEY: contact("Bob", BOB_KEY)}
        self.asking = {
            an_id("carl"): RequestRow(
                an_id("carl"), True, "Carl", CARL_KEY, FINGERPRINT, "human", NOW_S, True, "hello"
            )
        }
        self.history: dict[str, list[MessageRow]] = {BOB_KEY: []}
        self.transfers: dict[str, TransferRow] = {}
        self.decided = PeopleSettings(False, "/home/alice/Downloads")
        self.typing: list[bool] = []
        self.presence: list[str] = []
        self.signals: list[tuple[str, str, str]] = []
        self.wiped: list[str] = []
        self.passcodes: list[str | None] = []
        self.unreadable = 0  # the number of a message that an export stumbles upon
        self.left_out: list[str] = []  # of files that are sent
        self.broken: BaseException | None = None

    def start_again(self) -> None:
        """Tell of nothing that happened before, as a node that was started again."""
        self.feed = Feed(self._clock, next(self._starts))

    # --- offers
    async def create_offer(self, life_s: int, once: bool, note: str) -> OfferMade:
        self._break()
        made = an_id(f"offer {len(self.offers)}")
        row = OfferRow(made, NOW_S, NOW_S + life_s, once, note, 0, False)
        self.offers[made] = row
        return OfferMade(row, OFFER_TEXT, "eyJoaQ")

    async def show_offers(self, text: str) -> list[OfferShown]:
        self._break()
        if "OFFER" not in text:
            raise BadOffer("there is none in the text")
        return [
            OfferShown(
                account="Dora",
                public_key=CARL_KEY,
                fingerprint=FINGERPRINT,
                agreement=BOB_KEY,
                user_type="human",
                transport="tcp",
                host="192.0.2.9",
                port=8905,
                network="streembit",
                expires=NOW_S,
                once=True,
                note="",
            )
        ]

    async def list_offers(self) -> list[OfferRow]:
        self._break()
        return list(self.offers.values())

    async def revoke_offer(self, offer: str) -> OfferRow:
        self._break()
        if offer not in self.offers:
            raise NotFound("no such offer")
        self.offers[offer] = replace(self.offers[offer], revoked=True)
        return self.offers[offer]

    # --- contacts
    async def add_contact(self, text: str, name: str, note: str) -> ContactRow:
        (shown,) = await self.show_offers(text)
        return self._add(contact(name or shown.account, CARL_KEY, state="asked", note=note))

    async def request_contact(self, node: str, name: str, note: str) -> ContactRow:
        self._break()
        if node != CARL_KEY:
            raise NotFound("nobody knows this key")
        return self._add(contact(name, CARL_KEY, state="asked", note=note))

    async def search_hubs(self, name: str) -> Found:
        self._break()
        if len(name.strip()) < 2:
            raise BadName("search for at least 2 characters")
        found = FoundRow("Carl", CARL_KEY, FINGERPRINT, "human", "the hub", NOW_S + 60, "hello")
        return Found([found] if found.name.lower().startswith(name.lower()) else [], False)

    async def publish_entry(self, note: str) -> Entered:
        self._break()
        self.entered = Entered(True, note, ["the hub"], NOW_S + 60, {"wss://b": "peer-gone"})
        return self.entered

    async def withdraw_entry(self) -> Entered:
        self._break()
        self.entered = Entered(False, "", [], 0, {})
        return self.entered

    async def entry(self) -> Entered:
        self._break()
        return self.entered

    async def list_contacts(self) -> list[ContactRow]:
        self._break()
        return sorted(self.book.values(), key=lambda row: row.name)

    async def show_contact(self, contact: str) -> ContactRow:
        return replace(self._find(contact), number=NUMBER)

    async def verify_contact(self, contact: str, proof: str, former: bool) -> ContactRow:
        found = self._find(contact)
        if proof not in (FINGERPRINT, NUMBER):
            raise FingerprintDiffers
        return self._add(replace(found, verified=True))

    async def list_requests(self) -> list[RequestRow]:
        self._break()
        return list(self.asking.values())

    async def accept_request(self, request: str, name: str) -> ContactRow:
        asked = self._asking(request)
        del self.asking[asked.id]
        return self._add(contact(name or asked.name, asked.public_key))

    async def deny_request(self, request: str) -> RequestRow:
        return self.asking.pop(self._asking(request).id)

    async def rename_contact(self, contact: str, name: str) -> ContactRow:
        return self._add(replace(self._find(contact), name=name))

    async def remove_contact(self, contact: str) -> ContactRow:
        found = replace(self._find(contact), state="removed")
        del self.book[found.public_key]
        self.feed.tell(events.ContactChanged(found))
        return found

    async def set_receipts(self, contact: str, on: bool | None) -> ContactRow:
        return self._told(replace(self._find(contact), receipts=on))

    async def show_presence(self, contact: str, on: bool | None) -> ContactRow:
        return self._told(replace(self._find(contact), shows_presence=on))

    def _told(self, row: ContactRow) -> ContactRow:
        receipts = self.decided.read_receipts if row.receipts is None else row.receipts
        shown = self.decided.presence if row.shows_presence is None else row.shows_presence
        told: list[Told] = ["receipts"] if receipts else []
        return self._add(replace(row, told=[*told, "presence"] if shown else told))

    async def block_contact(self, contact: str) -> ContactRow:
        return self._add(replace(self._find(contact), state="blocked"))

    async def unblock_contact(self, contact: str) -> ContactRow:
        return self._add(replace(self._find(contact), state="contact"))

    # --- conversation
    async def send_message(self, contact: str, text: str) -> MessageRow:
        row = self._message(self._find(contact).public_key, text, True)
        self.feed.tell(events.Changed(row))
        return row

    async def list_messages(self, contact: str, before: int | None, limit: int) -> list[MessageRow]:
        rows = self.history[self._find(contact).public_key]
        return [row for row in rows if before is None or row.number < before][-limit:]

    async def delete_message(self, contact: str, message: str) -> None:
        rows = self.history[self._find(contact).public_key]
        kept = [row for row in rows if row.id != message]
        if len(kept) == len(rows):
            raise NotFound("no such message")
        rows[:] = kept

    async def mark_read(self, contact: str, upto: int) -> ContactRow:
        return self._add(replace(self._find(contact), unread=0))

    async def set_typing(self, contact: str, on: bool) -> None:
        self._find(contact)
        self.typing.append(on)

    async def set_presence(self, state: PresenceState) -> None:
        self._break()
        self.presence.append(state)

    # --- calls
    async def signal(self, contact: str, call: str, step: Step, text: str) -> None:
        if not self._find(contact).linked:
            raise PeerGone("no link")
        self.signals.append((call, step, text))

    # --- files
    async def send_files(self, contact: str, paths: Sequence[str]) -> TransferRow:
        key = self._find(contact).public_key
        return replace(self._transfer(key, True, paths), left_out=self.left_out)

    async def accept_files(self, transfer: str, folder: str) -> TransferRow:
        where = folder or self.decided.downloads
        return self._move(transfer, state="running", folder=where)

    async def deny_files(self, transfer: str) -> TransferRow:
        return self._move(transfer, state="denied", why="denied")

    async def cancel_files(self, transfer: str) -> TransferRow:
        return self._move(transfer, state="failed", why="cancelled")

    async def pause_files(self, transfer: str) -> TransferRow:
        return self._move(transfer, state="paused", why="paused")

    async def resume_files(self, transfer: str) -> TransferRow:
        return self._move(transfer, state="running", why="")

    async def list_files(self) -> list[TransferRow]:
        self._break()
        return list(self.transfers.values())

    # --- events
    async def events(self, after: str, wait_s: float) -> events.Events:
        self._break()
        return await self.feed.after(after, wait_s)

    # --- the account
    async def settings(self) -> PeopleSettings:
        self._break()
        return self.decided

    async def change_settings(
        self,
        read_receipts: bool | None,
        downloads: str | None,
        presence: bool | None,
        user_type: UserType | None = None,
    ) -> PeopleSettings:
        self._break()
        before = self.decided
        receipts = before.read_receipts if read_receipts is None else read_receipts
        shown = before.presence if presence is None else presence
        kind = user_type or before.user_type
        self.decided = PeopleSettings(receipts, downloads or before.downloads, shown, kind)
        return self.decided

    async def rotate_key(self, passcode: str | None) -> KeyChanged:
        return self._key_changed(passcode, CARL_KEY)

    async def revoke_key(self, passcode: str | None) -> KeyChanged:
        return self._key_changed(passcode, "")

    def export(self) -> Iterator[ExportLine]:
        self._break()
        yield ExportHead(1, "alice", OWN_KEY, NOW_S)
        yield from map(ExportContact, self.book.values())
        for rows in self.history.values():
            for row in rows:
                if row.number == self.unreadable:
                    raise ChestDamaged
                yield ExportMessage(row)

    async def wipe(self, account: str) -> None:
        self._break()
        if account != "alice":
            raise BadName("the account has another name")
        self.wiped.append(account)

    # --- what the others do
    def hear(self, text: str, key: str = BOB_KEY) -> MessageRow:
        """Have a contact say something."""
        row = self._message(key, text, False)
        self.feed.tell(events.Arrived(row))
        return row

    def advance(self, message: str, **members: Any) -> None:
        """Change one of our messages."""
        for rows in self.history.values():
            for at, row in enumerate(rows):
                if row.id == message:
                    rows[at] = replace(row, **members)
                    self.feed.tell(events.Changed(rows[at]))

    def offer_files(self, *paths: str) -> TransferRow:
        """Have Bob offer files."""
        return self._transfer(BOB_KEY, False, paths)

    def move(self, transfer: str, **members: Any) -> TransferRow:
        """Have a transfer come on."""
        return self._move(transfer, **members)

    def _find(self, reference: str) -> ContactRow:
        self._break()
        for row in self.book.values():
            if reference in (row.name, row.public_key, row.fingerprint):
                return row
        raise NoSuchContact(contact=reference)

    def _asking(self, reference: str) -> RequestRow:
        self._break()
        for row in self.asking.values():
            if reference in (row.id, row.name, row.public_key):
                return row
        raise NotFound("nobody of this name asks")

    def _add(self, row: ContactRow) -> ContactRow:
        self.book[row.public_key] = row
        self.history.setdefault(row.public_key, [])
        self.feed.tell(events.ContactChanged(row))
        return row

    def _message(self, key: str, text: str, outgoing: bool) -> MessageRow:
        rows = self.history[key]
        number = len(rows) + 1
        row = MessageRow(
            id=an_id(f"{key} {number}"),
            number=number,
            contact=key,
            outgoing=outgoing,
            text=text,
            sent=NOW_S + number,
            arrived=None if outgoing else NOW_S + number,
            state="queued" if outgoing else "delivered",
        )
        rows.append(row)
        return row

    def _transfer(self, key: str, outgoing: bool, paths: Sequence[str]) -> TransferRow:
        name = paths[0].rpartition("/")[2]
        new = an_id(f"transfer {len(self.transfers)}")
        row = TransferRow(
            new, key, outgoing, name, len(paths), 1000, 0, "offered", NOW_S, paths=list(paths)
        )
        return self._moved(row)

    def _move(self, transfer: str, **members: Any) -> TransferRow:
        self._break()
        if transfer not in self.transfers:
            raise NoSuchTransfer
        return self._moved(replace(self.transfers[transfer], **members))

    def _moved(self, row: TransferRow) -> TransferRow:
        self.transfers[row.id] = row
        self.feed.tell(events.Transferred(row))
        return row

    def _key_changed(self, passcode: str | None, key: str) -> KeyChanged:
        self._break()
        self.passcodes.append(passcode)
        if passcode == "wrong":
            raise WrongPasscode
        return KeyChanged(OWN_KEY, key, FINGERPRINT if key else "", 1, 0)

    def _break(self) -> None:
        if self.broken is not None:
            raise self.broken
