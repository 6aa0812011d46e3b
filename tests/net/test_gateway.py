"""The default gateway, in what Linux shows of its routes."""

from __future__ import annotations

import shutil
import subprocess

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from streembit.errors import NoRouter
from streembit.net.gateway import ROUTES, default_gateway, gateway_of
from tests.disk.places import a_folder

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
# Addresses are numbers of this machine, which is little-endian wherever Linux is common.
NEAR = "eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
WIRE = "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
AIR = "wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
DOWN = "eth1\t00000000\t0103A8C0\t0002\t0\t0\t1\t00000000\t0\t0\t0\n"
TUNNEL = "tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0\n"
HALF = "tun0\t00000000\t0104A8C0\t0003\t0\t0\t1\t00000080\t0\t0\t0\n"


class GatewayTests(SynchronousTestCase):
    def test_the_best_default_route(self) -> None:
        """The one with the least metric that leads to a gateway; not a half of the world."""
        lines = [HEAD, NEAR, AIR, WIRE, DOWN, TUNNEL, HALF]
        self.assertEqual(gateway_of(lines), "192.168.1.1")
        self.assertEqual(gateway_of([HEAD, AIR]), "192.168.2.1")

    def test_none(self) -> None:
        """A machine without a way out, or one whose way has no gateway."""
        for lines in ([], [HEAD], [HEAD, NEAR, TUNNEL, DOWN], ["\n", "eth0 x y\n", "\ufffd" * 9]):
            self.assertIsNone(gateway_of(lines), lines)

    def test_a_system_without_such_a_file(self) -> None:
        """It is said why nobody is asked."""
        with self.assertRaises(NoRouter) as refused:
            default_gateway(a_folder(self) / "route")
        self.assertIn("Linux only", refused.exception.detail)

    def test_a_machine_without_a_gateway(self) -> None:
        """So it is there."""
        path = a_folder(self) / "route"
        path.write_text(HEAD + NEAR)
        with self.assertRaises(NoRouter) as refused:
            default_gateway(path)
        self.assertIn("no default gateway", refused.exception.detail)

    def test_this_machine(self) -> None:
        """What the system's own tool says."""
        if not ROUTES.exists() or shutil.which("ip") is None:
            raise SkipTest("needs Linux with iproute2")
        said = subprocess.check_output(["ip", "-4", "route", "show", "default"], text=True).split()
        if "via" not in said:
            self.assertRaises(NoRouter, default_gateway)
        else:
            self.assertEqual(default_gateway(), said[said.index("via") + 1])
