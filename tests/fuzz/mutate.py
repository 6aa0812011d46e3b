"""A seeded mutator, and a loop that drives a parser with what it makes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

CASES: Final = int(os.environ.get("STREEMBIT_FUZZ_CASES", "20000"))
MAX_CASE_BYTES: Final = 128 * 1024  # a mutated case is cut to this: twice the longest frame
_MAX_CHANGES: Final = 4

# Pieces that parsers of numbers, lengths, texts and JSON have stumbled over.
PIECES: Final = (
    b"",
    b"\x00",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\x00\x00\x00\x00",
    b"\x00\x01\x00\x00",
    b"\xef\xbb\xbf",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"\\u0000",
    b"\\",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b".",
    b"..",
    b"=",
    b"+",
    b"/",
    b" ",
    b"\n",
    b"null",
    b"true",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-0",
    b"0.0",
    b"9007199254740992",
    b"-1",
    b"99999999999999999999999999999999",
    b"[" * 40,
    b'{"a":' * 20,
    b'"iss":"x",',
    b"%s%n",
    b"../../",
    "\u202e\u00e9\u0301".encode(),
)


def mutate(data: bytes, rng: Random) -> bytes:
    """Return `data` with one to four changes drawn from `rng`; it can come out the same."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, _MAX_CHANGES)):
        rng.choice(_CHANGES)(changed, rng)
        del changed[MAX_CASE_BYTES:]
    return bytes(changed)


@dataclass
class Outcome:
    """How many cases a parser took and how many it refused."""

    accepted: int = 0
    refused: int = 0


def run(
    parser: Callable[[bytes], object],
    corpus: Sequence[bytes],
    cases: int,
    seed: int,
    allowed_exceptions: type[Exception] | tuple[type[Exception], ...],
) -> Outcome:
    """Give a parser this many cases: the first of the corpus as it is, then mutations in turn.

    Raises:
        AssertionError: the parser raised anything else than is allowed;
            the text holds the case in hex, and the error is its cause.
    """
    rng, outcome = Random(seed), Outcome()
    for number in range(cases):
        case = mutate(corpus[number % len(corpus)], rng)
        if not number:
            case = corpus[0]  # so that few cases, too, tell whether the parser takes what is good
        try:
            parser(case)
        except allowed_exceptions:
            outcome.refused += 1
        except Exception as e:
            raise AssertionError(f"case {number} of seed {seed}: {case.hex()}") from e
        else:
            outcome.accepted += 1
    return outcome


def _place(data: bytearray, rng: Random) -> int:
    return rng.randrange(len(data)) if data else 0


def _span(data: bytearray, rng: Random) -> slice:
    start = _place(data, rng)
    return slice(start, start + rng.choice((1, 1, 2, 4, 16, 64, 256)))


def _flip_bit(data: bytearray, rng: Random) -> None:
    if data:
        data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _set_byte(data: bytearray, rng: Random) -> None:
    if data:
        data[_place(data, rng)] = rng.randrange(256)


def _cut_out(data: bytearray, rng: Random) -> None:
    del data[_span(data, rng)]


def _truncate(data: bytearray, rng: Random) -> None:
    del data[_place(data, rng) :]


def _repeat(data: bytearray, rng: Random) -> None:
    place = _place(data, rng)
    data[place:place] = data[_span(data, rng)] * rng.choice((1, 1, 2, 20))


def _insert_piece(data: bytearray, rng: Random) -> None:
    place = _place(data, rng)
    data[place:place] = rng.choice(PIECES)


def _put_piece(data: bytearray, rng: Random) -> None:
    data[_span(data, rng)] = rng.choice(PIECES)


def _insert_noise(data: bytearray, rng: Random) -> None:
    place = _place(data, rng)
    data[place:place] = rng.randbytes(rng.randrange(1, 9))


def _swap(data: bytearray, rng: Random) -> None:
    one, two = _span(data, rng), _span(data, rng)
    data[one], data[two] = data[two], data[one]


_CHANGES: Final[tuple[Callable[[bytearray, Random], None], ...]] = (
    _flip_bit,
    _set_byte,
    _cut_out,
    _truncate,
    _repeat,
    _insert_piece,
    _put_piece,
    _insert_noise,
    _swap,
)
