"""Streembit beside PyPI `kademlia` and OpenDHT: the same puts and gets, in turn, in one run.

For each size of network and each seed of chance every contestant runs in
a fresh process, one after the other, in an order that rotates, so that a
noisy minute meets all alike. Figures are medians over the seeds and bars
are ratios of those. Prints tables, writes JSON, and exits with 1 when a
bar is missed, or cannot be judged because a contestant failed.
"""

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.contestant import PARTS

SIZES = (50, 200)
SEEDS = (1, 2, 3)
RUN_LIMIT_S = 900.0
RESULT = Path("build/bench/compare.json")

GET_BESIDE_KADEMLIA = 1.3  # ours is signed and encrypted over TCP, its get is neither
PUT_BESIDE_KADEMLIA = 1.0
PUT_BESIDE_OPENDHT = 3.0  # it is written in C++
GET_BESIDE_OPENDHT = 1.0  # its get that decrypts
SURVIVING_SHARE = 0.99

Figures = dict[str, Any]  # one contestant's JSON object


@dataclass(frozen=True)
class Contestant:
    """A network under test: the program that measures it and the variant it is asked for."""

    name: str
    module: str
    variant: str

    def command(self, nodes: int, seed: int, parts: Sequence[str]) -> list[str]:
        """Return the command line of one run."""
        command = [sys.executable, "-m", self.module, "--variant", self.variant]
        command += ["--nodes", str(nodes), "--seed", str(seed)]
        for part in parts:
            command += ["--part", part]
        return command


OURS = Contestant("streembit", "bench.ours", "plain")
KADEMLIA = Contestant("kademlia", "bench.peer_kademlia", "plain")
SIGNED = Contestant("opendht signed", "bench.peer_opendht", "signed")
ENCRYPTED = Contestant("opendht encrypted", "bench.peer_opendht", "encrypted")
CONTESTANTS = (OURS, KADEMLIA, SIGNED, ENCRYPTED)


@dataclass(frozen=True)
class Bar:
    """One promise and how it stands; `figure` is None when it could not be measured."""

    promise: str
    figure: float | None
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Say whether the figure is on the right side of the limit."""
        if self.figure is None:
            return False
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit

    @property
    def word(self) -> str:
        """Say in a word how it stands."""
        if self.figure is None:
            return "UNKNOWN"
        return "met" if self.met else "MISSED"


@dataclass
class Results:
    """Every run so far, by contestant and size."""

    runs: dict[tuple[str, int], list[Figures]] = field(default_factory=dict)

    def add(self, contestant: Contestant, nodes: int, figures: Figures) -> None:
        """Keep what one run printed."""
        self.runs.setdefault((contestant.name, nodes), []).append(figures)

    def median(self, who: Contestant, nodes: int, part: str, name: str) -> float | None:
        """Return one figure's median over the seeds, or None when nothing was measured."""
        runs = self.runs.get((who.name, nodes), [])
        parts: list[Figures] = [run[part] for run in runs if part in run]
        values: list[float] = [found[name] for found in parts if found[name] is not None]
        return statistics.median(values) if values else None

    def survived(self, who: Contestant, nodes: int, part: str) -> float | None:
        """Return the share of all gets that were answered after the loss."""
        runs = [r[part] for r in self.runs.get((who.name, nodes), []) if part in r]
        answered, asked = sum(r["answered"] for r in runs), sum(r["gets"] for r in runs)
        return answered / asked if asked else None

    def ratio(self, figure: str, nodes: int, beside: Contestant) -> float | None:
        """Return our median of a figure of speed over theirs."""
        mine = self.median(OURS, nodes, "speed", figure)
        theirs = self.median(beside, nodes, "speed", figure)
        return mine / theirs if mine is not None and theirs else None


