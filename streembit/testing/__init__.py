"""An in-memory network for tests: many hosts, one clock, one seeded source of chance.

Real service trees run on it: give each one a `MemoryHost` in the place of the reactor's TCP.  The
same seed and the same calls give the same trace, so a failure found once is found again.
"""

from __future__ import annotations

from streembit.testing.clock import START_S, MemoryClock
from streembit.testing.network import MemoryHost, MemoryNetwork, MemoryPort
from streembit.testing.rows import MemoryChest, MemoryOwnRecords
from streembit.testing.streams import SEND_BUFFER, MemoryTransport

__all__ = [
    "SEND_BUFFER",
    "START_S",
    "MemoryChest",
    "MemoryClock",
    "MemoryHost",
    "MemoryNetwork",
    "MemoryOwnRecords",
    "MemoryPort",
    "MemoryTransport",
]
