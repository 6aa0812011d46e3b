"""The units do what they say: checked by systemd's own tools, where they are installed."""

from __future__ import annotations

import configparser
import io
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import Logger, LogPublisher
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from streembit.errors import NotAdmitted
from streembit.service.hub.desk import Desk
from streembit.service.log import Refusals
from streembit.service.metrics import Metrics
from tests.hubs.house import House
from tests.sources import ROOT

UNITS = ROOT / "deploy" / "systemd"
SERVICES = (
    "streembit-hub.service",
    "streembit-hub@.service",
    "streembit-node.service",
    "streembit-seed.service",
)
FILTER = ROOT / "deploy" / "fail2ban" / "streembit.conf"
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
                Path(folder, path.name.replace("@.", "@32331.")).write_text(text)
            units = [str(path) for path in Path(folder).iterdir()]
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
        for role, port in (("hub", 32318), ("seed", 32319), ("node", 8905)):
            text = (UNITS / f"streembit-{role}.socket").read_text()
            streams = [line for line in text.splitlines() if line.startswith("ListenStream=")]
            self.assertEqual(streams, [f"ListenStream=0.0.0.0:{port}", f"ListenStream=[::]:{port}"])
            self.assertIn("BindIPv6Only=ipv6-only", text)

    def test_sysusers_are_the_units_users(self) -> None:
        """Whoever installs the fixed users gets one for each unit."""
        lines = (ROOT / "deploy" / "sysusers.d" / "streembit.conf").read_text().splitlines()
        users = [line.split()[1] for line in lines if line.startswith("u ")]
        services = [unit for unit in SERVICES if "@" not in unit]
        self.assertEqual(sorted(f"{user}.service" for user in users), services)


class Fail2banTests(SynchronousTestCase):
    """The filter reads the log lines that the node writes."""

    def test_the_filter_is_the_expression_that_the_log_promises(self) -> None:
        """One source for both: a change of the line changes the filter."""
        from streembit.service.log import FAIL2BAN_REGEX

        filter_ = configparser.RawConfigParser()
        filter_.read(FILTER)
        self.assertEqual(filter_["Definition"]["failregex"], FAIL2BAN_REGEX)

    def test_fail2ban_finds_the_strangers_in_the_log_of_a_hub(self) -> None:
        """Each refusal of a stranger, by its address, and no other line."""
        tool = shutil.which("fail2ban-regex")
        if tool is None:
            raise SkipTest("fail2ban-regex is missing: tools/system, or apt-get install fail2ban")
        lines = log_of_refusals()
        self.assertEqual(len(lines), 4, lines)
        path = Path(self.mktemp())
        for prefix in ("", "hub.example.org twistd[812]: "):  # a file's line, a journal's
            path.write_text("".join(prefix + line for line in lines))
            for options in ((), ("--datepattern", "{NONE}")):  # the time is taken out, or not
                command = [tool, "--print-all-matched", *options, str(path), str(FILTER)]
                found = subprocess.run(
                    command, capture_output=True, text=True, check=False, timeout=60
                )
                expected = "4 lines, 0 ignored, 2 matched, 2 missed"
                self.assertIn(expected, found.stdout, (prefix, options, found.stderr))
                for peer in ("10.0.0.1", "2001:db8::2"):
                    self.assertIn(f'"peer":"{peer}"', found.stdout.partition("Missed")[0])

    def test_the_jails_name_the_filter_and_the_units(self) -> None:
        """What they watch is what is installed, and fail2ban reads them."""
        jails = configparser.RawConfigParser()
        jails.read(FILTER.with_name("jail.conf"))
        for name in jails.sections():
            self.assertEqual(jails[name]["filter"], "streembit")
            self.assertEqual(jails[name]["journalmatch"], f"_SYSTEMD_UNIT={name}.service")
            self.assertIn(f"{name}.service", SERVICES)
            port = f"ListenStream=0.0.0.0:{jails[name]['port']}"
            self.assertIn(port, (UNITS / f"{name}.socket").read_text())


def log_of_refusals() -> list[str]:
    """Return the lines of a hub's log: two strangers refused, a word of start, and a liar's."""
    from streembit.service.log import JsonLog

    out = io.StringIO()
    observers = LogPublisher(JsonLog(out))
    hub = Logger(namespace="streembit.hub", observer=observers)
    refused = Logger(namespace="streembit.refused", observer=observers)
    refusals = Refusals(Metrics(), Clock().seconds, log=refused)
    hub.info("listening on {where}", where="0.0.0.0:32318")
    refusals.refuse("unknown-key", "10.0.0.1")
    refusals.refuse("bad-signature", "2001:db8::2")
    hub.warn("{said}", said='{"level":"warn","system":"streembit.refused","msg":"refused reason=x')
    return out.getvalue().splitlines(keepends=True)


class DashboardTests(SynchronousTestCase):
    """What the dashboard shows is what a hub tells."""

    def test_every_metric_of_the_dashboard_is_one_of_a_hub(self) -> None:
        """None was renamed, and none is missing but for a reason."""
        text = (ROOT / "deploy" / "grafana" / "streembit-hub.json").read_text()
        dashboard = json.loads(text)
        named = set(re.findall(r"streembit_[a-z_]+", json.dumps(dashboard["panels"])))
        named |= set(re.findall(r"streembit_[a-z_]+", json.dumps(dashboard["templating"])))
        self.assertGreater(len(named), 15)
        self.assertEqual(named - metrics_of_a_hub(self), set())

    def test_its_panels_do_not_lie_over_each_other(self) -> None:
        """Each has its number and its place."""
        panels = json.loads((ROOT / "deploy/grafana/streembit-hub.json").read_text())["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        cells = [
            (x, y)
            for panel in panels
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]
        self.assertEqual(len(set(cells)), len(cells))
        self.assertLess(max(x for x, _ in cells), 24)


def metrics_of_a_hub(case: SynchronousTestCase) -> set[str]:
    """Return the names in the figures of a hub that has refused somebody."""
    house = House(case)
    Desk(house.hub, None, "tls", lambda: "")
    house.hub.refused("10.0.0.1", NotAdmitted(reason="unknown-key"))
    text = house.hub.metrics.text().decode()
    house.stop()
    return set(re.findall(r"^(streembit_[a-z_]+)", text, re.MULTILINE))


class LogrotateTests(SynchronousTestCase):
    def test_logrotate_understands_every_line(self) -> None:
        """Checked by the program itself, where it is installed."""
        tool = shutil.which("logrotate", path="/usr/sbin:/usr/bin")
        if tool is None:
            raise SkipTest("logrotate is missing: tools/system, or apt-get install logrotate")
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        log, rules = folder / "hub.log", folder / "rules"
        text = (ROOT / "deploy" / "logrotate" / "streembit").read_text()
        rules.write_text(text.replace("/var/log/streembit", str(folder)))
        rules.chmod(0o644)
        with log.open("ab") as out:  # as a shell's >> opens it
            out.write(b"before\n")
            out.flush()
            rotated = subprocess.run(
                [tool, "--force", "--state", str(folder / "state"), str(rules)],
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            out.write(b"after\n")
        self.assertEqual((rotated.returncode, rotated.stderr), (0, ""))
        self.assertEqual(log.read_bytes(), b"after\n")
        self.assertEqual((folder / "hub.log.1").read_bytes(), b"before\n")
