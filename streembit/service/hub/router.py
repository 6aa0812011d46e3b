"""Live envelopes from member to member: passed on unchanged, or told to be gone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from streembit.errors import SlowReader
from streembit.service.hub.backplane import Backplane
from streembit.service.hub.session import OWN, RECIPIENT, Session
from streembit.service.hub.settings import ROUTED_BYTES
from streembit.wire.hub import Envelope, Gone

Find = Callable[[str], Session | None]


class Router:
    """Passes envelopes on, in the order in which they come.

    Where too much waits for a recipient, each sender's next frame is parked,
    and nothing more is read of that sender until the recipient has read;
    one that does not for `slow_s` is dropped.

    Args:
        find: returns the session of a key with this process.
    """

    def __init__(
        self, find: Find, backplane: Backplane, clock: IReactorTime, slow_s: float
    ) -> None:
        self._find = find
        self._backplane = backplane
        self._clock = clock
        self._slow_s = slow_s
        self._slow: dict[Session, IDelayedCall] = {}
        self.relayed = self.relayed_bytes = self.gone = 0

    def relay(self, sender: Session, envelope: Envelope, token: bytes) -> None:
        """Pass a live envelope on, now or when there is room for it."""
        recipient = self._find(envelope.aud)
        if recipient is None:
            self._elsewhere(sender, envelope, token)
        elif recipient in self._slow:
            self._park(recipient, sender, envelope.n, token)
        else:
            self._hand_over(recipient, token)

    def take(self, recipient: str, token: bytes) -> bool:
        """Take an envelope that came through another process; return whether it was passed on.

        Its sender is not held up for a recipient that reads slowly, so more may wait for that one.
        """
        session = self._find(recipient)
        if session is None or session.carrier.queued_bytes > ROUTED_BYTES:
            return False
        self._hand_over(session, token)
        return True

    def crowded(self, session: Session) -> None:
        """Take note that too much waits for a member: it is read no more until it reads."""
        if session not in self._slow:
            session.hold(OWN)
            self._slow[session] = self._clock.callLater(self._slow_s, self._too_slow, session)

    def left(self, session: Session) -> None:
        """Tell those who wait for a member that it is gone."""
        self._calm(session)
        parked, session.parked = session.parked, None
        for sender, number, _ in parked or ():
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
        if recipient.parked is None:
            recipient.parked = deque()
        recipient.parked.append((sender, number, token))  # one a sender: it is held from now on
        sender.hold(RECIPIENT)

    def freed(self, session: Session) -> None:
        """Pass on what waited for a member that has read, and read its senders again."""
        if session not in self._slow:
            return
        self._calm(session)
        session.release(OWN)
        while session.parked and session not in self._slow:
            sender, _, token = session.parked.popleft()
            if not sender.ended:
                self._hand_over(session, token)
            sender.release(RECIPIENT)

    def _calm(self, session: Session) -> None:
        timer = self._slow.pop(session, None)
        if timer is not None and timer.active():
            timer.cancel()

    def _too_slow(self, session: Session) -> None:
        self._slow.pop(session, None)
        session.end(SlowReader(queued_bytes=session.carrier.queued_bytes))

    # --- who is not here
    def _elsewhere(self, sender: Session, envelope: Envelope, token: bytes) -> None:
        sender.began()
        routed = self._backplane.route(envelope.aud, token)
        routed.addCallbacks(self._routed, lambda _: False, callbackArgs=(len(token),))
        routed.addCallback(self._answered, sender, envelope)
        routed.addErrback(sender.broke)

    def _routed(self, taken: bool, size_bytes: int) -> bool:
        self.relayed += taken
        self.relayed_bytes += taken * size_bytes
        return taken

    def _answered(self, taken: bool, sender: Session, envelope: Envelope) -> None:
        sender.finished()
        if not taken:
            self._tell_gone(sender, envelope.aud, envelope.n)

    def _tell_gone(self, sender: Session, key: str, number: int) -> None:
        self.gone += 1
        sender.say(Gone(key), number)
