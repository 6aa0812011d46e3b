"""The node's figures: plain counters and gauges, shown as Prometheus text when somebody asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

MAX_LABELS: Final = 256  # the error codes are about 150; a peer's invention must not add series
OTHER: Final = "other"
CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"

_LABEL = re.compile(r"[a-z0-9_-]{1,48}\Z")
Kind = Literal["counter", "gauge"]


class Tally:
    """A counter split by one label, of which it keeps a bounded set.

    A label that is no short lower-case word, or one too many, counts as
    "other".
    """

    __slots__ = ("_counts", "doc", "label", "max_labels", "name")

    def __init__(self, name: str, doc: str, label: str, max_labels: int = MAX_LABELS) -> None:
        self.name = name
        self.doc = doc
        self.label = label
        self.max_labels = max_labels
        self._counts: dict[str, int] = {}

    def add(self, value: str, times: int = 1) -> str:
        """Count, and return the label that it was counted under."""
        if value not in self._counts:
            value = self._admitted(value)
        self._counts[value] = self._counts.get(value, 0) + times
        return value

    def counts(self) -> dict[str, int]:
        """Return a copy of the counts by label, in the order of the labels."""
        return dict(sorted(self._counts.items()))

    @property
    def total(self) -> int:
        """All that was counted."""
        return sum(self._counts.values())

    def _admitted(self, value: str) -> str:
        full = len(self._counts) >= self.max_labels - 1  # one place is kept for "other"
        return OTHER if full or not _LABEL.match(value) else value


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure that its owner keeps, read when it is shown."""

    kind: Kind
    name: str
    doc: str
    read: Callable[[], float]


class Metrics:
    """All figures of one process, in no global registry.

    Names are given without the ending `_total`, which a counter gets when
    it is shown.
    """

    def __init__(self) -> None:
        self._readings: dict[str, Reading] = {}
        self._tallies: dict[str, Tally] = {}
        self.rejected = self.tally(
            "streembit_rejected", "What was refused, by the error's code.", "reason"
        )

    def counter(self, name: str, doc: str, read: Callable[[], float]) -> None:
        """Show a figure that only grows."""
        self._add_reading(Reading("counter", name, doc, read))

    def gauge(self, name: str, doc: str, read: Callable[[], float]) -> None:
        """Show a figure that goes up and down."""
        self._add_reading(Reading("gauge", name, doc, read))

    def tally(self, name: str, doc: str, label: str, max_labels: int = MAX_LABELS) -> Tally:
        """Return a new counter by label."""
        self._check_free(name)
        self._tallies[name] = Tally(name, doc, label, max_labels)
        return self._tallies[name]

    def text(self) -> bytes:
        """Return all figures in the text format of Prometheus, UTF-8.

        The library is imported here, so a node without a metrics endpoint
        never loads it.
        """
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collected(self._readings.values(), self._tallies.values()))
        return generate_latest(registry)

    def _add_reading(self, reading: Reading) -> None:
        self._check_free(reading.name)
        self._readings[reading.name] = reading

    def _check_free(self, name: str) -> None:
        if name in self._readings or name in self._tallies:
            raise ValueError(f"there is a figure {name} already")


class _Collected:
    """What a prometheus registry asks for its figures."""

    def __init__(self, readings: Iterable[Reading], tallies: Iterable[Tally]) -> None:
        self._readings = readings
        self._tallies = tallies

    def collect(self) -> Iterator[Metric]:
        yield from map(_family_of_reading, self._readings)
        yield from map(_family_of_tally, self._tallies)


def _family_of_reading(reading: Reading) -> Metric:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    family = CounterMetricFamily if reading.kind == "counter" else GaugeMetricFamily
    return family(reading.name, reading.doc, value=reading.read())


def _family_of_tally(tally: Tally) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(tally.name, tally.doc, labels=[tally.label])
    for value, count in tally.counts().items():
        family.add_metric([value], count)
    return family
