"""Which reply answers which command: what else comes is no answer."""

from __future__ import annotations

from typing import assert_never

from streembit.wire.hub import (
    Ack,
    Command,
    DialBack,
    Dialled,
    Dismiss,
    Done,
    Entries,
    Found,
    Get,
    Join,
    Kick,
    Observe,
    Placed,
    Publish,
    Put,
    Reply,
    Search,
    Seen,
    Show,
    Watch,
    Welcome,
    Withdraw,
)


def due(command: Command) -> type[Reply]:
    """Return the type of the reply that serves a command; Refused may come in its place."""
    match command:
        case Put():
            return Placed
        case Get():
            return Found
        case Search():
            return Entries
        case Observe():
            return Seen
        case DialBack():
            return Dialled
        case Join():
            return Welcome
        case Ack() | Publish() | Withdraw() | Show() | Watch() | Kick() | Dismiss():
            return Done
        case other:
            assert_never(other)
