"""The options of a twistd command, and the frozen settings that they make with the TOML file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn, cast

import msgspec
from twisted.python import usage

from streembit._version import __version__
from streembit.errors import BadConfig, StreembitError
from streembit.tap import settings
from streembit.tap.settings import FromFile, Role, Settings

DEFAULT_HOME: Final = "~/.streembit"
DEFAULT_NETWORK: Final = "streembit"


class RoleOptions(usage.Options):
    """What every role takes; a command of its own names role and port."""

    role: ClassVar[Role]
    default_listen: ClassVar[str]

    optParameters: ClassVar[list[list[Any]]] = [
        ["home", None, DEFAULT_HOME, "The folder of this node: its keys, records, local API."],
        ["account", None, None, "The account to run as, when the home has several."],
        ["network", None, None, f"The network's name [default: {DEFAULT_NETWORK}]"],
        ["metrics", None, None, "Where to show figures: tcp:9109:interface=127.0.0.1"],
        ["passcode-file", None, None, "A file, mode 0600, with the passcode of the key file."],
        ["config", None, None, "A TOML file [default: the role's own in the home, if there]"],
    ]
    optFlags: ClassVar[list[list[Any]]] = [
        ["no-passcode", None, "Use a key file without a passcode (mode 0600)."],
        ["create", None, "Make the account when the home has none."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []
        self["seed"] = []
        self.longdesc = (
            f"Examples: twistd -n streembit-{self.role} --home DIR --listen {self.default_listen} "
            "--seed seed.example.org:32319. The passcode is asked for at the terminal, or comes "
            "from --passcode-file, or from a systemd credential named passcode."
        )

    def opt_listen(self, endpoint: str) -> None:
        """Where to listen, a Twisted endpoint such as tcp:8905; may be repeated."""
        self["listen"].append(endpoint)

    def opt_seed(self, address: str) -> None:
        """A seed to start from, HOST:PORT; may be repeated."""
        self["seed"].append(address)

    def opt_passcode(self, _secret: str) -> None:
        """Refused: every user of the machine could read it. Use --passcode-file."""
        raise usage.UsageError("a passcode is never an argument: use --passcode-file")

    def opt_version(self) -> NoReturn:
        """Show the version and exit."""
        sys.stdout.write(f"Streembit {__version__}\n")
        sys.exit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse; what is wrong is said in one line, without the whole help before it."""
        try:
            super().parseOptions(options)
        except usage.UsageError as e:
            sys.exit(f"streembit-{self.role}: {e}; see: twistd streembit-{self.role} --help")

    def postOptions(self) -> None:
        """Refuse what contradicts itself."""
        if self["no-passcode"] and self["passcode-file"]:
            raise usage.UsageError("--no-passcode and --passcode-file exclude each other")

    def settings(self) -> Settings:
        """Return the settings: an option wins over the file, the file over the default.

        Raises:
            BadConfig: the file or one of the values cannot be used.
        """
        home = Path(self["home"]).expanduser().absolute()
        file = self._file(home)
        made = {
            "role": self.role,
            "home": str(home),
            "listen": self["listen"] or file.listen or [self.default_listen],
            "seeds": [settings.address(s) for s in self["seed"] or file.seeds or []],
            "network": self["network"] or file.network or DEFAULT_NETWORK,
            "metrics": self["metrics"] or file.metrics or "",
            "account": self["account"] or file.account,
            "client_only": bool(self.get("client-only")) or bool(file.client_only),
            "limits": file.limits,
        }
        try:
            return msgspec.convert(made, Settings, from_attributes=True, dec_hook=_path)
        except msgspec.ValidationError as e:
            raise BadConfig(str(e)) from None

    def _file(self, home: Path) -> FromFile:
        given = self["config"]
        path = Path(given).expanduser() if given else home / f"{self.role}.toml"
        file = settings.read(path, must_exist=bool(given))
        if file.client_only and "client-only" not in self:
            raise BadConfig(f"{path}: a {self.role} serves others; it cannot be client-only")
        return file


def _path(kind: type, value: object) -> object:
    if kind is Path:
        return Path(cast(str, value))
    raise TypeError(kind)


def in_one_line(error: StreembitError) -> str:
    """Return what happened as one printable line: a sentence, and the particulars."""
    particulars = error.detail or ", ".join(f"{k}: {v}" for k, v in error.fields.items())
    text = f"{error.sentence()} {particulars}".strip()
    return "".join(c if c.isprintable() else " " for c in text)
