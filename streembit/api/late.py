"""A factory of connections whose code is loaded by the first of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.internet.protocol import Factory


class LateFactory(Factory):
    """Makes the real factory when the first connection comes.

    The web framework takes some 0.1 s and 6 MiB to load: a node that
    nobody asks anything over HTTP never pays for it.
    """

    noisy = False

    def __init__(self, make: Callable[[], IProtocolFactory]) -> None:
        self._make = make
        self._made: IProtocolFactory | None = None

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Return the real factory's protocol."""
        if self._made is None:
            self._made = self._make()
        return self._made.buildProtocol(addr)  # type: ignore[arg-type]
