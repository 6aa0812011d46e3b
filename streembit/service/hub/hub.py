"""The service tree of a hub: everything joined, and nothing decided here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Final

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.errors import (
    DeadlineExceeded,
    MailboxDegraded,
    NotAdmitted,
    NotPermitted,
    PeerGone,
    StreembitError,
)
from streembit.hub.admission import Applicant, HubAdmission
from streembit.hub.grant import Grant, needed, needed_to_send
from streembit.jose.keys import Identity
from streembit.net.budget import Budgets
from streembit.net.carrier import CLOSE_AWAY, LIMITS, Carrier, CarrierLimits
from streembit.net.gate import Gate, GateLimits
from streembit.net.hublisten import HubFactory, Upgrades
from streembit.service.hub import figures
from streembit.service.hub.admins import Admins
from streembit.service.hub.backplane import Backplane, Routed
from streembit.service.hub.commands import Commands, Prober, Table
from streembit.service.hub.lobby import Draw, Lobby
from streembit.service.hub.members import Members
from streembit.service.hub.postman import Postman, refuse_for
from streembit.service.hub.rounds import Rounds
from streembit.service.hub.router import Router
from streembit.service.hub.session import Session
from streembit.service.hub.settings import Figures, HubSettings, in_force
from streembit.service.hub.watchers import Watchers
from streembit.service.log import SETTLE_EVERY_S, Refusals
from streembit.service.metrics import Metrics
from streembit.service.network import show_address
from streembit.service.upkeep import Upkeep, as_deferred
from streembit.wire.hub import Ack, Command, Envelope, HubClaims, Reply

EXPIRE_EVERY_S: Final = 600.0
CLOSE_WITHIN_S: Final = 3.0  # of the end of a process, which has 4.5 s in all

GATE_LIMITS: Final = GateLimits()
OWN_NODE: Final = Grant("", "service", frozenset({"relay"}))

_log = Logger()


class Hub(MultiService):
    """One hub, or one process of it: start it and members may join; stop it and all is still.

    Who listens builds its protocols from `factory`.

    Args:
        members: whom it lets in; see `admit` for how that changes.
        unix_s: unix time, by which permissions end.
        mail_s: unix time too, by which mail and entries are kept, and which
            no step of the machine's clock moves; by default the same.
        draw: chance that nobody can foresee.
    """

    def __init__(
        self,
        identity: Identity,
        settings: HubSettings,
        members: Members,
        backplane: Backplane,
        clock: IReactorTime,
        unix_s: Callable[[], float],
        mail_s: Callable[[], float] | None = None,
        *,
        gate_limits: GateLimits = GATE_LIMITS,
        carrier_limits: CarrierLimits = LIMITS,
        metrics: Metrics | None = None,
        table: Table | None = None,
        prober: Prober | None = None,
        draw: Draw = os.urandom,
    ) -> None:
        super().__init__()
        self.setName("hub")
        self.identity, self.settings, self.members = identity, settings, members
        self.clock, self.now_unix_s = clock, unix_s
        self.backplane = backplane
        self.metrics = metrics or Metrics()
        self.refusals = Refusals(self.metrics, clock.seconds)
        self.gate = Gate(gate_limits)
        self.carrier_limits = carrier_limits
        self.started_s = unix_s()
        self.listening: list[str] = []
        self.generation = int(settings.private)
        self.read_list: Callable[[], object] = lambda: None  # set by whoever knows where it lies
        self.checks = 0
        self._sessions: dict[str, Session] = {}  # by key; bounded by the gate, as the next
        self._by_name: dict[str, Session] = {}
        self._frames = Budgets(settings.member_frames, settings.all_frames)
        self.factory = self._door(draw)
        backlog = self.factory.backlog
        self.router = Router(self.find, backplane, backlog, clock, settings.slow_s)
        self._mail_s = mail_s or unix_s
        self.postman = Postman(backplane, self.grant_of, clock, self._mail_s)
        self.watchers = Watchers(backplane, clock, self.find)
        self.commands = self._commands(table, prober)
        self._stopping = False
        backplane.events = self
        backplane.setServiceParent(self)
        for job in self._upkeep():
            job.setServiceParent(self)
        self._show()

    def _door(self, draw: Draw) -> HubFactory:
        """Return what makes the protocols of those who connect."""
        settings, limits = self.settings, self.carrier_limits
        joins = Budgets(settings.address_joins, settings.all_joins)
        return HubFactory(
            Lobby(self, self.clock, joins, draw),
            self.gate,
            self.clock,
            self.refused,
            private=settings.private,
            upgrades=Upgrades(settings.origins, limits.subprotocol),
            limits=limits,
        )

    def _commands(self, table: Table | None, prober: Prober | None) -> Commands:
        return Commands(
            self.settings,
            self.backplane,
            self.watchers,
            table,
            prober,
            self.clock,
            self.now_unix_s,
            self.grant_of,
            Admins(self.identity.public.text, self.grant_of),
        )

    def _show(self) -> None:
        figures.show(
            self.metrics,
            self.gate,
            self.factory,
            self.router,
            self.postman,
            lambda: len(self._by_name),
            lambda: self.checks,
            self.started_s,
        )

    # --- the tree
    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Let members join."""
        self.factory.doStart()
        super().startService()

    def stopService(self) -> Deferred[None]:  # noqa: N802 - Twisted's name
        """Tell every member that we go, and wait for it a while; then stop what is behind."""
        self._stopping = True
        self.factory.doStop()
        for session in self.sessions():
            session.carrier.close(PeerGone("we are stopping"), CLOSE_AWAY)
        self.watchers.stop()
        self.refusals.settle()
        return self._when_empty().addCallback(lambda _: as_deferred(super(Hub, self).stopService()))

    def _upkeep(self) -> Iterator[Upkeep]:
        def even() -> float:
            return 0.5

        clock = self.clock
        yield Rounds(self.sessions, clock, self.now_unix_s).job()
        yield Upkeep("expire", clock, EXPIRE_EVERY_S, self._expire, even, first_s=0.0)
        yield Upkeep("refusals", clock, SETTLE_EVERY_S, self.refusals.settle, even)

    def _expire(self) -> Deferred[int]:
        expired = self.backplane.expire(int(self._mail_s()))
        return expired.addErrback(_later)

    def _when_empty(self) -> Deferred[None]:
        """Fire when no session is left; those that do not end in time are dropped."""
        done: Deferred[None] = Deferred()
        until_s = self.clock.seconds() + CLOSE_WITHIN_S

        def look() -> None:
            if not self._by_name:
                done.callback(None)
                return
            if self.clock.seconds() >= until_s:
                for session in self.sessions():
                    session.carrier.abort(DeadlineExceeded("closing"))
            self.clock.callLater(0.05, look)

        look()
        return done

    # --- who is here
    def find(self, key: str) -> Session | None:
        """Return a member's session with this process."""
        return self._sessions.get(key)

    def grant_of(self, key: str) -> Grant | None:
        """Return what the holder of a key may do, None for a stranger."""
        return OWN_NODE if key == self.identity.public.text else self.members.find(key)

    def sessions(self) -> list[Session]:
        """Return all sessions of this process, in the order in which they began."""
        return list(self._by_name.values())

    def join(
        self, carrier: Carrier, admission: HubAdmission, applicant: Applicant, waiting: int
    ) -> None:
        """Begin the session of a member that was let in; the one before ends.

        Raises:
            TooManyConnections: the places that are left are for members.
            PeerGone: we are stopping.
            NotAdmitted: it was removed meanwhile.
        """
        if self._stopping:
            raise PeerGone("we are stopping")
        if self.grant_of(applicant.key.text) is None:
            raise NotAdmitted(reason="removed")
        carrier.welcomed()
        token, served = admission.welcome(
            applicant,
            observed=show_address(carrier.host, carrier.port),
            quota=self.settings.quota,
            waiting=waiting,
            name=self.settings.name,
        )
        session = Session(self, carrier, applicant, served)
        carrier.events = session
        self._by_name[served.name] = session
        claimed = self.backplane.claim(session.claim)
        claimed.addCallback(self._claimed, session, token)
        claimed.addErrback(session.broke)

    def _claimed(self, holds: bool, session: Session, welcome: bytes) -> None:
        """Greet a member, once no other session of it is served."""
        if not holds:
            session.supersede()
        if session.ended:
            return
        self._sessions[session.key] = session
        session.pass_on(welcome)
        self.postman.deliver(session)

    def left(self, session: Session, reason: StreembitError) -> None:
        """Forget a session that has ended."""
        self._by_name.pop(session.served.name, None)
        if self._sessions.get(session.key) is session:
            del self._sessions[session.key]
            self.watchers.forget(session.key)
        self.router.left(session)
        self.backplane.release(session.claim).addErrback(lambda _: None)

    def observed(self, session: Session) -> str:
        """Return "host:port" of a member as we see it."""
        return show_address(session.carrier.host, session.carrier.port)

    def limits(self) -> Figures:
        """Return every limit that this hub keeps to, by name."""
        return in_force(self.settings, self.gate.limits, self.carrier_limits)

    # --- what sessions ask
    def wait_s(self, session: Session) -> float:
        """Return how long a member's frame waits for its check: 0.0 for not at all."""
        wait_s = self._frames.wait_s(session.key, self.clock.seconds())
        self.checks += wait_s <= 0
        return wait_s

    def serve(self, session: Session, claims: HubClaims | Envelope, token: bytes) -> None:
        """Serve a frame whose signature was checked."""
        if isinstance(claims, Envelope):
            if needed_to_send(claims) not in session.grant.permissions:
                session.refuse(NotPermitted(), claims.n)
            elif claims.id:
                self.postman.keep(session, claims, token)
            else:
                self.router.relay(session, claims, token)
        elif isinstance(claims.body, Command):
            self._command(session, claims.body, claims.n)

    def _command(self, session: Session, body: Command, number: int) -> None:
        permission = needed(body)
        if permission is not None and permission not in session.grant.permissions:
            session.refuse(NotPermitted(), number)
            return
        if isinstance(body, Ack):
            self.postman.ack(session, body, number)
            return
        try:
            answer = self.commands.answer(session, body)
        except StreembitError as error:
            session.refuse(error, number)
            return
        if not isinstance(answer, Deferred):
            session.say(answer, number)
            return
        session.began()
        answer.addCallbacks(
            lambda reply: self._answered(session, reply, number),
            lambda failure: refuse_for(session, failure, number),
        )
        answer.addErrback(session.broke)

    def _answered(self, session: Session, reply: Reply, number: int) -> None:
        session.finished()
        session.say(reply, number)

    def crowded(self, session: Session) -> None:
        """Take note that too much waits for a member to read."""
        self.router.crowded(session)

    def freed(self, session: Session) -> None:
        """Go on with a member that has read all that there was."""
        self.router.freed(session)
        self.postman.freed(session)

    def refused(self, host: str, error: StreembitError) -> None:
        """Count and log a refusal; a reason that the other side is not told counts by its name."""
        reason = error.fields.get("reason")
        self.refusals.refuse(reason if isinstance(reason, str) and reason else error.code, host)

    def misbehaved(self, host: str) -> None:
        """Refuse an address for a while that sent too many bad signatures."""
        self.gate.discourage(host, self.clock.seconds())

    # --- BackplaneEvents
    def routed(self, recipient: str, token: bytes) -> Routed:
        """See `BackplaneEvents`."""
        return self.router.take(recipient, token)

    def eased(self, key: str) -> None:
        """See `BackplaneEvents`."""
        self.router.eased(key)

    def superseded(self, session: str) -> None:
        """See `BackplaneEvents`."""
        if (found := self._by_name.get(session)) is not None:
            found.supersede()

    def kicked(self, key: str) -> None:
        """See `BackplaneEvents`."""
        if (found := self._sessions.get(key)) is not None:
            self._tell_end(found, "the operator ended a member's session: {key}")
            found.end(NotAdmitted(reason="kicked"))

    def changed(self, key: str) -> None:
        """See `BackplaneEvents`."""
        self.router.eased(key)  # it came or went: what was said of its former session is over
        self.watchers.changed(key)

    def mailed(self, recipient: str) -> None:
        """See `BackplaneEvents`."""
        if (found := self._sessions.get(recipient)) is not None:
            self.postman.deliver(found)

    def relisted(self) -> None:
        """See `BackplaneEvents`."""
        self.read_list()

    # --- what the operator does
    def admit(self, members: Members) -> list[str]:
        """Let in these from now on and nobody else; return the keys whose sessions were ended.

        A session whose member may not be here any more ends before this
        returns, also in the middle of a message; what it asked for and has
        not been served is served no more. Others go on with what they may
        do now.
        """
        self.members = members
        self.generation += 1
        now_s = self.now_unix_s()
        ended = []
        for session in self.sessions():
            grant = self.grant_of(session.key)
            if grant is None or grant.is_over(now_s):
                self._remove(session)
            elif not grant.permissions >= session.grant.permissions:
                self._remove(session)  # it joins again, and learns what it may do now
            else:
                session.grant = grant
                continue
            ended.append(session.key)
        return ended

    def _remove(self, session: Session) -> None:
        self._tell_end(session, "a member may do less than before: its session ended: {key}")
        session.end(NotAdmitted(reason="removed"))

    def _tell_end(self, session: Session, words: str) -> None:
        """Leave a line of why a session did not go on."""
        _log.warn(
            words,
            key=session.served.member.hex,
            account=session.grant.account,
            session=session.served.name,
            generation=self.generation,
        )


def _later(failure: Failure) -> int:
    """Leave to the next round what the backplane cannot do now; its trouble is told elsewhere."""
    failure.trap(MailboxDegraded)
    return 0
