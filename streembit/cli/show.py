"""What the command line prints: for people tables and facts, for programs JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

import click

GAP = "  "


def plain(text: object) -> str:
    """Return text with everything that is not seen as itself escaped.

    Peers choose names and texts: no control character, escape sequence or
    mark that turns text around reaches a terminal.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


def line(text: str) -> None:
    """Print one line."""
    click.echo(plain(text))


def as_json(answer: object) -> None:
    """Print any answer of ours as ASCII JSON."""
    import msgspec

    click.echo(json.dumps(msgspec.to_builtins(answer), indent=2))


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """Print names and values below each other; a value of several lines stays in its column."""
    rows = [(name, plain(value)) for name, value in pairs]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name:<{width}}{GAP}{value}".rstrip())


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table: drawn on a terminal wide enough, else in columns parted by two spaces.

    No cell is ever broken or cut: ids are there to be copied.
    """
    texts = [[plain(cell) for cell in row] for row in rows]
    if not (sys.stdout.isatty() and _drawn(headers, texts)):
        _columns(headers, texts)


def _drawn(headers: Sequence[str], rows: list[list[str]]) -> bool:
    """Draw the table, unless the terminal is too narrow for it; return whether it was drawn."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in headers:
        drawn.add_column(header, no_wrap=True)
    for row in rows:
        drawn.add_row(*map(Text, row))
    console = Console(highlight=False, emoji=False, markup=False)
    if console.measure(drawn, options=console.options.update(width=1000)).maximum > console.width:
        return False
    console.print(drawn)
    return True


def _columns(headers: Sequence[str], rows: list[list[str]]) -> None:
    lines = [list(headers), *rows]
    widths = [max(len(cells[at]) for cells in lines) for at in range(len(headers))]
    for cells in lines:
        padded = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        click.echo(GAP.join(padded).rstrip())


def count(number: int, noun: str) -> str:
    """Return `1 record`, `2 records`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def span(seconds: float) -> str:
    """Return a length of time in its two largest units: `3 h 20 min`."""
    whole = round(seconds)
    for unit_s, unit, lower_s, lower in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= unit_s:
            return f"{whole // unit_s} {unit} {whole % unit_s // lower_s} {lower}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"


def moment(unix_s: int) -> str:
    """Return a time in the machine's zone, to the second."""
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(unix_s, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    except (OverflowError, OSError, ValueError):
        return str(unix_s)


def millis(ms: float | None) -> str:
    """Return `1.2 ms`, or a dash for None."""
    return "-" if ms is None else f"{ms:.1f} ms"
