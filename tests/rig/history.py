"""What a network was told and what it answered, and what must be true of it whatever happened."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Literal

Slot = tuple[str, str]  # the owner's key, and the name


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that was asked of the network, and how it ended.

    kind: "put" was acknowledged with at least one receipt; "read" found something.
    """

    kind: Literal["put", "read"]
    owner: str
    name: str
    seq: int
    value: str
    began_s: float
    ended_s: float

    @property
    def slot(self) -> Slot:
        """What it was about."""
        return self.owner, self.name


@dataclass
class History:
    """Events in the order in which they ended; each check returns what speaks against it."""

    events: list[Event] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Note an event that has just ended."""
        self.events.append(event)

    def lines(self) -> Iterator[str]:
        """Yield the events as JSON, for whoever looks into what went wrong."""
        return (json.dumps(asdict(event)) for event in self.events)

    def acknowledged(self) -> dict[Slot, Event]:
        """Return the newest put of each slot."""
        newest: dict[Slot, Event] = {}
        for put in self._of("put"):
            if put.slot not in newest or put.seq > newest[put.slot].seq:
                newest[put.slot] = put
        return newest

    def numbers_go_up(self) -> list[str]:
        """Each put has a higher number than every put that had ended when it began."""
        return [
            f"{later} is not above {earlier}"
            for puts in self._by_slot("put").values()
            for earlier in puts
            for later in puts
            if later.began_s >= earlier.ended_s and later.seq <= earlier.seq
        ]

    def one_value_a_number(self) -> list[str]:
        """Whoever put or read a number of a slot did so with the same value."""
        values: dict[tuple[Slot, int], set[str]] = defaultdict(set)
        for event in self.events:
            values[event.slot, event.seq].add(event.value)
        return [f"{what} is {sorted(found)}" for what, found in values.items() if len(found) > 1]

    def nothing_acknowledged_is_lost(self) -> list[str]:
        """The last read of each slot that was put is at least as new as the last put before it."""
        reads = self._by_slot("read")
        lost = []
        for slot, put in self.acknowledged().items():
            last = reads[slot][-1] if reads[slot] else None
            if last is None or last.began_s < put.ended_s:
                lost.append(f"{put} was never read afterwards")
            elif last.seq < put.seq:
                lost.append(f"{last} is older than {put}")
        return lost

    def _of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]

    def _by_slot(self, kind: str) -> dict[Slot, list[Event]]:
        slots: dict[Slot, list[Event]] = defaultdict(list)
        for event in self._of(kind):
            slots[event.slot].append(event)
        return slots
