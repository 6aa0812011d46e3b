"""The one timer of a connection."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Deadline:
    """What happens to a connection when its time is over: one thing at a time, or nothing."""

    __slots__ = ("_clock", "_timer")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._timer: IDelayedCall | None = None

    @property
    def is_set(self) -> bool:
        """Whether something is going to be called."""
        return self._timer is not None and bool(self._timer.active())

    def set(self, delay_s: float, call: Callable[..., object], *args: object) -> None:
        """Have this called after so many seconds, in the place of what was set before."""
        self.clear()
        self._timer = self._clock.callLater(max(0.0, delay_s), call, *args)

    def put_off(self, delay_s: float) -> None:
        """Count anew from now for what is set, if anything is; cheaper than to set it again."""
        if self._timer is not None and self._timer.active():
            self._timer.reset(delay_s)

    def clear(self) -> None:
        """Call nothing."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
