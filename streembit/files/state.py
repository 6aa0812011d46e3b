"""Where a transfer stands, and what it is kept as between two runs of a node."""

from __future__ import annotations

from enum import Enum
from typing import Final

from msgspec import Struct

from streembit.errors import BadJson, TransferState
from streembit.wire import codec
from streembit.wire.transfer import FileOffer

DONE: Final = "done"  # the codes of an end that is no error
DENIED: Final = "denied"
CANCELLED: Final = "cancelled"
_LENGTH_BYTES: Final = 4


class State(Enum):
    """Where a transfer stands.

    OFFERED goes to ACCEPTED or DENIED; ACCEPTED to RUNNING; RUNNING and
    PAUSED to each other as links come and go, and to DONE. FAILED may
    follow on each of the first four. DENIED, DONE and FAILED are final.
    """

    OFFERED = "offered"
    ACCEPTED = "accepted"
    DENIED = "denied"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"


FINAL: Final = frozenset({State.DENIED, State.DONE, State.FAILED})


class Stand(Struct):
    """The state, and why it failed: a code, or "" while it has not.

    `moved_bytes` counts those that were sent or received since the node
    started, those that were sent twice too.
    """

    state: State = State.OFFERED
    why: str = ""
    moved_bytes: int = 0

    @property
    def is_final(self) -> bool:
        """Whether nothing happens any more."""
        return self.state in FINAL

    def step(self, new: State, *allowed: State) -> None:
        """Go to a state from one of those allowed; else raise TransferState."""
        if self.state not in allowed:
            raise TransferState(state=self.state.value, wanted=new.value)
        self.state = new

    def end(self, code: str) -> None:
        """Take a final state by its code; the first one stays."""
        if self.is_final:
            return
        self.state = {DONE: State.DONE, DENIED: State.DENIED}.get(code, State.FAILED)
        self.why = "" if self.state is State.DONE else code


class Journal(Struct, frozen=True):
    """What a transfer is kept as: its offer, its state, and its list, b"" if that is not known yet.

    How far the files are is not in it: the disk says so, and digests prove it.
    """

    offer: FileOffer
    state: State
    why: str
    manifest: bytes

    def pack(self) -> bytes:
        """Return the journal as bytes."""
        head = codec.encode(_Head(self.offer, self.state.value, self.why))
        return len(head).to_bytes(_LENGTH_BYTES) + head + self.manifest


class _Head(Struct, frozen=True):
    offer: FileOffer
    state: str
    why: str


def read_journal(data: bytes) -> Journal:
    """Return what `Journal.pack` packed; raise BadJson for what it did not."""
    end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES])
    head = codec.decode(data[_LENGTH_BYTES:end], _Head)
    try:
        state = State(head.state)
    except ValueError:
        raise BadJson("not a state of a transfer") from None
    return Journal(head.offer, state, head.why, data[end:])


def kept_stand(journal: Journal) -> Stand:
    """Return where a transfer stands that was kept: what ran then is paused now."""
    state = State.PAUSED if journal.state is State.RUNNING else journal.state
    return Stand(state, journal.why)
