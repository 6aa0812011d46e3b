"""The command `streembit`: its groups, and the place where errors become a line and a status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

import click

from streembit._version import __version__
from streembit.cli import found
from streembit.cli.account import account
from streembit.cli.chat import chat
from streembit.cli.command import Group, Settings
from streembit.cli.contact import contact
from streembit.cli.file import file
from streembit.cli.hub import hub
from streembit.cli.key import key
from streembit.cli.message import message
from streembit.cli.node import doctor, status
from streembit.cli.offer import offer
from streembit.cli.own import export, settings, wipe
from streembit.cli.peer import peer
from streembit.cli.record import record
from streembit.cli.show import plain
from streembit.errors import NodeRefusal, StreembitError

_EXAMPLES = (
    "streembit account create alice",
    "twistd -n streembit-node --home ~/.streembit",
    "streembit status",
    "streembit offer create --once > offer.txt",
    "streembit contact add offer.txt",
    "streembit chat Bob",
    "streembit --json record list",
)


@click.group(cls=Group, examples=_EXAMPLES)
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    envvar="STREEMBIT_HOME",
    default=Path("~/.streembit"),
    help="The folder of the node.  [default: $STREEMBIT_HOME or ~/.streembit]",
)
@click.option("--account", metavar="NAME", help="One of several accounts in the home.")
@click.option("--json", is_flag=True, help="Print JSON; may stand after the command too.")
@click.version_option(__version__, message="streembit %(version)s")
@click.pass_context
def streembit(context: click.Context, home: Path, account: str | None, json: bool) -> None:
    """Use a Streembit node: people, messages, files, records."""
    context.obj = Settings(home.expanduser().absolute(), account, json)


hub.add_command(found.list_)
hub.add_command(found.search)
account.add_command(found.publish)
_PEOPLE = (offer, contact, chat, message, file, key, settings, export, wipe)
for command in (account, status, doctor, record, peer, hub, *_PEOPLE):
    streembit.add_command(command)


def main() -> None:
    """Run the command line of this process and end it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; return the exit status, 0 only when it succeeded.

    Everything that goes wrong is one line on standard error.
    """
    try:
        returned = streembit.main(list(arguments), "streembit", standalone_mode=False)
        sys.stdout.flush()
        return returned if isinstance(returned, int) else 0
    except StreembitError as e:
        from streembit.api.answers import in_words

        return _failed(e.detail if isinstance(e, NodeRefusal) else in_words(e), e.code)
    except click.UsageError as e:
        return _failed(_usage(e), "usage")
    except click.ClickException as e:
        return _failed(e.format_message(), "usage")
    except (click.Abort, KeyboardInterrupt):
        return _failed("interrupted", "interrupted")
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as e:
        return _failed(f"{e.filename or ''}: {e.strerror}".removeprefix(": "), "os-error")


def _failed(text: str, code: str) -> int:
    click.echo(f"streembit: error: {plain(text.strip())} ({plain(code)})", err=True)
    return 1


def _usage(error: click.UsageError) -> str:
    path = error.ctx.command_path if error.ctx else "streembit"
    return f"{error.format_message()} See: {path} --help"
