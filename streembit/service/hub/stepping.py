"""Long work on the reactor: a step in each turn, so that nobody waits for longer than a step."""

from __future__ import annotations

from typing import TypeVar

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from streembit.disk.steps import Steps
from streembit.service.hub.local import Disk

T = TypeVar("T")


async def step_by_step(work: Steps[T], clock: IReactorTime, disk: Disk) -> T:
    """Return what the work comes to, or raise what it raises; `disk` does what would block."""
    while True:
        try:
            blocking = next(work)
        except StopIteration as end:
            result: T = end.value
            return result
        await (deferLater(clock, 0) if blocking is None else disk(blocking))
