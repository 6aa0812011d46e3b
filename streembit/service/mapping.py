"""A port of the router that leads to ours: asked for, renewed, and given back at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from streembit.errors import StreembitError
from streembit.router.lease import renewal_s
from streembit.router.terms import LEASE_S, Mapped
from streembit.service.routers import Router
from streembit.service.upkeep import Upkeep, as_deferred

# A router that was started anew has forgotten us, and one that failed may be starting: so often
# it is looked after, or asked again.
LOOK_EVERY_S: Final = 120.0
UNMAP_WITHIN_S: Final = 2.0  # of the time that a process has for its end

_log = Logger()


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
        clock: IReactorTime,
        random: Callable[[], float],
        inner: Callable[[], int],
        changed: Callable[[Mapped | None], None],
    ) -> None:
        super().__init__()
        self.setName("port mapping")
        self.mapped: Mapped | None = None
        self.trouble: StreembitError | None = None
        self._router, self._clock, self._random = router, clock, random
        self._inner, self._changed = inner, changed
        self._until_s = 0.0  # when what is mapped ends, unless it is renewed
        self._renew_s = 0.0  # when that is due
        self._round = Upkeep(
            "port mapping",
            clock,
            LOOK_EVERY_S,
            self._look,
            random,
            jitter_s=LOOK_EVERY_S / 20,
            first_s=0.0,
        )
        self._round.setServiceParent(self)

    def stopService(self) -> Deferred[None]:
        """Give the port back; fire when that is done, or is taking too long."""
        return as_deferred(super().stopService()).addCallback(lambda _: self._give_back())

    @property
    def detail(self) -> str:
        """What there is, or why there is nothing, in words."""
        if self.mapped is None:
            return "not asked yet" if self.trouble is None else _in_words(self.trouble)
        end = "without an end" if not self.mapped.lease_s else f"for {self.mapped.lease_s} s"
        shown = f"the router leads {self.mapped.host} port {self.mapped.port} to us, {end}"
        shown = f"{shown} (by {self.mapped.by})"
        return shown if self.trouble is None else f"{shown}; not renewed: {_in_words(self.trouble)}"

    # --- how
    async def _look(self) -> None:
        """Renew what is due; see to it that the rest is still there."""
        is_due = self.mapped is None or self._clock.seconds() >= self._renew_s
        if is_due or not await self._router.holds():
            self._renew_s = 0.0  # whatever becomes of this time
            await self._renew()

    async def _renew(self) -> None:
        """Ask for the port, or renew it."""
        inner = self._inner()
        if not inner:
            return
        wanted = inner if self.mapped is None else self.mapped.port
        try:
            mapped = await self._router.map(inner, wanted)
        except StreembitError as error:
            self._failed(error)
        else:
            self._renewed(mapped)

    def _renewed(self, mapped: Mapped) -> None:
        now_s = self._clock.seconds()
        in_s = renewal_s(mapped.lease_s, self._random())
        self._until_s = now_s + (mapped.lease_s or 2 * LEASE_S)
        self._renew_s = now_s + in_s
        self._round.within(in_s)
        self.trouble = None
        self._is_now(mapped)

    def _failed(self, error: StreembitError) -> None:
        """Leave what the router opened before until its time is over."""
        if self.trouble is None or self.trouble.code != error.code:
            _log.warn("the router opens no port: {error}", error=str(error), code=error.code)
        self.trouble = error
        if self.mapped is not None and self._clock.seconds() >= self._until_s:
            self._is_now(None)

    def _is_now(self, mapped: Mapped | None) -> None:
        former, self.mapped = self.mapped, mapped
        if former is not None and mapped is not None and former.way == mapped.way:
            return
        if mapped is not None:
            _log.info("{detail}", detail=self.detail)
        self._changed(mapped)

    def _give_back(self) -> Deferred[None]:
        mapped, self.mapped = self.mapped, None
        if mapped is None:
            return as_deferred(None)
        closing = Deferred.fromCoroutine(self._close())
        return closing.addTimeout(UNMAP_WITHIN_S, self._clock, lambda _result, _s: None)

    async def _close(self) -> None:
        with suppress(StreembitError):  # its lease ends by itself
            await self._router.unmap()


def _in_words(error: StreembitError) -> str:
    return f"{error.sentence()} {error.detail}".strip()
