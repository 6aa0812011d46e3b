"""What can be asked of a node, in groups that have the names of the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

from twisted.internet.defer import Deferred

from streembit.api import account, calls, contacts, directory, files, hub, messages, network, offers
from streembit.api.caller import Caller
from streembit.api.operation import Done
from streembit.service import facade
from streembit.service import people_rows as rows
from streembit.service.hub import rows as hub_rows
from streembit.service.relay.rows import Entered, Found, HubRow
from streembit.wire.message import Step

T = TypeVar("T")
RequestRows: TypeAlias = list[rows.RequestRow]  # "list" has another meaning in a class below
MemberRows: TypeAlias = list[hub_rows.MemberRow]
SessionRows: TypeAlias = list[hub_rows.SessionRow]


class Ask:
    """Asks, and gives the answer as a Deferred."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def __call__(self, method: str, path: str, kind: type[T], body: object = None) -> Deferred[T]:
        return Deferred.fromCoroutine(self._caller.ask(method, path, kind, body))


class Offers:
    """Contact offers."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def create(
        self, *, life_s: int = rows.DEFAULT_OFFER_S, once: bool = False, note: str = ""
    ) -> Deferred[rows.OfferMade]:
        """Make an offer; `text` of the answer is what to give to others."""
        body = offers.CreateOffer(life_s, once, note)
        return self._ask("POST", "/v1/offers", rows.OfferMade, body)

    def show(self, text: str) -> Deferred[list[rows.OfferShown]]:
        """Return what the offers in a text contain."""
        body = offers.OfferIn(text)
        return _member(self._ask("POST", "/v1/shown-offers", offers.OffersShown, body), "offers")

    def list(self) -> Deferred[list[rows.OfferRow]]:
        """Return our offers, newest first."""
        return _member(self._ask("GET", "/v1/offers", offers.Offers), "offers")

    def revoke(self, offer: str) -> Deferred[rows.OfferRow]:
        """Answer nobody who quotes an offer."""
        return self._ask("DELETE", _path("offers", offer), rows.OfferRow)


class Contacts:
    """The book, and requests."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def add(self, text: str, *, name: str = "", note: str = "") -> Deferred[rows.ContactRow]:
        """Ask the maker of the offer in a text to be a contact."""
        body = contacts.AddContact(text, name, note)
        return self._ask("POST", "/v1/contacts", rows.ContactRow, body)

    def list(self) -> Deferred[list[rows.ContactRow]]:
        """Return the contacts, by name."""
        return _member(self._ask("GET", "/v1/contacts", contacts.Contacts), "contacts")

    def show(self, contact: str) -> Deferred[rows.ContactRow]:
        """Return one contact."""
        return self._ask("GET", _path("contacts", contact), rows.ContactRow)

    def verify(
        self, contact: str, proof: str, *, former: bool = False
    ) -> Deferred[rows.ContactRow]:
        """Mark a contact as verified, by the fingerprint or the number that they told.

        With `former` that is of a key which they had before: they go back to it.
        """
        body = contacts.VerifyContact(proof, former)
        return self._ask("PUT", _path("contacts", contact, "verified"), rows.ContactRow, body)

    def request(self, node: str, name: str, *, note: str = "") -> Deferred[rows.ContactRow]:
        """Ask the owner of a key, fingerprint or node id to be a contact."""
        body = contacts.RequestContact(node, name, note)
        return self._ask("POST", "/v1/requests", rows.ContactRow, body)

    def requests(self) -> Deferred[RequestRows]:
        """Return who asks, and whom we asked."""
        return _member(self._ask("GET", "/v1/requests", contacts.Requests), "requests")

    def accept(self, asker: str, *, name: str = "") -> Deferred[rows.ContactRow]:
        """Take who asks as a contact."""
        body = contacts.AcceptRequest(name)
        return self._ask("POST", _path("requests", asker, "accept"), rows.ContactRow, body)

    def deny(self, asker: str) -> Deferred[rows.RequestRow]:
        """Refuse who asks."""
        return self._ask("POST", _path("requests", asker, "deny"), rows.RequestRow)

    def rename(self, contact: str, name: str) -> Deferred[rows.ContactRow]:
        """Call a contact otherwise."""
        body = contacts.RenameContact(name)
        return self._ask("PUT", _path("contacts", contact, "name"), rows.ContactRow, body)

    def remove(self, contact: str) -> Deferred[rows.ContactRow]:
        """End a contact."""
        return self._ask("DELETE", _path("contacts", contact), rows.ContactRow)

    def receipts(self, contact: str, on: bool | None) -> Deferred[rows.ContactRow]:
        """Tell a contact what is read, or not; None: as the settings say."""
        body = contacts.Decide(on)
        return self._ask("PUT", _path("contacts", contact, "receipts"), rows.ContactRow, body)

    def presence(self, contact: str, on: bool | None) -> Deferred[rows.ContactRow]:
        """Tell a contact when the user is here and types, or not; None: as the settings say."""
        body = contacts.Decide(on)
        return self._ask("PUT", _path("contacts", contact, "presence"), rows.ContactRow, body)

    def block(self, contact: str) -> Deferred[rows.ContactRow]:
        """Refuse a contact's key without telling it."""
        return self._ask("PUT", _path("contacts", contact, "block"), rows.ContactRow)

    def unblock(self, contact: str) -> Deferred[rows.ContactRow]:
        """Take a blocked contact back."""
        return self._ask("DELETE", _path("contacts", contact, "block"), rows.ContactRow)


