"""Run twistd and kill it before the nth change of its home: `cut.py N HOME ARGUMENTS...`.

With 0 nothing is cut short, and each change is told in a line on standard output. That a socket is
bound counts as one, wherever that is.
"""

import os
import signal
import sys
from typing import Final

TELLS: Final = b"step "
BINDS: Final = "socket.bind"
READS: Final = ("os.listdir", "os.scandir", "socket.connect")


class Steps:
    """Counts what Python's audit hooks tell."""

    def __init__(self, last: int, home: str) -> None:
        self._last, self._home, self._count = last, home, 0

    def heard(self, event: str, arguments: tuple[object, ...]) -> None:
        """Count a step; the last one does not happen."""
        path = self._path(arguments)
        if (path is None and event != BINDS) or event in READS or is_reading(event, arguments):
            return
        self._count += 1
        if self._last == 0:
            os.write(1, TELLS + f"{event} {path}\n".encode())
        elif self._count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def _path(self, arguments: tuple[object, ...]) -> str | None:
        """Return which thing in the home this is about."""
        for argument in arguments:
            if isinstance(argument, str | bytes | os.PathLike):
                text = os.fsdecode(argument)
                if text.startswith(self._home):
                    return os.path.relpath(text, self._home)
        return None


def is_reading(event: str, arguments: tuple[object, ...]) -> bool:
    """Say whether a file is opened as it is, to be read."""
    flags = arguments[2] if event == "open" else os.O_RDWR
    return isinstance(flags, int) and not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)


if __name__ == "__main__":
    sys.addaudithook(Steps(int(sys.argv[1]), sys.argv[2]).heard)
    del sys.argv[1:3]
    from twisted.scripts.twistd import run

    run()
