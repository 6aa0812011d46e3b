"""Run by test_full_download on a file system of 8 MiB: a download that fills it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from streembit.disk.downloads import Download, free_bytes, make_private
from streembit.errors import DiskFull
from streembit.wire.transfer import FileEntry

BLOCK = bytes(range(256)) * 256
SIZE = 6 * 2**20


def main(folder: Path) -> None:
    """Fill the disk, find what came, go on when there is room; an assertion ends it."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", folder], check=True)
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(4 * 2**20))
    assert free_bytes(folder) <= 4 * 2**20
    entries = [FileEntry(["a", "b"], SIZE)]
    download = Download(folder, make_private(folder, "x"))
    download.found(entries)
    written = write(download, 0)
    assert 2**20 < written < SIZE, written
    download.close()
    download = Download(folder, ".streembit-x")
    held, whole = download.found(entries)
    assert written <= held[0] <= written + len(BLOCK), (written, held)
    assert whole == frozenset()
    assert download.read(0, 0, len(BLOCK)) == BLOCK
    ballast.unlink()
    download.cut(0, written)
    assert write(download, written) == SIZE
    download.finish(0)
    assert download.complete() == ["a"]
    download.discard()
    assert (folder / "a" / "b").read_bytes() == BLOCK * (SIZE // len(BLOCK))
    assert sorted(path.name for path in folder.iterdir()) == ["a"]
    sys.stdout.write("all is well\n")


def write(download: Download, offset: int) -> int:
    """Write blocks until all are there or the disk is full; return how far it came."""
    try:
        while offset < SIZE:
            download.write(0, offset, [BLOCK])
            offset += len(BLOCK)
    except DiskFull:
        pass
    return offset


if __name__ == "__main__":
    main(Path(sys.argv[1]))
