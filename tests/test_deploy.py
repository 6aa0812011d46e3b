"""The units do what they say: checked by systemd's own tools, where they are installed."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import tempfile
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.sources import ROOT

UNITS = ROOT / "deploy" / "systemd"
SERVICES = ("streembit-node.service", "streembit-seed.service")
MAX_EXPOSURE_TENTHS = 20


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Debian's systemd-analyze; skip where there is none."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        raise SkipTest("systemd-analyze is missing: tools/system, or apt-get install systemd")
    return subprocess.run(
        [tool, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def service_section(unit: str) -> dict[str, list[str]]:
    """Return what the [Service] section of a unit assigns, each name's values in order."""
    assigned: dict[str, list[str]] = {}
    section = ""
    for line in (UNITS / unit).read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            assigned.setdefault(name, []).append(value)
    return assigned


class UnitTests(SynchronousTestCase):
    """Both service units, and their sockets."""

    def test_S5_exposure_is_at_most_two(self) -> None:
        """`systemd-analyze security` finds little that the service may do needlessly."""
        for unit in SERVICES:
            found = analyze(
                "security",
                "--offline=true",
                f"--threshold={MAX_EXPOSURE_TENTHS}",
                "--no-pager",
                str(UNITS / unit),
            )
            self.assertEqual(found.returncode, 0, f"{unit}\n{found.stdout[-300:]}{found.stderr}")
            self.assertIn("Overall exposure level", found.stdout)

    def test_S5_the_threshold_can_be_missed(self) -> None:
        """The same check refuses a unit without its hardening."""
        with tempfile.TemporaryDirectory() as folder:
            bare = Path(folder, "streembit-bare.service")
            bare.write_text("[Service]\nExecStart=/bin/true\n")
            found = analyze(
                "security", "--offline=true", f"--threshold={MAX_EXPOSURE_TENTHS}", str(bare)
            )
        self.assertNotEqual(found.returncode, 0)

    def test_systemd_understands_every_line(self) -> None:
        """No assignment is unknown to the version that Debian ships."""
        with tempfile.TemporaryDirectory() as folder:
            for path in UNITS.iterdir():
                text = path.read_text().replace("/opt/streembit/bin/twistd", "/bin/true")
                Path(folder, path.name).write_text(text)
            units = [str(Path(folder, path.name)) for path in UNITS.iterdir()]
            found = analyze("verify", *units)
        said = [line for line in found.stderr.splitlines() if "streembit" in line]
        self.assertEqual(said, [])

    def test_S5_the_hardening_that_the_threat_model_names(self) -> None:
        """Each is asserted by name, so that none is traded for a better total."""
        wanted = {
            "DynamicUser": "yes",
            "NoNewPrivileges": "yes",
            "ProtectSystem": "strict",
            "Restart": "on-failure",
            "Type": "notify",
            "UMask": "0077",
            "CapabilityBoundingSet": "",
            "StateDirectoryMode": "0700",
        }
        for unit in SERVICES:
            found = service_section(unit)
            for name, value in wanted.items():
                self.assertEqual(found.get(name), [value], f"{unit} {name}")
            self.assertEqual(found["SystemCallFilter"][0], "@system-service", unit)
            for name in ("StateDirectory", "MemoryMax", "LimitNOFILE", "WatchdogSec", "RestartSec"):
                self.assertIn(name, found, unit)

    def test_L7_the_passcode_is_a_credential(self) -> None:
        """It is in no argument and in no environment of the units."""
        for unit in SERVICES:
            found = service_section(unit)
            (credential,) = found["LoadCredentialEncrypted"]
            self.assertTrue(credential.startswith("passcode:"), unit)
            self.assertFalse({"Environment", "EnvironmentFile", "PassEnvironment"} & found.keys())
            (command,) = found["ExecStart"]
            self.assertNotIn("passcode", command)

    def test_the_sockets_hand_over_what_the_configuration_adopts(self) -> None:
        """One socket a family, in the order of the endpoint's indexes."""
        for role, port in (("seed", 32319), ("node", 8905)):
            text = (UNITS / f"streembit-{role}.socket").read_text()
            streams = [line for line in text.splitlines() if line.startswith("ListenStream=")]
            self.assertEqual(streams, [f"ListenStream=0.0.0.0:{port}", f"ListenStream=[::]:{port}"])
            self.assertIn("BindIPv6Only=ipv6-only", text)

    def test_sysusers_are_the_units_users(self) -> None:
        """Whoever installs the fixed users gets one for each unit."""
        lines = (ROOT / "deploy" / "sysusers.d" / "streembit.conf").read_text().splitlines()
        users = [line.split()[1] for line in lines if line.startswith("u ")]
        self.assertEqual(sorted(f"{user}.service" for user in users), list(SERVICES))


class Fail2banTests(SynchronousTestCase):
    """The filter reads the log lines that the node writes."""

    def test_the_filter_is_the_expression_that_the_log_promises(self) -> None:
        """One source for both: a change of the line changes the filter."""
        from streembit.service.log import FAIL2BAN_REGEX

        filter_ = configparser.RawConfigParser()
        filter_.read(ROOT / "deploy" / "fail2ban" / "streembit.conf")
        self.assertEqual(filter_["Definition"]["failregex"], FAIL2BAN_REGEX)
