"""Who may know that a member is here, and who has asked to be told.

A member is shown to those that it names, while it is here, and to
nobody else; whoever watches one that does not show itself learns nothing,
not even whether the key is a member's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from streembit.errors import PresenceFull
from streembit.wire.hub import Presence

MAX_PAIRS: Final = 500_000  # of one process: 5,000 members with 100 contacts each; some 50 MB


class Shown:
    """To whom each member that is here shows it; what is not said is not shown."""

    __slots__ = ("_left", "_to")

    def __init__(self, max_pairs: int = MAX_PAIRS) -> None:
        self._to: dict[str, frozenset[str]] = {}
        self._left = max_pairs

    def show(self, key: str, to: Iterable[str]) -> None:
        """Show a member to these, and no more to whom it was shown before.

        Raises:
            PresenceFull: there are too many; what was shown before stays.
        """
        wanted = frozenset(to)
        left = self._left + len(self._to.get(key, ())) - len(wanted)
        if left < 0:
            raise PresenceFull
        self._left = left
        self._to[key] = wanted
        if not wanted:
            del self._to[key]

    def forget(self, key: str) -> None:
        """Show a member to nobody: it went away."""
        self._left += len(self._to.pop(key, ()))

    def to(self, key: str) -> frozenset[str]:
        """Return to whom a member is shown."""
        return self._to.get(key, frozenset())

    def may_know(self, watcher: str, key: str) -> bool:
        """Say whether the watcher may know of this member."""
        return watcher in self._to.get(key, ())


class Watches:
    """Whom the members of one process watch, and what each of them was told."""

    __slots__ = ("_left", "_told", "_watchers", "_watching")

    def __init__(self, max_pairs: int = MAX_PAIRS) -> None:
        self._watching: dict[str, frozenset[str]] = {}
        self._watchers: dict[str, set[str]] = {}
        self._told: dict[str, set[str]] = {}  # by watcher, who it was told is here
        self._left = max_pairs

    def watch(self, watcher: str, keys: Iterable[str]) -> None:
        """Let a member watch these, and none of those before.

        Raises:
            PresenceFull: there are too many; it watches whom it did before.
        """
        wanted = frozenset(keys)
        before = self._watching.get(watcher, frozenset())
        if self._left + len(before) - len(wanted) < 0:
            raise PresenceFull
        self._left += len(before) - len(wanted)
        self._leave(watcher, before - wanted)
        for key in wanted:
            self._watchers.setdefault(key, set()).add(watcher)
        self._told[watcher] = self._told.get(watcher, set()) & wanted
        self._watching[watcher] = wanted

    def forget(self, watcher: str) -> None:
        """Let go of all that a member watched: it went away."""
        before = self._watching.pop(watcher, frozenset())
        self._left += len(before)
        self._leave(watcher, before)
        self._told.pop(watcher, None)

    def watched_by(self, watcher: str) -> frozenset[str]:
        """Return whom a member watches."""
        return self._watching.get(watcher, frozenset())

    def watchers(self, key: str) -> frozenset[str]:
        """Return who watches this key: those to ask about when it comes, goes or shows itself."""
        return frozenset(self._watchers.get(key, ()))

    def news(
        self, watcher: str, asked: Collection[str], visible: Collection[str]
    ) -> Presence | None:
        """Return what is new to a watcher, None for nothing; it counts as told.

        Args:
            asked: the keys that were looked up.
            visible: those of them that are here and show it to the watcher.
        """
        told = self._told.get(watcher)
        if told is None:
            return None
        concerned = self.watched_by(watcher).intersection(asked)
        here = concerned.intersection(visible)
        came, went = sorted(here - told), sorted((concerned - here) & told)
        told.difference_update(went)
        told.update(came)
        return Presence(came, went) if came or went else None

    def _leave(self, watcher: str, keys: Iterable[str]) -> None:
        for key in keys:
            watchers = self._watchers[key]
            watchers.discard(watcher)
            if not watchers:
                del self._watchers[key]
