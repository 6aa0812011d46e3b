"""What a hub refuses, of its members and of its operator."""

from __future__ import annotations

from streembit.errors.base import LocalError, RemoteError

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


class MailConflict(MailRefused):
    """Another mail of this name waits for the recipient."""

    code = "mail-conflict"


class MailboxDegraded(MailRefused):
    """The hub cannot keep mail at the moment."""

    code = "mailbox-degraded"


# --- the allowlist ------------------------------------------------------------------------


class BadAllowlist(LocalError):
    """The allowlist cannot be used."""

    code = "bad-allowlist"


class NoAllowlist(LocalError):
    """The hub is public: it has no allowlist."""

    code = "no-allowlist"


# --- where hubs are -----------------------------------------------------------------------


class BadHubAddress(LocalError):
    """The address of the hub is not of the allowed form."""

    code = "bad-hub-address"


# --- the hub's own files ------------------------------------------------------------------


class MailboxDamaged(LocalError):
    """The mailbox is not sound, and holds mail that the hub said it keeps."""

    code = "mailbox-damaged"
