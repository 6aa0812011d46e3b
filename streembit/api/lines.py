"""Answers of many lines: JSON Lines, written as fast as the client reads and no faster."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IPullProducer
from twisted.python.failure import Failure
from twisted.web.server import Request
from zope.interface import implementer

from streembit.wire import codec

CONTENT_TYPE: Final = b"application/jsonl"
LINES_A_TURN: Final = 16  # of 64 KiB at most: one turn of the reactor


@implementer(IPullProducer)
class Lines:
    """Writes each value of an iterator as one line of JSON.

    `done` fires when all are written, and fails with what the iterator
    raised. Nothing is read ahead of the client.
    """

    def __init__(self, request: Request, values: Iterator[object]) -> None:
        self.done: Deferred[None] = Deferred(self._leave)
        self._request = request
        self._values = values

    def start(self) -> Deferred[None]:
        """Write the head of the answer, then lines as they are asked for."""
        self._request.setHeader(b"content-type", CONTENT_TYPE)
        self._request.registerProducer(self, False)
        return self.done

    def resumeProducing(self) -> None:
        """Write some lines, or end."""
        maybeDeferred(self._some).addCallback(self._write).addErrback(self._end)

    def stopProducing(self) -> None:
        """Stop: the client is gone."""
        self._values = iter(())

    def _some(self) -> list[bytes]:
        return [codec.encode(value) + b"\n" for value in islice(self._values, LINES_A_TURN)]

    def _write(self, lines: list[bytes]) -> None:
        if lines:
            self._request.write(b"".join(lines))
        else:
            self._end(None)

    def _end(self, failure: Failure | None) -> None:
        self._request.unregisterProducer()
        if failure is None:
            self.done.callback(None)
        else:
            self.done.errback(failure)

    def _leave(self, _done: object) -> None:
        self._values = iter(())
