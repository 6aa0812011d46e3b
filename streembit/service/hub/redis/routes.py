"""Envelopes between processes: each is answered by the process that has its recipient, in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from streembit.service.hub.backplane import Routed

TAKEN_WITHIN_S: Final = 5.0  # by the other process, or the envelope went nowhere
MAX_ROUTED: Final = 65_536  # envelopes whose way is not known yet

_SIGNS: Final[dict[Routed, str]] = {"gone": "-", "taken": "+", "busy": "~"}
_MEANT: Final = {sign: routed for routed, sign in _SIGNS.items()}

# Sends an envelope with a number to whoever has its recipient; fires with whether anybody has.
Send = Callable[[int, str, bytes], Deferred[Any]]
# Sends a text to a process.
Answer = Callable[[str, str], object]
Take = Callable[[str, bytes], Routed]


class _Under(NamedTuple):
    """An envelope that was sent and is not answered."""

    routed: Deferred[Routed]
    late: IDelayedCall


class Routes:
    """Numbers what goes out, and fires when it was answered; answers what comes in.

    Args:
        take: passes an envelope on to a member of this process; returns
            what became of it.
        limit: how many are under way at most.
    """

    def __init__(
        self,
        clock: IReactorTime,
        send: Send,
        answer: Answer,
        take: Take,
        limit: int = MAX_ROUTED,
    ) -> None:
        self._clock = clock
        self._limit = limit
        self._send, self._answer, self._take = send, answer, take
        self._under: dict[int, _Under] = {}
        self._number = 0
        self._answers: dict[str, list[str]] = {}  # by process, for the turn

    def route(self, recipient: str, token: bytes) -> Deferred[Routed]:
        """Fire with what another process made of it."""
        if len(self._under) >= self._limit:
            return succeed("gone")
        self._number += 1
        number = self._number
        late = self._clock.callLater(TAKEN_WITHIN_S, self._settle, number, "gone")
        routed: Deferred[Routed] = Deferred()
        self._under[number] = _Under(routed, late)
        self._send(number, recipient, token).addCallbacks(
            lambda heard: None if heard else self._settle(number, "gone"),
            lambda _: self._settle(number, "gone"),
        )
        return routed

    def came(self, number: bytes, process: bytes, recipient: bytes, token: bytes) -> None:
        """Pass an envelope on, and answer what became of it: all of a turn together."""
        routed = self._take(recipient.decode(), token)
        if not self._answers:
            self._clock.callLater(0, self._tell)
        answers = self._answers.setdefault(process.decode(), [])
        answers.append(f"{number.decode()}{_SIGNS[routed]}")

    def answered(self, answers: bytes) -> None:
        """Take the answers of another process to envelopes of ours."""
        for answer in answers.split():
            self._settle(int(answer[:-1]), _MEANT[answer[-1:].decode()])

    def _tell(self) -> None:
        answers, self._answers = self._answers, {}
        for process, each in answers.items():
            self._answer(process, " ".join(each))

    def _settle(self, number: int, routed: Routed) -> None:
        """Tell what became of an envelope, once."""
        under = self._under.pop(number, None)
        if under is None:
            return
        if under.late.active():
            under.late.cancel()
        under.routed.callback(routed)
