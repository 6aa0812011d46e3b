"""Rows of what there is to see: contacts and messages as the local API shows them."""

from __future__ import annotations

from streembit.chat.conversation import Conversation
from streembit.chat.history import Entry as Said
from streembit.contacts.entry import Entry
from streembit.jose import base64url
from streembit.jose import fingerprint as fingerprints
from streembit.jose.keys import PublicKey
from streembit.service.network import show_address
from streembit.service.people_rows import ContactRow, MessageRow, PresenceState, Told
from streembit.wire.content import FileOffer, Text
from streembit.wire.hubtext import write
from streembit.wire.offer import Address
from streembit.wire.transfer import FileOffer as Offered
from streembit.wire.transfer import read_content

ALARMS = {
    "": "",
    "known-name": "somebody else is known by this name, or by one that looks like it",
    "new-key": "the key has changed since it was compared: compare it again",
    "two-successors": "two keys claim to be the new one: compare fingerprints",
    "revoked": "the key was declared void by its owner",
}


def contact_row(
    entry: Entry,
    talk: Conversation | None,
    presence: PresenceState,
    *,
    via: str,
    heard_s: float,
    told: list[Told],
    ended: bool,
    why: str,
) -> ContactRow:
    """Return the row of somebody in the book, who is linked `via` something and was heard then."""
    key = entry.public()
    return ContactRow(
        name=entry.name,
        public_key=key.hex,
        fingerprint=fingerprints.of(key),
        state=entry.state,
        user_type=entry.user_type,
        verified=entry.verified,
        linked=bool(via),
        presence=presence if via else "gone",
        added=entry.added_s,
        last_seen=max(entry.last_seen_s or 0, int(heard_s)) or None,
        addresses=[_shown(each) for each in entry.addresses],
        unread=talk.unread if talk is not None else 0,
        queued=talk.queued if talk is not None else 0,
        note=entry.note,
        alarm=ALARMS[entry.alarm],
        told=told,
        receipts=entry.receipts,
        shows_presence=entry.presence,
        number=fingerprints.number_of(key),
        via=via,
        ended=ended,
        why=why,
    )


def alarm_of(alike: Entry | None) -> str:
    """Return what to say of a name like that of somebody in the book; "" where there is none."""
    return "" if alike is None else f"{alike.name} is known, with another key"


def _shown(address: Address) -> str:
    """Return an address as people read it."""
    return write(address) if address.is_hub else show_address(address.host, address.port)


def message_row(
    contact: PublicKey, said: Said, talk: Conversation | None, now_s: float
) -> MessageRow:
    """Return the row of a message."""
    spoken = said.spoken()
    text, transfer = "", ""
    if isinstance(spoken, Text):
        text = spoken.text
    elif isinstance(spoken, FileOffer):
        text, transfer = _files(spoken)
    waits = said.ours and said.state in ("queued", "sent") and talk is not None
    return MessageRow(
        id=said.id,
        number=said.number,
        contact=contact.hex,
        outgoing=said.ours,
        text=text,
        sent=said.at_s if said.ours or spoken is None else spoken.sent_s,
        arrived=None if said.ours else said.at_s,
        state=said.state,
        why=said.why if spoken is not None else "unknown-content",
        tries=talk.tries if waits and talk is not None else 0,
        next_try=_next_try(talk, now_s) if waits and talk is not None else None,
        transfer=transfer,
    )


def _next_try(talk: Conversation, now_s: float) -> int | None:
    next_s = talk.next_s(now_s)
    return None if next_s is None else int(max(next_s, now_s))


def _files(spoken: FileOffer) -> tuple[str, str]:
    """Return what to call offered files, and the id of their transfer."""
    content = read_content(base64url.decode(spoken.body))
    return (content.name, content.transfer) if isinstance(content, Offered) else ("", "")
