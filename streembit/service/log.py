"""JSON-line logs in which remote text can do no harm, and one bounded line a refusal."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, TextIO

from twisted.logger import ILogObserver, Logger, formatEvent
from twisted.python.failure import Failure
from zope.interface import implementer

from streembit.service.metrics import Metrics

MAX_TEXT_CHARS: Final = 2048  # of one value: longer than any line of ours, far below a frame
MAX_TRACE_CHARS: Final = 16 * 1024  # about 150 frames of a stack
MAX_FIELDS: Final = 32  # our widest event has ten
LINES_PER_S: Final = 5  # a reason; a flood for all 128 of them at once writes 130 KB/s
SETTLE_EVERY_S: Final = 10.0  # so late at most one hears how many lines a flood was spared

# A line of the log that fail2ban may act on. Anchored: a peer's words stand
# inside JSON strings, where a quotation mark is always preceded by a backslash.
# fail2ban takes the time out of a file's line, and puts host and process before a journal's.
FAIL2BAN_REGEX: Final = (
    r'^(?:[^\s{]\S* \S+\[\d+\]: )?\{"time":"[^"]*","level":"warn","system":"streembit\.refused",'
    r'"msg":"refused reason=[a-z0-9_-]+ peer=<HOST>'
)

_OURS = frozenset({"system", "message", "time", "isError", "failure", "why", "format", "level"})
_ADDRESS = re.compile(r"[0-9A-Za-z.:%_-]{1,64}\Z")


@implementer(ILogObserver)
class JsonLog:
    """Writes each event as one line of ASCII JSON.

    Members: `time` (UTC, ISO 8601), `level`, `system`, `msg`, then the
    event's fields, and `trace` of a failure. Control characters, quotation
    marks and everything beyond ASCII are escaped, so that a name chosen by a
    peer can start no line, colour no terminal and turn no text around.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, event: dict[str, object]) -> None:
        self._out.write(line(event))
        self._out.flush()


def json_log() -> JsonLog:
    """Return the observer that writes to standard output, for `twistd --logger`."""
    return JsonLog(sys.stdout)


def line(event: dict[str, object]) -> str:
    """Return an event of twisted.logger as a line of JSON with its line feed."""
    shown: dict[str, object] = {
        "time": _moment(event.get("log_time")),
        "level": getattr(event.get("log_level"), "name", "info"),
        "system": _bounded(str(event.get("log_system") or event.get("log_namespace") or "-")),
        "msg": _bounded(_message(event)),
    }
    for name, value in _fields(event)[:MAX_FIELDS]:
        shown.setdefault(_bounded(name), _plain(value))
    failure = event.get("log_failure")
    if isinstance(failure, Failure):
        shown["trace"] = _trace(failure)
    return json.dumps(shown, separators=(",", ":")) + "\n"


def _fields(event: dict[str, object]) -> list[tuple[str, object]]:
    return [
        (name, value)
        for name, value in event.items()
        if not name.startswith("log_") and name not in _OURS
    ]


def _moment(seconds: object) -> str:
    at = datetime.now(UTC)
    if isinstance(seconds, float):
        with suppress(ValueError, OverflowError, OSError):  # no moment that a calendar knows
            at = datetime.fromtimestamp(seconds, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(event: dict[str, object]) -> str:
    text = formatEvent(event)
    failure = event.get("log_failure")
    if not text and isinstance(failure, Failure):
        return f"{type(failure.value).__name__}: {_text_of(failure.value)}"
    return text


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else repr(value)
    return _bounded(value if isinstance(value, str) else _text_of(value))


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception as e:
        return f"<{type(value).__name__} that cannot be shown: {type(e).__name__}>"


def _trace(failure: Failure) -> str:
    text = failure.getTraceback()
    return text if len(text) <= MAX_TRACE_CHARS else text[-MAX_TRACE_CHARS:]


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_TEXT_CHARS else text[:MAX_TEXT_CHARS] + "..."


class Refusals:
    """Counts each refusal and writes at most some lines a second of each reason.

    `seconds` is the clock, in seconds from anywhere. A line reads `refused
    reason=bad-signature peer=1.2.3.4`, with ` suppressed=N` at its end when N
    lines were left out since the last one of this reason. A flood that ends
    is told by `settle`, which is to be called now and then.
    """

    def __init__(
        self,
        metrics: Metrics,
        seconds: Callable[[], float],
        lines_per_s: int = LINES_PER_S,
        log: Logger | None = None,
    ) -> None:
        self._tally = metrics.rejected
        self._seconds = seconds
        self._lines_per_s = lines_per_s
        self._log = log or Logger(namespace="streembit.refused")
        self._windows: dict[str, _Window] = {}  # bounded by the tally's labels

    def refuse(self, reason: str, peer: str = "") -> None:
        """Count a refusal of `peer` (its IP address, "" for none) and perhaps log it."""
        reason = self._tally.add(reason)
        window = self._windows.setdefault(reason, _Window())
        if window.admits(self._seconds(), self._lines_per_s):
            self._write(reason, peer, window.take_suppressed())

    def counts(self) -> dict[str, int]:
        """Return the refusals by reason since the start."""
        return self._tally.counts()

    def settle(self) -> None:
        """Write what was suppressed and never told, one line a reason."""
        for reason, window in self._windows.items():
            if suppressed := window.take_suppressed():
                self._log.warn(
                    "refused reason={reason} suppressed={suppressed}",
                    reason=reason,
                    suppressed=suppressed,
                )

    def _write(self, reason: str, peer: str, suppressed: int) -> None:
        peer = peer if _ADDRESS.match(peer) else "-"
        if suppressed:
            self._log.warn(
                "refused reason={reason} peer={peer} suppressed={suppressed}",
                reason=reason,
                peer=peer,
                suppressed=suppressed,
            )
        else:
            self._log.warn("refused reason={reason} peer={peer}", reason=reason, peer=peer)


class _Window:
    """How many lines one second has seen, and how many it was spared."""

    __slots__ = ("_lines", "_since_s", "_suppressed")

    def __init__(self) -> None:
        self._since_s = float("-inf")
        self._lines = 0
        self._suppressed = 0

    def admits(self, now_s: float, lines_per_s: int) -> bool:
        if not 0 <= now_s - self._since_s < 1:
            self._since_s, self._lines = now_s, 0
        if self._lines >= lines_per_s:
            self._suppressed += 1
            return False
        self._lines += 1
        return True

    def take_suppressed(self) -> int:
        suppressed, self._suppressed = self._suppressed, 0
        return suppressed
