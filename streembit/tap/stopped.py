"""What the end of services came to, and of the process."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterator

from twisted.internet.interfaces import IReactorCore
from twisted.python.failure import Failure


def failures(results: object) -> Iterator[Failure]:
    """Yield why services did not end well, or in time, also of those within others.

    `results` is what a `stopService` fired with: of many services a list, in
    which a time limit leaves a cancellation for each that still runs.
    """
    if isinstance(results, Failure):
        yield results
    elif isinstance(results, list):
        for _, result in results:
            yield from failures(result)


def fail(reactor: IReactorCore) -> None:
    """End the process well, but with status 1: a reactor that was stopped ends with 0."""
    atexit.register(_leave)
    reactor.stop()


def _leave() -> None:
    """Be the last: what runs at the exit was registered before, and twistd needs none of it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
