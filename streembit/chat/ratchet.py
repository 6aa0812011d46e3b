"""The Double Ratchet of one session, behind an interface of five words."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Coroutine, Iterable
from typing import Any, Final, TypeVar

from doubleratchet import (
    AuthenticationFailedException,
    DoSProtectionException,
    DuplicateMessageException,
)
from doubleratchet.models import (
    DiffieHellmanRatchetModel,
    DoubleRatchetModel,
    KDFChainModel,
    SkippedMessageKeyModel,
    SymmetricKeyRatchetModel,
)

from streembit.chat.steps import (
    CHAIN_CONSTANT,
    MAX_SKIPPED,
    MAX_STEP,
    Aead,
    ChainKdf,
    Curve,
    Double,
    RootKdf,
    from_message,
    to_message,
)
from streembit.errors import BadKey, BadParcel, ParcelRepeated, ParcelTooFarAhead
from streembit.jose.keys import POINT_BYTES, PrivateKey
from streembit.wire.parcel import Message

T = TypeVar("T")

ENDED_CHAINS: Final = 32  # of the contact's, known for repeats: as many turns of a conversation

_VERSION: Final = 2  # the first one knew no chains that are over
_NONE: Final = 2**32 - 1  # stands for a chain that is not there yet
_MAX_COUNT: Final = 2**31  # of the messages in a chain: no chain comes near it
_NO_KEY: Final = bytes(32)
_STATE: Final = struct.Struct(">B32s33sI32sI32sI32sIH")
_SKIPPED: Final = struct.Struct(">33sI32s")


class Ratchet:
    """One side of a session: each message has a key of its own, which is forgotten after use.

    A message that is refused changes nothing. Keep `state()` on the medium
    before what was sealed is sent and before what was opened is acknowledged.
    """

    __slots__ = ("_double", "_ended", "_heard")

    def __init__(self, double: Double, heard: bytes, ended: Iterable[bytes] = ()) -> None:
        """`heard` is the point of the contact's chain, `ended` are those of chains before it."""
        self._double = double
        self._heard = heard
        self._ended = deque(ended, ENDED_CHAINS)

    @classmethod
    def begin(
        cls, shared: bytes, theirs: bytes, first: bytes, ad: bytes
    ) -> tuple[Ratchet, Message]:
        """Return the initiator's ratchet and its first message.

        `shared` are the 32 bytes agreed on, `theirs` is the responder's
        signed prekey.

        Raises:
            BadKey: `theirs` is no point of P-256.
        """
        double, made = _run(
            Double.encrypt_initial_message(
                *_PARTS,
                shared_secret=shared,
                recipient_ratchet_pub=theirs,
                message=first,
                associated_data=ad,
            )
        )
        return cls(double, theirs), to_message(made)

    @classmethod
    def answer(
        cls, shared: bytes, own: PrivateKey, first: Message, ad: bytes
    ) -> tuple[Ratchet, bytes]:
        """Return the responder's ratchet and what the first message says.

        Any message of the initiator's first chain can be the first one to
        arrive.

        Raises:
            BadParcel, ParcelTooFarAhead
        """
        made = Double.decrypt_initial_message(
            *_PARTS,
            shared_secret=shared,
            own_ratchet_priv=own.scalar,
            message=from_message(_checked(first)),
            associated_data=ad,
        )
        double, plaintext = _opened(made)
        return cls(double, first.point), plaintext

    def seal(self, plaintext: bytes, ad: bytes) -> Message:
        """Return the next message."""
        return to_message(_run(self._double.encrypt_message(plaintext, ad)))

    def open(self, message: Message, ad: bytes) -> bytes:
        """Return what a message says.

        Raises:
            BadParcel: not a message of this session, or altered, or of a
                chain that is long over.
            ParcelRepeated: it was opened before, or its key is gone.
            ParcelTooFarAhead: more than MAX_STEP before it are missing.
        """
        wanted = from_message(_checked(message))
        if message.point in self._ended and not self._misses(message):
            raise ParcelRepeated
        plaintext = _opened(self._double.decrypt_message(wanted, ad))
        if message.point != self._heard and message.point not in self._ended:
            self._ended.append(self._heard)
            self._heard = message.point
        return plaintext

    def _misses(self, message: Message) -> bool:
        """Tell whether a message of a chain that is over has not arrived."""
        missing = self._double.model.skipped_message_keys
        return (message.point, message.number) in {(key.ratchet_pub, key.index) for key in missing}

    def state(self) -> bytes:
        """Return all that `load` needs, with secret keys.

        That is 180 bytes, 69 a missing message, and 33 a chain that is over.
        """
        model = self._double.model
        turns = model.diffie_hellman_ratchet
        chains = turns.symmetric_key_ratchet
        skipped = model.skipped_message_keys
        previous = chains.previous_sending_chain_length
        head = _STATE.pack(
            _VERSION,
            turns.own_ratchet_priv,
            turns.other_ratchet_pub,
            turns.root_chain.length,
            turns.root_chain.key,
            *_packed(chains.sending_chain),
            *_packed(chains.receiving_chain),
            _NONE if previous is None else previous,
            len(skipped),
        )
        keys = [_SKIPPED.pack(key.ratchet_pub, key.index, key.message_key) for key in skipped]
        return head + b"".join(keys) + b"".join(self._ended)

    @classmethod
    def load(cls, state: bytes) -> Ratchet:
        """Return the ratchet of a state; raise ValueError for anything else."""
        if len(state) < _STATE.size or not 1 <= state[0] <= _VERSION:
            raise ValueError("not the state of a ratchet")
        version, own, theirs, root, root_key, *chains, previous, count = _STATE.unpack_from(state)
        end = _STATE.size + count * _SKIPPED.size
        ended = [state[at : at + POINT_BYTES] for at in range(end, len(state), POINT_BYTES)]
        rest = len(state) - end
        most = 0 if version == 1 else ENDED_CHAINS * POINT_BYTES
        if not 0 <= rest <= most or rest % POINT_BYTES:
            raise ValueError("not the whole state of a ratchet")
        symmetric = SymmetricKeyRatchetModel.model_construct(
            sending_chain=_chain(*chains[:2]),
            receiving_chain=_chain(*chains[2:]),
            previous_sending_chain_length=None if previous == _NONE else previous,
        )
        turns = DiffieHellmanRatchetModel.model_construct(
            own_ratchet_priv=own,
            other_ratchet_pub=theirs,
            root_chain=KDFChainModel.model_construct(length=root, key=root_key),
            symmetric_key_ratchet=symmetric,
        )
        model = DoubleRatchetModel.model_construct(
            diffie_hellman_ratchet=turns, skipped_message_keys=_skipped(state[_STATE.size : end])
        )
        return cls(Double.from_model(model, *_PARTS), theirs, ended)


