"""`twistd streembit-node`."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.application.service import IService

from streembit.tap.launch import launched
from streembit.tap.options import RoleOptions

__all__ = ["Options", "makeService"]


class Options(RoleOptions):
    """The options of a node."""

    role = "node"
    optFlags: ClassVar[list[list[Any]]] = [
        ["client-only", None, "Use the network without storing for others: for small devices."]
    ]

    def opt_hub(self, url: str) -> None:
        """A hub to be found at, wss://HOST:PORT or wss://HOST:PORT#KEY; may be repeated."""
        self.add("hub", url)


def makeService(options: Options) -> IService:  # noqa: N802 - Twisted's name
    """Return the service that the options describe; exit with one line where they cannot be met."""
    return launched(options)
