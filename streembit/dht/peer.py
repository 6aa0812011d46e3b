"""A node as the table and the look-ups know it."""

from __future__ import annotations

from dataclasses import dataclass, field

from streembit.dht.grouping import Grouping
from streembit.dht.keyspace import id_of, to_text
from streembit.wire.message import Contact

HEDGE_FLOOR_S = 0.05  # below this, scheduling noise looks like a dead peer
HEDGE_UNKNOWN_S = 0.45  # a peer without history: three wide-area round trips, two to dial it
HEDGE_ROUND_TRIPS = 4.0  # an answer later than this many of its round trips is overdue
RTT_WEIGHT = 0.125  # of a new sample, as in RFC 6298


@dataclass(slots=True, eq=False)
class Node:
    """One node: its place, how it is reached, and what we saw of it.

    Attributes:
        group: of its address, "" where groups do not count.
        storage: may be asked to store; not so for nodes known by address only or not reachable.
        seen_s: when it last finished a handshake or answered, 0.0 for never.
        failures: requests in a row that it left without an answer.
    """

    id: int
    contact: Contact
    group: str = ""
    storage: bool = True
    seen_s: float = 0.0
    rtt_s: float | None = None
    failures: int = 0
    _text: str = field(default="", repr=False)

    @classmethod
    def of(cls, contact: Contact, grouping: Grouping, *, storage: bool = True) -> Node:
        """Return the node of a contact.

        Raises:
            BadToken, BadName: the contact cannot be.
        """
        usable = storage and contact.scheme != "address"
        return cls(id_of(contact), contact, grouping.group(contact.host), usable)

    @property
    def id_text(self) -> str:
        """The id in base64url, as messages carry it."""
        if not self._text:
            self._text = to_text(self.id)
        return self._text

    @property
    def patience_s(self) -> float:
        """How long to wait for its answer before another is asked as well."""
        if self.rtt_s is None:
            return HEDGE_UNKNOWN_S
        return max(HEDGE_FLOOR_S, HEDGE_ROUND_TRIPS * self.rtt_s)

    def answered(self, now_s: float, rtt_s: float | None = None) -> None:
        """Note that it answered, and how fast."""
        self.seen_s = now_s
        self.failures = 0
        if rtt_s is None:
            return
        known_s = rtt_s if self.rtt_s is None else self.rtt_s
        self.rtt_s = known_s + RTT_WEIGHT * (rtt_s - known_s)
