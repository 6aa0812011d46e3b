"""What one operation of the local API is: its path, types, errors, and the call it makes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from msgspec import Struct

from streembit.errors import BadName, BadRequest

ID_PATTERN: Final = r"^[A-Za-z0-9_-]{21}[AQgw]$"  # 16 bytes in base64url

D = TypeVar("D")


class ErrorBody(Struct, frozen=True):
    """A stable code for programs and a sentence for people."""

    code: str
    detail: str


class ErrorAnswer(Struct, frozen=True):
    """What every answer but a good one is."""

    error: ErrorBody


class Done(Struct, frozen=True):
    """It is done, and there is nothing to tell of it."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A part of the path; `spans` says that it may hold slashes."""

    name: str
    doc: str
    pattern: str
    example: str
    spans: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number in the query, between two bounds; None where it is not given."""

    name: str
    doc: str
    least: int
    most: int
    default: int | None


@dataclass(frozen=True, slots=True)
class Word:
    """A text in the query, "" where it is not given."""

    name: str
    doc: str
    pattern: str


Query = Number | Word


@dataclass(frozen=True, slots=True)
class Ask:
    """What one request asks: the parts of its path, its query, and its body where it has one."""

    path: Mapping[str, str]
    body: Any = None
    query: Mapping[str, str] = field(default_factory=dict)

    def checked(self, parameter: Parameter) -> str:
        """Return a part of the path; raise BadName if it is not of its form."""
        value = self.path[parameter.name]
        if not re.fullmatch(parameter.pattern, value):
            raise BadName(f"{parameter.name}: {parameter.doc}")
        return value

    def number(self, query: Number) -> int | None:
        """Return a number of the query; raise BadRequest if it is none within the bounds."""
        text = self.query.get(query.name)
        if text is None:
            return query.default
        value = int(text) if re.fullmatch(r"[0-9]{1,16}", text, re.ASCII) else -1
        if not query.least <= value <= query.most:
            raise BadRequest(f"{query.name}: {query.doc}")
        return value

    def word(self, query: Word) -> str:
        """Return a text of the query; raise BadRequest if it is not of its form."""
        value = self.query.get(query.name, "")
        if not re.fullmatch(query.pattern, value):
            raise BadRequest(f"{query.name}: {query.doc}")
        return value


@dataclass(frozen=True, slots=True)
class Operation(Generic[D]):
    """One method of one path: what it takes, answers, and may refuse with.

    `perform` is given the desk that answers, of the node or of its people.
    What it returns is the answer; an iterator is an answer of many lines,
    each of the type `answer`.
    """

    name: str
    method: str
    path: str
    doc: str
    answer: Any
    perform: Callable[[D, Ask], Awaitable[object]]
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    errors: tuple[str, ...] = ()
    query: tuple[Query, ...] = ()
    streams: bool = False
