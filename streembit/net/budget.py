"""Rates that may not be exceeded: token buckets, one a peer and one for all."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

MAX_PEERS: Final = 4096  # twice the connections of a node

_GRAIN: Final = 1e-6  # of a token: what sums of fractions may be off
_LEAST_WAIT_S: Final = 1e-4  # a clock that counts from 1970 does not see what is far shorter


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second in the long run, and a burst at once."""

    per_s: float
    burst: float

    @classmethod
    def a_second(cls, per_s: float) -> Rate:
        """Return the rate whose burst is a second's worth, and one where that is less than one."""
        return cls(per_s, max(1.0, per_s))


# A core verifies some 10,000 signatures a second; strangers get less than half of one.
STRANGER_CHECKS: Final = Rate(per_s=200.0, burst=200.0)
ALL_CHECKS: Final = Rate(per_s=4000.0, burst=4000.0)
MEMBERS_SHARE: Final = 0.25  # beside it, for those whom the table knows: with it half of a core


class TokenBucket:
    """Fills at a rate up to a burst; what is taken must be in it."""

    __slots__ = ("_missing", "_rate", "_since_s")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._missing = 0.0  # tokens, at `_since_s`
        self._since_s = 0.0

    def wait_s(self, now_s: float, tokens: float = 1.0) -> float:
        """Return 0.0 if the tokens are there, else in how many seconds they will be."""
        self._fill(now_s)
        lacking = self._missing + tokens - self._rate.burst
        return max(_LEAST_WAIT_S, lacking / self._rate.per_s) if lacking > _GRAIN else 0.0

    def take(self, now_s: float, tokens: float = 1.0) -> bool:
        """Take the tokens if they are there; return whether they were."""
        if self.wait_s(now_s, tokens) > 0:
            return False
        self.spend(tokens)
        return True

    def spend(self, tokens: float) -> None:
        """Take tokens, which are there or which somebody waits for."""
        self._missing += tokens

    def give_back(self, tokens: float = 1.0) -> None:
        """Put tokens back that were taken for nothing."""
        self._missing = max(0.0, self._missing - tokens)

    def _fill(self, now_s: float) -> None:
        # A clock that was set back fills nothing, and takes nothing away either.
        if self._missing and now_s > self._since_s:
            refilled = (now_s - self._since_s) * self._rate.per_s
            self._missing = max(0.0, self._missing - refilled)
        self._since_s = now_s


class Buckets:
    """A bucket for each key, of which only the busiest are remembered."""

    __slots__ = ("_buckets", "_max_keys", "_rate")

    def __init__(self, rate: Rate, max_keys: int = MAX_PEERS) -> None:
        self._rate = rate
        self._max_keys = max_keys
        self._buckets: OrderedDict[Hashable, TokenBucket] = OrderedDict()

    def of(self, key: Hashable) -> TokenBucket:
        """Return the bucket of a key, a full one for a key that is new or was forgotten."""
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._max_keys:
                self._buckets.popitem(last=False)  # idle for longest
            bucket = self._buckets[key] = TokenBucket(self._rate)
        else:
            self._buckets.move_to_end(key)
        return bucket

    def __len__(self) -> int:
        return len(self._buckets)


class Budgets:
    """What one peer and all together may ask for; asked before each costly check.

    Who finds the common budget empty gets a turn: its tokens are taken at once, and it is served
    when the time is over.  So everybody is served in the order of asking, and who asks rarely
    waits for one check of each of those who flood.  Members have a budget of their own, and take
    turns with the others beyond it.

    A peer whose bucket was forgotten gets a full one, so the bound of
    all together is the one that holds against many keys.
    """

    __slots__ = ("_all", "_longest_s", "_max_peers", "_members", "_peers", "_turns_s")

    def __init__(
        self, peer: Rate = STRANGER_CHECKS, total: Rate = ALL_CHECKS, max_peers: int = MAX_PEERS
    ) -> None:
        self._peers = Buckets(peer, max_peers)
        self._all = TokenBucket(total)
        self._members = TokenBucket(Rate.a_second(total.per_s * MEMBERS_SHARE))
        self._max_peers = max_peers
        self._longest_s = max_peers / total.per_s + 1.0  # a turn behind one check of each
        self._turns_s: dict[Hashable, float] = {}  # in the order in which they are over

    def wait_s(self, peer: Hashable, now_s: float, *, member: bool = False) -> float:
        """Return 0.0 for yes, or in how many seconds to ask again; then it will be yes.

        Each peer asks for one thing at a time.
        """
        turn_s = self._turns_s.get(peer)
        if turn_s is not None:
            return self._until(peer, turn_s - now_s)
        bucket = self._peers.of(peer)
        wait_s = bucket.wait_s(now_s)
        if wait_s > 0.0:
            return wait_s
        if member and self._members.take(now_s):
            bucket.spend(1.0)
            return 0.0
        wait_s = self._all.wait_s(now_s)
        if wait_s > 0.0 and not self._lined_up(peer, now_s, now_s + wait_s):
            return wait_s
        bucket.spend(1.0)
        self._all.spend(1.0)
        return wait_s

    def _until(self, peer: Hashable, left_s: float) -> float:
        """Return what is left of a wait, and end the turn where that is nothing.

        So it does where too much is left: then the clock was set back.
        """
        if _LEAST_WAIT_S / 2 < left_s <= self._longest_s:
            return left_s
        del self._turns_s[peer]
        return 0.0

    def _lined_up(self, peer: Hashable, now_s: float, turn_s: float) -> bool:
        """Give a turn; return False where too many wait: then it has to ask again."""
        if len(self._turns_s) >= self._max_peers:
            first, first_s = next(iter(self._turns_s.items()))
            if first_s > now_s:
                return False
            del self._turns_s[first]  # it went away without being served
        self._turns_s[peer] = turn_s
        return True
