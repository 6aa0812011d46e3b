"""System calls on real folders that fail, or lose their process, at the n-th one."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, cast

from streembit.disk.folder import Calls
from tests.disk.faultfiles import PowerCut

HARMLESS = frozenset({"close", "fstat"})


class FailingCalls:
    """The functions of `os`, counted: from number `at` on they fail with `error`, `times` times.

    Without an error the process dies at that call: it is not made, nor any later one.
    Of a write that fails, half is written.
    """

    def __init__(self, at: int = 0, error: int | None = None, times: int = 1_000_000) -> None:
        self.names: list[str] = []
        self.at, self.error, self.times = at, error, times

    def __getattr__(self, name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*args: Any, **more: Any) -> Any:
            self.names.append(name)
            if self.at and len(self.names) >= self.at:
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
    at: int = 0, error: int | None = None, times: int = 1_000_000
) -> tuple[Calls, FailingCalls]:
    """Return such calls, and the same object to look at."""
    calls = FailingCalls(at, error, times)
    return cast("Calls", calls), calls
