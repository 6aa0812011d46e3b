"""Our newest card shown over links: when one opens, when we have moved, again if not taken."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.errors import BadToken, KeyRefused, RemoteRefusal, StreembitError
from streembit.jose.keys import PublicKey
from streembit.rpc.peer import Peer
from streembit.service.network import Network
from streembit.service.people.abode import Abode
from streembit.service.people.cards import Cards
from streembit.service.people.diary import Diary
from streembit.service.people.friend import Friend, Friends
from streembit.service.people.lineage import Lineage
from streembit.service.upkeep import Upkeep
from streembit.wire.card import Card
from streembit.wire.message import Show
from streembit.wire.offer import Address

SHOW_AGAIN_S: Final = (1.0, 4.0, 16.0, 60.0)  # a link can end with our card on its way
MOVED_EVERY_S: Final = 5.0  # how soon contacts hear that our address has changed

_log = Logger()


class Showing:
    """Shows cards; a contact without a link finds the one on the network."""

    def __init__(
        self,
        network: Network,
        abode: Abode,
        cards: Cards,
        friends: Friends,
        lineage: Lineage,
        random: Callable[[], float],
    ) -> None:
        self._network, self._abode, self._cards = network, abode, cards
        self._friends, self._lineage, self._random = friends, lineage, random
        self._told_addresses: list[Address] = []
        self._in_vain: dict[PublicKey, int] = {}
        self._times: Diary[PublicKey] = Diary(network.clock, self.show)

    def upkeep(self) -> Upkeep:
        """Return the service that looks whether we have moved."""
        return Upkeep("addresses", self._network.clock, MOVED_EVERY_S, self._look, self._random)

    def start(self) -> None:
        """Take note of where we are."""
        self._told_addresses = self._abode.addresses()

    def close(self) -> None:
        """Show nothing more."""
        self._times.close()

    def show(self, key: PublicKey) -> None:
        """Show a contact our newest card, if there is a link."""
        friend = self._friends.get(key)
        if friend is not None and friend.talk.is_open:
            self.show_to(friend)

    def show_all(self) -> None:
        """Show all who have a link our newest card."""
        for friend in self._friends.values():
            self.show(friend.key)

    def show_to(self, friend: Friend) -> None:
        """Show our newest card over the link that is there; some more times if it is not taken."""
        shown = Deferred.fromCoroutine(self._shown(friend))
        shown.addCallback(self._taken, friend.key).addErrback(self._not_taken, friend.key)

    def unlinked(self, key: PublicKey) -> None:
        """Count anew on the next link."""
        self._in_vain.pop(key, None)

    def _taken(self, _shown: None, key: PublicKey) -> None:
        self._in_vain.pop(key, None)

    def _not_taken(self, failure: Failure, key: PublicKey) -> None:
        left_to_the_next(failure)
        tries = self._in_vain.get(key, 0)
        if tries < len(SHOW_AGAIN_S):
            self._in_vain[key] = tries + 1
            self._times.put(key, SHOW_AGAIN_S[tries])

    async def _shown(self, friend: Friend) -> None:
        card = await self._cards.fresh(friend)
        peer = self._network.roster.get(friend.key)
        if peer is not None:
            await self._show_to(peer, card)

    async def _show_to(self, peer: Peer, card: Card) -> None:
        """Show a card; where our key is not known, once more for each step that led to it."""
        introductions = deque(self._lineage.introductions)
        while True:
            self._network.roster.expect_answer()
            try:
                await peer.request(Show(card))
            except RemoteRefusal as refusal:
                if refusal.code != KeyRefused.code or not introductions:
                    raise
                card = replace(card, rotation=introductions.popleft())
            else:
                return

    def _look(self) -> None:
        """Tell all contacts when we are reached elsewhere than before."""
        addresses = self._abode.addresses()
        if addresses == self._told_addresses:
            return
        self._told_addresses = addresses
        self._cards.changed()
        self.show_all()


def left_to_the_next(failure: Failure) -> None:
    """Leave a card that was not shown or not taken to the next one."""
    if failure.check(StreembitError, CancelledError, BadToken) is None:
        _log.failure("a card could not be shown or taken", failure)
