"""The hub as its operator sees it; and the allowlist in use, read anew when that is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Literal, Protocol

from autobahn.websocket import USES_NVX
from msgspec.structs import replace
from twisted.internet.defer import Deferred, DeferredLock, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit._version import __version__
from streembit.dht import keyspace
from streembit.disk.steps import Steps
from streembit.errors import (
    BadAllowlist,
    BadKey,
    DiskFailed,
    MailboxDegraded,
    NoAllowlist,
    NotFound,
)
from streembit.hub import allowlist
from streembit.hub.allowlist import Allowlist, Member
from streembit.hub.grant import Grant
from streembit.jose import base64url, fingerprint
from streembit.jose.keys import PublicKey
from streembit.service.desk import Desk as NodeDesk
from streembit.service.facade import Readiness, Status, StoreHealth
from streembit.service.hub.backplane import Usage
from streembit.service.hub.hub import Hub
from streembit.service.hub.local import Disk
from streembit.service.hub.rows import (
    HubStatus,
    Kicked,
    MemberRow,
    NewMember,
    Reloaded,
    SessionRow,
)
from streembit.service.hub.session import Session
from streembit.service.hub.stepping import step_by_step
from streembit.service.node import Node

Security = Literal["tls", "plain", "proxy"]

_log = Logger()


class Roll(Protocol):
    """The allowlist's file; see `disk.allowlist` for what each may raise."""

    def load(self) -> Steps[Allowlist]:
        """Return the list in the file."""

    def add(self, member: Member) -> Steps[Allowlist]:
        """Write a member; return the list from now on."""

    def remove(self, key: str) -> Steps[Allowlist]:
        """Take the member with this key out; return the list from now on."""


