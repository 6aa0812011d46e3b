"""What an installed wheel must do: run from a foreign directory, with nothing of the project near.

Its commands are known to twistd and start from the plugin that the wheel
brought; the command line works; a node comes up, serves, and ends with 0.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

BIN = Path(sys.executable).parent
READY_WITHIN_S = 30.0
END_WITHIN_S = 10.0


def run(*command: str, status: int = 0) -> str:
    """Run a command of the wheel and return what it prints."""
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]], capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == status, f"{command}: status {done.returncode}: {said}"
    return done.stdout if status == 0 else said


def check_import() -> None:
    """The package is the installed one."""
    import streembit

    where = Path(streembit.__file__).resolve()
    assert Path(sys.prefix).resolve() in where.parents, f"not the installed package: {where}"
    assert (where.parent / "py.typed").is_file()
    assert (where.parent / "hub" / "allowlist.schema.json").is_file()


def check_plugins() -> None:
    """Our commands are there and take an empty command line."""
    from twisted.application.service import IServiceMaker
    from twisted.plugin import getPlugins

    ours = {p.tapname: p for p in getPlugins(IServiceMaker) if p.tapname.startswith("streembit")}
    expected = ["streembit-hub", "streembit-node", "streembit-seed"]
    assert sorted(ours) == expected, sorted(ours)
    for maker in ours.values():
        maker.options().parseOptions([])
    help_text = run("twistd", "--help")
    assert all(name in help_text for name in ours), help_text


def check_command_line(home: Path) -> str:
    """An account is made and shown; return its public key."""
    assert run("streembit", "--version").startswith("streembit ")
    run("streembit", "--home", str(home), "account", "create", "smoke", "--no-passcode")
    key = shown(home, "account", "show")["public_key"]
    assert isinstance(key, str)
    return key


def shown(home: Path, *command: str) -> dict[str, object]:
    """Return the JSON that a command prints."""
    answer: dict[str, object] = json.loads(
        run("streembit", "--home", str(home), "--json", *command)
    )
    return answer


def check_node(home: Path, key: str) -> None:
    """A node starts from the plugin, answers its API, and ends in order."""
    command: Sequence[str] = (
        *(str(BIN / "twistd"), "--nodaemon", "--pidfile=", "streembit-node"),
        *("--home", str(home), "--no-passcode", "--network", "smoke"),
        *("--listen", "tcp:0:interface=127.0.0.1"),
    )
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for(home / "api.sock", process)
        status = shown(home, "status")
        assert status["public_key"] == key and status["network"] == "smoke", status
    finally:
        process.send_signal(signal.SIGTERM)
        ended = process.wait(END_WITHIN_S)
    assert ended == 0, f"exit status {ended} after SIGTERM"


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Return when the file is there; the process has to live."""
    until_s = time.monotonic() + READY_WITHIN_S
    while not path.exists():
        assert time.monotonic() < until_s, "the node does not come up"
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"the node ended with {process.wait(0.05)}")


def main() -> None:
    """Do all of it."""
    assert not Path("streembit").exists(), f"{os.getcwd()} is the project itself"
    check_import()
    check_plugins()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        check_node(home, check_command_line(home))
    print("the installed wheel works")


if __name__ == "__main__":
    main()
