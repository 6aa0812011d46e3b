"""What a passcode must be, and the key that Argon2id makes of it."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Final

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from msgspec import Meta, Struct

from streembit.errors import KeyFileWeak, WeakPasscode

MIN_CHARS: Final = 8
MAX_CHARS: Final = 1024
MIN_MEMORY_KIB: Final = 19 * 1024  # OWASP's least for Argon2id, with MIN_PASSES
MAX_MEMORY_KIB: Final = 1024 * 1024  # so that a hostile file cannot exhaust the machine
MIN_PASSES: Final = 2
MAX_PASSES: Final = 16
MAX_LANES: Final = 16
SALT_BYTES: Final = 16
KEY_BYTES: Final = 48

_KINDS: Final = {
    "a lower-case letter": str.islower,
    "an upper-case letter": str.isupper,
    "a digit": str.isdigit,
}
_Bounded = Annotated[int, Meta(ge=1, le=2**31)]


class KdfParams(Struct, frozen=True):
    """The work that one guess costs: memory in KiB, passes over it, lanes."""

    memory_kib: _Bounded = 64 * 1024
    passes: _Bounded = 8  # with the memory: a third of a second of one core
    lanes: _Bounded = 4


DEFAULT: Final = KdfParams()
LEAST: Final = KdfParams(MIN_MEMORY_KIB, MIN_PASSES, 1)


def check_passcode(text: str) -> None:
    """Raise WeakPasscode, saying everything that is missing, if the rule is not met.

    The rule: at least 8 characters, among them a lower-case letter, an
    upper-case letter, a digit and a symbol (a space is one).
    """
    missing = [name for name, test in _KINDS.items() if not any(map(test, text))]
    if all(char.isalnum() for char in text):
        missing.append("a symbol")
    if len(text) < MIN_CHARS:
        missing.insert(0, f"at least {MIN_CHARS} characters")
    if missing:
        raise WeakPasscode("it needs " + ", ".join(missing))
    if len(text) > MAX_CHARS:
        raise WeakPasscode(f"it has more than {MAX_CHARS} characters")


def check_params(params: KdfParams) -> None:
    """Raise KeyFileWeak if a guess would cost too little, or opening too much."""
    if params.memory_kib < MIN_MEMORY_KIB or params.passes < MIN_PASSES:
        raise KeyFileWeak("a guess would be too cheap", memory_kib=params.memory_kib)
    if params.memory_kib > MAX_MEMORY_KIB or params.passes > MAX_PASSES or params.lanes > MAX_LANES:
        raise KeyFileWeak("it asks for too much memory or time", memory_kib=params.memory_kib)


def stretch(passcode: str, salt: bytes, params: KdfParams) -> bytes:
    """Return 48 bytes made of a passcode in its composed form (NFC), by Argon2id."""
    kdf = Argon2id(
        salt=salt,
        length=KEY_BYTES,
        iterations=params.passes,
        lanes=params.lanes,
        memory_cost=params.memory_kib,
    )
    return kdf.derive(unicodedata.normalize("NFC", passcode).encode("utf-8", "surrogatepass"))
