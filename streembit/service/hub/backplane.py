"""What the processes of one hub share: who is joined where, mail, the directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred

from streembit.hub.mail import Listing, Mail, Waiting
from streembit.wire.hub import MailName

# What became of an envelope for a member of another process: that one has no such member or no
# room; took it; or took it, but the member reads slowly, and `eased` tells when it takes more.
Routed = Literal["gone", "taken", "busy"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A session that says it is its member's only one.

    Of two claims of a key the one with the greater `started_ms` holds, of
    equal ones the later made. Keys are base64url text, as on the wire.
    """

    key: str
    session: str
    started_ms: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What mailboxes hold in all, and how many processes serve the hub."""

    mails: int
    mail_bytes: int
    joined: int
    processes: int


class BackplaneEvents(Protocol):
    """What a process of the hub is told by the others, and by itself."""

    def routed(self, recipient: str, token: bytes) -> Routed:
        """Take a live envelope for a member of this process; return what became of it."""

    def eased(self, key: str) -> None:
        """Go on with a member of another process that was busy."""

    def superseded(self, session: str) -> None:
        """End a session of this process: its member joined anew."""

    def kicked(self, key: str) -> None:
        """End the session of this member, if this process has it."""

    def changed(self, key: str) -> None:
        """Tell who watches this member: it came, went, or shows itself to others than before."""

    def mailed(self, recipient: str) -> None:
        """Look into this mailbox, if its owner is joined to this process: something was kept."""

    def relisted(self) -> None:
        """Read the allowlist anew: another process was told to, or may have been."""


class Presence(Protocol):
    """Which member is joined to which process, and who may know."""

    def claim(self, claim: Claim) -> Deferred[bool]:
        """Fire with True once this session holds; then `superseded` ends the one before.

        Fires with False where a newer session of the key holds already.
        `changed` follows on every process.
        """

    def release(self, claim: Claim) -> Deferred[None]:
        """Let go of a key, unless another session holds it by now; `changed` follows."""

    def route(self, recipient: str, token: bytes) -> Deferred[Routed]:
        """Pass a live envelope on to the other process that has its recipient.

        Fires with "gone" where no process has it, or none answers.
        """

    def ease(self, key: str) -> None:
        """Tell the other processes that a member takes more that was busy; `eased` follows."""

    def kick(self, key: str) -> Deferred[int]:
        """Have every process end its session of a member; fire with how many there were."""

    def relist(self) -> None:
        """Have all other processes read their allowlists anew, now or when they can be reached."""

    def show(self, key: str, to: Sequence[str]) -> Deferred[None]:
        """Let these and nobody else know when this member is here; `changed` follows.

        It is forgotten when the key is released.

        Errbacks:
            PresenceFull: there are too many lists; what was shown before stays.
        """

    def visible(self, watcher: str, keys: Sequence[str]) -> Deferred[list[str]]:
        """Fire with those of the keys that are joined and show it to the watcher."""


class PostOffice(Protocol):
    """The mailboxes."""

    def keep(self, mail: Mail) -> Deferred[None]:
        """Fire when the mail lies on the medium, and survives that the power fails.

        One of a name that waits already is kept as it came first. `mailed`
        follows where the recipient is joined.

        Errbacks:
            MailboxFull, MailQuota, MailboxDegraded: it is not kept.
        """

    def waiting(self, recipient: str, after: str, limit: int) -> Deferred[list[Waiting]]:
        """Fire with the oldest mails behind a position, in order."""

    def count(self, recipient: str) -> Deferred[int]:
        """Fire with how many mails wait."""

    def ack(self, recipient: str, mails: Sequence[MailName]) -> Deferred[int]:
        """Delete mails that their recipient has; fire with how many there were, when done."""

    def expire(self, now_s: int) -> Deferred[int]:
        """Delete what waited for too long, and entries that are over; fire with how many."""

    def usage(self) -> Deferred[Usage]:
        """Fire with what is held now, of all processes."""


class Directory(Protocol):
    """Entries of members who want to be found."""

    def publish(self, listing: Listing) -> Deferred[None]:
        """Show an entry; it takes the place of its member's one before.

        Errbacks:
            DirectoryFull: there are too many, and its member has none yet.
        """

    def withdraw(self, key: str) -> Deferred[None]:
        """Show a member's entry no more."""

    def search(self, prefix: str, now_s: int, limit: int) -> Deferred[list[str]]:
        """Fire with the tokens of entries whose name begins so, by name, that are not over."""


class Backplane(Presence, PostOffice, Directory, Protocol):
    """One hub's common knowledge; every process of the hub has a service of its own for it.

    `events` is set before the start. Where nothing else is said, a Deferred
    errbacks with MailboxDegraded while the medium or the other processes
    cannot be reached; what was asked has then not been done.
    """

    events: BackplaneEvents
    kind: Literal["local", "redis"]

    @property
    def trouble(self) -> str:
        """Why mail cannot be kept, "" where it can as far as is known."""

    def setServiceParent(self, parent: MultiService) -> None:  # noqa: N802 - Twisted's name
        """Start and stop with the hub."""


class MailShelf(Protocol):
    """Where one process alone keeps mail and entries; synchronous, one caller at a time.

    The callers' thread is not the one that opened it. Nothing is kept
    before `commit`; a change that was refused leaves no trace. Until `look`
    says that there is no more to look at, all others raise MailboxDegraded.
    """

    def look(self) -> bool:
        """Look at the next part of what was kept; return whether there is more."""

    def stop_looking(self) -> None:
        """Have `look` end soon; the caller's thread may be another."""

    @property
    def trouble(self) -> str:
        """Why mail cannot be kept, "" where it can as far as is known."""

    def keep(self, mail: Mail) -> bool:
        """Keep a mail; return False where the same waits already.

        Raises:
            MailboxFull, MailQuota: it is refused.
        """

    def waiting(self, recipient: str, after: str, limit: int) -> list[Waiting]:
        """Return the oldest mails behind a position, in order."""

    def count(self, recipient: str) -> int:
        """Return how many mails wait."""

    def ack(self, recipient: str, mails: Sequence[MailName]) -> int:
        """Delete mails; return how many there were."""

    def publish(self, listing: Listing) -> None:
        """Show an entry, in the place of its member's one before; raise DirectoryFull."""

    def withdraw(self, key: str) -> None:
        """Show a member's entry no more."""

    def search(self, prefix: str, now_s: int, limit: int) -> list[str]:
        """Return the tokens of entries whose name begins so, by name, that are not over."""

    def expire(self, now_s: int) -> int:
        """Delete what waited for too long, and entries that are over; return how many."""

    def held(self) -> tuple[int, int]:
        """Return how many mails wait in all, and their bytes."""

    def commit(self) -> None:
        """Put all changes on the medium, synchronously.

        Raises:
            MailboxDegraded: nothing since the commit before was kept.
        """
