"""Where an error of whoever owns a connection stops: that connection ends, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.logger import Logger

from streembit.errors import CallbackFailed, RemoteError, StreembitError

_log = Logger()


class Refusing(Protocol):
    """A connection that can be ended for an error."""

    host: str

    def refuse(self, error: StreembitError) -> None:
        """Report the error, once a connection, and abort."""


def guarded(connection: Refusing, call: Callable[..., object], *args: object) -> object:
    """Call; return what it returns, or None where it raised: then the connection was refused.

    A RemoteError is the reason given; any other exception is logged and told as CallbackFailed.
    """
    try:
        return call(*args)
    except RemoteError as error:
        connection.refuse(error)
    except Exception:  # noqa: BLE001 - whatever it is, one connection pays for it
        _log.failure("a connection's callback failed", peer=connection.host)
        connection.refuse(CallbackFailed())
    return None
