"""Who sits there: what contacts said last, and what they are told of us."""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from streembit.jose.keys import PublicKey
from streembit.service.feed import Feed
from streembit.service.people.register import Register
from streembit.service.people.talk import Talk
from streembit.service.people.talks import Talks
from streembit.service.people_events import Presence as PresenceEvent
from streembit.service.people_rows import PresenceState
from streembit.wire.content import Presence

HERE_S: Final = 60.0  # so long a program's word that the user is here holds


class Presences:
    """The presence of the contacts, and the user's own."""

    def __init__(self, clock: IReactorTime, register: Register, talks: Talks, feed: Feed) -> None:
        self._clock, self._register, self._talks, self._feed = clock, register, talks, feed
        self._theirs: dict[PublicKey, PresenceState] = {}  # at most one for each contact
        self._own: PresenceState = "away"
        self._know: set[PublicKey] = set()  # linked contacts who were told that the user is here
        self._timer: IDelayedCall | None = None

    # --- theirs
    def of(self, key: PublicKey) -> PresenceState:
        """Return what a contact said last, "gone" without a link."""
        return self._theirs.get(key, "gone")

    def linked(self, talk: Talk) -> None:
        """Note that there is a way to a contact; tell it if the user is here."""
        self.says(talk.contact, "away")
        self._know.discard(talk.contact)
        self.follow(talk)

    def unlinked(self, key: PublicKey) -> None:
        """Note that there is no way any more."""
        self._theirs.pop(key, None)
        self._know.discard(key)
        self._feed.tell(PresenceEvent(key.hex, "gone", linked=False))

    def says(self, key: PublicKey, state: PresenceState) -> None:
        """Note what a contact says."""
        self._theirs[key] = state
        self._feed.tell(PresenceEvent(key.hex, state, linked=True))

    # --- ours
    def tell(self, state: PresenceState) -> None:
        """Tell linked contacts who may know whether the user is here; a minute, then "away"."""
        self.close()
        self._own = state
        for talk in self._talks:
            if self._register.tells(talk.contact, "presence"):
                self._say(talk, state)
        if state == "here":
            self._timer = self._clock.callLater(HERE_S, self._over)

    def follow(self, talk: Talk) -> None:
        """Tell a contact that the user is here, or "away", where what it may know has changed."""
        may_know = self._register.tells(talk.contact, "presence")
        here = self._own == "here" and may_know and talk.is_open
        if here != (talk.contact in self._know):
            self._say(talk, "here" if here else "away")

    def close(self) -> None:
        """Wait for nothing any more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _say(self, talk: Talk, state: PresenceState) -> None:
        talk.say(Presence(state))
        if state == "here" and talk.is_open:
            self._know.add(talk.contact)
        else:
            self._know.discard(talk.contact)

    def _over(self) -> None:
        self._timer = None
        self.tell("away")
