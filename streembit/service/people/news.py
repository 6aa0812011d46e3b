"""What happens in conversations: passed on to the user, to the files, and to the circle."""

from __future__ import annotations

from typing import Final, assert_never

from twisted.logger import Logger

from streembit.chat.conversation import Conversation
from streembit.chat.events import BegunAnew, Event, Moved, ReadTo, Spoke
from streembit.chat.history import Entry as Said
from streembit.errors import RemoteError
from streembit.jose import base64url
from streembit.jose.keys import PublicKey
from streembit.service.network import Network
from streembit.service.people.chest import Chest
from streembit.service.people.circle import Circle
from streembit.service.people.following import Following
from streembit.service.people.friend import Friend
from streembit.service.people.holdings import Holdings
from streembit.service.people.presence import Presences
from streembit.service.people.shown import message_row
from streembit.service.people.talk import Talk
from streembit.service.people.transfers import Transfers
from streembit.service.people_events import Arrived, Changed, Notice
from streembit.service.people_events import Typing as TypingEvent
from streembit.service.people_rows import MessageRow
from streembit.wire.content import (
    FileAnswer,
    FileOffer,
    Goodbye,
    Presence,
    Rotated,
    Spoken,
    Text,
    Typing,
)
from streembit.wire.transfer import read_content

ROOM: Final = "heard"
NOTE_EVERY: Final = 64  # messages of people: so many are looked through again after a crash
PAGE: Final = 64
BEGUN_ANEW: Final = "contact-renewed"

_log = Logger()


class News:
    """Passes on what happened.

    Words of programs (about files, about keys) lie in the history like all others, and are taken
    again after a crash until it is kept that they were taken.
    """

    def __init__(
        self,
        network: Network,
        chest: Chest,
        held: Holdings,
        transfers: Transfers,
        presence: Presences,
        circle: Circle,
        following: Following,
    ) -> None:
        self._network, self._chest, self._register = network, chest, held.register
        self._friends, self._feed, self._transfers = held.friends, held.feed, transfers
        self._presence, self._circle, self._following = presence, circle, following
        self._heard: dict[str, int] = {}  # the last message passed on, as it is kept

    # --- in
    def tell(self, talk: Talk, events: list[Event]) -> None:
        """Take what happened in a talk."""
        for event in events:
            self._tell(talk, event)

    def catch_up(self) -> None:
        """Take the words of programs that came in and were perhaps not taken."""
        for friend in list(self._friends.values()):
            for said in self._not_heard(friend):
                spoken = said.spoken()
                if spoken is not None:
                    self._take(friend, spoken)
                self._note(friend.name, said.number)

    def _tell(self, talk: Talk, event: Event) -> None:
        key, conversation = talk.contact, talk.conversation
        match event:
            case Spoke(number, spoken):
                self._spoke(key, conversation, number, spoken)
            case Moved(number) | ReadTo(number):
                said = conversation.entry(number)
                if said is not None and said.is_shown:
                    self._feed.tell(Changed(self._row(key, conversation, said)))
            case BegunAnew(ours):
                if not ours:
                    name = self._register.book.of(key).name
                    text = f"{name} lost the keys of the conversation, and goes on with new ones"
                    self._feed.tell(Notice(BEGUN_ANEW, text))
            case Typing(on):
                self._feed.tell(TypingEvent(key.hex, on))
            case Presence(state):
                self._presence.says(key, state)
            case Goodbye():
                friend = self._friends.get(key)
                if friend is not None:
                    self._circle.ended(friend)
            case other:
                assert_never(other)

    def _spoke(
        self, key: PublicKey, conversation: Conversation, number: int, spoken: Spoken | None
    ) -> None:
        said = conversation.entry(number)
        if said is not None and said.is_shown:
            self._feed.tell(Arrived(self._row(key, conversation, said)))
        friend = self._friends.get(key)
        if friend is None:
            return
        if spoken is not None:
            self._take(friend, spoken)
        is_of_programs = not isinstance(spoken, Text | None)
        if is_of_programs or number - self._last_heard(friend.name) >= NOTE_EVERY:
            self._note(friend.name, number)

    def _take(self, friend: Friend, spoken: Spoken) -> None:
        """Take a word of a program; one that makes no sense is passed over."""
        if isinstance(spoken, Rotated):
            self._following.hear(friend, spoken.body)
        if not isinstance(spoken, FileOffer | FileAnswer):
            return
        try:
            content = read_content(base64url.decode(spoken.body))
        except RemoteError as error:
            _log.info("a word about files makes no sense: {code}", code=error.code)
            return
        self._transfers.hear(friend.name, content)

    def _row(self, key: PublicKey, conversation: Conversation, said: Said) -> MessageRow:
        return message_row(key, said, conversation, self._network.now_s())

    # --- what was passed on
    def _not_heard(self, friend: Friend) -> list[Said]:
        """Return what the contact said since the last message that was surely passed on."""
        heard, before = self._last_heard(friend.name), None
        found: list[Said] = []
        while page := friend.talk.conversation.page(before, PAGE):
            found += [said for said in page if said.number > heard and not said.ours]
            before = page[-1].number
            if before <= heard:
                break
        return found[::-1]

    def _last_heard(self, name: str) -> int:
        if name not in self._heard:
            row = self._chest.get(ROOM, name.encode())
            self._heard[name] = int.from_bytes(row) if row else 0
        return self._heard[name]

    def _note(self, name: str, number: int) -> None:
        if number > self._last_heard(name):
            self._heard[name] = number
            self._chest.commit([(ROOM, name.encode(), number.to_bytes(8))])
