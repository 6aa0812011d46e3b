"""The default gateway: who leads out of this network, as Linux tells it."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from struct import pack
from typing import Final

from streembit.errors import NoRouter

ROUTES: Final = Path("/proc/self/net/route")  # so it is found where /proc shows processes only
MAX_ROUTES: Final = 4096  # lines read: the default route is the first one in Linux
_UP_AND_GATEWAY: Final = 0x3


def default_gateway(routes: Path = ROUTES) -> str:
    """Return the IPv4 address of the gateway that packets for anywhere go to.

    Raises:
        NoRouter: there is none, or this system tells its routes in another way.
    """
    try:
        with routes.open(encoding="ascii", errors="replace") as lines:
            found = gateway_of(islice(lines, MAX_ROUTES))
    except OSError:
        raise NoRouter(f"the gateway is found on Linux only: there is no {routes}") from None
    if found is None:
        raise NoRouter("this machine has no default gateway for IPv4")
    return found


def gateway_of(lines: Iterable[str]) -> str | None:
    """Return the gateway of the default route with the least metric; None without one."""
    found = [route for line in lines if (route := _default_route(line)) is not None]
    return min(found)[1] if found else None


def _default_route(line: str) -> tuple[int, str] | None:
    """Return metric and gateway of one line, if it is a default route by a gateway."""
    columns = line.split()
    try:
        destination, gateway, flags, mask = (int(columns[n], 16) for n in (1, 2, 3, 7))
        metric = int(columns[6])
    except (IndexError, ValueError):
        return None  # the heading
    if destination or mask or flags & _UP_AND_GATEWAY != _UP_AND_GATEWAY:
        return None
    return metric, socket.inet_ntoa(pack("=L", gateway))