def _packed(chain: KDFChainModel | None) -> tuple[int, bytes]:
    return (_NONE, _NO_KEY) if chain is None else (chain.length, chain.key)


def _chain(length: int, key: bytes) -> KDFChainModel | None:
    return None if length == _NONE else KDFChainModel.model_construct(length=length, key=key)


def _skipped(data: bytes) -> list[SkippedMessageKeyModel]:
    return [
        SkippedMessageKeyModel.model_construct(ratchet_pub=point, index=index, message_key=key)
        for point, index, key in _SKIPPED.iter_unpack(data)
    ]


def _checked(message: Message) -> Message:
    """Return the message; raise BadParcel for counts that no chain reaches."""
    if max(message.number, message.previous) > _MAX_COUNT:
        raise BadParcel("counts out of range")
    return message


def _opened(work: Coroutine[Any, Any, T]) -> T:
    try:
        return _run(work)
    except AuthenticationFailedException:
        raise BadParcel("not of this session, or altered") from None
    except DuplicateMessageException:
        raise ParcelRepeated from None
    except DoSProtectionException:
        raise ParcelTooFarAhead from None
    except BadKey as e:
        raise BadParcel(e.detail) from None


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    raise RuntimeError("the ratchet waited for something")


_PARTS: Final = (Curve, RootKdf, ChainKdf, CHAIN_CONSTANT, MAX_STEP, MAX_SKIPPED, Aead)
