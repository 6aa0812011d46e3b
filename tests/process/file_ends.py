"""The ends of `bench.file_ends`, with a count of the bytes of files that leave the sender.

The count lies in HOME/sent as 8 bytes and outlives the process.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bench.file_ends import SendingEnd, main
from streembit.net.tcp import LinkProtocol
from streembit.wire.transfer import Block, is_file_frame, read_frame


class Counting(LinkProtocol):
    """A link that counts the bytes of blocks as they are sent."""

    counter = -1

    def send(self, payload: bytes) -> None:
        frame = read_frame(payload) if is_file_frame(payload) else None
        if isinstance(frame, Block):
            before = int.from_bytes(os.pread(self.counter, 8, 0))
            os.pwrite(self.counter, (before + len(frame.data)).to_bytes(8), 0)
        super().send(payload)


class CountedEnd(SendingEnd):
    """A sender on such a link."""

    carrier = Counting

    def __init__(self, home: Path, path: Path) -> None:
        Counting.counter = os.open(home / "sent", os.O_RDWR | os.O_CREAT, 0o600)
        super().__init__(home, path)


if __name__ == "__main__":
    role, home, port, path = sys.argv[1:]
    main(role, Path(home), int(port), Path(path), CountedEnd)
