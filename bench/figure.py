"""Results beside their bars, and how a bench tells them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """One result beside its bar, met when it is not beyond it; a figure without one is for info."""

    name: str
    value: float
    bar: float | None = None
    least: bool = True

    @property
    def met(self) -> bool:
        """Whether the bar is met."""
        if self.bar is None:
            return True
        return self.value >= self.bar if self.least else self.value <= self.bar

    def __str__(self) -> str:
        bar = "" if self.bar is None else f"  (bar {'>=' if self.least else '<='} {self.bar:g})"
        return f"{self.name:<58} {self.value:>10.4g}{bar}{'' if self.met else '  MISSED'}"


def report(measured: Iterable[Figure], *, as_json: bool) -> int:
    """Print figures as they come, or at the end as JSON; return 1 when a bar is missed."""
    figures: list[Figure] = []
    for figure in measured:
        figures.append(figure)
        if not as_json:
            print(figure, flush=True)
    if as_json:
        print(json.dumps([asdict(figure) | {"met": figure.met} for figure in figures]))
    return 0 if all(figure.met for figure in figures) else 1
