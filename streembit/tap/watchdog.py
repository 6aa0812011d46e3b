"""The service manager's watchdog, fed while the node's canary lives."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from streembit.service.facade import NodeFacade
from streembit.service.notify import Notifier
from streembit.service.upkeep import Upkeep

FEEDS_A_PERIOD = 3  # sd_notify(3) advises two; one more may be lost
STATUS_EVERY_S = 30.0  # without a watchdog, how often `systemctl status` hears news


class Watchdog:
    """Feeds a watchdog as long as a restart would better nothing.

    That is while the canary's put and get succeed, and also while nobody is
    linked: a first seed, or a node without a network, is not ill. One that has
    peers and can do nothing with them is; it is no longer fed.
    """

    def __init__(self, notifier: Notifier, node: NodeFacade) -> None:
        self._notifier = notifier
        self._node = node

    async def round(self) -> None:
        """Look once; show the canary's word as the unit's status."""
        readiness = await self._node.ready()
        links = (await self._node.status()).links
        state = "ready" if readiness.ready else "not ready"
        self._notifier.status(f"{state}, {links} links; {readiness.detail}".rstrip("; "))
        if readiness.ready or links == 0:
            self._notifier.alive()


def watchdog(
    notifier: Notifier, node: NodeFacade, clock: IReactorTime, random: Callable[[], float]
) -> Upkeep:
    """Return the service that looks at once and then several times a period."""
    period_s = notifier.watchdog_s
    every_s = STATUS_EVERY_S if period_s is None else period_s / FEEDS_A_PERIOD
    dog = Watchdog(notifier, node)
    return Upkeep("watchdog", clock, every_s, dog.round, random, first_s=0.0)
