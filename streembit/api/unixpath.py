"""Unix sockets by path: paths of any length, and whether somebody serves there."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from streembit.errors import ListenFailed

SOCKET_NAME: Final = "api.sock"  # in the home
MAX_PATH_BYTES: Final = 100  # sun_path has 108 bytes on Linux, 104 on the BSDs


@contextmanager
def short(path: Path) -> Iterator[str]:
    """Give a path to the same socket that fits into a socket address, while it lasts.

    A longer path is reached through a descriptor of its folder, as Linux
    allows.

    Raises:
        ListenFailed: the path is too long, and the system has no /proc.
        OSError: the folder of a long path cannot be opened.
    """
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        yield str(path)
        return
    if not os.path.isdir("/proc/self/fd"):
        raise ListenFailed("the path of the socket is too long", limit_bytes=MAX_PATH_BYTES)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def connect(path: Path, timeout_s: float) -> socket.socket:
    """Return a stream connected to the socket at `path`; raise OSError or ListenFailed."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        stream.settimeout(timeout_s)
        with short(path) as address:
            stream.connect(address)
    except BaseException:
        stream.close()
        raise
    return stream


def clear_stale(path: Path) -> None:
    """Remove the socket that a process left behind when it died.

    Raises:
        ListenFailed: a process serves there, the file is no socket, or the
            folder is missing.
    """
    if not path.parent.is_dir():
        raise ListenFailed(f"there is no folder {path.parent}")
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ListenFailed(f"{path} is there and is no socket")
    if _is_served(path):
        raise ListenFailed(f"another process serves {path}")
    path.unlink(missing_ok=True)


def _is_served(path: Path) -> bool:
    try:
        connect(path, timeout_s=1.0).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except OSError:  # a full backlog, or no permission: somebody is there
        return True
    return True