class Desk:
    """Answers for a running hub; see `facade.HubFacade` for what each method promises.

    Args:
        roll: the allowlist's file; None at a public hub.
        pin: returns what to give members.
        node: the hub's own, if it has one.
        disk: writes the file; by default in this thread.
    """

    def __init__(
        self,
        hub: Hub,
        roll: Roll | None,
        security: Security,
        pin: Callable[[], str],
        node: Node | None = None,
        disk: Disk = maybeDeferred,
    ) -> None:
        self._hub = hub
        self._roll = roll
        hub.read_list = self._relisted
        hub.commands.admins.operator = self
        self._security = security
        self._pin = pin
        self._node = node
        self._disk = disk
        self._file_is_mine = DeferredLock()  # of who reads or changes it, for all of its steps
        self._trouble = ""  # why the file on the disk is not the list in use
        self.errors = 0
        hub.metrics.gauge(
            "streembit_hub_allowlist_generation",
            "Allowlists used since the start; 0 at a public hub.",
            lambda: hub.generation,
        )
        hub.metrics.counter(
            "streembit_hub_allowlist_errors",
            "Files that could not be used.",
            lambda: self.errors,
        )

    # --- state
    async def ready(self) -> Readiness:
        trouble = self._hub.backplane.trouble
        return Readiness(True, None, trouble or "members can join")  # they talk without mail too

    async def status(self) -> Status:
        hub = self._hub
        table = await self._table()
        return replace(
            table,
            role="hub",
            listening=list(hub.listening),
            limits=hub.limits(),
            refusals=dict(
                sorted((Counter(table.refusals) + Counter(hub.refusals.counts())).items())
            ),
            readiness=await self.ready(),
            uptime_s=hub.now_unix_s() - hub.started_s,
            signed_checked=table.signed_checked + hub.checks,
            hub=await self._state(),
        )

    async def _table(self) -> Status:
        """Return what the hub's own node says of itself; of none, what would be said of it."""
        if self._node is not None:
            return await NodeDesk(self._node).status()
        hub, key = self._hub, self._hub.identity.public
        return Status(
            version=__version__,
            role="hub",
            network=hub.settings.network,
            account=hub.identity.name,
            public_key=key.hex,
            node_id=keyspace.to_hex(keyspace.node_id(key.point)),
            fingerprint=fingerprint.of(key),
            listening=[],
            observed="",
            reachability="unknown",
            peers=0,
            links=0,
            records=0,
            bytes=0,
            limits={},
            refusals={},
            readiness=Readiness(False, None, "there is no node"),
            clock_skew_s=None,
            uptime_s=0.0,
            signed_checked=0,
            store=StoreHealth(True, ""),
        )

    async def _state(self) -> HubStatus:
        hub, usage = self._hub, await self._usage()
        return HubStatus(
            private=hub.settings.private,
            members=None if self._roll is None else len(self._listed().members),
            generation=hub.generation,
            allowlist=self._trouble,
            sessions=len(hub.sessions()),
            joined=usage.joined,
            processes=usage.processes,
            backplane=hub.backplane.kind,
            mails=usage.mails,
            mail_bytes=usage.mail_bytes,
            mailbox=hub.backplane.trouble,
            security=self._security,
            accelerated=bool(USES_NVX),
            pin=self._pin(),
        )

    async def _usage(self) -> Usage:
        try:
            return await self._hub.backplane.usage()
        except MailboxDegraded:  # `mailbox` says why; what is here is known all the same
            return Usage(0, 0, len(self._hub.sessions()), 1)

    # --- members
    async def members(self) -> list[MemberRow]:
        listed = self._listed().members.items()
        rows = [_member_row(member, self._hub.find(key) is not None) for key, member in listed]
        return sorted(rows, key=lambda row: row.account)

    async def add_member(self, member: NewMember) -> Reloaded:
        key = PublicKey.from_hex(member.public_key)
        grant = Grant(
            member.account,
            member.user_type,
            frozenset(member.permissions),
            member.expires or None,
        )
        return self._told(await self._use(self._file().add(Member(key, grant, member.note))))

    async def remove_member(self, member: str) -> Reloaded:
        return self._told(await self._use(self._file().remove(self._named(member))))

    async def reload(self) -> Reloaded:
        return self._told(await self._reread())

    def _told(self, reloaded: Reloaded) -> Reloaded:
        """Have the other processes of the hub read the list as well."""
        self._hub.backplane.relist()
        return reloaded

    def _relisted(self) -> None:
        """Read the list for another process has; a public hub has none."""
        if self._roll is not None:
            Deferred.fromCoroutine(self._reread()).addErrback(_told_already)

    async def _reread(self) -> Reloaded:
        file = self._file()
        try:
            return await self._use(file.load())
        except (BadAllowlist, DiskFailed) as error:
            self.errors += 1
            self._trouble = str(error)
            _log.error("the allowlist stays as it was: {error}", error=str(error))
            raise

    async def _use(self, work: Steps[Allowlist]) -> Reloaded:
        """Do what brings the list, when all that was asked before is done, and use it."""
        await self._file_is_mine.acquire()
        try:
            return self._admit(await step_by_step(work, self._hub.clock, self._disk))
        finally:
            self._file_is_mine.release()

    def _admit(self, new: Allowlist) -> Reloaded:
        change = allowlist.change(self._listed(), new)
        ended = self._hub.admit(new)
        self._trouble = ""
        reloaded = Reloaded(
            self._hub.generation,
            len(new.members),
            _hex(change.added),
            _hex(change.removed),
            _hex(change.reduced | change.altered),
            len(ended),
        )
        _log.info(
            "allowlist {generation} in use: {members} members, {closed} sessions ended",
            generation=reloaded.generation,
            members=reloaded.members,
            closed=reloaded.closed,
        )
        return reloaded

    # --- sessions
    async def sessions(self) -> list[SessionRow]:
        return [self._row(session) for session in reversed(self._hub.sessions())]

    async def kick(self, member: str) -> Kicked:
        key = self._named(member) if self._roll is not None else _key_named(self._hub, member)
        count = await self._hub.backplane.kick(key)
        if not count:
            raise NotFound("it is not joined")
        return Kicked(count)

    def _row(self, session: Session) -> SessionRow:
        hub = self._hub
        now_s, carrier = hub.clock.seconds(), session.carrier
        return SessionRow(
            public_key=session.served.member.hex,
            account=session.grant.account,
            session=session.served.name,
            observed=hub.observed(session),
            agent=session.agent,
            since=int(hub.now_unix_s() - (now_s - session.since_s)),
            idle_s=max(0.0, now_s - carrier.last_received_s),
            frames_in=session.frames_in,
            frames_out=session.frames_out,
            queued_bytes=carrier.queued_bytes,
        )

    # --- the file
    def _file(self) -> Roll:
        if self._roll is None:
            raise NoAllowlist("it was started without --private")
        return self._roll

    def _listed(self) -> Allowlist:
        members = self._hub.members
        if not isinstance(members, Allowlist):
            raise NoAllowlist("it was started without --private")
        return members

    def _named(self, name: str) -> str:
        """Return the key's text of a member, named by account, key in hex or fingerprint."""
        members = self._listed().members
        for key, member in members.items():
            if name in (member.grant.account, member.key.hex):
                return key
        for key, member in members.items():
            if name == fingerprint.of(member.key):
                return key
        raise NotFound("there is no such member")


def _key_named(hub: Hub, name: str) -> str:
    """Return the key's text of somebody joined to a public hub."""
    try:
        return PublicKey.from_hex(name).text
    except BadKey:
        pass
    for session in hub.sessions():
        if fingerprint.of(session.served.member) == name:
            return session.key
    raise NotFound("it is not joined")


def _member_row(member: Member, joined: bool) -> MemberRow:
    grant = member.grant
    return MemberRow(
        public_key=member.key.hex,
        account=grant.account,
        user_type=grant.user_type,
        permissions=grant.listed(),
        expires=grant.expires_s or 0,
        note=member.note,
        joined=joined,
    )


def _hex(keys: frozenset[str]) -> list[str]:
    return sorted(base64url.decode(key).hex() for key in keys)


def _told_already(failure: Failure) -> None:
    failure.trap(BadAllowlist, DiskFailed)