class Calls:
    """Calls, as far as a node has to do with them: what programs say to set them up."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def signal(self, contact: str, call: str, step: Step, text: str = "") -> Deferred[Done]:
        """Hand a step of a call to a linked contact's programs, which get it as an event.

        Args:
            call: 16 bytes of chance in base64url, drawn by who begins the call.
            text: a session description or a candidate, in ASCII.
        """
        body = calls.SendSignal(call, step, text)
        return self._ask("POST", _path("contacts", contact, "signals"), Done, body)


class Hubs:
    """The hubs that a node uses, and who wants to be found there; or a hub, for its operator.

    A node answers `list` to `dismiss_at`, a hub the others.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def list(self) -> Deferred[list[HubRow]]:
        """Return the hubs that the node uses, its own first."""
        return _member(self._ask("GET", "/v1/hubs", network.Hubs), "hubs")

    def search(self, name: str) -> Deferred[Found]:
        """Return who wants to be found by a name that begins so."""
        return self._ask("GET", _path("found", name), Found)

    def entry(self) -> Deferred[Entered]:
        """Return where we are to be found by our name."""
        return self._ask("GET", "/v1/entry", Entered)

    def publish(self, note: str = "") -> Deferred[Entered]:
        """Be found by our name at all hubs of ours."""
        return self._ask("PUT", "/v1/entry", Entered, directory.PublishEntry(note))

    def withdraw(self) -> Deferred[Entered]:
        """Be found no more."""
        return self._ask("DELETE", "/v1/entry", Entered)

    def kick_at(self, hub: str, member: str) -> Deferred[Done]:
        """End a member's session at a hub of ours, as one of its admins; both are public keys."""
        return self._ask("DELETE", _path("hubs", hub, "sessions", member), Done)

    def dismiss_at(self, hub: str, member: str) -> Deferred[Done]:
        """Take a member off the allowlist of a hub of ours; as `kick_at`."""
        return self._ask("DELETE", _path("hubs", hub, "members", member), Done)

    def members(self) -> Deferred[MemberRows]:
        """Return the members of the allowlist in use."""
        return _member(self._ask("GET", "/v1/hub/members", hub.Members), "members")

    def add(self, member: hub_rows.NewMember) -> Deferred[hub_rows.Reloaded]:
        """Write a member into the allowlist, and use it."""
        return self._ask("POST", "/v1/hub/members", hub_rows.Reloaded, member)

    def remove(self, member: str) -> Deferred[hub_rows.Reloaded]:
        """Take a member out of the allowlist; its sessions end."""
        return self._ask("DELETE", _path("hub", "members", member), hub_rows.Reloaded)

    def reload(self) -> Deferred[hub_rows.Reloaded]:
        """Use the allowlist as it is on the disk now."""
        return self._ask("POST", "/v1/hub/reload", hub_rows.Reloaded)

    def sessions(self) -> Deferred[SessionRows]:
        """Return the sessions of the hub's process, newest first."""
        return _member(self._ask("GET", "/v1/hub/sessions", hub.Sessions), "sessions")

    def kick(self, member: str) -> Deferred[hub_rows.Kicked]:
        """End the sessions of a member, who may join again."""
        return self._ask("DELETE", _path("hub", "sessions", member), hub_rows.Kicked)


