"""What is due when, by name: one timer for many."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from math import inf
from typing import Generic, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from streembit.errors import StreembitError

Name = TypeVar("Name", bound=Hashable)

_log = Logger()


class Diary(Generic[Name]):
    """Calls `due` with each name when its time has come, once; a call that fails is logged.

    A name has one time. Names are as many as the caller writes down.
    """

    def __init__(self, clock: IReactorTime, due: Callable[[Name], object]) -> None:
        self._clock = clock
        self._due = due
        self._times_s: dict[Name, float] = {}
        self._timer: IDelayedCall | None = None
        self._rings_s = inf  # when the timer does
        self._open = True

    def __contains__(self, name: Name) -> bool:
        return name in self._times_s

    def put(self, name: Name, delay_s: float) -> None:
        """Note a name for so many seconds from now, in the place of its former time."""
        if self._open:
            at_s = self._times_s[name] = self._clock.seconds() + delay_s
            if at_s < self._rings_s:
                self._wind(at_s)

    def soon(self, name: Name, delay_s: float) -> None:
        """Note a name for so many seconds from now, unless its time comes earlier."""
        at_s = self._clock.seconds() + delay_s
        if at_s < self._times_s.get(name, inf):
            self.put(name, delay_s)

    def at(self, name: Name) -> float | None:
        """Return when a name's time comes, by the clock; None without one."""
        return self._times_s.get(name)

    def strike(self, name: Name) -> None:
        """Forget a name."""
        self._times_s.pop(name, None)
        if not self._times_s:
            self._wind(inf)

    def close(self) -> None:
        """Forget all, and take no more."""
        self._open = False
        self._times_s.clear()
        self._wind(inf)

    def _wind(self, at_s: float) -> None:
        """Set the timer; it may ring too early when a name was put off or struck."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._rings_s = at_s
        if at_s < inf:
            self._timer = self._clock.callLater(max(0.0, at_s - self._clock.seconds()), self._ring)

    def _call(self, name: Name) -> None:
        """Call; one name's failure costs the others nothing."""
        try:
            self._due(name)
        except StreembitError as error:
            _log.error("what was due failed: {error}", error=str(error))
        except Exception:
            _log.failure("what was due failed")

    def _ring(self) -> None:
        self._timer, self._rings_s = None, inf
        now_s = self._clock.seconds()
        ready = [name for name, at_s in self._times_s.items() if at_s <= now_s]
        for name in ready:
            if self._times_s.pop(name, None) is not None:
                self._call(name)
        earliest_s = min(self._times_s.values(), default=inf)
        if earliest_s < self._rings_s:
            self._wind(earliest_s)
