"""The command line that every network under test shares; it prints one JSON object."""

import argparse
import json
import random
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any

from bench.swarm import Swarm
from bench.victims import Vanishing, live_as_victims
from bench.workload import measure_speed, measure_survival

PARTS = ("speed", "killed", "silent")

Run = Callable[[Coroutine[Any, Any, None]], None]


def arguments(description: str | None, variants: tuple[str, ...]) -> argparse.Namespace:
    """Read what to measure from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--nodes", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1, help="of everything drawn by chance")
    parser.add_argument("--part", choices=PARTS, action="append", help="default: all three")
    parser.add_argument("--variant", choices=variants, default=variants[0])
    parser.add_argument("--victims", type=int, help="live as so many nodes that will vanish")
    parser.add_argument("--seed-port", type=int, help="of the node that victims join through")
    return parser.parse_args()


async def measure(options: argparse.Namespace, module: str, make: Callable[[], Swarm]) -> None:
    """Measure the parts asked for, each on a fresh network, and print the figures."""
    figures: dict[str, object] = {
        "module": module,
        "variant": options.variant,
        "nodes": options.nodes,
        "seed": options.seed,
    }
    for part in options.part or PARTS:
        swarm = make()
        chance = random.Random(options.seed)
        try:
            figures[part] = asdict(await _measure_part(part, swarm, options, module, chance))
        finally:
            await swarm.stop()
    print(json.dumps(figures), flush=True)


async def _measure_part(
    part: str, swarm: Swarm, options: argparse.Namespace, module: str, chance: random.Random
) -> Any:
    if part == "speed":
        return await measure_speed(swarm, options.nodes, chance)
    return await measure_survival(swarm, module, options.nodes, Vanishing(part), chance)


def main(
    module: str,
    description: str | None,
    run: Run,
    make: Callable[[str], Swarm],
    variants: tuple[str, ...] = ("plain",),
) -> None:
    """Measure, or live as victims of another process that measures.

    `run` drives a coroutine on the network's own event loop to its end;
    `make` gives an empty network of one of the variants."""
    options = arguments(description, variants)
    if options.victims is not None:
        run(live_as_victims(make(options.variant), options.victims, options.seed_port))
    else:
        run(measure(options, module, lambda: make(options.variant)))
