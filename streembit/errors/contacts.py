"""What is refused of offers, requests, contacts and their keys."""

from __future__ import annotations

from streembit.errors.base import LocalError, RemoteError


class BadOffer(RemoteError):
    """The contact offer is damaged or says what no offer may say."""

    code = "bad-offer"


class OfferExpired(RemoteError):
    """The contact offer's time is over."""

    code = "offer-expired"


class OfferUsed(RemoteError):
    """The contact offer was for one person, and somebody has used it."""

    code = "offer-used"


class OwnOffer(RemoteError):
    """The contact offer is one's own."""

    code = "own-offer"


class KeyAlarm(RemoteError):
    """A known name came with another key: somebody may pose as your contact."""

    code = "key-alarm"


class KeyRefused(RemoteError):
    """Nothing is taken from this key: its owner was removed, blocked or denied."""

    code = "key-refused"


class KeyRevoked(RemoteError):
    """The key was declared void by its owner."""

    code = "key-revoked"


class BadRotation(RemoteError):
    """The new key does not follow from the one that is known."""

    code = "bad-rotation"


class RequestQuota(RemoteError):
    """Too many contact requests wait or came today."""

    code = "request-quota"


class StaleLetter(RemoteError):
    """The letter is too old, or from the future."""

    code = "stale-letter"


class NoSuchContact(LocalError):
    """There is no contact of this name or key."""

    code = "no-such-contact"


class AmbiguousContact(LocalError):
    """Several people have this name; give the fingerprint."""

    code = "ambiguous-contact"


class NameTaken(LocalError):
    """Another contact has this name or one that looks like it."""

    code = "name-taken"


class WrongState(LocalError):
    """This cannot be done with a contact in this state."""

    code = "wrong-state"


class BookFull(LocalError):
    """The contact book is full."""

    code = "book-full"


class TooManyOffers(LocalError):
    """Too many contact offers are open: take some back, or wait until they are over."""

    code = "too-many-offers"


class TooManyAsked(LocalError):
    """Too many people have been asked to be contacts and have not answered."""

    code = "too-many-asked"


class FingerprintDiffers(LocalError):
    """The fingerprint is not the one of this contact's key."""

    code = "fingerprint-differs"
