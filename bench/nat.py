"""How two contacts meet, for each pair of what may stand between a host and the others.

Real nodes, a real hub, and routers of nftables and miniupnpd in network namespaces without a way
out; Linux, root, and the packages that tools/system names are needed. It takes ten minutes.

    python -m bench.nat [--check]

prints the table of docs/nat.md; with --check it exits with 1 where the page says something else.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react
from twisted.trial.unittest import SkipTest

from tests.rig.nat import all_pairs, as_table
from tests.rig.netns import need
from tests.rig.procnet import Net
from tests.sources import ROOT

PAGE: Final = ROOT / "docs" / "nat.md"
LOOK_EVERY_S: Final = 0.1


async def measure(reactor: Any) -> int:
    """Return the exit status."""

    async def until(
        look: Callable[[], Awaitable[bool] | bool], within_s: float, what: str = ""
    ) -> None:
        until_s = reactor.seconds() + within_s
        while not (found if isinstance(found := look(), bool) else await found):
            if reactor.seconds() > until_s:
                raise TimeoutError(f"not within {within_s} s: {what}")
            await deferLater(reactor, LOOK_EVERY_S)

    found = await all_pairs(Net(), until, lambda pair, how: print(*pair, how, flush=True))
    table = as_table(found)
    print("", *table, sep="\n")
    if "--check" in sys.argv and "\n".join(table) not in PAGE.read_text():
        print(f"\n{PAGE.name} says something else")
        return 1
    return 0


def main() -> None:
    """Measure, and exit."""
    try:
        need("miniupnpd")
    except SkipTest as e:
        sys.exit(f"bench.nat {e}")

    def run(reactor: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(measure(reactor)).addCallback(_leave)

    react(run)


def _leave(status: int) -> None:
    if status:
        raise SystemExit(status)


if __name__ == "__main__":
    main()
