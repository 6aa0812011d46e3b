"""What is refused of parcels between contacts, and of sessions."""

from __future__ import annotations

from streembit.errors.base import LocalError, RemoteError


class ParcelRefused(RemoteError):
    """The parcel is not taken."""

    code = "parcel-refused"


class BadParcel(ParcelRefused):
    """The parcel is not of the due form, or was altered."""

    code = "bad-parcel"


class ParcelRepeated(ParcelRefused):
    """The parcel was opened before."""

    code = "parcel-repeated"


class ParcelTooFarAhead(ParcelRefused):
    """Too many parcels before this one are missing."""

    code = "parcel-too-far-ahead"


class UnknownSession(ParcelRefused):
    """The parcel belongs to a session that is not known here."""

    code = "unknown-session"


class PrekeyGone(ParcelRefused):
    """The parcel begins a session with a prekey that is used up or too old."""

    code = "prekey-gone"


class UnknownContent(ParcelRefused):
    """The parcel was opened, and what it says is not known here."""

    code = "unknown-content"


class PieceOutOfPlace(ParcelRefused):
    """The piece in the parcel belongs to a stream that is over, or is too far ahead."""

    code = "piece-out-of-place"


class ContactFloods(ParcelRefused):
    """Too much came from this contact within a short time."""

    code = "contact-floods"


class BadPrekeys(RemoteError):
    """The prekeys are not signed by their owner for this contact."""

    code = "bad-prekeys"


class NoSession(LocalError):
    """There is no session with this contact yet, and its prekeys are not known."""

    code = "no-session"


class OutboxFull(LocalError):
    """Too many messages to this contact wait already."""

    code = "outbox-full"


class ChestDamaged(LocalError):
    """The file with contacts and messages is damaged, or not of this account."""

    code = "chest-damaged"
