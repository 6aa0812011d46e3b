"""An identity's seed as 24 words of BIP-39 (English), to write down on paper."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from streembit.errors import BadSecret, BadWords
from streembit.jose.keys import SEED_BYTES

if TYPE_CHECKING:
    from mnemonic import Mnemonic

COUNT: Final = 24
FEWEST: Final = 12  # words of the list that make a text suspect; no fingerprint has so many


def from_seed(seed: bytes) -> str:
    """Return the 24 words of a 32-byte seed, one space between them; raise BadSecret."""
    if len(seed) != SEED_BYTES:
        raise BadSecret("the seed has 32 bytes", size_bytes=len(seed))
    return str(_english().to_mnemonic(seed))


def to_seed(text: str) -> bytes:
    """Return the seed that 24 words stand for, in any case and spacing.

    Raises:
        BadWords: not 24 words, a word that is not in the list (its
            position is told, not the word), or a wrong checksum.
    """
    words = text.lower().split()
    if len(words) != COUNT:
        raise BadWords(f"{COUNT} words are needed", count=len(words))
    english = _english()
    unknown = [place for place, word in enumerate(words, 1) if word not in _known()]
    if unknown:
        raise BadWords("not in the list of words", position=unknown[0])
    if not english.check(" ".join(words)):
        raise BadWords("the checksum is wrong: a word is another one, or out of order")
    return bytes(english.to_entropy(words))


def may_be_secret(text: str) -> bool:
    """Tell whether a text has so many words of the list that it may be a key's, or a wallet's."""
    found = re.findall("[a-z]+", text.lower())
    return len(found) >= FEWEST and sum(map(_known().__contains__, found)) >= FEWEST


@cache
def _known() -> frozenset[str]:
    return frozenset(_english().wordlist)


@cache
def _english() -> Mnemonic:
    """Return the list of words, read when it is first needed."""
    from mnemonic import Mnemonic

    return Mnemonic("english")
