"""Run by test_small_disk on a file system of 2 MiB that is its own: fill it, break it, go on."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from streembit.disk import atomic
from streembit.disk.chest import Chest, Kept
from streembit.disk.home import Home
from streembit.disk.mailbox import Mailbox
from streembit.disk.published import PublishedRecords, Slot
from streembit.disk.records import SqliteShelf
from streembit.errors import DiskFailed, DiskFull, MailboxDegraded, StoreDegraded
from tests.disk.test_mailbox import a_mail, got, tokens_of
from tests.disk.test_records import an_item

SLOT = Slot(b"\x02" + b"k" * 32, "record", "x")
OLD, NEW = Kept("room", 1, b"old"), Kept("room", 2, b"new" * 10_000)


def main(folder: Path) -> None:
    """Go through all troubles; an assertion that fails ends it with a traceback."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", folder], check=True)
    home = Home.create(folder / "home")
    home.lock.take()
    home.accounts.create("alice", None)
    key = home.accounts.key_path("alice").read_bytes()
    shelf = SqliteShelf(home.records_path)
    published = PublishedRecords(home.published_path)
    published.reserve(SLOT)
    chest = Chest(home.place("alice").chest_path, home.accounts.load(None, None).at_rest_key())
    chest.commit([OLD])
    box = Mailbox(home.first.mailbox_path)
    post(box, 1)
    save(shelf, 1)
    atomic.write(home.peers_path, b"old")
    for trouble, cure in ((fill, empty), (fail_writes, allow_writes), (fill, empty)):
        trouble(folder)
        check_trouble(home, shelf, published)
        check_chest(chest)
        check_mailbox(box)
        assert home.accounts.key_path("alice").read_bytes() == key
        cure(folder)
        check_cured(home, shelf, published)
        chest.commit([NEW])
        assert chest.all("room") == [OLD.row, NEW.row]
        chest.commit([NEW._replace(row=None)])
        post(box, 2)
        got(box, a_mail(2))
        box.commit()
        assert not box.trouble
    box.close()
    home.first.mailbox_path.unlink()
    overfill(shelf)
    assert home.accounts.load(None, None).public.hex == home.accounts.header(None).public_key
    sys.stdout.write("all is well\n")


def fill(folder: Path) -> None:
    """Leave not one block."""
    with open(folder / "ballast", "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(4096))
        except OSError:
            pass


def empty(folder: Path) -> None:
    (folder / "ballast").unlink()


def fail_writes(_folder: Path) -> None:
    """Let the system refuse every write to a file, as a broken medium does."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))


def allow_writes(_folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def save(shelf: SqliteShelf, place: int, body: bytes = b"x") -> None:
    shelf.save(an_item(place, body=body))
    shelf.commit()


def refused(do: Callable[..., object], *arguments: object) -> None:
    try:
        do(*arguments)
    except (StoreDegraded, MailboxDegraded, DiskFull, DiskFailed):
        return
    raise AssertionError(f"{do} was not refused")


def check_trouble(home: Home, shelf: SqliteShelf, published: PublishedRecords) -> None:
    """What changes is refused, what reads goes on."""
    for _ in range(3):
        refused(save, shelf, 2, b"y" * 8000)
        assert shelf.trouble
        assert shelf.get(1) == an_item(1, body=b"x")
        assert shelf.get(2) is None
        refused(published.reserve, SLOT)
        refused(atomic.write, home.peers_path, b"new" * 2000)
        assert atomic.read(home.peers_path) == b"old"
    refused(home.accounts.create, "bob", None)
    refused(home.accounts.change_passcode, "alice", None, None)


def check_chest(chest: Chest) -> None:
    for _ in range(3):
        refused(chest.commit, [NEW])
        assert chest.all("room") == [OLD.row]


def token_of(number: int) -> bytes:
    return b"%d" % number * 30_000


def post(box: Mailbox, number: int) -> None:
    box.keep(a_mail(number, token=token_of(number)))
    box.commit()


def check_mailbox(box: Mailbox) -> None:
    for _ in range(3):
        refused(post, box, 2)
        assert box.trouble
        assert tokens_of(box) == [token_of(1)]


def check_cured(home: Home, shelf: SqliteShelf, published: PublishedRecords) -> None:
    shelf.probe()
    assert not shelf.trouble
    save(shelf, 2, b"y" * 8000)
    assert shelf.get(2) == an_item(2, body=b"y" * 8000)
    shelf.delete(2)
    shelf.commit()
    assert published.reserve(SLOT) > 1
    atomic.write(home.peers_path, b"old")
    assert shelf.moved_aside == published.moved_aside == []


def overfill(shelf: SqliteShelf) -> None:
    """Save until the disk is full: all that was acknowledged stays, also after a restart."""
    place = 10
    try:
        while place < 10_000:
            save(shelf, place, b"z" * 8000)
            place += 1
    except StoreDegraded:
        pass
    assert 50 < place < 10_000
    for _ in range(2):
        assert [item.place for item in shelf.iterate(10_000, after=9)] == list(range(10, place))
        shelf.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
