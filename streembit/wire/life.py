"""Signs of life: payloads of one byte, for which the link's seal alone vouches.

They claim nothing but that the other end of the link is there, which a frame that opens has proven
already; so they are the only payloads that nobody signs.
"""

from __future__ import annotations

from typing import Final

ASKS: Final = b"\x01"
SHOWS: Final = b"\x02"
SHOWN_EVERY_S: Final = 1.0  # to one peer at most; it asks a few times a minute


def is_sign(payload: bytes) -> bool:
    """Return whether a link's payload is a sign of life: nothing else has one byte."""
    return len(payload) == 1
