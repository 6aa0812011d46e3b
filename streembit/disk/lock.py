"""The lock that keeps two processes out of one folder."""

from __future__ import annotations

import os
from pathlib import Path

from streembit.disk.atomic import blamed_on_disk
from streembit.disk.files import SYSTEM, Files
from streembit.errors import HomeLocked

_PID_BYTES = 20


class Lock:
    """A lock file; it holds while its owner lives, however that one ends.

    The operating system lets go of it when the process is gone, so a lock
    file that was left behind hinders nobody.
    """

    def __init__(self, path: Path, files: Files = SYSTEM) -> None:
        self.path = path
        self._files = files
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd is not None

    def take(self, *, wait: bool = False) -> None:
        """Take the lock and write our process id into its file.

        Raises:
            HomeLocked: another process holds it (`pid`, 0 when not known).
            DiskFull, DiskFailed: the lock file cannot be written.
        """
        if self.held:
            return
        with blamed_on_disk(self.path):
            fd = self._files.open(self.path, os.O_RDWR | os.O_CREAT)
            try:
                self._lock(fd, wait=wait)
                self._sign(fd)
            except BaseException:
                self._files.close(fd)
                raise
            self._fd = fd

    def release(self) -> None:
        """Let go; does nothing when it is not held."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._files.close(fd)

    def __enter__(self) -> Lock:
        self.take(wait=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _lock(self, fd: int, *, wait: bool) -> None:
        try:
            self._files.lock(fd, wait=wait)
        except BlockingIOError:
            pid = self._files.read(fd, _PID_BYTES).strip()
            number = int(pid) if pid.isdigit() else 0
            raise HomeLocked(
                "a Streembit process is running with it", home=str(self.path.parent), pid=number
            ) from None

    def _sign(self, fd: int) -> None:
        self._files.truncate(fd)
        self._files.write(fd, b"%d\n" % os.getpid())
