"""One contact's conversation at work: what happens in it is kept, then carried and told."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.chat.conversation import REMOVED, Conversation
from streembit.chat.events import Event, Outgoing
from streembit.errors import ParcelRefused, RemoteRefusal, RequestTimeout, StreembitError
from streembit.jose.keys import PublicKey
from streembit.wire.content import Goodbye, Presence, Spoken, Typing

ARRIVED_S: Final = 0.1  # that something arrived is kept so late, or with what comes next

_CODE: Final = re.compile(r"[a-z0-9-]{1,64}\Z")

T = TypeVar("T")

_log = Logger()


class Way(Protocol):
    """Something live that carries parcels to one contact: a link, or a hub."""

    def carry(self, parcel: bytes) -> Deferred[str]:
        """Fire with "" when the contact's machine keeps the parcel, else with its code.

        Errbacks:
            StreembitError: no answer came.
        """


class Carriers(Protocol):
    """What talks need of the network."""

    def leave(self, talk: Talk, outgoing: Outgoing) -> None:
        """Put a parcel at its place in the network; `Talk.lies` is told when it is there."""

    def announce(self, talk: Talk) -> None:
        """Let the contact know what waits in the network; take back what waits no more."""

    def seek(self, talk: Talk) -> None:
        """Look for a way to the contact now."""


class Listener(Protocol):
    """Who is told what happens in talks."""

    def tell(self, talk: Talk, events: list[Event]) -> None:
        """Take what happened: it is on the medium, on the contact's if something arrived there."""


class Turns(Protocol):
    """What a talk needs of all of them: that its turns are settled.

    Attributes:
        handed: parcels that contacts keep.
        heard: parcels that contacts handed us.
    """

    carriers: Carriers
    listener: Listener
    handed: int
    heard: int

    def now_s(self) -> float:
        """Return the clock's time, Unix seconds."""

    def touched(self, talk: Talk, within_s: float = 0.0) -> None:
        """Keep and carry soon what happens in a talk."""


