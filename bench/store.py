"""What the disk costs: records saved each second with receipts that hold, and opening a home."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import Final

from streembit.dht.shelf import StoredItem
from streembit.disk.home import Home
from streembit.disk.records import SqliteShelf

BATCH: Final = 20  # stores that one turn of the reactor may bring from busy peers
SAVES: Final = 20_000
TOKEN_BYTES: Final = 800  # a record of 300 bytes, signed and encoded
SAVES_BAR: Final = 5_000
OPEN_BAR_MS: Final = 15.0
OPENS: Final = 15

OPEN_A_HOME: Final = """
import sys, time
import msgspec, cryptography.hazmat.primitives.asymmetric.ec  # what a node has loaded anyway
from pathlib import Path
began_s = time.perf_counter()
from streembit.disk.home import Home
from streembit.disk.records import SqliteShelf
from streembit.disk.published import PublishedRecords
home = Home.open(Path(sys.argv[1]))
home.lock.take()
SqliteShelf(home.records_path).close()
PublishedRecords(home.published_path).close()
print(time.perf_counter() - began_s)
"""


def an_item(number: int) -> StoredItem:
    """Return an item of one of 200 owners and addresses."""
    digest = sha256(b"%d" % number).digest()
    return StoredItem(
        place=int.from_bytes(digest[:20]),
        kind="record",
        body=os.urandom(TOKEN_BYTES),
        owner=b"\x02" + sha256(b"%d" % (number % 200)).digest(),
        address=f"10.0.{number % 200}.1",
        user=f"10.0.{number % 200}.0/24",
        seq=number,
        expires_unix_s=1_900_000_000,
        digest=digest,
        stored_s=float(number),
        kept_until_s=float(number + 86_400),
    )


def saves_per_s(shelf: SqliteShelf, count: int = SAVES, batch: int = BATCH) -> float:
    """Save in batches, each committed to the medium before the next; return the rate."""
    items = [an_item(number) for number in range(count)]
    began_s = time.perf_counter()
    for start in range(0, count, batch):
        for item in items[start : start + batch]:
            shelf.save(item)
        shelf.commit()
    return count / (time.perf_counter() - began_s)


def reads_per_s(shelf: SqliteShelf) -> float:
    """Read items in no order; return the rate."""
    places = [an_item(number * 7919 % SAVES).place for number in range(SAVES)]
    began_s = time.perf_counter()
    found = sum(shelf.get(place) is not None for place in places)
    if found != SAVES:
        raise AssertionError(f"{found} of {SAVES} items found")
    return SAVES / (time.perf_counter() - began_s)


def home_opened_ms(folder: Path) -> float:
    """Return the median time in which a fresh process opens an empty home, imports included."""
    home = folder / "home"
    Home.create(home)
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    command = [sys.executable, "-c", OPEN_A_HOME, str(home)]
    times = [
        float(subprocess.check_output(command, env={**os.environ, **compiled}))
        for _ in range(1 + OPENS)  # the first compiles, as an installation does
    ]
    return statistics.median(times[1:]) * 1000


def main() -> int:
    """Print the figures; return 1 when a bar is missed."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("STREEMBIT_BENCH_DISK")) as name:
        folder = Path(name)
        shelf = SqliteShelf(folder / "records.sqlite")
        alone = saves_per_s(shelf, SAVES // BATCH, 1)
        saves, reads = saves_per_s(shelf), reads_per_s(shelf)
        shelf.close()
        began_s = time.perf_counter()
        shelf = SqliteShelf(folder / "records.sqlite")
        shelf.total()
        counted_ms = (time.perf_counter() - began_s) * 1000
        shelf.close()
        opened_ms = home_opened_ms(folder)
    print(f"saves, synced by {BATCH}:  {saves:9,.0f} /s   (at least {SAVES_BAR:,})")
    print(f"saves, each synced: {alone:9,.0f} /s   (a turn of the reactor with one store)")
    print(f"reads:              {reads:9,.0f} /s")
    print(f"opening {SAVES:,}:      {counted_ms:9.1f} ms   (with the sums that quotas need)")
    print(f"opening a home:     {opened_ms:9.1f} ms   (at most {OPEN_BAR_MS:.0f}, with imports)")
    return int(saves < SAVES_BAR or opened_ms > OPEN_BAR_MS)


if __name__ == "__main__":
    sys.exit(main())
