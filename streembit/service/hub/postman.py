"""Mail: kept before it is receipted, delivered when its recipient is there, deleted on its word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IReactorTime

from streembit.errors import NotPermitted, StreembitError
from streembit.hub.grant import Grant
from streembit.hub.mail import Mail, Waiting
from streembit.service.hub.backplane import Backplane
from streembit.service.hub.delivery import Delivery
from streembit.service.hub.session import Session
from streembit.wire.hub import MAX_MAILS, Ack, Done, Envelope, Kept

PAGE: Final = 16  # mails fetched at a time, of at most 64 KiB


class Postman:
    """Keeps mail and delivers it.

    Args:
        find: what a key may do at this hub; the mail of those who may have
            none is refused.
        now_s: unix time.
    """

    def __init__(
        self,
        backplane: Backplane,
        find: Callable[[str], Grant | None],
        clock: IReactorTime,
        now_s: Callable[[], float],
    ) -> None:
        self._backplane = backplane
        self._find = find
        self._clock = clock
        self._now_s = now_s
        self._receipts: list[Session] = []  # that have mails to be told of, this turn
        self.kept = self.delivered = self.acknowledged = 0

    # --- keeping
    def keep(self, sender: Session, envelope: Envelope, token: bytes) -> None:
        """Keep a mail; its sender is told when that is done, or why it is not."""
        grant = self._find(envelope.aud)
        if grant is None or "mailbox" not in grant.permissions:
            sender.refuse(NotPermitted("the recipient has no mailbox here"), envelope.n)
            return
        mail = Mail(envelope.aud, envelope.iss, envelope.id, token, int(self._now_s()))
        sender.began()
        kept = self._backplane.keep(mail)
        kept.addCallbacks(
            lambda _: self._receipt(sender, envelope.n),
            lambda failure: refuse_for(sender, failure, envelope.n),
        )
        kept.addErrback(sender.broke)

    def _receipt(self, sender: Session, number: int) -> None:
        """Tell the sender, of all mails of one commit together."""
        self.kept += 1
        sender.finished()
        if sender.kept is None:
            sender.kept = []
        sender.kept.append(number)
        if not self._receipts:
            self._clock.callLater(0, self._tell)
        if len(sender.kept) == 1:
            self._receipts.append(sender)

    def _tell(self) -> None:
        receipts, self._receipts = self._receipts, []
        for sender in receipts:
            numbers, sender.kept = sender.kept or [], None
            for first in range(0, len(numbers), MAX_MAILS):
                sender.carrier.guard(sender.say, Kept(numbers[first : first + MAX_MAILS]))

    # --- delivering
    def deliver(self, session: Session) -> None:
        """Pass on what waits for a member, from where it was left."""
        if session.ended or "mailbox" not in session.grant.permissions:
            return
        delivery = session.delivery
        if delivery is None:
            delivery = session.delivery = Delivery()
        if delivery.busy:
            delivery.again = True
            return
        delivery.busy, delivery.again = True, False
        page = self._backplane.waiting(session.key, delivery.position, PAGE)
        page.addCallbacks(
            self._pass_on,
            self._not_now,
            callbackArgs=(session, delivery),
            errbackArgs=(delivery,),
        )
        page.addErrback(session.broke)

    def _pass_on(self, page: list[Waiting], session: Session, delivery: Delivery) -> None:
        """Pass on a page as far as the member reads; `freed` goes on with the rest."""
        delivery.busy = False
        for mail in page:
            delivery.position = mail.position
            session.pass_on(mail.token)
            self.delivered += 1
            if session.carrier.is_full:
                delivery.again = True
                return
        if len(page) == PAGE or delivery.again:
            self.deliver(session)

    def _not_now(self, failure: object, delivery: Delivery) -> None:
        """Leave it for the next occasion: the mail is where it was."""
        delivery.busy = False

    def freed(self, session: Session) -> None:
        """Go on with a member that has read what it was given."""
        if session.delivery is not None and session.delivery.again:
            self.deliver(session)

    # --- deleting
    def ack(self, session: Session, ack: Ack, number: int) -> None:
        """Delete what its recipient has."""
        session.began()
        done = self._backplane.ack(session.key, ack.mails)
        done.addCallbacks(
            lambda count: self._acknowledged(session, count, number),
            lambda failure: refuse_for(session, failure, number),
        )
        done.addErrback(session.broke)

    def _acknowledged(self, session: Session, count: int, number: int) -> None:
        self.acknowledged += count
        session.finished()
        session.say(Done(), number)


def refuse_for(session: Session, failure: object, number: int) -> None:
    """Answer a command that failed; what is no refusal is raised again."""
    error = getattr(failure, "value", None)
    session.finished()
    if not isinstance(error, StreembitError):
        failure.raiseException()  # type: ignore[attr-defined]
    else:
        session.refuse(error, number)
