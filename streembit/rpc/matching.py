"""Which answer belongs to which request."""

from __future__ import annotations

from typing import Final

from streembit.wire.message import (
    Answer,
    Body,
    DialBack,
    Dialled,
    FindNode,
    FindValue,
    Hand,
    Handed,
    Knock,
    Knocked,
    Nodes,
    Ping,
    Pong,
    Punch,
    Punched,
    Request,
    Show,
    Shown,
    Signal,
    Signalled,
    Store,
    Stored,
    Value,
)

_ANSWERS: Final[dict[type[Request], type[Answer]]] = {
    Ping: Pong,
    FindNode: Nodes,
    FindValue: Value,
    Store: Stored,
    DialBack: Dialled,
    Hand: Handed,
    Knock: Knocked,
    Show: Shown,
    Punch: Punched,
    Signal: Signalled,
}


def answer_to(request: Request) -> type[Answer]:
    """Return the kind of answer that a request waits for."""
    return _ANSWERS[type(request)]


def fits(body: Body, expected: type[Answer]) -> bool:
    """Tell whether this is an answer of the kind that is waited for.

    Who has no value names nodes that are nearer to it.
    """
    return isinstance(body, expected) or (expected is Value and isinstance(body, Nodes))
