"""Where Redis is, as an operator writes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from streembit.errors import BadConfig

PORT: Final = 6379
_FORM: Final = "redis://[USER@]HOST[:PORT][/DATABASE] or unix:///PATH[?db=DATABASE]"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A server and what to say to it; `path` is that of its Unix socket, None where it has a host.

    The password is not a part of the text: it would be seen in the list of
    processes.
    """

    host: str = ""
    port: int = PORT
    path: Path | None = None
    database: int = 0
    user: str = ""
    tls: bool = False

    @property
    def shown(self) -> str:
        """What logs may show."""
        return str(self.path) if self.path is not None else f"{self.host}:{self.port}"


def parse(text: str) -> RedisAddress:
    """Return the address of `redis://`, `rediss://` (TLS) or `unix://`.

    Raises:
        BadConfig: it has another form, or names a password.
    """
    parts = urlsplit(text)
    if parts.password is not None:
        raise BadConfig("the password of Redis belongs into a file: see --backplane-password-file")
    if parts.scheme == "unix" and parts.path and not parts.netloc:
        return RedisAddress(path=Path(unquote(parts.path)), database=_unix_database(parts.query))
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or parts.query:
        raise BadConfig(f"{text!r} is not {_FORM}")
    return RedisAddress(
        host=parts.hostname,
        port=_port(parts.port, text),
        database=_database(parts.path.removeprefix("/")),
        user=unquote(parts.username or ""),
        tls=parts.scheme == "rediss",
    )


def _port(port: int | None, text: str) -> int:
    if port == 0:
        raise BadConfig(f"{text!r} is not {_FORM}")
    return PORT if port is None else port


def _unix_database(query: str) -> int:
    if query and not query.startswith("db="):
        raise BadConfig(f"{query!r} is not db=DATABASE")
    return _database(query.removeprefix("db="))


def _database(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) < 5):
        raise BadConfig(f"{text!r} is no number of a database")
    return int(text or 0)
