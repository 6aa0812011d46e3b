"""The Autobahn test suite, which knows every rule of RFC 6455, against the hub's WebSockets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.rig.echo import LOOPBACK
from tests.rig.hubcase import free_ports
from tests.rig.procnet import LONG
from tests.sources import ROOT

SUITE = Path(sys.prefix) / "wstest"  # where it is installed to
MISSING = 77  # status: it cannot be run here
WITHIN_S = 300.0
GOOD = {"OK", "INFORMATIONAL"}  # the latter where the standard leaves the choice


class AutobahnTests(SynchronousTestCase):
    """An echo stands in the place of the relay."""

    def test_B8_every_rule_is_kept(self) -> None:
        """All cases but those of compression, with limits as wide as they ask for."""
        every = [f"{group}.*" for group in (1, 2, 3, 4, 5, 6, 7, 9, 10)]
        self.assert_no_failure("wide", every, least=301)

    def test_B8_within_the_limits_of_a_hub(self) -> None:
        """But binary messages, which it refuses, and UTF-8, which who reads the frames looks at."""
        cases = [f"{group}.*" for group in ("1.1", 2, 3, 4, 5, 7, 10)]
        self.assert_no_failure("hub", cases, least=94)

    def test_B7_no_compression_is_agreed_upon(self) -> None:
        """Whatever is offered: the suite finds that there is none."""
        found = self.run_suite("hub", ["12.1.1", "13.1.1", "13.7.1"])
        self.assertEqual(set(found.values()), {"UNIMPLEMENTED"})

    def assert_no_failure(self, limits: str, cases: list[str], least: int) -> None:
        """So many cases at least were run, and all are as the standard asks."""
        found = self.run_suite(limits, cases)
        self.assertGreaterEqual(len(found), least)
        self.assertEqual({case: how for case, how in found.items() if how not in GOOD}, {})

    def run_suite(self, limits: str, cases: list[str]) -> dict[str, str]:
        """Return what the suite says of each case, and of its end where that is worse."""
        if not LONG:
            raise SkipTest("the Autobahn test suite takes a minute: make slow")
        (port,) = free_ports(1)
        self.start_echo(port, limits)
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        spec = {
            "outdir": str(folder / "reports"),
            "servers": [{"agent": "hub", "url": f"ws://{LOOPBACK}:{port}"}],
            "cases": cases,
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        (folder / "spec.json").write_text(json.dumps(spec))
        command = [str(ROOT / "tools" / "wstest"), str(SUITE), "-m", "fuzzingclient", "-s"]
        ended = subprocess.run(
            [*command, str(folder / "spec.json")],
            check=False,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
        )
        if ended.returncode == MISSING:
            raise SkipTest(f"the Autobahn test suite cannot be run: {ended.stderr.strip()[-300:]}")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        rows = json.loads((folder / "reports" / "index.json").read_text())["hub"]
        return {
            case: row["behavior"] if row["behaviorClose"] in GOOD else row["behaviorClose"]
            for case, row in rows.items()
        }

    def start_echo(self, port: int, limits: str) -> None:
        """Start it, and wait until it listens."""
        command = [sys.executable, "-m", "tests.rig.echo", str(port), limits]
        echo = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.addCleanup(echo.communicate)
        self.addCleanup(echo.kill)
        assert echo.stdout is not None
        self.assertEqual(echo.stdout.readline(), "listening\n")
