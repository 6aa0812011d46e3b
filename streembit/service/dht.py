"""A node's part in the DHT: what is stored and found, with whom, and the work that keeps it so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from twisted.application.service import MultiService

from streembit.dht import renewal
from streembit.dht.put import Outcome
from streembit.dht.shelf import Shelf
from streembit.dht.store import Store, StoreLimits
from streembit.jose.keys import PublicKey
from streembit.service.canary import Canary
from streembit.service.deposit import Deposit
from streembit.service.entrance import Address
from streembit.service.errands import Errands
from streembit.service.finder import Finder
from streembit.service.membership import Membership
from streembit.service.network import Network
from streembit.service.publishing import OwnRecords, Publishing
from streembit.service.replication import Replication
from streembit.service.storeclock import StoreClock
from streembit.service.upkeep import Upkeep, Work

HAND_OVER_EVERY_S: Final = 10.0  # newcomers of that time are served in one pass over the store
EXPIRE_EVERY_S: Final = 60.0


class Dht(MultiService):
    """Stores for others, finds, publishes, and stays among those with whom that is done.

    Args:
        shelf, clock: where and by which time other people's records lie.
        own: where our own records and their numbers lie.
        seeds, remembered, settled, keeps: see `Membership`.

    Attributes:
        jobs: what is done again and again, by name.
    """

    def __init__(
        self,
        network: Network,
        errands: Errands,
        shelf: Shelf,
        limits: StoreLimits,
        clock: StoreClock,
        own: OwnRecords,
        random: Random,
        seeds: Sequence[Address],
        remembered: Sequence[Address],
        settled: Callable[[], None],
        keeps: Callable[[PublicKey], bool],
    ) -> None:
        super().__init__()
        self.setName("dht")
        self._network, self._chance, self._told_of = network, random.random, settled
        store = Store(shelf, limits, grouping=network.settings.grouping, started_s=clock.now_s())
        self.deposit = Deposit(store, network, clock)
        self.finder = Finder(network, self.deposit, errands)
        self.publishing = Publishing(network, self.finder, self.deposit, own, self._sent)
        self.replication = Replication(network, self.finder, self.deposit)
        self.canary = Canary(network, self.finder)
        met, settling = self.replication.joined, self._settled
        self.membership = Membership(
            network, self.finder, errands, random, seeds, remembered, met, settling, keeps
        )
        self.jobs = {job.name: job for job in self._upkeep()}
        for service in (self.membership, *self.jobs.values()):
            service.setServiceParent(self)

    def _upkeep(self) -> list[Upkeep]:
        settings = self._network.settings
        canary_s, hour_s = settings.canary_every_s, settings.replicate_every_s
        spread_s = settings.replicate_jitter_s
        work: list[tuple[str, float, float, Work]] = [
            ("canary", canary_s, canary_s / 10, self.canary.sing),
            ("republish", hour_s, spread_s, self.publishing.republish),
            ("replicate", hour_s, spread_s, self.replication.replicate),
            ("hand over", HAND_OVER_EVERY_S, HAND_OVER_EVERY_S / 5, self.replication.hand_over),
            ("expire", EXPIRE_EVERY_S, EXPIRE_EVERY_S / 10, self.deposit.expire),
        ]
        clock, chance = self._network.clock, self._chance
        return [
            Upkeep(name, clock, every_s, job, chance, jitter_s=jitter_s)
            for name, every_s, jitter_s, job in work
        ]

    def _sent(self, outcome: Outcome) -> None:
        """Put our records again before the first of those who keep this one drops it."""
        now_s = self._network.now_s()
        self.jobs["republish"].within(renewal.before_s(outcome.receipts, now_s, self._chance()))

    def _settled(self) -> None:
        """We have joined: prove it, and tell our keys.

        If they were told before, they lie in the network still and are told again in a while, so
        that a whole network that was started again does not do it all at once.
        """
        self._told_of()
        self.jobs["canary"].soon()
        spread_s = self._network.settings.replicate_jitter_s if self.publishing.announced else 0.0
        self.jobs["republish"].next_in(self._chance() * spread_s)