class Messages:
    """Conversations."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def send(self, contact: str, text: str) -> Deferred[rows.MessageRow]:
        """Put a text into the outbox; events tell what becomes of it."""
        body = messages.SendMessage(text)
        return self._ask("POST", _path("contacts", contact, "messages"), rows.MessageRow, body)

    def list(
        self, contact: str, *, before: int | None = None, limit: int = rows.DEFAULT_PAGE
    ) -> Deferred[list[rows.MessageRow]]:
        """Return a part of the conversation, oldest first."""
        query = f"?limit={limit}" + (f"&before={before}" if before is not None else "")
        path = _path("contacts", contact, "messages") + query
        return _member(self._ask("GET", path, messages.Messages), "messages")

    def delete(self, contact: str, message: str) -> Deferred[Done]:
        """Delete a message here."""
        return self._ask("DELETE", _path("contacts", contact, "messages", message), Done)

    def read(self, contact: str, upto: int) -> Deferred[rows.ContactRow]:
        """Mark their messages up to a number as read."""
        body = messages.MarkRead(upto)
        return self._ask("PUT", _path("contacts", contact, "read"), rows.ContactRow, body)

    def typing(self, contact: str, on: bool) -> Deferred[Done]:
        """Tell a contact that the user writes, or stopped."""
        body = messages.SetTyping(on)
        return self._ask("PUT", _path("contacts", contact, "typing"), Done, body)


class Files:
    """Transfers of files."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def send(self, contact: str, *paths: Path | str) -> Deferred[rows.TransferRow]:
        """Offer files and folders of this machine; events tell how far it is."""
        body = files.SendFiles([absolute(path) for path in paths])
        return self._ask("POST", _path("contacts", contact, "files"), rows.TransferRow, body)

    def list(self) -> Deferred[list[rows.TransferRow]]:
        """Return the transfers, newest first."""
        return _member(self._ask("GET", "/v1/files", files.Transfers), "files")

    def accept(
        self, transfer: str, *, folder: Path | str | None = None
    ) -> Deferred[rows.TransferRow]:
        """Take offered files."""
        body = files.AcceptFiles("" if folder is None else absolute(folder))
        return self._ask("POST", _path("files", transfer, "accept"), rows.TransferRow, body)

    def deny(self, transfer: str) -> Deferred[rows.TransferRow]:
        """Refuse offered files."""
        return self._ask("POST", _path("files", transfer, "deny"), rows.TransferRow)

    def cancel(self, transfer: str) -> Deferred[rows.TransferRow]:
        """End a transfer for good."""
        return self._ask("POST", _path("files", transfer, "cancel"), rows.TransferRow)

    def pause(self, transfer: str) -> Deferred[rows.TransferRow]:
        """Move nothing of a transfer until `resume`."""
        return self._ask("POST", _path("files", transfer, "pause"), rows.TransferRow)

    def resume(self, transfer: str) -> Deferred[rows.TransferRow]:
        """Take up a transfer now."""
        return self._ask("POST", _path("files", transfer, "resume"), rows.TransferRow)


class Key:
    """The account's key."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def rotate(self, passcode: str | None = None) -> Deferred[rows.KeyChanged]:
        """Take a new key, signed by the old one."""
        return self._ask("POST", "/v1/key/rotate", rows.KeyChanged, account.UnlockKey(passcode))

    def revoke(self, passcode: str | None = None) -> Deferred[rows.KeyChanged]:
        """Declare the key void."""
        return self._ask("POST", "/v1/key/revoke", rows.KeyChanged, account.UnlockKey(passcode))


class Records:
    """Signed records in the network."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def put(
        self, name: str, value: bytes, *, ttl_s: int = facade.DEFAULT_TTL_S
    ) -> Deferred[facade.PutResult]:
        """Sign a value and store it."""
        body = network.PutRecord(value, ttl_s)
        return self._ask("PUT", _path("records", name), facade.PutResult, body)

    def get(self, owner: str, name: str) -> Deferred[facade.GetResult]:
        """Find the newest record of an owner."""
        return self._ask("GET", _path("owners", owner, "records", name), facade.GetResult)

    def delete(self, name: str) -> Deferred[facade.PutResult]:
        """Put a tombstone over a record."""
        return self._ask("DELETE", _path("records", name), facade.PutResult)

    def list(self) -> Deferred[list[facade.RecordRow]]:
        """Return our records."""
        return _member(self._ask("GET", "/v1/records", network.Records), "records")


class Peers:
    """The peers that the node knows."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def list(self) -> Deferred[list[facade.PeerRow]]:
        """Return them, nearest first."""
        return _member(self._ask("GET", "/v1/peers", network.Peers), "peers")

    def ping(self, node: str) -> Deferred[facade.PingResult]:
        """Ask one for a signed answer."""
        return self._ask("POST", _path("peers", node, "ping"), facade.PingResult)

    def find(self, node_id: str) -> Deferred[facade.FindResult]:
        """Look for the nodes nearest to an id."""
        return self._ask("GET", _path("find", node_id), facade.FindResult)


def _member(asked: Deferred[Any], name: str) -> Deferred[list[Any]]:
    """Return one member of an answer in its place."""
    return asked.addCallback(lambda answer: getattr(answer, name))


def _path(*parts: str) -> str:
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def absolute(path: Path | str) -> str:
    """Return a path of this machine as the node wants it."""
    return str(Path(path).expanduser().absolute())
