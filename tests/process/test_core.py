"""Row L7: what a process that crashes leaves behind."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SkipTest

from streembit.disk.home import Home
from tests.tap.twistd import TWISTD, Process, TwistdCase

PASSCODE: Final = "Canary-Secret-1!"


class CoreTests(TwistdCase):
    """Processes that the system may write to the disk when they crash."""

    def dumpable(self, *command: str) -> Process:
        """Start a process that leaves its memory behind, as far as it depends on us."""
        return self.spawn(["/bin/sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh", *command])

    def cores(self) -> list[Path]:
        """Return the memories that were left behind."""
        return list(self.folder.glob("core*"))

    async def dumps_are_made(self) -> None:
        """Skip the test where the system keeps no memories, or keeps them elsewhere."""
        if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
            raise SkipTest("the limit of this process forbids it")
        await self.dumpable("/bin/sh", "-c", "kill -ABRT $$").ended
        if not self.cores():
            raise SkipTest("the system keeps them elsewhere")
        for core in self.cores():
            core.unlink()

    async def test_L7_a_crash_leaves_no_memory_behind(self) -> None:
        """The passcode and the keys are in there, so the process forbids it itself."""
        await self.dumps_are_made()
        Home.create(self.folder / "home").accounts.create("alice", PASSCODE)
        file = self.folder / "passcode"
        file.touch(0o600)
        file.write_text(PASSCODE)
        options = ["--home", str(self.folder / "home"), "--passcode-file", str(file)]
        options += ["--listen", "tcp:0:interface=127.0.0.1"]
        node = self.dumpable(TWISTD, "--nodaemon", "--pidfile=", "streembit-node", *options)
        await self.ready(node)
        os.kill(node.pid, signal.SIGABRT)
        self.assertEqual(await node.ended, -signal.SIGABRT, node.out + node.err)
        self.assertEqual(self.cores(), [])
