"""Strict JSON: typed values from bytes and back, every ambiguity of JSON refused.

What `encode` writes is the canonical form: members in the order of the
type, none left out, no white space, no needless escape. Bytes that are
canonical prove themselves strict by being equal to their value's own
encoding, so that the common message costs no second parse; any other
form is read a second time by a parser that looks at every member.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from functools import lru_cache
from typing import Any, Final, NoReturn, TypeVar, cast

import msgspec
from msgspec import inspect

from streembit.errors import BadJson, BadName
from streembit.wire.terms import MAX_INT

MAX_DEPTH: Final = 16  # our deepest message has 4 levels
_MAX_DETAIL: Final = 120  # an error's text quotes what the peer sent
_MAX_TYPES: Final = 128  # decoders kept: more than the project has types

T = TypeVar("T")
Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None

_encoder = msgspec.json.Encoder()
_ESCAPED: Final = re.compile(rb"\\.", re.DOTALL)
_NO_BRACKET: Final = bytes(set(range(256)) - set(b"[]{}"))
_TO_SQUARE: Final = bytes.maketrans(b"{}", b"[]")


def encode(value: object) -> bytes:
    """Return the canonical JSON of a value; raise BadName for a lone surrogate in a text."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        raise BadName("text is not valid Unicode") from None


def decode(data: bytes, kind: type[T]) -> T:
    """Return the value of type `kind` that strict JSON bytes stand for.

    Members that the type does not have are ignored, but must be strict
    JSON too.

    Raises:
        BadJson: not UTF-8, a byte order mark, a duplicate member, NaN or
            infinity or a number that overflows to it, negative zero, an
            integer beyond 2**53 - 1, deeper than MAX_DEPTH, a lone
            surrogate, or not of the type (a bool is not an int).
    """
    decoder, is_closed = _reader_of(cast("Hashable", kind))
    try:
        value: T = decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise BadJson(str(e)[:_MAX_DETAIL]) from None
    if not is_closed or _encoder.encode(value) != data:
        decode_any(data)
    return value


def decode_object(data: bytes) -> dict[str, Json]:
    """Return the members of strict JSON that is one object of any shape; raise BadJson."""
    value = decode_any(data)
    if not isinstance(value, dict):
        raise BadJson("not an object")
    return value


def decode_any(data: bytes) -> Json:
    """Return any strict JSON value, by the rules of `decode`; raise BadJson."""
    _check_depth(data)
    try:
        value: Json = _STRICT.decode(data.decode("utf-8"))
        _encoder.encode(value)  # refuses lone surrogates, which \u escapes can make
    except BadJson:
        raise
    except ValueError as e:
        raise BadJson(str(e)[:_MAX_DETAIL]) from None
    return value


def _check_depth(data: bytes) -> None:
    """Raise BadJson if brackets nest deeper than MAX_DEPTH, without parsing."""
    if b"\\" in data:
        data = _ESCAPED.sub(b"", data)
    # Without escapes, every second part between quotation marks lies outside of strings.
    brackets = b"".join(data.split(b'"')[::2]).translate(_TO_SQUARE, _NO_BRACKET)
    for _ in range(MAX_DEPTH):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")  # takes one level off, the innermost
    if brackets:
        raise BadJson("too deep, or brackets that do not match")


@lru_cache(maxsize=_MAX_TYPES)
def _reader_of(kind: Any) -> tuple[msgspec.json.Decoder[Any], bool]:
    return msgspec.json.Decoder(kind), _is_closed(inspect.type_info(kind), MAX_DEPTH)


def _is_closed(info: inspect.Type, depth: int) -> bool:
    """Return whether each value of the type can be written in canonical form only one way.

    True for structs, lists, texts, bools and integers that are bounded
    within what JSON keeps exactly, no deeper than `depth`.
    """
    match info:
        case _ if depth == 0:
            return False
        case inspect.StructType(fields=fields):
            return all(_is_closed(field.type, depth - 1) for field in fields)
        case inspect.ListType(item_type=item):
            return _is_closed(item, depth - 1)
        case inspect.UnionType(types=types):
            return all(_is_closed(each, depth) for each in types)
        case inspect.IntType(ge=low, le=high):
            return low is not None and high is not None and low >= -MAX_INT and high <= MAX_INT
        case inspect.StrType() | inspect.BoolType() | inspect.NoneType() | inspect.LiteralType():
            return True
        case _:
            return False


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadJson("duplicate member")
    return members


def _integer(text: str) -> int:
    if len(text) > 17 or text == "-0" or not -MAX_INT <= int(text) <= MAX_INT:
        raise BadJson("integer out of range")
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise BadJson("number out of range")
    if number == 0 and text.startswith("-"):
        raise BadJson("negative zero")
    return number


def _refuse_constant(text: str) -> NoReturn:
    raise BadJson(f"{text} is not JSON")


_STRICT: Final = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_refuse_constant,
)
