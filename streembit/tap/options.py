"""The options of a twistd command, and the frozen configuration that they make with the file."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn

from twisted.python import usage

from streembit._version import __version__
from streembit.disk import config
from streembit.disk.config import LISTEN, Config, Role

NOWHERE: Final = "none"  # in the place of an endpoint
DEFAULT_HOME: Final = "~/.streembit"

# Options that are the configuration's members of the same meaning.
_PARAMETERS: Final = ("network", "metrics", "id-scheme", "advertise")
_FLAGS: Final = ("client-only", "map-port", "lan")
_LISTS: Final = {"seed": "seeds", "exempt": "exempt", "hub": "hubs"}


class RoleOptions(usage.Options):
    """What every role takes; the command of a role names itself."""

    role: ClassVar[Role]

    optParameters: ClassVar[list[list[Any]]] = [
        ["home", None, None, "The node's folder [default: $STREEMBIT_HOME or ~/.streembit]"],
        ["network", None, None, "The network's name [default: streembit]"],
        ["metrics", None, None, "Where to show figures: tcp:9109:interface=127.0.0.1"],
        ["passcode-file", None, None, "A file, mode 0600, with the passcode of the key file."],
        ["config", None, None, "A TOML file [default: the role's own in the home, if there]"],
    ]
    optFlags: ClassVar[list[list[Any]]] = [
        ["no-passcode", None, "Use a key file without a passcode; one is made if there is none."],
        ["create", None, "Make the home and the account where they are missing."],
        ["lan", None, "Be announced in the local network, and find others there."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self._lists: dict[str, list[str]] = {}
        self._listen: list[tuple[str, str]] = []  # endpoints, with the account named before
        self._accounts: list[str] = []

    @property
    def command(self) -> str:
        """The name under which twistd knows the command."""
        return f"streembit-{self.role}"

    @property
    def longdesc(self) -> str:
        """Examples, at the end of the help."""
        return (
            f"Example: twistd -n {self.command} --home DIR --listen {LISTEN[self.role]} "
            "--seed seed.example.org:32319. The passcode is asked for at the terminal, or "
            "comes from --passcode-file, or from a systemd credential named passcode."
        )

    def opt_account(self, name: str) -> None:
        """The account to run as, where the home has several."""
        self._accounts.append(name)

    def opt_listen(self, endpoint: str) -> None:
        """Where to listen, as tcp:8905; may be repeated."""
        self._listen.append((self._accounts[-1] if self._accounts else "", endpoint))

    def opt_seed(self, address: str) -> None:
        """A seed to start from, HOST:PORT or KEY@HOST:PORT; may be repeated."""
        self.add("seed", address)

    def opt_exempt(self, network: str) -> None:
        """A network whose addresses are not counted, 127.0.0.0/8 for tests; may be repeated."""
        self.add("exempt", network)

    def opt_passcode(self, _secret: str) -> NoReturn:
        """Refused: every user of the machine could read it. Use --passcode-file."""
        raise usage.UsageError("a passcode is never an argument; use --passcode-file")

    def opt_version(self) -> NoReturn:
        """Show the version and exit."""
        sys.stdout.write(f"Streembit {__version__}\n")
        sys.exit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse; what is wrong is said in one line, without the whole help before it."""
        try:
            super().parseOptions(options)
        except usage.UsageError as e:
            sys.exit(f"{self.command}: {e}; see: twistd {self.command} --help")

    def postOptions(self) -> None:
        """Refuse what contradicts itself."""
        if self["no-passcode"] and self["passcode-file"]:
            raise usage.UsageError("--no-passcode and --passcode-file exclude each other")
        if len(self._accounts) > 1:
            self._check_several()

    def _check_several(self) -> None:
        listening = {name for name, _ in self._listen}
        if "" in listening or not listening.issuperset(self._accounts):
            raise usage.UsageError("of several accounts each has its --listen behind it")

    @property
    def home(self) -> Path:
        """The home folder, absolute."""
        given = self["home"] or os.environ.get("STREEMBIT_HOME") or DEFAULT_HOME
        return Path(given).expanduser().absolute()

    def configuration(self) -> Config:
        """Return what is decided: an option wins over the file, the file over the default.

        Raises:
            BadConfig: the file or one of the values cannot be used.
        """
        given = self["config"]
        path = Path(given).expanduser() if given else self.home / f"{self.role}.toml"
        read = config.load(path, self.role, must_exist=bool(given))
        return config.amend(read, self.role, self.changes())

    def changes(self) -> dict[str, object]:
        """Return what the command line says, by the configuration's names."""
        named = {name.replace("-", "_"): self.get(name) for name in _PARAMETERS}
        changes: dict[str, object] = {k: v for k, v in named.items() if v is not None}
        changes |= {_LISTS[name]: values for name, values in self._lists.items()}
        changes |= self._named()
        for flag in _FLAGS:
            if self.get(flag):
                changes[flag.replace("-", "_")] = True
        return changes

    def _named(self) -> dict[str, object]:
        """Return the accounts and where they listen, as far as the command line says it."""
        if len(self._accounts) > 1:
            first, *others = (
                {"account": name, "listen": [to for who, to in self._listen if who == name]}
                for name in self._accounts
            )
            return {**first, "also": others}
        named: dict[str, object] = {}
        if self._accounts:
            named = {"account": self._accounts[0], "also": []}
        if self._listen:
            named["listen"] = [to for _, to in self._listen if to != NOWHERE]
        return named

    def add(self, name: str, value: str) -> None:
        """Take one more value of an option that may be repeated."""
        self._lists.setdefault(name, []).append(value)


class LinkOptions(RoleOptions):
    """What those roles take besides whom others link to: nodes and seeds."""

    optParameters: ClassVar[list[list[Any]]] = [
        ["id-scheme", None, None, "What the node id is made of: key, address or composite."],
        ["advertise", None, None, "HOST:PORT that an id of scheme address is made of."],
    ]
    optFlags: ClassVar[list[list[Any]]] = [
        ["map-port", None, "Have the router lead to us (PCP, NAT-PMP, UPnP)."],
    ]

    def opt_account(self, name: str) -> None:
        """The account to run as; for several at once repeat it, each with its --listen behind."""
        super().opt_account(name)
