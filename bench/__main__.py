"""Every benchmark that has a bar, one after another; exits with 1 when any of them missed one."""

import importlib.util
import subprocess
import sys

PROGRAMS = (  # the quick ones first
    "bench.envelope",
    "bench.rpc_cost",
    "bench.store",
    "bench.link_memory",
    "bench.memory",
    "bench.start",
    "bench.chat",
    "bench.people_start",
    "bench.chat_kills",
    "bench.file_stream",
    "bench.hub_relay",
    "bench.hub_reload",
    "bench.hub_restart",
    "bench.hub_idle",
    "bench.wormhole",
    "bench.lookups",
    "bench.churn",
    "bench.compare",
)


def run(program: str) -> bool:
    """Run one program under its name; say whether it met its bars."""
    print(f"\n== {program}", flush=True)
    return subprocess.run([sys.executable, "-m", program], check=False).returncode == 0


def main() -> int:
    """Run all that are there; return the exit status."""
    there = [p for p in PROGRAMS if importlib.util.find_spec(p) is not None]
    missed = [program for program in there if not run(program)]
    print("\nall bars met" if not missed else f"\nmissed in: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
