"""What stands in the way of being reached: routers, the local network, punching."""

from __future__ import annotations

from streembit.errors.base import LocalError, RemoteError


class StillBusy(LocalError):
    """What was asked for before is still under way."""

    code = "still-busy"


class LibraryMissing(LocalError):
    """A library that this needs is not installed."""

    code = "library-missing"


class NoRouter(LocalError):
    """No router was found that opens ports."""

    code = "no-router"


class MappingRefused(LocalError):
    """The router does not open a port."""

    code = "mapping-refused"


class LanSilent(LocalError):
    """The local network cannot be asked who is in it."""

    code = "lan-silent"


class PunchFailed(RemoteError):
    """Neither side could connect to the other through what is between them."""

    code = "punch-failed"