def run_once(who: Contestant, nodes: int, seed: int, parts: Sequence[str]) -> Figures | None:
    """Run a contestant; None, and a line on stderr, when it failed or hung."""
    try:
        done = subprocess.run(
            who.command(nodes, seed, parts),
            stdout=subprocess.PIPE,
            timeout=RUN_LIMIT_S,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as e:
        print(f"{who.name}, {nodes} nodes, seed {seed}: {e}", file=sys.stderr)
        return None
    figures: Figures = json.loads(done.stdout)
    return figures


def run_all(
    contestants: Sequence[Contestant],
    sizes: Sequence[int],
    seeds: Sequence[int],
    parts: Sequence[str],
) -> Results:
    """Run everything, the contestants in turn, each seed beginning with another one."""
    results = Results()
    for nodes in sizes:
        for seed in seeds:
            first = seed % len(contestants)
            for who in (*contestants[first:], *contestants[:first]):
                figures = run_once(who, nodes, seed, parts)
                if figures is not None:
                    results.add(who, nodes, figures)
    return results


def bars(results: Results, nodes: int, parts: Sequence[str]) -> list[Bar]:
    """Judge what was measured at one size."""
    judged = []
    if "speed" in parts:
        judged += _speed_bars(results, nodes)
    for part in parts:
        if part != "speed":
            judged += _survival_bars(results, nodes, part)
    return judged


def _speed_bars(results: Results, nodes: int) -> list[Bar]:
    ours = results.median(OURS, nodes, "speed", "get_away_ms")
    sealed = results.median(ENCRYPTED, nodes, "speed", "get_away_ms")
    get_ratio = ours / sealed if ours is not None and sealed else None
    return [
        Bar(
            "get that leaves its node / kademlia's",
            results.ratio("get_away_ms", nodes, KADEMLIA),
            GET_BESIDE_KADEMLIA,
        ),
        Bar("put / kademlia's", results.ratio("put_ms", nodes, KADEMLIA), PUT_BESIDE_KADEMLIA),
        Bar(
            "put / OpenDHT's putSigned", results.ratio("put_ms", nodes, SIGNED), PUT_BESIDE_OPENDHT
        ),
        Bar("get / OpenDHT's decrypting get", get_ratio, GET_BESIDE_OPENDHT),
    ]


def _survival_bars(results: Results, nodes: int, part: str) -> list[Bar]:
    mine = results.survived(OURS, nodes, part)
    theirs = results.survived(SIGNED, nodes, part)
    gone = f"gets answered, 30% {part}"
    judged = [Bar(f"{gone}, share", mine, SURVIVING_SHARE, at_least=True)]
    if theirs is not None:
        judged.append(Bar(f"{gone}, beside OpenDHT's share", mine, theirs, at_least=True))
    return judged


ROWS = (  # heading, figure of the speed part, format
    ("put, ms", "put_ms", "{:.2f}"),
    ("get, ms", "get_ms", "{:.2f}"),
    ("get that leaves its node, ms", "get_away_ms", "{:.2f}"),
    ("the same, nine in ten within, ms", "get_away_p90_ms", "{:.2f}"),
    ("gets that left their node, of 500", "gets_away", "{:.0f}"),
    ("CPU a put, ms", "put_cpu_ms", "{:.2f}"),
    ("CPU a get, ms", "get_cpu_ms", "{:.2f}"),
    ("requests a put", "requests_a_put", "{:.1f}"),
    ("requests a get", "requests_a_get", "{:.1f}"),
    ("gets a second, 32 in flight", "gets_a_second", "{:.0f}"),
    ("memory a node, KiB", "memory_kib_a_node", "{:.0f}"),
    ("sign and verify meanwhile, us", "sign_and_verify_us", "{:.0f}"),
)


def table(results: Results, contestants: Sequence[Contestant], nodes: int) -> Table:
    """Draw the figures of one size, a column a contestant."""
    drawn = Table(title=f"{nodes} nodes, 300-byte values, medians over the seeds")
    drawn.add_column("")
    for who in contestants:
        drawn.add_column(who.name, justify="right")
    for heading, name, form in ROWS:
        figures = (results.median(who, nodes, "speed", name) for who in contestants)
        drawn.add_row(heading, *(_cell(figure, form) for figure in figures))
    for part in ("killed", "silent"):
        shares = (results.survived(who, nodes, part) for who in contestants)
        drawn.add_row(f"gets answered, 30% {part}", *(_cell(share, "{:.1%}") for share in shares))
    return drawn


def _cell(figure: float | None, form: str) -> str:
    return "-" if figure is None else form.format(figure)


def verdict(judged: Sequence[Bar], nodes: int) -> Table:
    """Draw the bars of one size."""
    drawn = Table(title=f"{nodes} nodes: the bars")
    for heading in ("promise", "figure", "bar", ""):
        drawn.add_column(heading)
    for bar in judged:
        figure = _cell(bar.figure, "{:.3f}")
        sign = ">=" if bar.at_least else "<="
        drawn.add_row(bar.promise, figure, f"{sign} {bar.limit:.3f}", bar.word)
    return drawn


def present(contestants: Sequence[Contestant]) -> list[Contestant]:
    """Return those whose program is there; the others are named on stderr."""
    there = [c for c in contestants if importlib.util.find_spec(c.module) is not None]
    for missing in set(contestants) - set(there):
        print(f"{missing.name}: there is no {missing.module}", file=sys.stderr)
    return there


def save(path: Path, results: Results, judged: dict[int, list[Bar]]) -> None:
    """Write every run and every bar as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    runs = [
        {"contestant": name, "runs": figures, "nodes": nodes}
        for (name, nodes), figures in results.runs.items()
    ]
    verdicts = {
        str(nodes): [{**asdict(bar), "met": bar.met} for bar in found]
        for nodes, found in judged.items()
    }
    path.write_text(json.dumps({"runs": runs, "bars": verdicts}, indent=1) + "\n")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, action="append", help=f"default: {SIZES}")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many")
    parser.add_argument("--part", choices=PARTS, action="append", help="default: all three")
    parser.add_argument("--json", type=Path, default=RESULT)
    return parser.parse_args()


def main() -> int:
    """Compare, draw, save; return the exit status."""
    options = arguments()
    sizes, parts = options.nodes or SIZES, options.part or PARTS
    contestants = present(CONTESTANTS)
    results = run_all(contestants, sizes, range(1, options.seeds + 1), parts)
    judged = {nodes: bars(results, nodes, parts) for nodes in sizes}
    console = Console()
    for nodes in sizes:
        console.print(table(results, contestants, nodes), verdict(judged[nodes], nodes))
    save(options.json, results, judged)
    console.print(f"written to {options.json}")
    return 0 if all(bar.met for found in judged.values() for bar in found) else 1


if __name__ == "__main__":
    sys.exit(main())
