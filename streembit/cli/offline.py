"""What the doctor can check while no node is running."""

from __future__ import annotations

import errno
import re
import socket
import time
from pathlib import Path
from typing import Final

from streembit.disk import config
from streembit.disk.accounts import Accounts
from streembit.disk.home import Home
from streembit.errors import StreembitError
from streembit.service import homecheck
from streembit.service.facade import Check

BUILT_S: Final = 1_760_000_000  # October 2025: a clock before this is wrong
_PORT: Final = re.compile(r"^tcp6?:(?:port=)?([0-9]{1,5})(?::|$)")


def examine(home: Path, account: str | None) -> list[Check]:
    """Return the findings about a home that no node is running with."""
    return [
        Check(
            "node",
            False,
            "no node is running with this home",
            f"start it: twistd -n streembit-node --home {home}",
        ),
        homecheck.modes(home),
        _key_file(home, account),
        _clock(home),
        homecheck.room(home),
        _port(home),
    ]


def _key_file(home: Path, account: str | None) -> Check:
    from streembit.cli.account import header_of

    accounts = Accounts(home / "accounts")
    try:
        header = header_of(accounts, account)
    except StreembitError as e:
        return Check("key file", False, e.sentence(), e.detail)
    how = "without a passcode" if header.protection == "none" else "protected by a passcode"
    return Check("key file", True, f"of account {header.name}, {how}")


def _clock(home: Path) -> Check:
    now_s, newest_s = time.time(), _newest_key_s(Home(home).accounts)
    shown = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now_s))
    if now_s < max(BUILT_S, newest_s):
        return Check(
            "clock",
            False,
            f"it says {shown}, which is over already",
            "set the clock, or let it be set: timedatectl set-ntp true",
        )
    return Check("clock", True, f"{shown} is plausible; only peers can tell more")


def _newest_key_s(accounts: Accounts) -> float:
    """Return when the newest key file was written, 0 if there is none."""
    try:
        return max((accounts.key_path(n).stat().st_mtime for n in accounts.names()), default=0.0)
    except (OSError, StreembitError):
        return 0.0


def _port(home: Path) -> Check:
    try:
        listen = config.load(home / "node.toml", "node").listen[0]
    except StreembitError as e:
        return Check("port", False, e.sentence(), e.detail)
    match = _PORT.match(listen)
    if not match:
        return Check("port", True, f"not checked: {listen}")
    port = int(match[1])
    problem = _taken(port)
    if problem:
        advice = f"end what uses it (ss -tlnp 'sport = :{port}'), or listen elsewhere: --listen"
        return Check("port", False, f"{port} cannot be used: {problem}", advice)
    return Check("port", True, f"{port} is free")


def _taken(port: int) -> str:
    """Return why a TCP port cannot be listened on, "" if it can."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("", port))
        except (OSError, OverflowError) as e:
            taken = isinstance(e, OSError) and e.errno == errno.EADDRINUSE
            return "another process listens there" if taken else str(e)
    return ""
