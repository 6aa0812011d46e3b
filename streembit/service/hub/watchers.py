"""Members are told who of those they watch came and went: gathered, and told in rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from streembit.hub.presence import Watches
from streembit.service.hub.backplane import Backplane
from streembit.service.hub.session import Session

ROUND_S: Final = 0.5  # what came and went and came within it is told once
AT_ONCE: Final = 500  # members told in one round: a signature each, some 15 ms of a core


class Watchers:
    """Tells the members of this process.

    Args:
        find: returns the session of a key with this process.
    """

    def __init__(
        self, backplane: Backplane, clock: IReactorTime, find: Callable[[str], Session | None]
    ) -> None:
        self._backplane = backplane
        self._clock = clock
        self._find = find
        self._watches = Watches()
        self._due: dict[str, set[str]] = {}  # by watcher, whom to look up for it
        self._round: IDelayedCall | None = None

    def watch(self, watcher: str, keys: Iterable[str]) -> None:
        """Tell a member of these keys from now on, and of no others.

        Raises:
            PresenceFull: there are too many lists; it is told of whom it was before.
        """
        self._watches.watch(watcher, keys)
        self._due.pop(watcher, None)
        self._note(watcher, self._watches.watched_by(watcher))

    def forget(self, watcher: str) -> None:
        """Tell a member of nothing more."""
        self._watches.forget(watcher)
        self._due.pop(watcher, None)

    def changed(self, key: str) -> None:
        """Take note that who watches a key may have to be told."""
        for watcher in self._watches.watchers(key):
            self._note(watcher, (key,))

    def stop(self) -> None:
        """Tell nobody anything more."""
        if self._round is not None and self._round.active():
            self._round.cancel()
        self._round = None
        self._due.clear()

    def _note(self, watcher: str, keys: Iterable[str]) -> None:
        self._due.setdefault(watcher, set()).update(keys)
        if self._round is None:
            self._round = self._clock.callLater(ROUND_S, self._tell)

    def _tell(self) -> None:
        self._round = None
        for watcher in list(self._due)[:AT_ONCE]:
            session, keys = self._find(watcher), sorted(self._due.pop(watcher))
            if session is None:
                continue
            told = self._backplane.visible(watcher, keys)
            told.addCallbacks(self._seen, lambda _: None, callbackArgs=(session, keys))
            told.addErrback(session.broke)
        if self._due:
            self._round = self._clock.callLater(ROUND_S, self._tell)

    def _seen(self, here: list[str], session: Session, asked: list[str]) -> None:
        news = self._watches.news(session.key, asked, here)
        if news is not None:
            session.say(news)
