"""Real processes, really killed: whatever was acknowledged is there, and everything is whole."""

from __future__ import annotations

import json
import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from streembit.disk import atomic
from streembit.disk.chest import Chest, Kept
from streembit.disk.home import Home
from streembit.disk.mailbox import Mailbox
from streembit.disk.published import Published, PublishedRecords, Slot
from streembit.disk.records import SqliteShelf
from streembit.hub.mail import Mail
from streembit.wire.hub import MailName
from tests.disk.places import a_folder
from tests.disk.test_records import an_item

KILLS = int(os.environ.get("STREEMBIT_KILLS", "200"))
SLOT = Slot(b"\x02" + b"k" * 32, "record", "name")
BATCH = 20
RECIPIENT, SENDER = "R" * 44, "S" * 44
FOR_EVER_S = 10**12
Tell = Callable[[str, int], None]


def document(number: int) -> bytes:
    """Return a text of some pages that can be seen to be whole."""
    filling = "x" * (number * 997 % 20_000)
    digest = sha256(filling.encode()).hexdigest()
    return json.dumps({"number": number, "filling": filling, "digest": digest}).encode()


def number_of(data: bytes) -> int:
    """Return a document's number; raise if it is not whole."""
    parts = json.loads(data)
    if sha256(parts["filling"].encode()).hexdigest() != parts["digest"]:
        raise ValueError("not whole")
    return int(parts["number"])


def mail(number: int, row: int) -> Mail:
    """Return one mail of the batch with this number."""
    return Mail(RECIPIENT, SENDER, f"{number:016d}{row:06d}", b"%d " % number * 300, 0)


def chest_of(home: Home) -> Chest:
    """Open the chest of the home's account."""
    account = home.accounts.load("alice", None)
    return Chest(home.place("alice").chest_path, account.at_rest_key())


def work(path: Path, start: int, tell: Tell) -> None:
    """Write without end, and tell of each thing that is on the medium."""
    home = Home.open(path)
    home.lock.take()
    shelf = SqliteShelf(home.records_path)
    published = PublishedRecords(home.published_path)
    chest = chest_of(home)
    box = Mailbox(home.first.mailbox_path)
    box.expire(FOR_EVER_S)
    number = start
    while True:
        number += 1
        atomic.write(home.peers_path, document(number))
        tell("document", number)
        for place in range(BATCH):
            shelf.save(an_item(place, seq=number, body=b"%d" % number * 300))
        shelf.commit()
        tell("batch", number)
        chest.commit([Kept("room", row, b"%d" % number * 300) for row in range(BATCH)])
        tell("rows", number)
        for row in range(BATCH):
            box.ack(RECIPIENT, [MailName(SENDER, mail(number - 1, row).id)])
            box.keep(mail(number, row))
        box.commit()
        tell("mails", number)
        seq = published.reserve(SLOT)
        tell("seq", seq)
        published.keep(Published(SLOT, seq, b"%d" % seq, 60, 0, False))
        home.accounts.change_passcode("alice", None, None)
        home.accounts.backup("alice", path / f"backup-{number % 5}-{number}")
        if number % 5 == 0:
            for old in path.glob("backup-*"):
                old.unlink()


class KillTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = a_folder(self) / "home"
        self.chance = Random(11)
        home = Home.create(self.path)
        self.key = home.accounts.create("alice", None).public
        atomic.write(home.peers_path, document(0))
        self.told = {"document": 0, "batch": 0, "rows": 0, "mails": 0, "seq": 0}

    def test_S1_D5_kill_at_any_moment(self) -> None:
        """Killed at random, again and again, files and databases are old or new, never broken."""
        for kill in range(KILLS):
            self.run_and_kill()
            self.check(f"after kill {kill + 1}")
        self.assertGreaterEqual(self.told["batch"], KILLS // 4)

    def run_and_kill(self) -> None:
        reading, writing = os.pipe()
        start = max(self.told.values()) + 1000
        child = os.fork()
        if not child:
            self.be_the_child(writing, start)
        os.close(writing)
        try:
            self.listen(reading, self.chance.uniform(0.0, 0.015))
        finally:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
        while line := os.read(reading, 65536):
            self.hear(line)
        os.close(reading)
        self.assertEqual(os.WTERMSIG(status), signal.SIGKILL)

    def be_the_child(self, writing: int, start: int) -> None:
        def tell(what: str, number: int) -> None:
            os.write(writing, f"{what} {number}\n".encode())

        try:
            work(self.path, start, tell)
        except BaseException:  # noqa: BLE001  (whatever it is, this process must not go on as the test)
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(1)

    def listen(self, reading: int, for_s: float) -> None:
        """Hear of the first thing done, then listen for a while more."""
        self.hear(os.read(reading, 65536))
        end_s = time.monotonic() + for_s
        while (left_s := end_s - time.monotonic()) > 0:
            if select.select([reading], [], [], left_s)[0]:
                self.hear(os.read(reading, 65536))

    def hear(self, lines: bytes) -> None:
        for line in lines.decode().splitlines():
            what, number = line.split()
            self.assertGreater(int(number), self.told[what], f"{what} was used before")
            self.told[what] = int(number)

    def check(self, when: str) -> None:
        home = Home.open(self.path)
        number = number_of(atomic.read(home.peers_path) or b"")
        self.assertGreaterEqual(number, self.told["document"], when)
        self.assertEqual(home.accounts.load("alice", None).public, self.key, when)
        for backup in self.path.glob("backup-*"):
            home.accounts.header("alice")
            self.assertEqual(backup.read_bytes(), home.accounts.key_path("alice").read_bytes())
        self.check_shelf(home, when)
        self.check_published(home, when)
        self.check_chest(home, when)
        self.check_mails(home, when)
        self.assertEqual(list(self.path.glob("*corrupt*")), [], when)

    def check_shelf(self, home: Home, when: str) -> None:
        shelf = SqliteShelf(home.records_path)
        items = shelf.iterate(BATCH + 1)
        shelf.close()
        self.assertIn(len(items), (0, BATCH), when)
        numbers = {item.seq for item in items} or {0}
        self.assertEqual(len(numbers), 1, when)
        self.assertGreaterEqual(max(numbers), self.told["batch"], when)

    def check_chest(self, home: Home, when: str) -> None:
        chest = chest_of(home)
        rows, restored = chest.all("room"), chest.restored
        chest.close()
        self.assertFalse(restored, when)
        self.assertIn(len(rows), (0, BATCH), when)
        self.assertLessEqual(len(set(rows)), 1, when)
        number = int(rows[0][: len(rows[0]) // 300]) if rows else 0
        self.assertGreaterEqual(number, self.told["rows"], when)

    def check_mails(self, home: Home, when: str) -> None:
        box = Mailbox(home.first.mailbox_path)
        mails = [waiting.token for waiting in box.waiting(RECIPIENT, "", 100)]
        trouble = box.trouble
        box.close()
        self.assertEqual(trouble, "", when)
        numbers = {int(token.split()[0]) for token in mails} or {0}
        expected = [mail(max(numbers), row).token for row in range(BATCH)]
        self.assertIn(mails, ([], expected), when)
        self.assertGreaterEqual(max(numbers), self.told["mails"], when)

    def check_published(self, home: Home, when: str) -> None:
        published = PublishedRecords(home.published_path)
        counter, kept = published.counter(SLOT) or 0, published.get(SLOT)
        published.close()
        self.assertGreaterEqual(counter, self.told["seq"], when)
        if kept is not None:
            self.assertEqual(kept.token, b"%d" % kept.seq, when)
            self.assertIn(kept.seq, range(counter + 1), when)
