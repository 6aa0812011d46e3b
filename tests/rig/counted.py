"""Run twistd on a network that counts: `counted.py FILE TWISTD ARGUMENTS...`.

FILE tells, as 8 bytes, how many the process and those before it gave to TCP. It
outlives them.
"""

import os
import sys

COUNT_BYTES = 8


def count(path: str) -> None:
    """Count from now on what Twisted's TCP connections give to the kernel."""
    from twisted.internet import tcp
    from twisted.internet.error import ConnectionLost

    counter = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    write = tcp.Connection.writeSomeData

    def counted(self: tcp.Connection, data: bytes) -> int | ConnectionLost:
        sent = write(self, data)
        if isinstance(sent, int) and sent > 0:
            before = int.from_bytes(os.pread(counter, COUNT_BYTES, 0))
            os.pwrite(counter, (before + sent).to_bytes(COUNT_BYTES), 0)
        return sent

    tcp.Connection.writeSomeData = counted  # type: ignore[method-assign]


if __name__ == "__main__":
    count(sys.argv[1])
    del sys.argv[:2]
    from twisted.scripts.twistd import run

    run()
