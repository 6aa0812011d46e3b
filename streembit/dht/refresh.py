"""Where to look so that the table stays full and spread: the targets of upkeep, and when.

To join, and again each hour for what no look-up touched:

1. shake hands with a few seeds or cached peers; look up oneself with `FindNodes(confirm=True)`, so
   that the neighbours know us and we know them;
2. look up one target of each bucket of `wide_targets` with `FindNodes()`;
3. shake hands with what `Candidates.take` gives;
4. look up each of `gap_targets` with `explore()`, and shake hands as in 3;
5. shake hands with what `Candidates.take(spread=False)` gives, until the buckets are full.

What is told on the way goes to `Candidates.suggest`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streembit.dht.candidates import Candidates
from streembit.dht.keyspace import ID_BITS
from streembit.dht.nodes import FindNodes
from streembit.dht.slots import slot_size_bits
from streembit.dht.table import Table

REFRESH_EVERY_S: Final = 3600.0  # a bucket that no look-up touched for so long is looked through
REPUBLISH_EVERY_S: Final = 3600.0  # as often as half of the holders may have gone
JITTER_S: Final = 600.0  # give or take, so that a network started at once does not stay in step

Bits = Callable[[int], int]  # chance: that many random bits, as `random.Random.getrandbits`


def explore() -> FindNodes:
    """Return the mode that finds out who lives in a gap: the nearest one, on one word."""
    return FindNodes(1, near=1)


def wide_targets(
    table: Table, now_s: float, bits: Bits, every_s: float = REFRESH_EVERY_S
) -> list[int]:
    """Return a random target in each bucket that is due, the widest first."""
    due = table.buckets_to_refresh(now_s, every_s)
    return [target_in(table.own_id, shared, bits) for shared in due]


def gap_targets(table: Table, candidates: Candidates, bits: Bits) -> list[int]:
    """Return a random target in each empty slot of the buckets that are, or could be, full."""
    sizes, crowds = table.sizes(), candidates.crowds()
    return [
        gap | bits(slot_size_bits(shared))
        for shared, size in sizes.items()
        if size + crowds[shared] >= table.k
        for gap in table.gaps(shared)
    ]


def target_in(own_id: int, shared: int, bits: Bits) -> int:
    """Return a random id that shares exactly the first `shared` bits with ours."""
    rest = ID_BITS - 1 - shared
    return (own_id >> rest ^ 1) << rest | (bits(rest) if rest else 0)


def next_s(every_s: float, chance: float) -> float:
    """Return the wait until the next round: `every_s` give or take `JITTER_S`; chance in [0, 1)."""
    return every_s + (2 * chance - 1) * min(JITTER_S, every_s)
