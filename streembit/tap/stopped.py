"""What the end of services came to."""

from __future__ import annotations

from collections.abc import Iterator

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
