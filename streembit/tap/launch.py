"""One role from its options: the configuration read, the key opened, then the service that runs."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Protocol, TextIO, cast

from twisted.application.service import IService
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogLevel,
    LogLevelFilterPredicate,
)
from twisted.python.logfile import LogFile

from streembit.disk.config import Config
from streembit.disk.home import Home, Place
from streembit.disk.passcode import Source
from streembit.errors import HomeMissing, NoSuchAccount, StreembitError
from streembit.jose.keys import Identity
from streembit.service.log import JsonLog
from streembit.service.notify import Notifier
from streembit.tap.options import RoleOptions
from streembit.tap.party import Party
from streembit.tap.role import Launch, RoleReactor, RoleService, in_one_line

LOG_BYTES: Final = 16 * 1024 * 1024  # of a log's file, then the next one is begun
LOG_FILES: Final = 8  # older ones that are kept
# Says each try to reach a server that is away, which is one a second; whoever tries says it once.
_TALKATIVE: Final = "twisted.application._client_service"


class Grow(Protocol):
    """Makes the services of a role."""

    def grow(self, held: ExitStack) -> Iterator[IService]:
        """Yield the services in the order of their start; stack what is closed after them."""


def of_nodes() -> Callable[..., Grow]:
    """Return what makes the services of nodes and seeds, loading it now."""
    from streembit.tap.grow import Grower

    return Grower


def launched(
    options: RoleOptions, of_role: Callable[[], Callable[..., Grow]] = of_nodes
) -> RoleService:
    """Return the service of a role, ready to be started.

    `of_role` returns what makes its services; it is called when all else is well.
    The passcode is asked for here, while there is a terminal. What cannot
    be is said in one line on standard error, with exit status 1.
    """
    leave_no_core()
    try:
        config = options.configuration()
        home = opened(options)
        parties = [
            Party(each, unlocked(options, each, home, several=bool(config.also)))
            for each in config.each()
        ]
    except StreembitError as e:
        sys.exit(f"{options.command}: {in_one_line(e)}")
    from twisted.internet import reactor as installed

    reactor = cast(RoleReactor, installed)
    notifier = Notifier.from_environment(os.environ, os.getpid())
    grower = of_role()(options.role, home, parties, notifier, installed)
    launch = launch_of(options, config.log_level)
    return RoleService(launch, home.lock, grower.grow, notifier, reactor)


def leave_no_core() -> None:
    """Have a crash write no memory to the disk: the keys are in it, and the passcode was."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


def opened(options: RoleOptions) -> Home:
    """Open the home; an empty folder is taken into use when an account may be made.

    With `--create` the folder itself is made as well.

    Raises:
        LocalError: as `Home.open`.
    """
    try:
        return Home.open(options.home)
    except HomeMissing:
        if options["create"] or (may_create(options) and options.home.is_dir()):
            return Home.create(options.home)
        raise


def unlocked(
    options: RoleOptions, config: Config, home: Home, *, several: bool = False
) -> Identity:
    """Open the key file; make the first account when the options say so.

    Of `several` accounts each that is missing is made.

    Raises:
        LocalError: as `Accounts.load` and `Accounts.create`.
    """
    accounts = home.accounts
    named = config.account or None
    source = Source.of_process(_path(options["passcode-file"]))
    name = named or options.role
    missing = not accounts.names() or (several and name not in accounts.names())
    if missing:
        refuse_lost(home, home.place(name) if accounts.names() else home.first)
    if missing and may_create(options):
        identity = accounts.create(name, passcode(options, source, name, new=True))
        sys.stderr.write(f"{options.command}: made account {name}, key {identity.public.hex}\n")
        return identity
    chosen = accounts.choose(named)
    return accounts.load(chosen, passcode(options, source, chosen, new=False))


def refuse_lost(home: Home, place: Place) -> None:
    """Refuse a place without a key file that was in use: the next start must not be another.

    Raises:
        NoSuchAccount: the databases are there, which are made after the key.
    """
    if place.published_path.exists() or place.records_path.exists():
        raise NoSuchAccount(
            "the home was in use, and its key file is gone; use `streembit account restore FILE`, "
            "or another home",
            home=str(home.path),
            backups=[str(path) for path in home.accounts.lost()],
        )


def may_create(options: RoleOptions) -> bool:
    """Tell whether a missing account is to be made."""
    return bool(options["create"] or options["no-passcode"])


def passcode(options: RoleOptions, source: Source, account: str, *, new: bool) -> str | None:
    """Return the passcode, None where the operator wants none."""
    return None if options["no-passcode"] else source.passcode(account, new=new)


def launch_of(options: RoleOptions, log_level: str) -> Launch:
    """Return how twistd was told to run; by itself (a test) it runs in the foreground."""
    parent: dict[str, Any] = options.parent or {"nodaemon": True}
    return Launch(
        options.command,
        foreground=bool(parent.get("nodaemon") or parent.get("debug")),
        pidfile=parent.get("pidfile") or "",
        log=log_of(parent, log_level),
    )


def log_file(path: str) -> LogFile:
    """Open a log that moves itself aside when it is long, and drops the oldest."""
    made: LogFile = LogFile.fromFullPath(path, rotateLength=LOG_BYTES, maxRotatedFiles=LOG_FILES)
    return made


def log_of(parent: dict[str, Any], level: str) -> ILogObserver | None:
    """Return the JSON-line log for where twistd was told to log, None where it knows better.

    It knows better with `--logger` and `--syslog`. Events below the level
    are left out.
    """
    if parent.get("logger") or parent.get("syslog"):
        return None
    file = parent.get("logfile") or ("" if parent.get("nodaemon") else "twistd.log")
    out = sys.stdout if file in ("", "-") else cast(TextIO, log_file(file))
    least = LogLevelFilterPredicate(LogLevel.levelWithName(level))
    if level == LogLevel.info.name:
        least.setLogLevelForNamespace(_TALKATIVE, LogLevel.warn)
    return FilteringLogObserver(JsonLog(out), [least])


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None
