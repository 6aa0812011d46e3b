"""Who opens ports: what a router of each protocol does, and several asked in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from streembit.errors import MappingRefused, NoRouter, StreembitError
from streembit.router.terms import Mapped


class Router(Protocol):
    """A router by one protocol; `net.portcontrol.PortControl` and `net.upnp.Upnp` are two."""

    @property
    def name(self) -> str:
        """The protocol, for people to read."""

    async def map(self, inner: int, wanted: int) -> Mapped:
        """Have a port lead to `inner`, the wanted one if it is free; or renew that.

        Raises:
            LocalError: there is no router, or it refuses.
        """

    async def holds(self) -> bool:
        """Tell whether what was mapped is still there, as far as the router lets us know."""

    async def unmap(self) -> None:
        """Close the port that `map` opened last; raise LocalError where that is refused."""


class InTurn:
    """Asks one after the other until one opens a port: never two for the same.

    Args:
        routers: the best one first.
    """

    name = "all in turn"

    def __init__(self, routers: Sequence[Router]) -> None:
        self._routers = routers
        self._last: Router | None = None  # who opened a port

    async def map(self, inner: int, wanted: int) -> Mapped:
        """See `Router`; what each of them said is in the error."""
        failed: list[tuple[Router, StreembitError]] = []
        for router in self._routers:
            try:
                mapped = await router.map(inner, wanted)
            except StreembitError as error:
                failed.append((router, error))
            else:
                self._last = router
                return mapped
        raise _all_failed(failed)

    async def holds(self) -> bool:
        """See `Router`."""
        return self._last is not None and await self._last.holds()

    async def unmap(self) -> None:
        """See `Router`."""
        last, self._last = self._last, None
        if last is not None:
            await last.unmap()


def _all_failed(failed: Sequence[tuple[Router, StreembitError]]) -> StreembitError:
    """Return one error for several: a refusal, if there was a router to refuse."""
    detail = "; ".join(f"{router.name}: {error.detail}" for router, error in failed)
    refused = any(isinstance(error, MappingRefused) for _, error in failed)
    return MappingRefused(detail) if refused else NoRouter(detail)
