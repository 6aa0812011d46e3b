"""A router that opens ports for who asks: Debian's miniupnpd in a namespace."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final, Literal

from tests.rig.netns import LAN, WAN, Box

STARTS_WITHIN_S: Final = 10.0
CHAIN: Final = "prerouting_miniupnpd"
_TABLES: Final = """
add chain inet filter miniupnpd
add chain inet nat prerouting_miniupnpd
add chain inet nat postrouting_miniupnpd
insert rule inet filter forward jump miniupnpd
insert rule inet nat prerouting jump prerouting_miniupnpd
insert rule inet nat postrouting jump postrouting_miniupnpd
"""
# The first byte of a datagram is the version: 2 is PCP, 0 is NAT-PMP.
_NO_PCP: Final = "insert rule inet filter input udp dport 5351 @th,64,8 2 drop"
_CONFIG: Final = f"""
ext_ifname={WAN}
listening_ip={LAN}
secure_mode=yes
uuid=00000000-0000-0000-0000-000000000001
upnp_table_name=filter
upnp_nat_table_name=nat
upnp_forward_chain=miniupnpd
upnp_nat_chain={CHAIN}
upnp_nat_postrouting_chain=postrouting_miniupnpd
allow 1024-65535 0.0.0.0/0 1024-65535
"""

Speaks = Literal["PCP", "NAT-PMP", "UPnP"]
_ALL: Final[tuple[Speaks, ...]] = ("PCP", "NAT-PMP", "UPnP")
# How it shows that it listens for each.
_READY: Final[dict[Speaks, str]] = {
    "PCP": "Listening for NAT-PMP/PCP",
    "NAT-PMP": "Listening for NAT-PMP/PCP",
    "UPnP": "HTTP listening on port",
}


class Upnpd:
    """The daemon on one router; `end` stops it.

    Args:
        folder: for its configuration and what it says.
        speaks: what it answers to; one that speaks no PCP is silent to it.
    """

    def __init__(self, router: Box, folder: Path, speaks: Collection[Speaks] = _ALL) -> None:
        self._router = router
        self._speaks = speaks
        self._folder = folder
        by_port = bool({"PCP", "NAT-PMP"} & set(speaks))
        asked = {"enable_natpmp": by_port, "enable_upnp": "UPnP" in speaks}
        lines = [f"{name}={'yes' if on else 'no'}" for name, on in asked.items()]
        lines += [f"lease_file={self._leases}"]
        self._config.write_text(_CONFIG + "\n".join(lines) + "\n")
        router.run("nft -f -", _TABLES)
        if by_port and "PCP" not in speaks:
            router.run("nft -f -", _NO_PCP)
        self._start()

    @property
    def opened(self) -> list[str]:
        """The rules for the ports that lead inside, as nft shows them."""
        said = self._router.run(f"nft list chain inet nat {CHAIN}")
        return [line.strip() for line in said.splitlines() if "dnat" in line]

    @property
    def ends_s(self) -> list[int]:
        """When the leases end, in Unix time."""
        # PROTOCOL:PORT:HOST:PORT:END:DESCRIPTION
        return [int(line.split(":")[4]) for line in self._leases.read_text().splitlines()]

    def restart(self) -> None:
        """Start the router anew: it has forgotten all."""
        self.end()
        self._router.run(f"nft flush chain inet nat {CHAIN}")
        self._leases.unlink(missing_ok=True)
        self._start()

    def end(self) -> None:
        """Stop it."""
        self._process.kill()
        self._process.wait()

    # --- how
    @property
    def _config(self) -> Path:
        return self._folder / f"{self._router.name}.conf"

    @property
    def _leases(self) -> Path:
        return self._folder / f"{self._router.name}.leases"

    @property
    def _log(self) -> Path:
        return self._folder / f"{self._router.name}.upnpd"

    def _start(self) -> None:
        pid = ["-P", str(self._folder / f"{self._router.name}.pid")]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*self._router.within, "miniupnpd", "-d", "-f", str(self._config), *pid],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait()

    def _wait(self) -> None:
        until_s = time.monotonic() + STARTS_WITHIN_S
        while not all(_READY[each] in self._log.read_text() for each in self._speaks):
            if time.monotonic() > until_s or self._process.poll() is not None:
                raise AssertionError(f"miniupnpd does not start: {self._log.read_text()}")
            time.sleep(0.02)
