"""Row S3: a home on a disk that is full, and has room again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SkipTest

from demo.members import Member
from streembit.dht.keyspace import to_text
from streembit.jose.keys import PrivateKey
from streembit.wire.message import Body, FindValue, Refused, Store, Stored, Value
from tests.process.test_load import record
from tests.rig.evil import EvilLink
from tests.rig.procnet import ProcessCase, tried

DISK: Final = "size=8m,mode=0700"
STORES: Final = 1000  # of 8 KiB: as much as the disk holds in all
RECOVERS_WITHIN_S: Final = 40.0


class FullDiskTests(ProcessCase):
    """One node on a small disk of its own, and one that has room."""

    async def small(self) -> Member:
        """Start a node with a home that is a file system of 8 MiB; unmount it in the end."""
        home = self.net.folder / "small"
        home.mkdir(mode=0o700)
        try:
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", DISK, "none", str(home)],
                check=True,
                capture_output=True,
            )
        except (OSError, subprocess.CalledProcessError):
            raise SkipTest("nothing can be mounted here: only root may") from None
        self.addCleanup(subprocess.run, ["umount", str(home)], check=True)
        member = await self.net.start("small")
        self.addCleanup(self.net.kill, member)
        return member

    async def test_S3_full_and_then_room_again(self) -> None:
        """Stores are refused with a code, reads served, the key left alone; then all is well."""
        small = await self.small()
        keeper = await self.net.start("keeper", seeds=[self.net.places["small"]])
        link, key = await self.link(small), PrivateKey.generate()
        key_file = (small.home / "accounts" / "small" / "key.json").read_bytes()
        first = record(key, "a/first", b"before")
        self.assertIsInstance((await link.ask(Store(first.token, "record"))).body, Stored)
        await self.put(keeper, "a/before")
        filler = fill(small.home)
        self.assertEqual(await self.refused(link), "store-degraded")
        self.assertIsNone(await tried(small.api.record.put("a/own", b"value", ttl_s=3600)))
        kept = (await link.ask(FindValue(to_text(first.place)))).body
        self.assertEqual(kept, Value(first.token, "record"))
        self.assertEqual(
            (await small.api.record.get(keeper.public_key, "a/before")).value, b"value"
        )
        self.assertFalse((await small.api.status()).store.ok)
        self.assertEqual((small.home / "accounts" / "small" / "key.json").read_bytes(), key_file)
        filler.unlink()

        async def recovered() -> bool:
            return (await small.api.status()).store.ok

        await self.until(recovered, RECOVERS_WITHIN_S, "a store that accepts writes")
        self.assertIsInstance(await self.stored(link, PrivateKey.generate()), Stored)
        await self.put(small, "a/own")
        await self.net.kill(small)
        await self.net.again(small)
        self.assertEqual((await small.api.record.get(key.public.hex, "a/first")).value, b"before")

    async def refused(self, link: EvilLink) -> str:
        """Store until it is refused; return the code."""
        for _ in range(STORES):
            answer = await self.stored(link, PrivateKey.generate())
            if isinstance(answer, Refused):
                return answer.code
        return "never"

    async def stored(self, link: EvilLink, key: PrivateKey) -> Body:
        """Return the answer to a record as large as they may be."""
        return (await link.ask(Store(record(key, "a/name", bytes(8192)).token, "record"))).body


def fill(folder: Path) -> Path:
    """Write until nothing more fits; return the file."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1):
            try:
                while True:
                    file.write(os.urandom(size))
            except OSError:
                continue
    return filler
