"""Long work in short steps, so that whoever does it can see to other things in between."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

T = TypeVar("T")
Blocking = Callable[[], object]

# A step takes some milliseconds. What it yields, if it is not None, waits for the disk, and is
# called by whoever does the work, perhaps in a thread, before the next step.
Steps = Generator[Blocking | None, Any, T]


def finish(work: Steps[T]) -> T:
    """Do all steps, one after the other; return what they come to, or raise what they raise."""
    while True:
        try:
            blocking = next(work)
        except StopIteration as end:
            result: T = end.value
            return result
        if blocking is not None:
            blocking()
