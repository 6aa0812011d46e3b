"""Live envelopes from member to member: passed on unchanged, or told to be gone."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from streembit.errors import SlowReader
from streembit.net.backlog import Backlog
from streembit.service.hub.backplane import Backplane, Routed
from streembit.service.hub.parked import Parked
from streembit.service.hub.session import OWN, RECIPIENT, Session
from streembit.service.hub.settings import ROUTED_BYTES
from streembit.wire.hub import Busy, Envelope, Gone, Ready

Find = Callable[[str], Session | None]


class Router:
    """Passes envelopes on, in the order in which they come.

    Where too much waits for a recipient, what comes for it is parked, and
    its senders are told that it is busy; they go on with others. Who sends it
    more all the same is not read until that has left. A recipient that
    does not read for `slow_s` is dropped.

    Args:
        find: returns the session of a key with this process.
        backlog: what waits for slow members, all together.
    """

    def __init__(
        self,
        find: Find,
        backplane: Backplane,
        backlog: Backlog,
        clock: IReactorTime,
        slow_s: float,
    ) -> None:
        self._find = find
        self._backlog = backlog
        self._backplane = backplane
        self._clock = clock
        self._slow_s = slow_s
        self._slow: dict[Session, IDelayedCall] = {}
        self._busy_afar: set[Session] = set()  # those of them whom other processes wait for
        self._waiting_afar: dict[str, set[Session]] = {}  # by the key of whom they wait for
        self.relayed = self.relayed_bytes = self.gone = 0

    def relay(self, sender: Session, envelope: Envelope, token: bytes) -> None:
        """Pass a live envelope on, now or when there is room for it."""
        recipient = self._find(envelope.aud)
        if recipient is None:
            self._elsewhere(sender, envelope, token)
        elif recipient in self._slow or recipient.parked is not None:
            self._park(recipient, sender, envelope.n, token)
        else:
            self._hand_over(recipient, token)

    def take(self, recipient: str, token: bytes) -> Routed:
        """Take an envelope that came through another process; return what became of it.

        Its sender cannot be held up for a recipient that reads slowly, so more may wait for that
        one; the sender's process tells it meanwhile that it is busy.
        """
        session = self._find(recipient)
        if session is None or session.carrier.queued_bytes > ROUTED_BYTES:
            return "gone"
        self._hand_over(session, token)
        if session not in self._slow:
            return "taken"
        self._busy_afar.add(session)
        return "busy"

    def crowded(self, session: Session) -> None:
        """Take note that too much waits for a member: it is not read itself until it reads."""
        if session not in self._slow:
            session.hold(OWN)
            self._slow[session] = self._clock.callLater(self._slow_s, self._too_slow, session)

    def left(self, session: Session) -> None:
        """Tell those who wait for a member that it is gone: each once, for all that waited."""
        self._calm(session)
        self._busy_afar.discard(session)
        for key, waiting in list(self._waiting_afar.items()):
            waiting.discard(session)
            if not waiting:
                del self._waiting_afar[key]
        parked, session.parked = session.parked, None
        if parked is None:
            return
        for sender, number in parked.give_up():
            self._tell_gone(sender, session.key, number)
            sender.release(RECIPIENT)

    @property
    def slow(self) -> int:
        """How many members do not read what there is for them."""
        return len(self._slow)

    def _hand_over(self, recipient: Session, token: bytes) -> None:
        self.relayed += 1
        self.relayed_bytes += len(token)
        recipient.pass_on(token)

    def _park(self, recipient: Session, sender: Session, number: int, token: bytes) -> None:
        parked = recipient.parked
        if parked is None:
            parked = recipient.parked = Parked(recipient, self._backlog)
        if sender not in parked:
            sender.say(Busy(recipient.key))
        parked.add(sender, number, token)
        if parked.is_too_much(sender):
            sender.hold(RECIPIENT)

    def freed(self, session: Session) -> None:
        """Pass on what waited for a member that has read, until too much waits again."""
        if session not in self._slow:
            return
        self._calm(session)
        session.release(OWN)
        parked = session.parked
        while parked and session not in self._slow:
            sender, token, is_last = parked.take()
            if not sender.ended:
                self._hand_over(session, token)
            if is_last:
                self._ease(session, sender)
        if not parked:
            session.parked = None
        if session in self._busy_afar and session not in self._slow:
            self._busy_afar.discard(session)
            self._backplane.ease(session.key)

    def _ease(self, recipient: Session, sender: Session) -> None:
        """Let a sender go on of which nothing waits any more."""
        sender.say(Ready(recipient.key))
        sender.release(RECIPIENT)

    def _calm(self, session: Session) -> None:
        timer = self._slow.pop(session, None)
        if timer is not None and timer.active():
            timer.cancel()

    def _too_slow(self, session: Session) -> None:
        self._slow.pop(session, None)
        session.end(SlowReader(queued_bytes=session.carrier.queued_bytes))

    # --- who is not here
    def eased(self, key: str) -> None:
        """Have those go on who wait for a member of another process."""
        for sender in self._waiting_afar.pop(key, ()):
            sender.say(Ready(key))

    def _elsewhere(self, sender: Session, envelope: Envelope, token: bytes) -> None:
        sender.began()
        routed = self._backplane.route(envelope.aud, token)
        routed.addErrback(lambda _: "gone")
        routed.addCallback(self._routed, sender, envelope, len(token))
        routed.addErrback(sender.broke)

    def _routed(self, routed: Routed, sender: Session, envelope: Envelope, size_bytes: int) -> None:
        sender.finished()
        if routed == "gone":
            self._tell_gone(sender, envelope.aud, envelope.n)
            return
        self.relayed += 1
        self.relayed_bytes += size_bytes
        if routed == "busy" and not sender.ended:
            self._wait_afar(sender, envelope.aud)

    def _wait_afar(self, sender: Session, key: str) -> None:
        waiting = self._waiting_afar.setdefault(key, set())
        if sender not in waiting:
            waiting.add(sender)
            sender.say(Busy(key))

    def _tell_gone(self, sender: Session, key: str, number: int) -> None:
        self.gone += 1
        sender.say(Gone(key), number)
