"""Statements about our keys, said to all contacts."""

from __future__ import annotations

import os
from typing import Final

from streembit.errors import OutboxFull, StreembitError
from streembit.jose import base64url
from streembit.service.people.friend import Friends
from streembit.wire.content import Rotated

ID_BYTES: Final = 16


def say_to_all(friends: Friends, statement: str, now_s: float) -> str:
    """Put a statement about our keys into all outboxes; return the id of the message.

    Contacts whose outbox is full find it in our card.
    """
    body, name = base64url.encode(statement.encode()), base64url.encode(os.urandom(ID_BYTES))
    for friend in friends.values():
        try:
            said = friend.talk.write(Rotated(name, int(now_s), body))
        except OutboxFull:
            continue
        said.addErrback(lambda failure: failure.trap(StreembitError))
    return name
