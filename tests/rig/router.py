"""A router that opens ports for who asks by UPnP: Debian's miniupnpd in a namespace."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Final

from tests.rig.netns import LAN, WAN, Box

STARTS_WITHIN_S: Final = 10.0
CHAIN: Final = "prerouting_miniupnpd"
READY: Final = "HTTP listening on port"
_TABLES: Final = """
add chain inet filter miniupnpd
add chain inet nat prerouting_miniupnpd
add chain inet nat postrouting_miniupnpd
insert rule inet filter forward jump miniupnpd
insert rule inet nat prerouting jump prerouting_miniupnpd
insert rule inet nat postrouting jump postrouting_miniupnpd
"""
_CONFIG: Final = f"""
ext_ifname={WAN}
listening_ip={LAN}
enable_natpmp=no
enable_upnp=yes
secure_mode=yes
uuid=00000000-0000-0000-0000-000000000001
upnp_table_name=filter
upnp_nat_table_name=nat
upnp_forward_chain=miniupnpd
upnp_nat_chain={CHAIN}
upnp_nat_postrouting_chain=postrouting_miniupnpd
allow 1024-65535 0.0.0.0/0 1024-65535
"""


class Upnpd:
    """The daemon on one router; `end` stops it.

    Args:
        folder: for its configuration and what it says.
    """

    def __init__(self, router: Box, folder: Path) -> None:
        self._router = router
        self._log = folder / f"{router.name}.upnpd"
        config = folder / f"{router.name}.conf"
        config.write_text(_CONFIG)
        router.run("nft -f -", _TABLES)
        pid = ["-P", str(folder / f"{router.name}.pid")]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*router.within, "miniupnpd", "-d", "-f", str(config), *pid],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait()

    @property
    def opened(self) -> list[str]:
        """The rules for the ports that lead inside, as nft shows them."""
        said = self._router.run(f"nft list chain inet nat {CHAIN}")
        return [line.strip() for line in said.splitlines() if "dnat" in line]

    def end(self) -> None:
        """Stop it."""
        self._process.kill()
        self._process.wait()

    def _wait(self) -> None:
        until_s = time.monotonic() + STARTS_WITHIN_S
        while READY not in self._log.read_text():
            if time.monotonic() > until_s or self._process.poll() is not None:
                raise AssertionError(f"miniupnpd does not start: {self._log.read_text()}")
            time.sleep(0.02)
