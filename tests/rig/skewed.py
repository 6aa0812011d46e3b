"""Run twistd as on a machine whose clock is wrong: `skewed.py SECONDS-AHEAD TWISTD ARGUMENTS...`.

The clock is replaced before anything of Twisted or Streembit is loaded.
"""

import sys
import time
from collections.abc import Callable


def ahead(clock: Callable[[], float], seconds: float) -> Callable[[], float]:
    """Return the clock as it would be if it were so many seconds ahead."""
    return lambda: clock() + seconds


if __name__ == "__main__":
    time.time = ahead(time.time, float(sys.argv[1]))
    del sys.argv[:2]
    from twisted.scripts.twistd import run

    run()
