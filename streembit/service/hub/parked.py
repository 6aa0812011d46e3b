"""What waits for a member that reads slowly: each sender's envelopes, in their order."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

from streembit.errors import StreembitError
from streembit.net.backlog import Backlog
from streembit.service.hub.settings import PARKED_BYTES, PARKED_BYTES_TOTAL

Sender = TypeVar("Sender", bound=Hashable)


class Recipient(Protocol):
    """Whom envelopes wait for."""

    def end(self, error: StreembitError) -> None:
        """End its session."""


class Next(NamedTuple, Generic[Sender]):
    """An envelope whose turn has come; `is_last` of what waits of its sender."""

    sender: Sender
    token: bytes
    is_last: bool


@dataclass(slots=True)
class _Line:
    """What waits of one sender; `first` is the number of the envelope that came first."""

    first: int
    tokens: deque[bytes] = field(default_factory=deque)
    size_bytes: int = 0


class Parked(Generic[Sender]):
    """The envelopes that wait for one member; senders take turns, so that nobody fills it alone.

    Args:
        recipient: whom they are for.
        backlog: what waits for all members together is added up there.
    """

    __slots__ = ("_backlog", "_lines", "_recipient", "size_bytes")

    def __init__(self, recipient: Recipient, backlog: Backlog) -> None:
        self.size_bytes = 0
        self._recipient = recipient
        self._backlog = backlog
        self._lines: OrderedDict[Sender, _Line] = OrderedDict()  # in the order of their turns

    def __contains__(self, sender: Sender) -> bool:
        """Tell whether something of this sender waits."""
        return sender in self._lines

    def __bool__(self) -> bool:
        """Tell whether anything waits."""
        return bool(self._lines)

    def add(self, sender: Sender, number: int, token: bytes) -> None:
        """Have an envelope wait behind the others of its sender.

        Where too much waits for all members, the recipient may be ended for it.
        """
        line = self._lines.get(sender)
        if line is None:
            line = self._lines[sender] = _Line(number)
        line.tokens.append(token)
        line.size_bytes += len(token)
        self.size_bytes += len(token)
        self._backlog.add(self, len(token))

    def is_too_much(self, sender: Sender) -> bool:
        """Tell whether no more of a sender should come to wait here."""
        line = self._lines.get(sender)
        size_bytes = 0 if line is None else line.size_bytes
        return size_bytes > PARKED_BYTES or self.size_bytes > PARKED_BYTES_TOTAL

    def take(self) -> Next[Sender]:
        """Return the envelope whose turn it is; then it is another sender's."""
        sender, line = next(iter(self._lines.items()))
        token = line.tokens.popleft()
        line.size_bytes -= len(token)
        self.size_bytes -= len(token)
        self._backlog.lessen(self, len(token))
        self._lines.move_to_end(sender)
        if not line.tokens:
            del self._lines[sender]
        return Next(sender, token, not line.tokens)

    def give_up(self) -> Iterator[tuple[Sender, int]]:
        """Throw all away; yield the senders, each with the number of its first envelope."""
        lines, self._lines = self._lines, OrderedDict()
        self.size_bytes = 0
        self._backlog.remove(self)
        for sender, line in lines.items():
            yield sender, line.first

    def refuse(self, error: StreembitError) -> None:
        """End the recipient: of all that waits for members, most waits for it."""
        self._recipient.end(error)
