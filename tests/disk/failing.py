"""System calls on real folders that fail, or lose their process, at the n-th one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, cast

from streembit.disk.folder import Calls
from tests.disk.faultfiles import PowerCut

HARMLESS = frozenset({"close", "fstat"})


class FailingCalls:
    """The functions of `os`, counted: from number `at` on they fail with `error`, `times` times.

    Without an error the process dies at that call: it is not made, nor any later one.
    Of a write that fails, half is written. With `only`, the calls of that name fail and no others.
    `meanwhile` says what somebody else does just before the first call of a name.
    """

    def __init__(
        self,
        at: int = 0,
        error: int | None = None,
        times: int = 1_000_000,
        *,
        only: str = "",
        meanwhile: Mapping[str, Callable[[], object]] | None = None,
    ) -> None:
        self.names: list[str] = []
        self.at, self.error, self.times, self.only = at, error, times, only
        self._meanwhile = dict(meanwhile or {})

    def __getattr__(self, name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*args: Any, **more: Any) -> Any:
            self.names.append(name)
            self._meanwhile.pop(name, lambda: None)()
            if self.at and len(self.names) >= self.at and self.only in ("", name):
                self._fail(name, args)
            return real(*args, **more)

        return call

    def _fail(self, name: str, args: tuple[Any, ...]) -> None:
        if self.error is None:
            raise PowerCut(f"at call {len(self.names)}: {name}")
        if name in HARMLESS or len(self.names) >= self.at + self.times:
            return
        if name == "pwrite":
            fd, data, offset = args
            os.pwrite(fd, data[: len(data) // 2], offset)
        raise OSError(self.error, os.strerror(self.error))


def failing(
    at: int = 0, error: int | None = None, times: int = 1_000_000, **more: Any
) -> tuple[Calls, FailingCalls]:
    """Return such calls, and the same object to look at."""
    calls = FailingCalls(at, error, times, **more)
    return cast("Calls", calls), calls
