"""A hub of several processes: presence, routes, mail and directory in Redis.

Each process has a lease that it renews; who is joined to a process that
holds none is joined to nobody. A process that cannot reach Redis goes on
with the members that it has: they talk among themselves, new ones may join,
and mail is refused. When Redis answers again, all that is here is claimed
anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater
from twisted.logger import Logger

from streembit.disk.mailbox import DAY_S, DEFAULTS, EXPIRED_AT_ONCE, MAIL_OVERHEAD_BYTES, MailLimits
from streembit.errors import DirectoryFull, MailboxDegraded, MailboxFull, MailQuota
from streembit.hub.mail import Listing, Mail, Waiting
from streembit.hub.presence import Shown
from streembit.service.hub.backplane import BackplaneEvents, Claim, Routed, Usage
from streembit.service.hub.redis import scripts
from streembit.service.hub.redis.address import RedisAddress
from streembit.service.hub.redis.link import RedisLink
from streembit.service.hub.redis.routes import Routes
from streembit.service.hub.redis.scripts import Script
from streembit.service.upkeep import Upkeep, as_deferred
from streembit.wire.hub import MailName

LEASE_S: Final = 15.0  # a process that stands still for less keeps its members
RENEWALS: Final = 3  # of a lease, in its time
END_S: Final = 1.0  # for Redis to hear that we go; else the lease tells it
ONLY_ALWAYS: Final = (
    "Redis must keep what it was told: CONFIG SET appendonly yes, appendfsync always,"
    " maxmemory-policy noeviction"
)

_KEPT: Final = (
    ("appendonly", b"yes"),
    ("appendfsync", b"always"),
    ("maxmemory-policy", b"noeviction"),
)

_log = Logger()


class RedisBackplane(MultiService):
    """See `Backplane`; processes with the same server and prefix are one hub.

    Args:
        prefix: what the hub's keys in Redis begin with.
        process: the name of this process, which no other has: a word.
        random: chance in [0, 1) for retries and beats.
        lease_s: how long members of a process that does not answer any
            more count as joined, unless they join anew.
    """

    events: BackplaneEvents
    kind: Literal["local", "redis"] = "redis"

    def __init__(
        self,
        reactor: Any,
        address: RedisAddress,
        password: str,
        prefix: str,
        process: str,
        random: Callable[[], float],
        limits: MailLimits = DEFAULTS,
        lease_s: float = LEASE_S,
    ) -> None:
        super().__init__()
        self.setName("backplane")
        self._prefix, self._process = prefix, process
        self._clock = reactor
        self._limits = limits
        self._claims: dict[str, Claim] = {}  # of this process; bounded by its sessions
        self._shown = Shown()
        self._routes = Routes(reactor, self._send, self._answer, self._routed)
        self._has_begun = False
        self._unkept = "Redis was not asked yet whether it keeps mail"
        self.link = RedisLink(
            reactor,
            address,
            password,
            random,
            [f"{prefix}to:{process}", f"{prefix}to:all"],
            self._told,
            self._begin,
        )
        self.link.setServiceParent(self)
        self._lease_ms = int(lease_s * 1000)
        Upkeep("lease", reactor, lease_s / RENEWALS, self._renew, random).setServiceParent(self)

    @property
    def trouble(self) -> str:
        """Why mail cannot be kept, "" where it can."""
        return self.link.trouble or self._unkept

    async def _end(self) -> None:
        if self.link.is_ready:
            ended = self._run(scripts.END, self._process)
            await ended.addTimeout(END_S, self._clock).addErrback(_quiet)
        await deferLater(self._clock, 0)  # not from within what a connection tells
        await as_deferred(super().stopService())

    def stopService(self) -> Deferred[None]:  # noqa: N802 - Twisted's name
        """Give the members back, then close."""
        return Deferred.fromCoroutine(self._end())

    # --- presence
    def claim(self, claim: Claim) -> Deferred[bool]:
        """See `Presence`; without Redis the claim holds here, and is made there later."""
        former = self._claims.get(claim.key)
        if former is not None and former.started_ms > claim.started_ms:
            return succeed(False)
        self._claims[claim.key] = claim
        if former is not None and former.session != claim.session:
            self._shown.forget(claim.key)
            self.events.superseded(former.session)
        if not self.link.is_ready:
            self.events.changed(claim.key)
            return succeed(True)
        return self._claim(claim)

    def release(self, claim: Claim) -> Deferred[None]:
        """See `Presence`."""
        held = self._claims.get(claim.key)
        if held is not None and held.session == claim.session:
            del self._claims[claim.key]
            self._shown.forget(claim.key)
        if not self.link.is_ready:  # the lease ends, or all is claimed anew without it
            self.events.changed(claim.key)
            return succeed(None)
        released = self._run(scripts.RELEASE, claim.key, claim.session)
        return released.addErrback(_quiet).addCallback(lambda _: None)

    def route(self, recipient: str, token: bytes) -> Deferred[Routed]:
        """See `Presence`; without Redis nobody is elsewhere."""
        return self._routes.route(recipient, token) if self.link.is_ready else succeed("gone")

    def kick(self, key: str) -> Deferred[int]:
        """See `Presence`."""
        return self._run(scripts.KICK, key)

    def relist(self) -> None:
        """See `Presence`; who cannot hear it now reads its list when Redis answers again."""
        if self.link.is_ready:
            told = self.link.ask("PUBLISH", f"{self._prefix}to:all", f"L {self._process}")
            told.addErrback(_quiet)

    def ease(self, key: str) -> None:
        """See `Presence`; who cannot hear it now breaks off what waits, in time."""
        if self.link.is_ready:
            self.link.ask("PUBLISH", f"{self._prefix}to:all", f"E {key}").addErrback(_quiet)

    def show(self, key: str, to: Sequence[str]) -> Deferred[None]:
        """See `Presence`; without Redis it is told there later."""
        self._shown.show(key, to)
        if not self.link.is_ready:
            return succeed(None)
        return self._run(scripts.SHOW, key, *to).addCallback(lambda _: None)

    def visible(self, watcher: str, keys: Sequence[str]) -> Deferred[list[str]]:
        """See `Presence`; without Redis those of this process."""
        if not self.link.is_ready:
            here = [key for key in keys if key in self._claims]
            return succeed([key for key in here if self._shown.may_know(watcher, key)])
        found = self._run(scripts.VISIBLE, watcher, *keys)
        return found.addCallback(lambda keys: [key.decode() for key in keys])

    # --- the mailboxes
    def keep(self, mail: Mail) -> Deferred[None]:
        """See `PostOffice`."""
        if self._unkept:
            refused: Deferred[None] = Deferred()
            refused.errback(MailboxDegraded(self._unkept))
            return refused
        limits = self._limits
        return self._run(
            scripts.KEEP,
            mail.recipient,
            mail.sender,
            mail.id,
            mail.kept_s,
            mail.token,
            MAIL_OVERHEAD_BYTES,
            limits.box_messages,
            limits.box_bytes,
            limits.sender_messages,
            limits.sender_bytes,
            limits.total_bytes,
        ).addCallback(_kept)

    def waiting(self, recipient: str, after: str, limit: int) -> Deferred[list[Waiting]]:
        """See `PostOffice`."""
        begin = f"({int(after)}-0" if after else "-"
        box = f"{self._prefix}box:{recipient}"
        found = self.link.ask("XRANGE", box, begin, "+", "COUNT", limit)
        return found.addCallback(lambda rows: [_waiting(*row) for row in rows])

    def count(self, recipient: str) -> Deferred[int]:
        """See `PostOffice`."""
        return self.link.ask("XLEN", f"{self._prefix}box:{recipient}")

    def ack(self, recipient: str, mails: Sequence[MailName]) -> Deferred[int]:
        """See `PostOffice`."""
        names = [text for mail in mails for text in (mail.sender, mail.id)]
        return self._run(scripts.ACK, recipient, *names)

    def expire(self, now_s: int) -> Deferred[int]:
        """See `PostOffice`."""
        oldest_s = now_s - self._limits.days * DAY_S
        return self._run(scripts.EXPIRE, oldest_s, now_s, EXPIRED_AT_ONCE)

    def usage(self) -> Deferred[Usage]:
        """See `PostOffice`."""
        return self._run(scripts.USAGE).addCallback(lambda found: Usage(*found))

    # --- the directory
    def publish(self, listing: Listing) -> Deferred[None]:
        """See `Directory`."""
        return self._run(
            scripts.PUBLISH,
            listing.key,
            listing.name,
            listing.expires_s,
            listing.token,
            self._limits.entries,
        ).addCallback(_published, self._limits.entries)

    def withdraw(self, key: str) -> Deferred[None]:
        """See `Directory`."""
        return self._run(scripts.WITHDRAW, key).addCallback(lambda _: None)

    def search(self, prefix: str, now_s: int, limit: int) -> Deferred[list[str]]:
        """See `Directory`."""
        found = self._run(scripts.SEARCH, prefix, now_s, limit)
        return found.addCallback(lambda tokens: [token.decode() for token in tokens])

    # --- with Redis
    def _run(self, script: Script, *arguments: object) -> Deferred[Any]:
        return self.link.run(script, self._prefix, *arguments)

    def _begin(self) -> None:
        """Claim all that is here; both connections are open."""
        self._check()
        self._lease().addErrback(_quiet)
        if self._has_begun:  # what others were told meanwhile was not heard here
            self.events.relisted()
        self._has_begun = True
        self._claim_all()

    def _renew(self) -> Deferred[Any]:
        """Hold on to the lease; where it ran out all the same, others think that nobody is here."""
        if not self.link.is_ready:
            return succeed(None)
        self.link.beat()
        self._check()
        held = self._lease().addCallback(lambda ran_out: self._claim_all() if ran_out else None)
        return held.addErrback(_quiet)

    def _lease(self) -> Deferred[Any]:
        return self._run(scripts.LEASE, self._process, self._lease_ms)

    def _claim_all(self) -> None:
        for claim in list(self._claims.values()):
            self._claim(claim).addCallback(self._again, claim.key)

    def _again(self, holds: bool, key: str) -> None:
        """Look for the mail of a member that could not be given any meanwhile."""
        if holds:
            self.events.mailed(key)

    def _check(self) -> None:
        """Find out whether Redis keeps what it is told, through a loss of power too."""
        names = [name for name, _ in _KEPT]
        self.link.ask("CONFIG", "GET", *names).addCallbacks(self._checked, self._unknown)

    def _checked(self, found: list[bytes]) -> None:
        is_set = dict(zip(found[::2], found[1::2], strict=True))
        wrong = [name for name, value in _KEPT if is_set.get(name.encode()) != value]
        self._keep_only(f"{ONLY_ALWAYS} (now wrong: {', '.join(wrong)})" if wrong else "")

    def _unknown(self, failure: Any) -> None:
        self._keep_only(f"{ONLY_ALWAYS}, and let us see it: {failure.value}")

    def _keep_only(self, unless: str) -> None:
        """Refuse mail for this reason from now on, or for none; tell it when it changes."""
        if unless != self._unkept:
            self._unkept = unless
            _log.warn("mail is {state}", state=f"refused: {unless}" if unless else "kept")

    def _claim(self, claim: Claim) -> Deferred[bool]:
        claimed = self._run(
            scripts.CLAIM,
            self._process,
            claim.key,
            claim.session,
            claim.started_ms,
            *self._shown.to(claim.key),
        )
        return claimed.addCallbacks(
            self._claimed, self._not_now, callbackArgs=(claim,), errbackArgs=(claim,)
        )

    def _claimed(self, holds: int, claim: Claim) -> bool:
        """Let go of a claim that another session was quicker with."""
        if not holds and self._claims.get(claim.key) is claim:
            del self._claims[claim.key]
            self._shown.forget(claim.key)
            self.events.superseded(claim.session)
        return bool(holds)

    def _not_now(self, _failure: object, claim: Claim) -> bool:
        """Go on with a member that is here; it is claimed when Redis answers again."""
        return self._claims.get(claim.key) is claim

    # --- from others
    def _told(self, message: bytes) -> None:
        kind, _, rest = message.partition(b" ")
        match kind:
            case b"R":
                self._routes.came(*rest.split(b" ", 3))
            case b"A":
                self._routes.answered(rest)
            case b"S":
                self.events.superseded(rest.decode())
            case b"K":
                self.events.kicked(rest.decode())
            case b"C":
                self.events.changed(rest.decode())
            case b"M":
                self.events.mailed(rest.decode())
            case b"E":
                self.events.eased(rest.decode())
            case b"L":
                if rest.decode() != self._process:
                    self.events.relisted()
            case _:
                _log.warn("a message of another version: {kind}", kind=kind[:8])

    def _routed(self, recipient: str, token: bytes) -> Routed:
        return self.events.routed(recipient, token)

    def _send(self, number: int, recipient: str, token: bytes) -> Deferred[Any]:
        return self._run(scripts.ROUTE, self._process, number, recipient, token)

    def _answer(self, process: str, answers: str) -> None:
        told = self.link.ask("PUBLISH", f"{self._prefix}to:{process}", f"A {answers}")
        told.addErrback(_quiet)


def _kept(answer: bytes) -> None:
    match answer:
        case b"box":
            raise MailboxFull
        case b"all":
            raise MailboxFull("that of all members")
        case b"sender":
            raise MailQuota
        case _:  # kept, now or before
            return


def _waiting(position: bytes, fields: list[bytes]) -> Waiting:
    number = int(position.partition(b"-")[0])
    return Waiting(f"{number:016d}", fields[1])


def _published(shown: int, limit: int) -> None:
    if not shown:
        raise DirectoryFull(limit=limit)


def _quiet(_failure: object) -> None:
    """Leave it to the next beat: whoever asked was told, or nobody did."""
