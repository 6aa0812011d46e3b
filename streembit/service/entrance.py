"""The first contacts of a node: those it knows or remembers, then seeds, a few at a time."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredList

from streembit.jose.keys import PublicKey
from streembit.net.tcp import LinkProtocol
from streembit.service.network import Network

AT_ONCE: Final = 8  # dialled together; so many open links are enough to begin with
STAGGER_S: Final = 1.0  # then the next of them are dialled as well


@dataclass(frozen=True, slots=True)
class Address:
    """Where somebody may be found: a seed, or a peer remembered; `key` where it is known."""

    host: str
    port: int
    key: PublicKey | None = None


class Entrance:
    """Opens the first links.

    Args:
        remembered: the good peers of former runs, anchors first, tried before the seeds.
        seeds: where newcomers start, tried in an order drawn from `random`.
    """

    def __init__(
        self,
        network: Network,
        remembered: Sequence[Address],
        seeds: Sequence[Address],
        random: Random,
    ) -> None:
        own = network.identity.public
        self._network = network
        self._random = random
        self._remembered = [address for address in remembered if address.key != own]
        self._seeds = [address for address in seeds if address.key != own]

    @property
    def known(self) -> bool:
        """Whether there is anybody to dial."""
        return bool(self._remembered or self._seeds or len(self._network.table))

    async def enter(self) -> None:
        """Dial until there are links enough or nobody is left.

        Who does not answer is not waited for: the next few are dialled beside.
        """
        seeds = list(self._seeds)
        self._random.shuffle(seeds)
        line = self._met() + self._remembered + seeds
        dials: list[Deferred[LinkProtocol]] = []
        while line and len(list(self._network.members())) < AT_ONCE:
            dials += [self._dial(address) for address in line[:AT_ONCE]]
            line = line[AT_ONCE:]
            await self._a_moment(dials)
        if not any(self._network.members()):
            await all_of(dials)

    async def visit(self) -> None:
        """Dial a seed that is not in the table: it may be back, and remember nobody."""
        known = {(node.contact.host, node.contact.port) for node in self._network.table}
        strange = [seed for seed in self._seeds if (seed.host, seed.port) not in known]
        if known and strange:
            await all_of([self._dial(self._random.choice(strange))])

    def _met(self) -> list[Address]:
        """Return our nearest in the table: all links to them may have ended in order."""
        network = self._network
        contacts = [node.contact for node in network.table.nearest(network.id, AT_ONCE)]
        return [Address(c.host, c.port, network.keys.get(c.key)) for c in contacts]

    def _dial(self, address: Address) -> Deferred[LinkProtocol]:
        return self._network.dialler.dial(address.host, address.port, address.key)

    def _a_moment(self, dials: Sequence[Deferred[LinkProtocol]]) -> Deferred[None]:
        """Fire when all these have ended, at the latest after `STAGGER_S`; cancelling ends them."""

        def ended(_: object) -> None:
            if timer.active():
                timer.cancel()
                done.callback(None)

        def give_up(_: object) -> None:
            timer.cancel()
            for dial in dials:
                dial.cancel()

        done: Deferred[None] = Deferred(give_up)
        timer = self._network.clock.callLater(STAGGER_S, done.callback, None)
        DeferredList(dials, consumeErrors=True).addCallback(ended)
        return done


def all_of(
    work: Iterable[Deferred[Any] | Coroutine[Deferred[Any], Any, Any]],
) -> Deferred[int]:
    """Fire when all have ended, with how many succeeded; cancelling cancels them all."""
    started = [w if isinstance(w, Deferred) else Deferred.fromCoroutine(w) for w in work]
    cancelled = False

    def ended(results: list[tuple[bool, Any]]) -> None:
        if not cancelled:
            done.callback(sum(1 for success, _ in results if success))

    def cancel(_: object) -> None:
        nonlocal cancelled
        cancelled = True
        for each in started:
            each.cancel()

    done: Deferred[int] = Deferred(cancel)
    DeferredList(started, consumeErrors=True).addCallback(ended)
    return done
