"""What is to be said besides messages: it is said now, and never again."""

from __future__ import annotations

from streembit.chat.inbox import Inbox
from streembit.wire.content import Notice, Prekeys


class Notices:
    """The newest notice of each kind, and the receipt that the contact is owed."""

    __slots__ = ("_inbox", "_waiting")

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._waiting: dict[type[Notice], Notice] = {}

    @property
    def owes_receipt(self) -> bool:
        """Whether the contact is to be told what arrived."""
        return self._inbox.owes_receipt

    @owes_receipt.setter
    def owes_receipt(self, owed: bool) -> None:
        self._inbox.owes_receipt = owed

    def add(self, notice: Notice) -> None:
        """Say this with the next parcels, in place of an older one of its kind."""
        self._waiting[type(notice)] = notice

    def drop(self) -> None:
        """Forget what matters on a live way only."""
        prekeys = self._waiting.get(Prekeys)
        self._waiting.clear()
        if prekeys:
            self.add(prekeys)

    def take(self) -> list[Notice]:
        """Return what is to be said on a live way, a receipt last."""
        found = list(self._waiting.values())
        self._waiting.clear()
        receipt = self._inbox.receipt() if self.owes_receipt else None
        self.owes_receipt = False
        return [*found, receipt] if receipt else found

    def take_lasting(self) -> Notice | None:
        """Return the one notice to leave in the network: a receipt, else our prekeys."""
        self.drop()
        found = self.take()
        return found[-1] if found else None
