"""Row S1 for files: both ends of a transfer killed in the middle of it, in processes."""

from __future__ import annotations

import subprocess
import sys
import time
from hashlib import file_digest
from pathlib import Path
from random import Random
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from streembit.wire.transfer import CHUNK_BYTES
from tests.rig.procnet import LONG
from tests.sources import ROOT

SIZE: Final = (1024 if LONG else 48) * CHUNK_BYTES + 12_345
KILLS: Final = 3
WITHIN_S: Final = 60.0


class FileKillTests(SynchronousTestCase):
    """A sender and a receiver, each a process with a home."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.ends: list[subprocess.Popen[bytes]] = []
        self.addCleanup(self.end_all)
        self.path = self.folder / "file"
        chance = Random(5)
        with self.path.open("wb") as file:
            left = SIZE
            while left:
                left -= file.write(chance.randbytes(min(left, CHUNK_BYTES)))

    def start(self, role: str, port: int = 0) -> subprocess.Popen[bytes]:
        """Start an end in its home."""
        command = [sys.executable, "-m", "tests.process.file_ends", role]
        command += [str(self.folder / role), str(port), str(self.path)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        self.ends.append(process)
        return process

    def start_both(self) -> tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]:
        """Start both ends; the sender connects."""
        place = self.folder / "receive" / "port"
        place.unlink(missing_ok=True)
        receiver = self.start("receive")
        self.until(place.exists, receiver)
        return receiver, self.start("send", int(place.read_text()))

    def until(self, done: object, *processes: subprocess.Popen[bytes]) -> None:
        """Wait until something is so, while the processes live."""
        assert callable(done)
        end_s = time.monotonic() + WITHIN_S
        while not done():
            if time.monotonic() > end_s or any(p.poll() is not None for p in processes):
                self.fail("an end is gone, or it took too long")
            time.sleep(0.001)

    def end_all(self) -> None:
        """End what is left."""
        for process in self.ends:
            process.kill()
            process.wait()

    def held(self) -> int:
        """Return how much of the file is on the receiver's disk."""
        parts = list((self.folder / "receive" / "downloads").glob(".streembit-*/0.part"))
        return parts[0].stat().st_size if parts else 0

    def test_S1_killed_at_random_places(self) -> None:
        """SIGKILL to one or the other or both: the same bytes arrive, one chunk more a death."""
        chance = Random(6)
        for number, victims in enumerate(("receiver", "sender", "both")):
            receiver, sender = self.start_both()
            share = (number + chance.random()) / KILLS * 0.9
            self.until(lambda share=share: self.held() > SIZE * share, receiver, sender)
            if victims in ("receiver", "both"):
                receiver.kill()
            if victims in ("sender", "both"):
                sender.kill()
            receiver.wait(WITHIN_S)
            sender.wait(WITHIN_S)
        before = self.held()
        self.assertGreater(before, 0)
        for process in self.start_both():
            self.assertEqual(process.wait(WITHIN_S), 0)
        received = self.folder / "receive" / "downloads" / "file"
        with received.open("rb") as got, self.path.open("rb") as sent:
            same = file_digest(got, "sha256").digest() == file_digest(sent, "sha256").digest()
        self.assertTrue(same)
        count = int.from_bytes((self.folder / "send" / "sent").read_bytes())
        self.assertLessEqual(count - SIZE, KILLS * CHUNK_BYTES + 1000)
        self.assertEqual([path.name for path in received.parent.iterdir()], ["file"])
