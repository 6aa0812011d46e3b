"""A file layer that fails or loses its power at the n-th call, and a disk in memory for it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from streembit.disk.files import Files, Status


class PowerCut(BaseException):
    """The process ends here: no clean-up of any kind works any more."""


class FaultFiles:
    """Pass calls on to other Files, counting them.

    From the call number `at` (the first is 1), calls fail with `error`, for
    `times` calls; without an error the power goes: the call is half done and
    every later one raises PowerCut too.
    """

    def __init__(
        self, inner: Files, *, at: int = 0, error: int | None = None, times: int = 1_000_000
    ) -> None:
        self.inner = inner
        self.calls: list[str] = []
        self._at = at
        self._error = error
        self._times = times

    def _turn(self, name: str, *, harmless: bool = False) -> None:
        self.calls.append(name)
        if not self._at or len(self.calls) < self._at:
            return
        if self._error is None:
            raise PowerCut(f"at call {len(self.calls)}: {name}")
        if len(self.calls) < self._at + self._times and not harmless:
            raise OSError(self._error, os.strerror(self._error))

    def open(self, path: Path, flags: int, mode: int = 0o600) -> int:
        self._turn("open")
        return self.inner.open(path, flags, mode)

    def read(self, fd: int, size_bytes: int) -> bytes:
        self._turn("read")
        return self.inner.read(fd, size_bytes)

    def write(self, fd: int, data: bytes) -> int:
        try:
            self._turn("write")
        except (PowerCut, OSError):
            if len(self.calls) == self._at:
                self.inner.write(fd, data[: len(data) // 2])
            raise
        return self.inner.write(fd, data)

    def truncate(self, fd: int) -> None:
        self._turn("truncate")
        self.inner.truncate(fd)

    def sync(self, fd: int) -> None:
        self._turn("sync")
        self.inner.sync(fd)

    def close(self, fd: int) -> None:
        self._turn("close", harmless=True)
        self.inner.close(fd)

    def lock(self, fd: int, *, wait: bool) -> None:
        self._turn("lock")
        self.inner.lock(fd, wait=wait)

    def rename(self, old: Path, new: Path) -> None:
        self._turn("rename")
        self.inner.rename(old, new)

    def link(self, old: Path, new: Path) -> None:
        self._turn("link")
        self.inner.link(old, new)

    def remove(self, path: Path) -> None:
        self._turn("remove")
        self.inner.remove(path)

    def make_folder(self, path: Path) -> None:
        self._turn("make_folder")
        self.inner.make_folder(path)

    def remove_folder(self, path: Path) -> None:
        self._turn("remove_folder")
        self.inner.remove_folder(path)

    def change_mode(self, path: Path, mode: int) -> None:
        self._turn("change_mode")
        self.inner.change_mode(path, mode)

    def names(self, folder: Path) -> list[str]:
        self._turn("names")
        return self.inner.names(folder)

    def status(self, path: Path, *, follow: bool = True) -> Status:
        self._turn("status")
        return self.inner.status(path, follow=follow)


@dataclass
class Node:
    """A file or folder: what programs see, and what is on the medium."""

    is_folder: bool
    mode: int
    contents: bytes = b""
    synced: bytes = b""
    names: dict[str, Node] = field(default_factory=dict)
    synced_names: dict[str, Node] = field(default_factory=dict)


class MemoryFiles:
    """A disk in memory that remembers what has reached the medium.

    Only what was synced is sure to be there after the power went; what was
    not may be there, half there, or not.
    """

    def __init__(self, *, links: bool = True) -> None:
        self.root = Node(is_folder=True, mode=0o700)
        self._open: dict[int, tuple[Node, int]] = {}
        self._locked: dict[int, int] = {}
        self._links = links
        self._fd = 3

    def open(self, path: Path, flags: int, mode: int = 0o600) -> int:
        folder = self._node(path.parent)
        found = folder.names.get(path.name) if path != path.parent else self.root
        if found is None and not flags & os.O_CREAT:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
        if found is not None and flags & os.O_EXCL:
            raise FileExistsError(errno.EEXIST, "file exists", str(path))
        if found is None:
            found = folder.names[path.name] = Node(is_folder=False, mode=mode)
        self._fd += 1
        self._open[self._fd] = (found, 0)
        return self._fd

    def read(self, fd: int, size_bytes: int) -> bytes:
        node, position = self._open[fd]
        part = node.contents[position : position + size_bytes]
        self._open[fd] = (node, position + len(part))
        return part

    def write(self, fd: int, data: bytes) -> int:
        node, position = self._open[fd]
        node.contents = node.contents[:position] + data + node.contents[position + len(data) :]
        self._open[fd] = (node, position + len(data))
        return len(data)

    def truncate(self, fd: int) -> None:
        self._open[fd][0].contents = b""

    def sync(self, fd: int) -> None:
        node, _ = self._open[fd]
        node.synced = node.contents
        node.synced_names = dict(node.names)

    def close(self, fd: int) -> None:
        node, _ = self._open.pop(fd)
        if self._locked.get(id(node)) == fd:
            del self._locked[id(node)]

    def lock(self, fd: int, *, wait: bool) -> None:
        if self._locked.setdefault(id(self._open[fd][0]), fd) != fd:
            raise BlockingIOError(errno.EWOULDBLOCK, "locked")

    def rename(self, old: Path, new: Path) -> None:
        node = self._node(old)
        del self._node(old.parent).names[old.name]
        self._node(new.parent).names[new.name] = node

    def link(self, old: Path, new: Path) -> None:
        if not self._links:
            raise PermissionError(errno.EPERM, "no links here")
        names = self._node(new.parent).names
        if new.name in names:
            raise FileExistsError(errno.EEXIST, "file exists", str(new))
        names[new.name] = self._node(old)

    def remove(self, path: Path) -> None:
        self._node(path)
        del self._node(path.parent).names[path.name]

    def make_folder(self, path: Path) -> None:
        names = self._node(path.parent).names
        if path.name in names:
            raise FileExistsError(errno.EEXIST, "file exists", str(path))
        names[path.name] = Node(is_folder=True, mode=0o700)

    def remove_folder(self, path: Path) -> None:
        if self._node(path).names:
            raise OSError(errno.ENOTEMPTY, "not empty", str(path))
        del self._node(path.parent).names[path.name]

    def change_mode(self, path: Path, mode: int) -> None:
        self._node(path).mode = mode

    def names(self, folder: Path) -> list[str]:
        return sorted(self._node(folder).names)

    def status(self, path: Path, *, follow: bool = True) -> Status:
        node = self._node(path)
        size_bytes = len(node.contents)
        return Status(node.mode, os.geteuid(), size_bytes, node.is_folder, not node.is_folder)

    def after_power_cut(self) -> Iterator[MemoryFiles]:
        """Yield the disks that may be found when the power is back, from worst to best."""
        for names_kept in (False, True):
            for share in (0.0, 0.5, 1.0):
                yield self._survivor(names_kept, share)

    def after_kill(self) -> MemoryFiles:
        """Return the disk as another process finds it: the machine went on running."""
        return self._survivor(names_kept=True, share=1.0)

    def _survivor(self, names_kept: bool, share: float) -> MemoryFiles:
        disk = MemoryFiles(links=self._links)
        disk.root = _survived(self.root, names_kept, share, {})
        return disk

    def _node(self, path: Path) -> Node:
        node = self.root
        for name in path.parts[1:]:
            if name not in node.names:
                raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
            node = node.names[name]
        return node


def _survived(node: Node, names_kept: bool, share: float, done: dict[int, Node]) -> Node:
    if id(node) in done:
        return done[id(node)]
    kept = node.names if names_kept else node.synced_names
    contents = node.contents[: int(len(node.contents) * share)]
    contents = node.synced if node.synced == node.contents or not share else contents
    copy = done[id(node)] = Node(node.is_folder, node.mode, contents, contents)
    copy.names = {name: _survived(inner, names_kept, share, done) for name, inner in kept.items()}
    copy.synced_names = dict(copy.names)
    return copy