class Talk:
    """One contact's conversation.

    Whatever is called here takes effect at once; the Deferreds fire when it is on the medium, at
    the end of the turn. If the medium refuses, nothing has happened. That the contact's machine
    has kept something is told at once, and kept soon: who forgets it sends it once more, in vain.
    """

    def __init__(self, talks: Turns, contact: PublicKey, make: Callable[[], Conversation]) -> None:
        self.contact = contact
        self.conversation = make()
        self.events: list[Event] = []
        self.waiting: list[tuple[Deferred[Any], Any]] = []
        self.announced = self.conversation.left.waiting()
        self.eager = False  # something other than a receipt may be due
        self._talks = talks
        self._make = make
        self._way: Way | None = None
        self._away = False  # a way was looked for in vain

    # --- what the user does
    def write(self, spoken: Spoken) -> Deferred[int]:
        """Put a message into the outbox; fire with its number.

        Raises:
            TooLarge, OutboxFull
        """
        return self._do(lambda talk, now_s: talk.write(spoken, now_s))

    def delete(self, number: int) -> Deferred[bool]:
        """Delete a message here; fire with whether there was one."""
        return self._do(lambda talk, _: talk.delete(number))

    def see(self, number: int) -> Deferred[None]:
        """Note that the user has read all of theirs up to this number."""
        return self._do(lambda talk, _: talk.see(number))

    def say(self, notice: Typing | Presence | Goodbye) -> None:
        """Let the contact know something that matters now, or never."""
        self._do(lambda talk, _: talk.say(notice)).addErrback(_passed_over)

    # --- ways
    @property
    def is_open(self) -> bool:
        """Whether there is a live way."""
        return self._way is not None

    def opened(self, way: Way) -> None:
        """Go on over a live way."""
        self._way, self._away = way, False
        self._do(lambda talk, _: talk.opened()).addErrback(_passed_over)

    def closed(self, why: str) -> None:
        """Note that the way is gone, and which code says why."""
        if self._way is not None:
            self._way = None
            self._do(lambda talk, now_s: talk.closed(why, now_s)).addErrback(_passed_over)

    def unreachable(self, why: str) -> None:
        """Note that there is no way now: what waits is left in the network."""
        if self._way is not None:
            return
        self._away = True
        talk, now_s = self.conversation, self._talks.now_s()
        if talk.wants_way(now_s):
            self._do(lambda talk, now_s: talk.unreachable(why, now_s)).addErrback(_passed_over)
        else:
            self.touch()

    # --- what the contact says
    def hear(self, parcel: bytes) -> Deferred[str]:
        """Take a parcel; fire with "" or with the code of why it could not be opened."""

        def hear(talk: Conversation, now_s: float) -> str:
            try:
                self.events += talk.hear(parcel, now_s)
            except ParcelRefused as refusal:
                self.eager = True
                return refusal.code
            self._talks.heard += 1
            return ""

        return self._do(hear, eager=False)

    def fetched(self, place: int, parcel: bytes | None) -> Deferred[None]:
        """Take what was at a place of the contact's; None where nothing was."""

        def fetched(talk: Conversation, now_s: float) -> None:
            try:
                self.events += talk.fetched(place, parcel, now_s)
            except ParcelRefused as refusal:
                _log.debug("a parcel that was left is of no use: {code}", code=refusal.code)

        return self._do(fetched)

    def learn(self, bundle: bytes) -> Deferred[None]:
        """Take the contact's prekeys; raise BadPrekeys."""

        def learn(talk: Conversation, now_s: float) -> None:
            self.events += talk.learn(bundle, now_s)

        return self._do(learn)

    def bundle(self) -> Deferred[bytes]:
        """Fire with our prekeys for the contact."""
        return self._do(lambda talk, now_s: talk.bundle(now_s))

    # --- its end, its beginnings
    def start_anew(self) -> Deferred[None]:
        """Use no key any more that an older state may have used."""

        def start_anew(talk: Conversation, now_s: float) -> None:
            self.events += talk.start_anew(now_s)

        return self._do(start_anew)

    def change_keys(self) -> None:
        """Go on under other keys, ours or the contact's."""
        self._do(lambda talk, now_s: talk.change_keys(now_s)).addErrback(_passed_over)

    def end(self, why: str = REMOVED) -> Deferred[None]:
        """Forget all keys, and fail all that waits, for this."""

        def end(talk: Conversation, _: float) -> None:
            self.events += talk.end(why)

        return self._do(end)

    # --- for the talks
    def touch(self, *, eager: bool = True, within_s: float = 0.0) -> None:
        """Look soon at what is to be done; unless `eager`, receipts can wait."""
        self.eager = self.eager or eager
        self._talks.touched(self, within_s)

    def tick(self, now_s: float) -> None:
        """Look for what is due by the time."""
        self.events += self.conversation.tick(now_s)
        self.touch()
        if self.conversation.wants_way(now_s):
            self._talks.carriers.seek(self)

    def outgoing(self, now_s: float) -> list[Outgoing]:
        """Return all that is to be carried now."""
        found: list[Outgoing] = []
        if self._way is not None and not self.eager:
            return found
        self.eager = False
        source = self.conversation.due if self._way is not None else self.conversation.deposit
        while (self._way is not None or self._away) and (batch := source(now_s)):
            found += batch
        return found

    def carry(self, outgoing: Outgoing) -> None:
        """Send a parcel on its way, and take note of what becomes of it."""
        if outgoing.place:
            self._talks.carriers.leave(self, outgoing)
        elif self._way is not None:
            carried = self._way.carry(outgoing.parcel)
            carried.addCallback(self._answered, outgoing)
            carried.addErrback(self._unanswered, outgoing)
            carried.addErrback(_defect)

    def lies(self, outgoing: Outgoing) -> None:
        """Note that a parcel is on the contact's machine, or at its place in the network."""
        self._talks.handed += not outgoing.place
        events = self.conversation.handed(outgoing)
        if outgoing.place:
            self.events += events
            self.touch()
            return
        waits = self.conversation.queued > 0
        self.touch(eager=waits, within_s=0.0 if waits else ARRIVED_S)
        if events:
            self._talks.listener.tell(self, events)

    def remake(self) -> None:
        """Go back to what is on the medium."""
        self.conversation = self._make()
        self.events.clear()
        if self._way is not None:
            self.conversation.opened()

    def _do(self, act: Callable[[Conversation, float], T], *, eager: bool = True) -> Deferred[T]:
        """Let something happen; fire with what it comes to when that is kept."""
        done: Deferred[T] = Deferred()
        try:
            result = act(self.conversation, self._talks.now_s())
        except StreembitError:
            self.touch()  # a refusal may change something too
            raise
        except Exception:
            self.remake()
            raise
        self.waiting.append((done, result))
        self.touch(eager=eager)
        return done

    def _answered(self, code: str, outgoing: Outgoing) -> None:
        if not code:
            self.lies(outgoing)
        else:
            self._refused(outgoing, code)

    def _unanswered(self, failure: Failure, outgoing: Outgoing) -> None:
        error = failure.value
        if isinstance(error, RemoteRefusal | RequestTimeout):
            self._refused(outgoing, error.code)
        elif not isinstance(error, StreembitError):
            failure.raiseException()

    def _refused(self, outgoing: Outgoing, code: str) -> None:
        """Take note of a refusal; what is no code, the contact does not write on our screen."""
        known = code if _CODE.match(code) else RemoteRefusal.code
        self.conversation.refused(outgoing, known, self._talks.now_s())
        self.touch()


def _passed_over(failure: Failure) -> None:
    """Leave what the medium refused to the next time."""
    failure.trap(StreembitError)


def _defect(failure: Failure) -> None:
    _log.failure("a parcel's answer could not be taken", failure)
