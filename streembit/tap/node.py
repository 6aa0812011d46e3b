"""`twistd streembit-node`."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.application.service import IService

from streembit.tap.launch import launched
from streembit.tap.options import LinkOptions

__all__ = ["Options", "makeService"]


class Options(LinkOptions):
    """The options of a node."""

    role = "node"
    optParameters: ClassVar[list[list[Any]]] = [
        ["private", None, None, "wss://HOST:PORT#KEY: be in the network of this hub alone."],
    ]
    optFlags: ClassVar[list[list[Any]]] = [
        ["client-only", None, "Use the network without storing for others: for small devices."]
    ]

    def opt_listen(self, endpoint: str) -> None:
        """Where to listen, as tcp:8905; may be repeated; none: nodes with a --hub need no port."""
        super().opt_listen(endpoint)

    def opt_hub(self, url: str) -> None:
        """A hub to be found at, wss://HOST:PORT or wss://HOST:PORT#KEY; may be repeated."""
        self.add("hub", url)

    def changes(self) -> dict[str, object]:
        """See `RoleOptions`."""
        given = self["private"]
        return super().changes() | ({} if given is None else {"private": given})


def makeService(options: Options) -> IService:  # noqa: N802 - Twisted's name
    """Return the service that the options describe; exit with one line where they cannot be met."""
    return launched(options)
