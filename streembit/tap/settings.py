"""What an operator decides, from the command line and one TOML file, frozen."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from streembit.errors import BadConfig

MAX_SEEDS: Final = 64  # a list that people keep by hand
MAX_LISTEN: Final = 8  # addresses of one machine

Role = Literal["seed", "node"]
Network = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*\Z")]
Port = Annotated[int, Meta(ge=1, le=65535)]


class Address(Struct, frozen=True):
    """A host, by name or number, and a TCP port."""

    host: str
    port: int


class FromFile(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The members that a TOML file may have; None leaves the default."""

    listen: list[str] | None = None
    seeds: list[str] | None = None
    network: str | None = None
    metrics: str | None = None
    account: str | None = None
    client_only: bool | None = None
    limits: dict[str, int | float] = {}


class Settings(Struct, frozen=True, kw_only=True):
    """One role's settings, checked.

    `listen` and `metrics` are Twisted endpoint descriptions; no `metrics`
    is "". `limits` changes some of the limits that `streembit status` shows.
    """

    role: Role
    home: Path
    listen: tuple[str, ...]
    seeds: tuple[Address, ...] = ()
    network: Network
    metrics: str = ""
    account: str | None = None
    client_only: bool = False
    limits: dict[str, int | float] = {}


def read(path: Path, *, must_exist: bool) -> FromFile:
    """Return what a TOML file says; without the file, nothing.

    Raises:
        BadConfig: it cannot be read, or a member is unknown or of another
            type.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if must_exist:
            raise BadConfig(f"{path}: there is no such file") from None
        return FromFile()
    except (OSError, UnicodeDecodeError) as e:
        raise BadConfig(f"{path}: {e}") from None
    try:
        return msgspec.convert(tomllib.loads(text), FromFile, strict=True)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as e:
        raise BadConfig(f"{path}: {e}") from None


def address(text: str) -> Address:
    """Return the address written as HOST:PORT or [IPv6]:PORT.

    Raises:
        BadConfig: it is of another form.
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise BadConfig(f"{text!r}: write an IPv6 address as [ADDRESS]:PORT")
    plain = host and host.isascii() and host.isprintable() and " " not in host and len(host) < 254
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
    if not colon or not plain or not 0 < number < 65536:
        raise BadConfig(f"{text!r} is not HOST:PORT")
    return Address(host, number)
