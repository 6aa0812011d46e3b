"""Work in the background that nobody waits for: bounded, owned, and ended with the node."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.errors import StreembitError

MAX_ERRANDS: Final = 64  # repairs and first contacts at a time; one more is left to the next round

_log = Logger()


class Errands:
    """Owns coroutines that were started and are awaited by nobody else."""

    def __init__(self, limit: int = MAX_ERRANDS) -> None:
        self._limit = limit
        self._running: set[Deferred[None]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Callable[[], Coroutine[Deferred[Any], Any, object]]) -> bool:
        """Start an errand; return False, having started nothing, where there are too many."""
        if self._closed or len(self._running) >= self._limit:
            return False
        errand = Deferred.fromCoroutine(_guarded(work))
        if not errand.called:
            self._running.add(errand)
            errand.addBoth(lambda _: self._running.discard(errand))
        return True

    def stop(self) -> Deferred[None]:
        """Cancel what runs; fire when all has ended."""
        self._closed = True
        running = list(self._running)
        for errand in running:
            errand.cancel()
        return DeferredList(running).addCallback(lambda _: None)


async def _guarded(work: Callable[[], Coroutine[Deferred[Any], Any, object]]) -> None:
    try:
        await work()
    except (StreembitError, CancelledError) as error:
        _log.debug("an errand ended early: {error}", error=str(error))
    except Exception:
        _log.failure("an errand failed", failure=Failure())
