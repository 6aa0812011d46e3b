"""A hub of one process: its sessions in memory, its mail and directory on one shelf."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.python.failure import Failure

from streembit.errors import MailboxDegraded
from streembit.hub.mail import Listing, Mail, Waiting
from streembit.hub.presence import Shown
from streembit.service.hub.backplane import BackplaneEvents, Claim, MailShelf, Routed, Usage
from streembit.wire.hub import MailName

MAX_BATCH: Final = 256  # changes of one commit; more would hold up who only reads
MAX_WAITING: Final = 65_536  # changes that wait: what all members may have under way

T = TypeVar("T")
Work = Callable[[MailShelf], Any]
# Calls a function in a thread of its own, one at a time, and fires with what it returns.
Disk = Callable[..., Deferred[Any]]


class Shelving:
    """Hands work to the shelf's thread in batches, with one commit for each.

    What changes something is answered after the commit; where that fails,
    each change of the batch failed.
    """

    def __init__(self, shelf: MailShelf, disk: Disk) -> None:
        self._shelf = shelf
        self._disk = disk
        self._waiting: list[tuple[Work, Deferred[Any]]] = []
        self._busy: Deferred[None] | None = None

    def submit(self, work: Callable[[MailShelf], T]) -> Deferred[T]:
        """Fire with what the work returns, or its error.

        Errbacks:
            MailboxDegraded: it was not made durable, or too much waits.
        """
        done: Deferred[T] = Deferred()
        if len(self._waiting) >= MAX_WAITING:
            done.errback(MailboxDegraded("too much waits for the disk"))
            return done
        self._waiting.append((work, done))
        if self._busy is None:
            self._begin()
        return done

    def settled(self) -> Deferred[None]:
        """Fire when nothing waits any more."""
        done: Deferred[None] = Deferred()
        if self._busy is None:
            done.callback(None)
        else:
            self._busy.addCallback(lambda _: self.settled().chainDeferred(done))
        return done

    def _begin(self) -> None:
        batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
        busy = self._busy = Deferred()
        works = [work for work, _ in batch]
        self._disk(self._run, works).addBoth(self._done, [done for _, done in batch], busy)

    def _run(self, works: Sequence[Work]) -> list[Any]:
        """Do the work, in the thread; an error is returned in the place of what was asked for."""
        results = [_attempt(work, self._shelf) for work in works]
        try:
            self._shelf.commit()
        except MailboxDegraded as error:
            return [error] * len(works)
        return results

    def _done(
        self, results: list[Any] | Failure, waiting: list[Deferred[Any]], busy: Deferred[None]
    ) -> None:
        if isinstance(results, Failure):
            results = [results.value] * len(waiting)
        for done, result in zip(waiting, results, strict=True):
            if isinstance(result, Exception):
                done.errback(result)
            else:
                done.callback(result)
        self._busy = None  # not before: who hears the answers may submit more, which comes later
        if self._waiting:
            self._begin()
        busy.callback(None)


def _attempt(work: Work, shelf: MailShelf) -> Any:
    try:
        return work(shelf)
    except Exception as error:
        return error


class LocalBackplane(Service):
    """See `Backplane`; all that is shared is shared with nobody."""

    events: BackplaneEvents
    kind: Literal["local", "redis"] = "local"

    def __init__(self, shelf: MailShelf, disk: Disk, shown: Shown | None = None) -> None:
        self.setName("backplane")
        self._shelf = shelf
        self._shelving = Shelving(shelf, disk)
        self._claims: dict[str, Claim] = {}  # bounded by the sessions
        self._shown = Shown() if shown is None else shown
        self._is_looking = False

    @property
    def trouble(self) -> str:
        """See `Backplane`."""
        return self._shelf.trouble

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Look through what was kept, in the background: mail is refused until then."""
        super().startService()
        self._is_looking = True
        self._look()

    def stopService(self) -> Deferred[None]:  # noqa: N802 - Twisted's name
        """Wait for what is on its way to the disk."""
        super().stopService()
        self._shelf.stop_looking()
        return self._shelving.settled()

    def _look(self) -> None:
        self._shelving.submit(lambda shelf: shelf.look()).addCallback(self._looked)

    def _looked(self, more: bool) -> None:
        """Go on, or have those who joined meanwhile given their mail."""
        if not self.running:
            return
        if more:
            self._look()
            return
        self._is_looking = False
        for key in list(self._claims):
            self.events.mailed(key)

    def _ask(self, work: Callable[[MailShelf], T]) -> Deferred[T]:
        """Have the shelf's thread do this; while it looks, say so at once: nobody waits for it."""
        if self._is_looking:
            return fail(MailboxDegraded(self._shelf.trouble))
        return self._shelving.submit(work)

    # --- presence
    def claim(self, claim: Claim) -> Deferred[bool]:
        """See `Presence`."""
        former = self._claims.get(claim.key)
        if former is not None and former.started_ms > claim.started_ms:
            return succeed(False)
        self._claims[claim.key] = claim
        if former is not None:
            self._shown.forget(claim.key)
            self.events.superseded(former.session)
        self.events.changed(claim.key)
        return succeed(True)

    def release(self, claim: Claim) -> Deferred[None]:
        """See `Presence`."""
        held = self._claims.get(claim.key)
        if held is not None and held.session == claim.session:
            del self._claims[claim.key]
            self._shown.forget(claim.key)
            self.events.changed(claim.key)
        return _nothing()

    def route(self, _recipient: str, _token: bytes) -> Deferred[Routed]:
        """See `Presence`: there is no other process."""
        return succeed("gone")

    def ease(self, key: str) -> None:
        """See `Presence`: there is no other process."""

    def kick(self, key: str) -> Deferred[int]:
        """See `Presence`."""
        there = key in self._claims
        if there:
            self.events.kicked(key)
        return succeed(int(there))

    def relist(self) -> None:
        """See `Presence`: there is no other process."""

    def show(self, key: str, to: Sequence[str]) -> Deferred[None]:
        """See `Presence`."""
        return maybeDeferred(self._shown.show, key, to).addCallback(
            lambda _: self.events.changed(key)
        )

    def visible(self, watcher: str, keys: Sequence[str]) -> Deferred[list[str]]:
        """See `Presence`."""
        return succeed(
            [key for key in keys if key in self._claims and self._shown.may_know(watcher, key)]
        )

    # --- the mailboxes
    def keep(self, mail: Mail) -> Deferred[None]:
        """See `PostOffice`."""
        return self._ask(lambda shelf: shelf.keep(mail)).addCallback(self._kept, mail)

    def waiting(self, recipient: str, after: str, limit: int) -> Deferred[list[Waiting]]:
        """See `PostOffice`."""
        return self._ask(lambda shelf: shelf.waiting(recipient, after, limit))

    def count(self, recipient: str) -> Deferred[int]:
        """See `PostOffice`."""
        return self._ask(lambda shelf: shelf.count(recipient))

    def ack(self, recipient: str, mails: Sequence[MailName]) -> Deferred[int]:
        """See `PostOffice`."""
        return self._ask(lambda shelf: shelf.ack(recipient, mails))

    def expire(self, now_s: int) -> Deferred[int]:
        """See `PostOffice`."""
        return self._ask(lambda shelf: shelf.expire(now_s))

    def usage(self) -> Deferred[Usage]:
        """See `PostOffice`."""
        return self._ask(lambda shelf: shelf.held()).addCallback(
            lambda held: Usage(held[0], held[1], len(self._claims), 1)
        )

    def _kept(self, _new: bool, mail: Mail) -> None:
        if mail.recipient in self._claims:
            self.events.mailed(mail.recipient)

    # --- the directory
    def publish(self, listing: Listing) -> Deferred[None]:
        """See `Directory`."""
        return self._ask(lambda shelf: shelf.publish(listing))

    def withdraw(self, key: str) -> Deferred[None]:
        """See `Directory`."""
        return self._ask(lambda shelf: shelf.withdraw(key))

    def search(self, prefix: str, now_s: int, limit: int) -> Deferred[list[str]]:
        """See `Directory`."""
        return self._ask(lambda shelf: shelf.search(prefix, now_s, limit))


def _nothing() -> Deferred[None]:
    done: Deferred[None] = Deferred()
    done.callback(None)
    return done
