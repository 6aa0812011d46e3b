"""What an account's people service answers to its local API: one Protocol over immutable rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from streembit.service.people_events import Events
from streembit.service.people_rows import (
    ContactRow,
    ExportLine,
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
from streembit.wire.message import Step


class PeopleFacade(Protocol):
    """The people of one account as its local API sees them.

    `contact` is the name of a contact, or a public key in hexadecimal, or a
    fingerprint: it comes unchecked. Every method may raise a LocalError
    (NoSuchContact, AmbiguousContact, WrongState, BadName, TooLarge,
    DiskFull, DiskFailed, ChestDamaged) or a RemoteError; anything else is a
    defect. What a method returns is on the medium, except typing and
    presence.
    """

    # --- offers
    async def create_offer(self, life_s: int, once: bool, note: str) -> OfferMade:
        """Make a contact offer that is valid for so many seconds.

        Raises:
            BadName: a note or life that no offer may have.
        """

    async def show_offers(self, text: str) -> list[OfferShown]:
        """Return what the offers in a text contain; nothing is sent or kept.

        Raises:
            BadOffer: no offer in it, or what a member may not be.
            BadToken, BadSignature, WrongNetwork, OfferExpired, OwnOffer.
        """

    async def list_offers(self) -> list[OfferRow]:
        """Return our offers that are not over, newest first."""

    async def revoke_offer(self, offer: str) -> OfferRow:
        """Answer nobody who quotes this offer from now on; NotFound if there is none."""

    # --- contacts
    async def add_contact(self, text: str, name: str, note: str) -> ContactRow:
        """Ask the one who made the offer in this text to be a contact.

        `name` "" takes the offer's. The request travels as soon as they are
        reached.

        Raises:
            KeyAlarm: a contact of this name has another key; nothing changed.
            NameTaken: the name given, or one that looks like it, is used.
            As `show_offers`; BadOffer also for more than one offer.
        """

    async def request_contact(self, node: str, name: str, note: str) -> ContactRow:
        """Ask the owner of a key, given by key, fingerprint or node id, to be a contact.

        Raises:
            NotFound: nobody tells the key.
            KeyAlarm, NameTaken: as `add_contact`.
        """

    async def list_contacts(self) -> list[ContactRow]:
        """Return all in the book but those who were removed, by name."""

    async def show_contact(self, contact: str) -> ContactRow:
        """Return one contact."""

    async def verify_contact(self, contact: str, proof: str, former: bool) -> ContactRow:
        """Mark a contact as verified, if the fingerprint or the number is that of the key.

        With `former` it is that of a key which the contact had before: they go back to it, and
        those that came after are refused for good.

        Raises:
            SecretWords: what was told are words that may be a secret.
            FingerprintDiffers: they are another key's; nothing changed.
        """

    async def set_receipts(self, contact: str, on: bool | None) -> ContactRow:
        """Tell a contact what the user reads, or not; None: as the settings say."""

    async def show_presence(self, contact: str, on: bool | None) -> ContactRow:
        """Tell a contact when the user is here and types, or not; None: as the settings say."""

    async def list_requests(self) -> list[RequestRow]:
        """Return the requests that wait for an answer, theirs and ours, oldest first."""

    async def accept_request(self, request: str, name: str) -> ContactRow:
        """Take who asks (`request` is its id, or their name or key) as a contact.

        Raises:
            NotFound: nobody asks.
            KeyAlarm, NameTaken: as `add_contact`.
        """

    async def deny_request(self, request: str) -> RequestRow:
        """Refuse who asks; they are told so, and their key is refused for a while."""

    async def rename_contact(self, contact: str, name: str) -> ContactRow:
        """Call a contact otherwise; raise NameTaken, BadName."""

    async def remove_contact(self, contact: str) -> ContactRow:
        """End a contact: tell it, refuse its key, end the session within a second.

        The history stays until it is deleted.
        """

    async def block_contact(self, contact: str) -> ContactRow:
        """Refuse a contact's key without telling it."""

    async def unblock_contact(self, contact: str) -> ContactRow:
        """Take a blocked contact back."""

    # --- directories of hubs
    async def search_hubs(self, name: str) -> Found:
        """Return who wants to be found by a name that begins so, at all hubs of ours.

        Raises:
            NoHub: we have none.
            BadName: too short, or no name.
        """

    async def publish_entry(self, note: str) -> Entered:
        """Be found by the account's name at all hubs of ours from now on.

        Raises:
            NoHub: we have none.
            BadName: a note that no entry may have.
            KeyRevoked: our key is void.
        """

    async def withdraw_entry(self) -> Entered:
        """Be found no more."""

    async def entry(self) -> Entered:
        """Return where we are to be found."""

    # --- conversation
    async def send_message(self, contact: str, text: str) -> MessageRow:
        """Put a text into the outbox of a contact, and send it as soon as that can be.

        Raises:
            TooLarge: more than MAX_TEXT_CHARS characters.
            WrongState: no contact, or one who has ended it.
            OutboxFull
        """

    async def list_messages(self, contact: str, before: int | None, limit: int) -> list[MessageRow]:
        """Return up to `limit` messages below the number `before` (None: the newest).

        The oldest of them comes first. A contact who was removed has a
        history too.
        """

    async def delete_message(self, contact: str, message: str) -> None:
        """Delete a message here; one that is queued is not sent any more.

        Raises:
            NotFound: there is none of this id.
        """

    async def mark_read(self, contact: str, upto: int) -> ContactRow:
        """Mark their messages up to a number as read; tell them, if receipts are on."""

    async def set_typing(self, contact: str, on: bool) -> None:
        """Tell a linked contact that the user writes; to be repeated every 5 s while so.

        Nothing is told to who is not told of presence.
        """

    async def set_presence(self, state: PresenceState) -> None:
        """Tell linked contacts, who may know, whether the user is here; a minute, then "away"."""

    # --- calls
    async def signal(self, contact: str, call: str, step: Step, text: str) -> None:
        """Hand a step of a call to a contact's programs; they have it when this returns.

        Raises:
            WrongState: no contact, or one who has ended it.
            PeerGone: there is no link to the contact; it is looked for.
        """

    # --- files
    async def send_files(self, contact: str, paths: Sequence[str]) -> TransferRow:
        """Offer files and folders (absolute paths on this machine) to a contact.

        Raises:
            NotFound: a path that is not there, or neither a file nor a folder.
            TooLarge: more files than one transfer takes.
        """

    async def accept_files(self, transfer: str, folder: str) -> TransferRow:
        """Take offered files, into an absolute folder ("": the one of the settings).

        Raises:
            NoSuchTransfer, NotEnoughSpace, TransferState.
        """

    async def deny_files(self, transfer: str) -> TransferRow:
        """Refuse offered files."""

    async def cancel_files(self, transfer: str) -> TransferRow:
        """End a transfer for good, from either side."""

    async def pause_files(self, transfer: str) -> TransferRow:
        """Move nothing of a transfer until it is resumed by this side, also after a restart."""

    async def resume_files(self, transfer: str) -> TransferRow:
        """Take up a transfer that failed or pauses now, without waiting for the next try."""

    async def list_files(self) -> list[TransferRow]:
        """Return the transfers of the last days, newest first."""

    # --- events
    async def events(self, after: str, wait_s: float) -> Events:
        """Return what happened after a position; wait for something if nothing did.

        `after` "" begins now. Comes back empty after `wait_s` seconds. A
        position of another run of the node is answered at once, with `lost`.
        """

    # --- the account
    async def settings(self) -> PeopleSettings:
        """Return what the user decided."""

    async def change_settings(
        self,
        read_receipts: bool | None,
        downloads: str | None,
        presence: bool | None,
        user_type: UserType | None = None,
    ) -> PeopleSettings:
        """Change what is not None; BadName for a folder that is not absolute."""

    async def rotate_key(self, passcode: str | None) -> KeyChanged:
        """Take a new identity key, announced to all contacts and signed by the old one.

        The node goes on with it when it is started again. `passcode`
        protects the key file, None where nothing does.

        Raises:
            WrongPasscode: nothing changed.
        """

    async def revoke_key(self, passcode: str | None) -> KeyChanged:
        """Declare our key void: contacts refuse it from then on. There is no way back."""

    def export(self) -> Iterator[ExportLine]:
        """Yield contacts and history line by line, read as they are asked for."""

    async def wipe(self, account: str) -> None:
        """Destroy the account on this machine, the keys first, and stop its node.

        Raises:
            BadName: `account` is not the account's name, given as a safeguard.
        """
