"""Agreement keys that change: ours made anew in time and announced, those of contacts followed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

from streembit.contacts import generations
from streembit.errors import BadRotation, StreembitError
from streembit.service.network import Network
from streembit.service.people.bonds import Bonds
from streembit.service.people.friend import Friend
from streembit.service.people.holdings import Holdings
from streembit.service.people.showing import Showing
from streembit.service.people.statements import say_to_all
from streembit.service.people.watch import Watch
from streembit.service.upkeep import Upkeep

LOOK_EVERY_S: Final = 3600.0  # a key lives for months

_log = Logger()


class Renewals:
    """Renews the agreement keys of an account, and follows those of its contacts.

    Args:
        every_s: how long a key of ours is in use.
    """

    def __init__(
        self,
        network: Network,
        held: Holdings,
        bonds: Bonds,
        showing: Showing,
        watch: Watch,
        every_s: float,
    ) -> None:
        self._network, self._every_s = network, every_s
        self._register, self._own, self._friends = held.register, held.own, held.friends
        self._bonds, self._showing, self._watch = bonds, showing, watch

    def upkeep(self, random: Callable[[], float]) -> Upkeep:
        """Return the service that looks whether it is time."""
        clock, jitter_s = self._network.clock, LOOK_EVERY_S / 10
        return Upkeep("agreement keys", clock, LOOK_EVERY_S, self.round, random, jitter_s=jitter_s)

    # --- ours
    def round(self) -> None:
        """Erase keys of ours that nobody can use any more, and take another one in time.

        Raises:
            DiskFull, DiskFailed: nothing has changed.
        """
        now_s = self._network.now_s()
        self._own.erase_expired(now_s)
        if now_s >= self._own.generations.due_s(self._every_s):
            self.renew()
        self._refresh_all()

    def renew(self) -> None:
        """Take another key, and tell all contacts; raise as `round`."""
        renewed = self._own.renewed()
        statement = renewed.statement(self._network.settings.network)
        say_to_all(self._friends, statement, self._network.now_s())
        self._own.keep(renewed)
        self._refresh_all()
        self._showing.show_all()
        _log.info("the agreement key was renewed")

    # --- theirs
    def read(self, token: str) -> None:
        """Take a statement of an agreement key, wherever it came; one that does not hold changes
        nothing.
        """
        now_s, network = self._network.now_s(), self._network.settings.network
        try:
            self._followed(generations.read(token, network, now_s), int(now_s))
        except StreembitError as error:
            _log.info("a statement of an agreement key does not hold: {code}", code=error.code)

    def known(self, friend: Friend, yours: str) -> None:
        """Take which key of ours a contact uses, by its newest card."""
        keys = (own.agreement.public for own in self._own.all)
        ours = next((key for key in keys if key.text == yours), None)
        entry = self._register.book.get(friend.key)
        if ours is None or entry is None or entry.knows == ours.point:
            return
        self._register.book.set_known(friend.key, ours)
        self._register.keep()
        self._bonds.refresh(friend)

    def _followed(self, announced: generations.Announced, now_s: int) -> None:
        book = self._register.book
        before = book.of(announced.key)
        if any(announced.agreement == own.agreement.public for own in self._own.all):
            raise BadRotation("the agreement key is our own", key=announced.key.hex)
        entry = book.renew_agreement(announced.key, announced.agreement, announced.made_s, now_s)
        if entry is before:
            return
        self._register.keep()
        friend = self._friends.get(announced.key)
        if friend is not None:
            self._bonds.refresh(friend)
            self._watch.refresh()
            self._showing.show(friend.key)

    def _refresh_all(self) -> None:
        for friend in self._friends.values():
            self._bonds.refresh(friend)
        self._watch.refresh()
