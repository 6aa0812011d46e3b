"""The line of our identity keys, as it is kept: which were ours, and whether it has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from streembit.contacts.rotation import MAX_STEPS
from streembit.errors import ChestDamaged, KeyRevoked, WrongState
from streembit.jose.keys import Identity, PublicKey
from streembit.service.people.chest import Chest

ROOM: Final = "succession"
_KEY: Final = b"line"


class Step(Struct, array_like=True, frozen=True):
    """One change of our key: the seed of the old identity, and the statement of both."""

    seed: bytes
    statement: str
    new: bytes
    at_s: int


class Line(Struct, array_like=True, frozen=True):
    """All changes of our key, oldest first, and the statement that ended it, "" for none."""

    steps: list[Step] = []
    revocation: str = ""


class Former(NamedTuple):
    """An identity that was ours, what says that it is no more, and since when."""

    identity: Identity
    statement: str
    until_s: int


class Lineage:
    """The changes of our identity key; each is kept before anything follows from it.

    Raises ChestDamaged when made, where what is kept is not sound.
    """

    def __init__(self, identity: Identity, chest: Chest) -> None:
        self._identity, self._chest = identity, chest
        self._line = self._load()

    @property
    def statement(self) -> str:
        """What our cards say of our key: its successor's name, its end, or nothing."""
        if self._line.revocation or not self._is_changing:
            return self._line.revocation
        return self._line.steps[-1].statement

    @property
    def is_void(self) -> bool:
        """Whether our own key was declared void."""
        return bool(self._line.revocation)

    @property
    def introductions(self) -> list[str]:
        """What says, step by step, how our key came from those of before, the oldest first."""
        steps = [] if self._is_changing else self._line.steps[-MAX_STEPS:]
        return [step.statement for step in steps]

    def is_ours(self, key: PublicKey) -> bool:
        """Tell whether a key is our own, or was."""
        former = (self._of(step).public for step in self._line.steps)
        return key == self._identity.public or key in former

    def former(self) -> Iterator[Former]:
        """Yield the identities that were ours, the oldest first."""
        for step in self._line.steps:
            yield Former(self._of(step), step.statement, step.at_s)

    def check_valid(self) -> None:
        """Raise KeyRevoked where our own key is void: nothing new is begun under it."""
        if self.is_void:
            key = self._identity.public
            raise KeyRevoked("our own key is void: make another account", key=key.hex)

    def check_unchanged(self) -> None:
        """Raise KeyRevoked as `check_valid`, and WrongState while a change is under way."""
        self.check_valid()
        if self._is_changing:
            raise WrongState("a change of the key is under way")

    # --- changes
    def begin(self, new: Identity, statement: str, at_s: int) -> None:
        """Note that this identity follows, and let its key open the chest too."""
        step = Step(self._identity.seed, statement, new.public.point, at_s)
        self._chest.add_lock(new.at_rest_key())
        self._keep(Line([*self._line.steps, step], self._line.revocation))

    def settle(self) -> None:
        """Take back a change that did not reach the key file; only our key opens the chest."""
        if not self._line.steps:
            return
        if self._is_changing:
            self._keep(Line(self._line.steps[:-1], self._line.revocation))
        self._chest.drop_other_locks(self._identity.at_rest_key())

    def end(self, revocation: str) -> None:
        """Note that our key is void, by this statement."""
        self._keep(Line(self._line.steps, revocation))

    # --- how
    @property
    def _is_changing(self) -> bool:
        """Whether another identity follows the one that we still are."""
        steps = self._line.steps
        return bool(steps) and steps[-1].new != self._identity.public.point

    def _of(self, step: Step) -> Identity:
        return Identity.from_seed(step.seed, self._identity.name)

    def _load(self) -> Line:
        row = self._chest.get(ROOM, _KEY)
        try:
            return msgspec.msgpack.decode(row, type=Line) if row else Line()
        except msgspec.MsgspecError as e:
            raise ChestDamaged(f"the changes of our key: {e}") from None

    def _keep(self, line: Line) -> None:
        self._chest.commit([(ROOM, _KEY, msgspec.msgpack.encode(line))])
        self._line = line
