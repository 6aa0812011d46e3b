"""What a member sees of a hub that lies: envelopes repeated, lost, moved, misdirected, forged.

A hub cannot alter what members sign, so all it can do is to keep it
back, or to show it again, late, or to somebody else. Whoever gets an
envelope can tell, and says so; none of it is ever taken for what was said.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

from streembit.errors import (
    EnvelopeElsewhere,
    EnvelopeForged,
    EnvelopeFuture,
    EnvelopeLost,
    EnvelopeMisdirected,
    EnvelopeMoved,
    EnvelopeOldSession,
    EnvelopeRefused,
    EnvelopeRepeated,
)
from streembit.wire.hub import Envelope

MAX_SENDERS: Final = 4_096  # remembered, who was heard last; some 300 bytes each
MAX_MISSING: Final = 64  # numbers of one sender that did not come; what is older counts as repeated
MAX_MAILS: Final = 8_192  # acknowledged ones remembered: of 64 full mailboxes
AHEAD_MS: Final = 3_600_000  # as far as a session may begin ahead of our clock; as with records

T = TypeVar("T")
Kind = Literal[
    "forged", "misdirected", "elsewhere", "old-session", "future", "repeated", "moved", "lost"
]
_ERRORS: Final[dict[Kind, type[EnvelopeRefused]]] = {
    "forged": EnvelopeForged,
    "misdirected": EnvelopeMisdirected,
    "elsewhere": EnvelopeElsewhere,
    "old-session": EnvelopeOldSession,
    "future": EnvelopeFuture,
    "repeated": EnvelopeRepeated,
    "moved": EnvelopeMoved,
    "lost": EnvelopeLost,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What is not right with an envelope.

    Attributes:
        sender: the key that it names; unless it is forged, the key that signed it.
        count: how many envelopes are concerned.
    """

    kind: Kind
    sender: str
    count: int = 1

    @property
    def takes(self) -> bool:
        """Whether the envelope is good nevertheless: others before it are not."""
        return self.kind == "lost"

    @property
    def error(self) -> EnvelopeRefused:
        """The finding as a refusal: what it is counted, logged and told by."""
        return _ERRORS[self.kind](count=self.count)


@dataclass(slots=True)
class _Heard:
    """How far one sender's live envelopes of its latest session have come."""

    session: str
    started_ms: int
    last: int = 0
    since: int = 0  # our own session in which it was heard
    missing: OrderedDict[int, None] = field(default_factory=OrderedDict)


class Witness:
    """Judges what comes through one hub for one member, over all sessions of both.

    First `judge`, which costs nothing and changes nothing; then the
    signature; then `take`, or `forged` for one that does not hold.
    """

    __slots__ = ("_acked", "_heard", "_hub", "_ours", "_own")

    def __init__(self, own: str, hub: str) -> None:
        self._own = own
        self._hub = hub
        self._ours = 0
        self._heard: OrderedDict[str, _Heard] = OrderedDict()
        self._acked: OrderedDict[tuple[str, str, int], None] = OrderedDict()

    def begin(self) -> None:
        """Take note that a session of our own begins: what came before it went past us."""
        self._ours += 1

    def judge(self, claims: Envelope, now_unix_s: float) -> Finding | None:
        """Return what is not right with an envelope, None for nothing.

        `now_unix_s` is the later of our clock and the hub's. The signature
        need not have been checked. Only an envelope with
        no finding, or with one that `takes`, may be handed on. A mail
        that is repeated was acknowledged before: acknowledge it again.
        """
        kind = self._misplaced(claims, now_unix_s)
        if kind is not None:
            return Finding(kind, claims.iss)
        if claims.id:
            again = (claims.iss, claims.session, claims.n) in self._acked
            return Finding("repeated", claims.iss) if again else None
        heard = self._heard.get(claims.iss)
        return None if heard is None else self._out_of_order(heard, claims)

    def take(self, claims: Envelope) -> None:
        """Remember an envelope that is handed on, its signature checked; mail is not counted."""
        if claims.id:
            return
        heard = self._heard.pop(claims.iss, None)
        since = 0 if heard is None else heard.since
        if heard is None or heard.session != claims.session:
            heard = _Heard(claims.session, claims.started_ms)
        if since == self._ours:
            missing = range(max(heard.last + 1, claims.seq - MAX_MISSING), claims.seq)
            heard.missing.update(dict.fromkeys(missing))
            _trim(heard.missing, MAX_MISSING)
        heard.last, heard.since = claims.seq, self._ours
        self._heard[claims.iss] = heard
        _trim(self._heard, MAX_SENDERS)

    def acknowledged(self, claims: Envelope) -> None:
        """Remember that the hub has said that it deleted this mail."""
        self._acked[claims.iss, claims.session, claims.n] = None
        _trim(self._acked, MAX_MAILS)

    def forged(self, claims: Envelope) -> Finding:
        """Return the finding of an envelope whose signature or key is not good."""
        return Finding("forged", claims.iss)

    def _misplaced(self, claims: Envelope, now_unix_s: float) -> Kind | None:
        if claims.aud != self._own:
            return "misdirected"
        if claims.hub != self._hub:
            return "elsewhere"
        if not claims.id and claims.started_ms > now_unix_s * 1000 + AHEAD_MS:
            return "future"
        return None

    def _out_of_order(self, heard: _Heard, claims: Envelope) -> Finding | None:
        known = claims.session == heard.session
        last = heard.last if known else 0
        if not known and claims.started_ms <= heard.started_ms:
            return Finding("old-session", claims.iss)
        if claims.seq <= last:
            moved = claims.seq in heard.missing
            return Finding("moved" if moved else "repeated", claims.iss)
        # A session that began after one that we heard of in our own cannot have gone past us.
        lost = claims.seq - last - 1
        if lost and heard.since == self._ours:
            return Finding("lost", claims.iss, lost)
        return None


def _trim(entries: OrderedDict[T, Any], limit: int) -> None:
    """Let the oldest go that are beyond the limit."""
    while len(entries) > limit:
        entries.popitem(last=False)
