"""Where a hub is, as people write it: `wss://HOST:PORT#KEY`."""

from __future__ import annotations

import re
from typing import Final

from streembit.errors import BadHubAddress
from streembit.wire.offer import Address

HTTPS_PORT: Final = 443  # of a `wss` address that names no port
LOOPBACK: Final = re.compile(r"localhost\Z|127(\.\d{1,3}){3}\Z|::1\Z")

_FORM: Final = re.compile(
    r"(?P<scheme>wss?)://"
    r"(?P<host>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?/?"
    r"(?:#(?P<key>0[23][0-9a-f]{64}))?\Z"
)


def read(text: str) -> Address:
    """Return the address that the text names, with the hub's key behind `#` if it is there.

    Raises:
        BadHubAddress: it has another form, or is plain WebSocket to
            another machine.
    """
    found = _FORM.match(text)
    if found is None:
        raise BadHubAddress(f"{text!r} is not wss://HOST:PORT or wss://HOST:PORT#KEY")
    host, port = found["host"].strip("[]"), int(found["port"] or HTTPS_PORT)
    if port > 65535:
        raise BadHubAddress(f"{text!r}: there is no such port")
    if found["scheme"] == "ws" and not LOOPBACK.match(host):
        raise BadHubAddress(f"{text!r}: without TLS only on this machine")
    return Address(host, port, "ws" if found["scheme"] == "ws" else "wss", found["key"] or "")


def write(address: Address) -> str:
    """Return the text of a hub's address, without its key."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{address.transport}://{host}:{address.port}"
