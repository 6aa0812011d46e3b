"""What a hub refuses, of its members and of its operator."""

from __future__ import annotations

from streembit.errors.base import LocalError, RemoteError

# --- who is let in ------------------------------------------------------------------------


class NotAdmitted(RemoteError):
    """The hub does not let this key in."""

    code = "not-admitted"


class BadBinding(RemoteError):
    """The answer to the hub's challenge belongs to another connection."""

    code = "bad-binding"


class OutOfTurn(RemoteError):
    """The frame is not the next one of its session."""

    code = "out-of-turn"


class NotPermitted(RemoteError):
    """The hub does not allow this to this key."""

    code = "not-permitted"


class SessionUsedUp(LocalError):
    """The session with the hub has counted enough; a new one has to begin."""

    code = "session-used-up"


# --- streams through a hub ----------------------------------------------------------------


class BadCargo(RemoteError):
    """What came through the hub is not of the due form."""

    code = "bad-cargo"


class StreamReset(RemoteError):
    """The stream through the hub was broken off."""

    code = "stream-reset"


class TooManyStreams(RemoteError):
    """There are too many streams with this member already."""

    code = "too-many-streams"


# --- who connects -------------------------------------------------------------------------


class TlsRefused(RemoteError):
    """The two sides have no form of TLS in common, or it was tampered with."""

    code = "tls-refused"


class UpgradeRefused(RemoteError):
    """The request is none for this hub's WebSocket."""

    code = "upgrade-refused"


# --- what a member sees of a hub ----------------------------------------------------------


class EnvelopeRefused(RemoteError):
    """What the hub passed on is not what it should have."""

    code = "envelope-refused"


class EnvelopeForged(EnvelopeRefused):
    """The hub passed on an envelope that its sender did not sign."""

    code = "envelope-forged"


class EnvelopeMisdirected(EnvelopeRefused):
    """The hub passed on an envelope that is for somebody else."""

    code = "envelope-misdirected"


class EnvelopeElsewhere(EnvelopeRefused):
    """The hub passed on an envelope that was given to another hub."""

    code = "envelope-elsewhere"


class EnvelopeOldSession(EnvelopeRefused):
    """The hub passed on an envelope out of a session that has ended."""

    code = "envelope-old-session"


class EnvelopeFuture(EnvelopeRefused):
    """The hub passed on an envelope out of a session that has not begun by our clock."""

    code = "envelope-future"


class EnvelopeRepeated(EnvelopeRefused):
    """The hub passed on an envelope a second time."""

    code = "envelope-repeated"


class EnvelopeMoved(EnvelopeRefused):
    """The hub passed on an envelope later than the one after it."""

    code = "envelope-moved"


class EnvelopeLost(EnvelopeRefused):
    """The hub did not pass on an envelope that came before another one."""

    code = "envelope-lost"


# --- the mailbox --------------------------------------------------------------------------


class MailRefused(RemoteError):
    """The mail is not kept."""

    code = "mail-refused"


class MailboxFull(MailRefused):
    """The recipient's mailbox is full."""

    code = "mailbox-full"


class MailQuota(MailRefused):
    """Too much mail of this sender waits in mailboxes already."""

    code = "mail-quota"


class MailboxDegraded(MailRefused):
    """The hub cannot keep mail at the moment."""

    code = "mailbox-degraded"


# --- the directory ------------------------------------------------------------------------


class DirectoryFull(RemoteError):
    """The directory of the hub is full."""

    code = "directory-full"


class BadEntry(RemoteError):
    """The directory entry says what no entry may say."""

    code = "bad-entry"


class EntryExpired(RemoteError):
    """The directory entry's time is over."""

    code = "entry-expired"


# --- presence and the table ---------------------------------------------------------------


class PresenceFull(RemoteError):
    """The hub remembers too many who watch or are shown already."""

    code = "presence-full"


class NotThere(RemoteError):
    """The hub finds no such record, or no such member."""

    code = "not-there"


# --- the allowlist ------------------------------------------------------------------------


class BadAllowlist(LocalError):
    """The allowlist cannot be used."""

    code = "bad-allowlist"


class NoAllowlist(LocalError):
    """The hub is public: it has no allowlist."""

    code = "no-allowlist"


class BadCertificate(LocalError):
    """The hub's TLS certificate or its private key cannot be used."""

    code = "bad-certificate"


# --- where hubs are -----------------------------------------------------------------------


class BadHubAddress(LocalError):
    """The address of the hub is not of the allowed form."""

    code = "bad-hub-address"


class NoHub(LocalError):
    """The node has no hub."""

    code = "no-hub"
