"""The service manager's watchdog, fed while the node's canary lives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.interfaces import IReactorTime

from streembit.service.facade import Readiness, Status
from streembit.service.notify import Notifier
from streembit.service.upkeep import Upkeep


class Watched(Protocol):
    """A node or a hub, as far as the watchdog asks."""

    async def ready(self) -> Readiness:
        """Return whether it does what it is for."""

    async def status(self) -> Status:
        """Return its state."""


Find = Callable[[], Watched | None]  # None while a node takes the place of another

FEEDS_A_PERIOD = 3  # sd_notify(3) advises two; one more may be lost
STATUS_EVERY_S = 30.0  # without a watchdog, how often `systemctl status` hears news


class Watchdog:
    """Feeds a watchdog as long as a restart would better nothing.

    That is while the canary's put and get succeed, and also while nobody is
    linked: a first seed, or a node without a network, is not ill. One that has
    peers and can do nothing with them is; it is no longer fed. Nor is an
    account ill whose node takes another key: that has a time limit of its
    own. Of several nodes in a process each has to be well.
    """

    def __init__(self, notifier: Notifier, nodes: Sequence[Find]) -> None:
        self._notifier = notifier
        self._nodes = nodes

    async def round(self) -> None:
        """Look once; show the canaries' words as the unit's status."""
        looks = [await _look(find()) for find in self._nodes]
        self._notifier.status(" / ".join(shown for shown, _ in looks))
        if all(is_well for _, is_well in looks):
            self._notifier.alive()


async def _look(node: Watched | None) -> tuple[str, bool]:
    """Return what one node's state is in words, and whether a restart would better nothing."""
    if node is None:
        return "takes another key", True
    readiness = await node.ready()
    links = (await node.status()).links
    state = "ready" if readiness.ready else "not ready"
    shown = f"{state}, {links} links; {readiness.detail}".rstrip("; ")
    return shown, readiness.ready or links == 0


def watchdog(
    notifier: Notifier,
    nodes: Sequence[Find],
    clock: IReactorTime,
    random: Callable[[], float],
) -> Upkeep:
    """Return the service that looks at once and then several times a period."""
    period_s = notifier.watchdog_s
    every_s = STATUS_EVERY_S if period_s is None else period_s / FEEDS_A_PERIOD
    dog = Watchdog(notifier, nodes)
    return Upkeep("watchdog", clock, every_s, dog.round, random, first_s=0.0)
