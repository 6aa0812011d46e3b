"""Start the network, play the steps, show the table until Ctrl-C."""

from __future__ import annotations

import argparse
import itertools
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.live import Live
from twisted.internet.defer import Deferred, DeferredList, FirstError
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.task import deferLater, react

from demo.members import Member, Members
from demo.steps import Stage, StepFailed, play
from demo.table import table_of

TWISTD: Final = Path(sys.executable).with_name("twistd")
TAIL_LINES: Final = 12
REDRAW_EVERY_S: Final = 1.0
BEGINNING: Final = "A network on this machine alone, over loopback, in a folder of its own:"


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser("make run", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the steps")
    parser.add_argument("--twistd", default=str(TWISTD), help="the program that runs the nodes")
    return parser.parse_args(arguments)


async def main(reactor: PosixReactorBase, arguments: argparse.Namespace) -> None:
    """Do it all; whatever happens, no process and no folder is left."""
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="streembit-") as folder:
        network = f"demo-{secrets.token_hex(4)}"
        members = Members(reactor, Path(folder), network, arguments.twistd)
        work = Deferred.fromCoroutine(show(reactor, members, console, once=arguments.once))
        try:
            await either(work, interruption(reactor))
        except StepFailed as e:
            tell(console, e)
            raise SystemExit(1) from None
        finally:
            work.cancel()
            await members.end()
    console.print("All processes have ended, and nothing of them is left.")


async def either(work: Deferred[None], interrupted: Deferred[None]) -> None:
    """Wait for the work or the interruption; raise what the work raises before."""
    race = DeferredList([work, interrupted], True, True, consumeErrors=True)
    try:
        await race
    except FirstError as e:
        e.subFailure.raiseException()


async def show(
    reactor: PosixReactorBase, members: Members, console: Console, *, once: bool
) -> None:
    """Play the steps; then, unless `once`, redraw the table for ever."""
    console.print(BEGINNING, soft_wrap=True)
    await play(Stage(members, reactor, numbered(console)))
    if once:
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(await table_of(members.all), refresh=True)
            await deferLater(reactor, REDRAW_EVERY_S)


def numbered(console: Console) -> Callable[[str], None]:
    """Return what tells a step with its number; what belongs to the last one is indented."""
    numbers = itertools.count(1)

    def say(text: str) -> None:
        head = "   " if text.startswith(" ") else f"{next(numbers)}. "
        console.print(head + text.lstrip(), soft_wrap=True, markup=False)

    return say


def interruption(reactor: PosixReactorBase) -> Deferred[None]:
    """Return what fires at Ctrl-C, SIGTERM, or when the terminal is closed."""
    interrupted: Deferred[None] = Deferred()

    def interrupt(_signal: int, _frame: object) -> None:
        if not interrupted.called:
            reactor.callFromThread(interrupted.callback, None)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    return interrupted


def tell(console: Console, failed: StepFailed) -> None:
    """Say what failed, and what the processes concerned wrote last."""
    console.print(f"FAILED: {failed}", style="bold red", markup=False)
    for member in failed.members[:3]:
        lines(console, member)


def lines(console: Console, member: Member) -> None:
    """Show the end of a member's log."""
    console.print(f"--- the last lines of {member.name}:")
    for line in member.log_tail(TAIL_LINES):
        console.print(line, markup=False)


if __name__ == "__main__":
    parsed = options()
    react(lambda reactor: Deferred.fromCoroutine(main(reactor, parsed)), [])
