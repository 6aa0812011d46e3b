"""Where somebody can be reached, as much of it as is kept."""

from __future__ import annotations

from collections.abc import Iterable

from streembit.wire.offer import MAX_ADDRESSES, Address


def few(addresses: Iterable[Address]) -> list[Address]:
    """Return the first MAX_ADDRESSES, each once; the first hub is one of them if there is any.

    Who moves behind a NAT is reached at none of the places before.
    """
    found = list(dict.fromkeys(addresses))
    best = found[:MAX_ADDRESSES]
    hub = next((each for each in found if each.is_hub), None)
    if hub is not None and hub not in best:
        best[-1] = hub
    return best
