"""A port of the router that leads to ours: asked for, renewed, and given back at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol, TypeVar

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from streembit.errors import StreembitError
from streembit.net.upnp import LEASE_S, Mapped
from streembit.service.upkeep import Upkeep, as_deferred

RENEW_S: Final = LEASE_S / 2  # so that one renewal may fail
AGAIN_S: Final = 120.0  # after a failure: the router may be starting
MAP_WITHIN_S: Final = 20.0  # the router is looked for and asked a few times
UNMAP_WITHIN_S: Final = 2.0  # of the time that a process has for its end

_log = Logger()

T = TypeVar("T")


class Router(Protocol):
    """Who opens ports; its calls block. `net.upnp.Upnp` is one."""

    def map(self, inner: int, wanted: int) -> Mapped:
        """Have a port lead to `inner`, the wanted one if it is free; or renew that.

        Raises:
            LocalError: there is no router, or it refuses.
        """

    def unmap(self, port: int) -> None:
        """Close a port that was opened; raise LocalError where that is refused."""


class Aside(Protocol):
    """Makes calls that block; `net.aloof.Aloof` does."""

    def run(self, call: Callable[[], T], within_s: float) -> Deferred[T]:
        """Fire with what the call returns; fail with what it raises, or when it takes too long."""


class Mapping(MultiService):
    """Keeps a port of the router open as long as the service runs.

    Args:
        inner: tells at which port we listen, 0 for none.
        changed: told where the router leads to us from now on, None for nowhere any more.

    Attributes:
        mapped: what the router opened, None for nothing.
        trouble: why there is nothing, or no renewal; None before the first answer.
    """

    def __init__(
        self,
        router: Router,
        aside: Aside,
        clock: IReactorTime,
        random: Callable[[], float],
        inner: Callable[[], int],
        changed: Callable[[Mapped | None], None],
    ) -> None:
        super().__init__()
        self.setName("port mapping")
        self.mapped: Mapped | None = None
        self.trouble: StreembitError | None = None
        self._router, self._aside, self._clock = router, aside, clock
        self._inner, self._changed = inner, changed
        self._until_s = 0.0  # when what is mapped ends, unless it is renewed
        self._round = Upkeep(
            "port mapping", clock, RENEW_S, self._renew, random, jitter_s=RENEW_S / 20, first_s=0.0
        )
        self._round.setServiceParent(self)

    def stopService(self) -> Deferred[None]:
        """Give the port back; fire when that is done, or is taking too long."""
        return as_deferred(super().stopService()).addCallback(
            lambda _: Deferred.fromCoroutine(self._give_back())
        )

    @property
    def detail(self) -> str:
        """What there is, or why there is nothing, in words."""
        if self.mapped is None:
            return "not asked yet" if self.trouble is None else _in_words(self.trouble)
        end = "without an end" if not self.mapped.lease_s else f"for {self.mapped.lease_s} s"
        shown = f"the router leads {self.mapped.host} port {self.mapped.port} to us, {end}"
        return shown if self.trouble is None else f"{shown}; not renewed: {_in_words(self.trouble)}"

    # --- how
    async def _renew(self) -> None:
        """Ask for the port, or renew it."""
        inner = self._inner()
        if not inner:
            return
        wanted = inner if self.mapped is None else self.mapped.port
        try:
            mapped = await self._aside.run(lambda: self._router.map(inner, wanted), MAP_WITHIN_S)
        except StreembitError as error:
            self._failed(error)
        else:
            self._until_s = self._clock.seconds() + (mapped.lease_s or 2 * LEASE_S)
            self.trouble = None
            self._is_now(mapped)

    def _failed(self, error: StreembitError) -> None:
        """Ask again soon; what the router opened before stays until its time is over."""
        if self.trouble is None or self.trouble.code != error.code:
            _log.warn("the router opens no port: {error}", error=str(error), code=error.code)
        self.trouble = error
        if self.mapped is not None and self._clock.seconds() >= self._until_s:
            self._is_now(None)
        self._round.next_in(AGAIN_S)

    def _is_now(self, mapped: Mapped | None) -> None:
        former, self.mapped = self.mapped, mapped
        if mapped == former:
            return
        if mapped is not None:
            _log.info("{detail}", detail=self.detail)
        self._changed(mapped)

    async def _give_back(self) -> None:
        mapped, self.mapped = self.mapped, None
        if mapped is not None:
            with suppress(StreembitError):  # its lease ends by itself
                await self._aside.run(lambda: self._router.unmap(mapped.port), UNMAP_WITHIN_S)


def _in_words(error: StreembitError) -> str:
    return f"{error.sentence()} {error.detail}".strip()
