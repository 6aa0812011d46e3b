"""How long the way to a contact and back is, told by the asks for files and what comes for them."""

from __future__ import annotations

from math import inf
from typing import Final

from streembit.files.sending import MAX_OPEN_FILES
from streembit.wire.transfer import CHUNK_BYTES, Ask, Block, Mark

WINDOW_BYTES: Final = CHUNK_BYTES  # asked for and not written: what is sent twice when we die
MAX_WINDOW_BYTES: Final = 4 * CHUNK_BYTES  # of a long way, which takes 80 MB/s at 50 ms by this
SAMPLES: Final = 8  # before a way counts as long: a busy machine is slow now and then
LONG_S: Final = 0.02  # a chunk in each such time is 50 MB/s, beyond what most lines carry


class RoundTrip:
    """Measures one ask at a time: from when it left until the first frame that it brings.

    That is never less than the round trip, and more where frames wait
    before it; so the least of all counts.

    Attributes:
        least_s: the least that was seen; infinite before the first.
    """

    def __init__(self) -> None:
        self.least_s = inf
        self._samples = 0
        self._run = self._upto = 0  # of the newest ask
        self._awaited: tuple[int, int, float] | None = None  # run, place before it, time

    @property
    def window_bytes(self) -> int:
        """How much should be asked for ahead of what is written."""
        is_long = self._samples >= SAMPLES and self.least_s > LONG_S
        return MAX_WINDOW_BYTES if is_long else WINDOW_BYTES

    def asked(self, ask: Ask, now_s: float) -> None:
        """Note that an ask leaves now."""
        if ask.run < self._run:
            return
        known = self._upto if ask.run == self._run else 0
        self._run, self._upto = ask.run, ask.upto
        if self._awaited is None or self._awaited[0] + MAX_OPEN_FILES < ask.run:
            self._awaited = ask.run, known, now_s

    def came(self, frame: Block | Mark, now_s: float) -> None:
        """Note a frame that came now."""
        if self._awaited is None:
            return
        run, known, asked_s = self._awaited
        end = frame.end if isinstance(frame, Mark) else frame.offset + len(frame.data)
        if frame.run == run and end > known:
            self._awaited = None
            self._samples += 1
            self.least_s = min(self.least_s, max(0.0, now_s - asked_s))
