"""What docs/operating-a-hub.md tells an operator to type works as it stands."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.rig.hubcase import free_ports
from tests.sources import ROOT
from tests.tap.twistd import TWISTD, TwistdCase


class ManualTests(TwistdCase):
    async def test_a_private_hub_tried_out(self) -> None:
        """Every command succeeds; a member joins, and is gone when it is removed."""
        manual = (ROOT / "docs" / "operating-a-hub.md").read_text()
        block = re.search(r"```sh\n(.*?)```", manual, re.DOTALL)
        assert block is not None
        (port,) = free_ports(1)
        script = self.folder / "tried-out.sh"
        script.write_text("set -eu\n" + block[1].replace("32318", str(port)))
        environ = {
            "HOME": str(self.folder),
            "PATH": f"{Path(TWISTD).parent}{os.pathsep}{os.environ['PATH']}",
        }
        ran = self.spawn(["/bin/sh", str(script)], environ)
        status = await ran.ended
        self.assertEqual(status, 0, (ran.out + ran.err).decode())
        out = ran.out.decode()
        self.assertIn("allowlist.json is sound: 0 members\n", out)
        self.assertRegex(out, r"\nalice +human +relay mailbox dht directory +- +no +0[23]")
        self.assertRegex(out, r"\n~ 0[23][0-9a-f]{64}\n1 member, list 3\n")
        self.assertRegex(out, r"\nalice +127\.0\.0\.1:\d+ ")
        self.assertRegex(
            out, r"\n0 members, list 4, 1 session ended\nACCOUNT .*\n- +the hub's node .*\n$"
        )
