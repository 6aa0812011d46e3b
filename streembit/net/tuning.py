"""What only some transports have, and how a TCP socket is set for frames."""

from __future__ import annotations

import socket
from typing import Final

TCP_USER_TIMEOUT_MS: Final = 60_000  # the kernel gives up when an unanswered ping would
# Of what the network has not taken yet the kernel holds so much, and the transport the rest: so a
# word never waits behind megabytes of a file.
UNSENT_BYTES: Final = 128 * 1024
_OPTIONS: Final = (("TCP_USER_TIMEOUT", TCP_USER_TIMEOUT_MS), ("TCP_NOTSENT_LOWAT", UNSENT_BYTES))


def tell(transport: object, name: str, *args: object) -> bool:
    """Call a method that not every transport has; return whether it has it."""
    method = getattr(transport, name, None)
    if method is not None:
        method(*args)
    return method is not None


def tune(transport: object) -> None:
    """Set what only a TCP socket has: small frames leave at once, dead peers are noticed."""
    tell(transport, "setTcpNoDelay", True)
    handle = _socket_below(transport)
    if handle is None or handle.family == socket.AF_UNIX:
        return
    for name, value in _OPTIONS:
        option = getattr(socket, name, None)  # Linux has them
        if option is not None:
            handle.setsockopt(socket.IPPROTO_TCP, option, value)


def _socket_below(transport: object) -> socket.socket | None:
    """Return the socket of a transport, or of the one that TLS lies over; None without one."""
    while transport is not None:
        handle = getattr(transport, "getHandle", lambda: None)()
        if isinstance(handle, socket.socket):
            return handle
        transport = getattr(transport, "transport", None)
    return None
