"""A conversation with a shelf in memory, which can die between any two commits."""

from __future__ import annotations

from random import Random

from streembit.chat.conversation import Conversation
from streembit.chat.events import Event, Outgoing, Spoke
from streembit.chat.rows import Key
from streembit.errors import ParcelRefused
from streembit.jose import base64url
from streembit.jose.keys import Identity
from streembit.wire.content import Text
from tests.chat.people import NOW_S, contact_of


class MemoryShelf:
    """Rows in memory; what was committed stays."""

    def __init__(self) -> None:
        self.rooms: dict[str, dict[Key, bytes]] = {}

    def get(self, room: str, key: Key) -> bytes | None:
        return self.rooms.get(room, {}).get(key)

    def all(self, room: str) -> list[bytes]:
        return list(self.rooms.get(room, {}).values())

    def page(self, room: str, before: int | None, limit: int) -> list[tuple[int, bytes]]:
        rows = self.rooms.get(room, {})
        keys = sorted((k for k in rows if isinstance(k, int)), reverse=True)
        below = [key for key in keys if before is None or key < before]
        return [(key, rows[key]) for key in below[:limit]]

    def commit(self, changes: list[tuple[str, Key, bytes | None]]) -> None:
        for room, key, row in changes:
            if row is None:
                self.rooms.get(room, {}).pop(key, None)
            else:
                self.rooms.setdefault(room, {})[key] = row

    def copy(self) -> MemoryShelf:
        """Return what a backup of now would have."""
        twin = MemoryShelf()
        twin.rooms = {room: dict(rows) for room, rows in self.rooms.items()}
        return twin


class Talker:
    """One of two contacts who talk: what it was told, and how it begins again."""

    def __init__(self, own: Identity, other: Identity, chance: Random) -> None:
        self.own, self.other, self.chance = own, contact_of(other), chance
        self.shelf = MemoryShelf()
        self.name = ""
        self.events: list[Event] = []
        self.restart()

    def restart(self) -> None:
        """Go on with what was committed."""
        self.talk = Conversation(self.own, self.other, self.shelf, self.chance, self.name)

    def commit(self) -> None:
        """Do what a disk does."""
        self.shelf.commit(list(self.talk.changes()))

    def text(self, text: str) -> Text:
        """Return a message with an id of its own."""
        return Text(base64url.encode(self.chance.randbytes(16)), NOW_S, text)

    def write(self, text: str, now_s: float = NOW_S) -> int:
        """Write a message and commit it."""
        number = self.talk.write(self.text(text), now_s)
        self.commit()
        return number

    def due(self, now_s: float = NOW_S) -> list[Outgoing]:
        """Return all that is to be handed over now, committed."""
        out: list[Outgoing] = []
        while more := self.talk.due(now_s):
            out += more
        self.commit()
        return out

    def hear(self, parcel: bytes, now_s: float = NOW_S) -> str:
        """Take a parcel; return the code of the answer."""
        try:
            self.events += self.talk.hear(parcel, now_s)
        except ParcelRefused as e:
            return e.code
        finally:
            self.commit()
        return ""

    @property
    def heard(self) -> list[str]:
        """The texts that the user was shown."""
        spoken = [event.spoken for event in self.events if isinstance(event, Spoke)]
        return [each.text for each in spoken if isinstance(each, Text)]


def acquaint(one: Talker, two: Talker, now_s: float = NOW_S) -> None:
    """Let each have the other's prekeys."""
    for side, other in ((one, two), (two, one)):
        bundle = other.talk.bundle(now_s)
        other.commit()
        side.events += side.talk.learn(bundle, now_s)
        side.commit()


def exchange(one: Talker, two: Talker, now_s: float = NOW_S, rounds: int = 50) -> int:
    """Carry all that is due over a live way without loss; return how many parcels went."""
    count = 0
    for _ in range(rounds):
        moved = 0
        for side, other in ((one, two), (two, one)):
            for out in side.due(now_s):
                code = other.hear(out.parcel, now_s)
                if code:
                    side.talk.refused(out, code, now_s)
                else:
                    side.events += side.talk.handed(out)
                side.commit()
                moved += 1
        count += moved
        if not moved:
            break
    return count
