"""A conversation's history as rows: listed from its end, or exported from its beginning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from streembit.chat.conversation import Conversation
from streembit.jose.keys import PublicKey
from streembit.service.people.shown import message_row
from streembit.service.people_rows import MessageRow

PAGE: Final = 100  # messages in memory at a time


def newest_first(
    contact: PublicKey, talk: Conversation, before: int | None, limit: int, now_s: float
) -> Iterator[MessageRow]:
    """Yield up to `limit` messages below a number (None: all), the newest first."""
    left = limit
    while left > 0 and (page := talk.page(before, PAGE)):
        for said in page:
            if said.is_shown and left > 0:
                left -= 1
                yield message_row(contact, said, talk, now_s)
        before = page[-1].number


def oldest_first(contact: PublicKey, talk: Conversation, now_s: float) -> Iterator[MessageRow]:
    """Yield all messages, the oldest first."""
    newest = talk.page(None, 1)
    last = newest[0].number if newest else 0
    for start in range(0, last, PAGE):
        page = talk.page(min(start + PAGE, last) + 1, PAGE)
        for said in reversed(page):
            if said.number > start and said.is_shown:
                yield message_row(contact, said, talk, now_s)
