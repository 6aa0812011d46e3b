"""What transfers of files need of the outside: a link, and the disk off the reactor's way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred, execute

T = TypeVar("T")


class FileLink(Protocol):
    """The part of a link that carries files."""

    @property
    def is_full(self) -> bool: ...
    def send(self, payload: bytes) -> None: ...
    def when_free(self, call: Callable[[], object] | None) -> None: ...


class Disk(Protocol):
    """Does work that waits for the disk, and fires with what it comes to.

    In a process that is `deferToThreadPool` with a pool of its own.
    """

    def __call__(self, work: Callable[[], T], /) -> Deferred[T]: ...


def at_once(work: Callable[[], T], /) -> Deferred[T]:
    """Do the work here and now: the `Disk` of tests."""
    return execute(work)
