"""Agreement keys that change: ours made anew in time, announced and erased, theirs followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from twisted.logger import Logger

from streembit.chat.agreement import Contact
from streembit.contacts import generations
from streembit.contacts.entry import Entry
from streembit.contacts.generations import Generations
from streembit.contacts.pair import Pair
from streembit.errors import BadKey, BadRotation, ChestDamaged, StreembitError
from streembit.jose.keys import Identity, PrivateKey, PublicKey
from streembit.service.finder import Search
from streembit.service.people.friend import Friend
from streembit.service.upkeep import Upkeep
from streembit.service.whois import agreement_in, place_of

if TYPE_CHECKING:
    from streembit.service.people.people import People

ROOM: Final = "agreement keys"
LOOK_EVERY_S: Final = 3600.0  # a key lives for months
SEEK_EVERY_S: Final = 24 * 3600.0  # the key record of one who is away: a look-up

_log = Logger()


class Renewals:
    """The agreement keys of an account and of its contacts, as they are good now.

    Args:
        every_s: how long a key of ours is in use.
    """

    def __init__(self, people: People, every_s: float) -> None:
        self._people = people
        self._every_s = every_s
        self._sought: dict[PublicKey, float] = {}  # at most one a contact
        self._adopt(self._begun())

    @property
    def newest(self) -> Identity:
        """Ourselves with the agreement key that is in use."""
        return self.generations.newest

    def upkeep(self) -> Upkeep:
        """Return the service that looks whether it is time."""
        return Upkeep(
            "agreement keys",
            self._people.node.clock,
            LOOK_EVERY_S,
            self.round,
            self._people.random.random,
            jitter_s=LOOK_EVERY_S / 10,
        )

    def round(self) -> None:
        """Erase keys of ours that nobody can use any more, and take another one in time.

        Raises:
            DiskFull, DiskFailed: nothing has changed.
        """
        now_s = self._people.network.now_s()
        left = self.generations.expired(now_s)
        if left is not self.generations:
            self._people.chest.commit([self._row(left)])
            self._adopt(left)
        if now_s >= self.generations.due_s(self._every_s):
            self.renew()
        self._refresh_all()

    def renew(self) -> None:
        """Take another key, and tell all contacts; raise as `round`."""
        people, now_s = self._people, int(self._people.network.now_s())
        renewed = self.generations.renewed(PrivateKey.generate(), now_s, self._spread())
        people.succession.say(renewed.statement(people.node.settings.network))
        people.circle.register.keep(self._row(renewed))  # one commit with what is said of it
        self._adopt(renewed)
        self._refresh_all()
        people.show_all()
        _log.info("the agreement key was renewed")

    def of_former(self, identity: Identity) -> tuple[Identity, ...]:
        """Return a former identity of ours with each agreement key that it had last."""
        row = self._people.chest.get(ROOM, identity.public.point)
        return (identity,) if row is None else _load(identity, row).owns

    # --- friends
    def pairs(self, entry: Entry) -> generations.Pairs:
        """Return the pairs of us and a contact; raise BadKey where it has a key of ours."""
        return generations.pairs(self.generations.owns, entry, self._people.network.now_s())

    def greet(self, entry: Entry) -> Entry:
        """Note which key of ours a contact knows that never said: the one it was told."""
        owns = self.generations.owns
        if any(own.agreement.public.point == entry.knows for own in owns):
            return entry
        return self._people.circle.book.set_known(entry.public(), self.newest.agreement.public)

    def ends(self, entry: Entry) -> tuple[list[Identity], list[Contact]]:
        """Return ourselves and a contact with each good key, those to begin sessions with first."""
        owns = self.generations.owns
        spoken = generations.spoken(owns, entry.knows)
        others = [own for own in owns if own is not spoken]
        agreements = generations.keys_of(entry, self._people.network.now_s())
        return [spoken, *others], [Contact(entry.public(), each) for each in agreements]

    def refresh(self, friend: Friend) -> None:
        """Let a friend go on with the keys that are good now."""
        people, entry = self._people, self._people.circle.book.of(friend.key)
        before = len(friend.pairs.ours), friend.pair.own, friend.agreement
        friend.agreement = PublicKey.parse(entry.agreement)
        friend.pairs = self.pairs(entry)
        friend.talk.conversation.know(*self.ends(entry))
        if (len(friend.pairs.ours), friend.pair.own, friend.agreement) != before:
            people.cards.changed(friend.key)
            people.succession.refresh(friend)

    # --- what contacts say
    def read(self, token: str) -> None:
        """Take a statement of an agreement key, wherever it came; one that does not hold changes
        nothing.
        """
        people = self._people
        now_s, network = people.network.now_s(), people.node.settings.network
        try:
            self._followed(generations.read(token, network, now_s), int(now_s))
        except StreembitError as error:
            _log.info("a statement of an agreement key does not hold: {code}", code=error.code)

    def known(self, friend: Friend, yours: str) -> None:
        """Take which key of ours a contact uses, by its newest card."""
        people = self._people
        keys = (own.agreement.public for own in self.generations.owns)
        ours = next((key for key in keys if key.text == yours), None)
        entry = people.circle.book.get(friend.key)
        if ours is None or entry is None or entry.knows == ours.point:
            return
        people.circle.book.set_known(friend.key, ours)
        people.circle.register.keep()
        self.refresh(friend)

    async def seek(self, friend: Friend) -> None:
        """Read a contact's key record, and the card at the place that follows from it.

        So we find one whose key changed, and whose former one was erased,
        while we were away.

        Raises:
            StreembitError: we are stopping.
        """
        people, now_s = self._people, self._people.network.now_s()
        if now_s - self._sought.get(friend.key, -SEEK_EVERY_S) < SEEK_EVERY_S:
            return
        self._sought[friend.key] = now_s

        async def record() -> Search:
            return await people.node.dht.finder.surely(place_of(friend.key))

        told = agreement_in(await people.pace.run(record, urgent=True), friend.key)
        entry = people.circle.book.get(friend.key)
        if told is None or entry is None or told in generations.keys_of(entry, now_s):
            return
        try:
            pairs = [Pair(own, friend.key, told) for own in self.generations.owns]
        except BadKey:
            return
        await people.cards.look(friend, pairs)

    # --- how
    def _followed(self, announced: generations.Announced, now_s: int) -> None:
        people, book = self._people, self._people.circle.book
        before = book.of(announced.key)
        if any(announced.agreement == own.agreement.public for own in self.generations.owns):
            raise BadRotation("the agreement key is our own", key=announced.key.hex)
        entry = book.renew_agreement(announced.key, announced.agreement, announced.made_s, now_s)
        if entry is before:
            return
        people.circle.register.keep()
        friend = people.friends.get(announced.key)
        if friend is not None:
            self.refresh(friend)
            people.following.refresh()
            people.show(friend.key)

    def _adopt(self, good: Generations) -> None:
        self.generations = good
        self.statement = good.statement(self._people.node.settings.network)
        self._people.node.dht.publishing.agree_by(good.newest.agreement.public)

    def _refresh_all(self) -> None:
        for friend in self._people.friends.values():
            self.refresh(friend)
        self._people.following.refresh()

    def _begun(self) -> Generations:
        identity, chest = self._people.node.identity, self._people.chest
        row, now_s = chest.get(ROOM, identity.public.point), self._people.network.now_s()
        kept = None if row is None else _load(identity, row)
        good = kept and kept.expired(now_s)
        good = good or Generations.first(identity, int(now_s), self._spread())
        if good is not kept:
            chest.commit([self._row(good)])
        return good

    def _row(self, good: Generations) -> tuple[str, bytes, bytes]:
        return ROOM, self._people.node.identity.public.point, good.row()

    def _spread(self) -> float:
        return 2 * self._people.random.random() - 1


def _load(identity: Identity, row: bytes) -> Generations:
    try:
        return Generations.load(identity, row)
    except (ValueError, msgspec.MsgspecError) as e:
        raise ChestDamaged(f"the agreement keys: {e}") from None
