"""What is due when, by name: one timer for many."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime

Name = TypeVar("Name", bound=Hashable)


class Diary(Generic[Name]):
    """Calls `due` with each name when its time has come, once.

    A name has one time. Names are as many as the caller writes down.
    """

    def __init__(self, clock: IReactorTime, due: Callable[[Name], object]) -> None:
        self._clock = clock
        self._due = due
        self._times_s: dict[Name, float] = {}
        self._timer: IDelayedCall | None = None
        self._open = True

    def __contains__(self, name: Name) -> bool:
        return name in self._times_s

    def put(self, name: Name, delay_s: float) -> None:
        """Note a name for so many seconds from now, in the place of its former time."""
        if self._open:
            self._times_s[name] = self._clock.seconds() + delay_s
            self._wind()

    def soon(self, name: Name, delay_s: float) -> None:
        """Note a name for so many seconds from now, unless its time comes earlier."""
        at_s = self._clock.seconds() + delay_s
        if at_s < self._times_s.get(name, float("inf")):
            self.put(name, delay_s)

    def at(self, name: Name) -> float | None:
        """Return when a name's time comes, by the clock; None without one."""
        return self._times_s.get(name)

    def strike(self, name: Name) -> None:
        """Forget a name."""
        if self._times_s.pop(name, None) is not None:
            self._wind()

    def close(self) -> None:
        """Forget all, and take no more."""
        self._open = False
        self._times_s.clear()
        self._wind()

    def _wind(self) -> None:
        """Set the timer to the earliest time."""
        earliest_s = min(self._times_s.values(), default=None)
        if self._timer is not None and self._timer.getTime() == earliest_s:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if earliest_s is not None:
            delay_s = max(0.0, earliest_s - self._clock.seconds())
            self._timer = self._clock.callLater(delay_s, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now_s = self._clock.seconds()
        ready = [name for name, at_s in self._times_s.items() if at_s <= now_s]
        for name in ready:
            if self._times_s.pop(name, None) is not None:
                self._due(name)
        self._wind()
