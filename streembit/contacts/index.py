"""The entries of a book by all that names them: keys, former keys, names, and what looks alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from streembit.contacts.entry import Entry
from streembit.errors import AmbiguousContact, BadName, NameTaken, NoSuchContact
from streembit.jose import fingerprint
from streembit.jose.keys import PublicKey
from streembit.wire import texts

MIN_PREFIX: Final = 8  # hex digits of a key: two of 5,000 share their first 8 once in 700 books


class Index:
    """Finds entries in memory; who has changed one puts it in again."""

    __slots__ = ("_entries", "_former", "_looks")

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries: dict[bytes, Entry] = {}
        self._former: dict[bytes, bytes] = {}
        self._looks: dict[str, set[bytes]] = {}
        for entry in entries:
            self.put(entry)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        """Yield all entries, by name."""
        return iter(sorted(self._entries.values(), key=lambda entry: (entry.name, entry.key)))

    def put(self, entry: Entry) -> None:
        """Have this entry from now on, instead of the one with its key."""
        before = self._entries.get(entry.key)
        if before is not None:
            self.drop(before)
        self._entries[entry.key] = entry
        for look in _looks_of(entry):
            self._looks.setdefault(look, set()).add(entry.key)
        for former in entry.former:
            self._former[former.key] = entry.key

    def drop(self, entry: Entry) -> None:
        """Have this entry no more."""
        del self._entries[entry.key]
        for look in _looks_of(entry):
            self._looks[look].discard(entry.key)
            if not self._looks[look]:
                del self._looks[look]
        for former in entry.former:
            del self._former[former.key]

    def get(self, point: bytes) -> Entry | None:
        """Return the entry of a key, or None."""
        return self._entries.get(point)

    def successor(self, point: bytes) -> Entry | None:
        """Return whose key this was before; None for nobody's."""
        now = self._former.get(point)
        return None if now is None else self._entries[now]

    def find(self, text: str) -> Entry:
        """Return who is meant by a name, a key's hex or its beginning, or a fingerprint.

        Raises:
            NoSuchContact, AmbiguousContact
            SecretWords: words that may be the secret of a key.
        """
        found = self._named(text) or self._keyed(text) or self._printed(text)
        if not found:
            raise NoSuchContact("known by no such name, key or fingerprint")
        if len(found) > 1:
            raise AmbiguousContact("say more of the key", count=len(found))
        return found[0]

    def lookalike(self, name: str, key: PublicKey) -> Entry | None:
        """Return somebody else in use whose name looks like this one, or who calls himself so."""
        for point in sorted(self._looks.get(texts.skeleton(name), ())):
            if point != key.point and self._entries[point].is_live:
                return self._entries[point]
        return None

    def check_free(self, name: str, key: PublicKey) -> None:
        """Raise NameTaken where somebody else in use has this name, or one like it."""
        look = texts.skeleton(name)
        for point in self._looks.get(look, ()):
            other = self._entries[point]
            if point != key.point and other.is_live and texts.skeleton(other.name) == look:
                raise NameTaken(name=other.name)

    def _named(self, text: str) -> list[Entry]:
        named = [entry for entry in self._entries.values() if entry.name == text]
        return [entry for entry in named if entry.is_live] or named

    def _keyed(self, text: str) -> list[Entry]:
        if len(text) < MIN_PREFIX:
            return []
        start = text.lower()
        return [entry for entry in self._entries.values() if entry.key.hex().startswith(start)]

    def _printed(self, text: str) -> list[Entry]:
        try:
            digest = fingerprint.parse(text)
        except BadName:
            return []
        found = (e for e in self._entries.values() if fingerprint.digest_of(e.public()) == digest)
        return list(found)


def _looks_of(entry: Entry) -> set[str]:
    return {texts.skeleton(name) for name in (entry.name, entry.called) if name}
