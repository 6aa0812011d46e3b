"""The hub's WebSockets with an echo behind them: `python -m tests.rig.echo PORT hub|wide`."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from twisted.internet import reactor as installed

from streembit.errors import StreembitError
from streembit.net.budget import Rate
from streembit.net.carrier import LIMITS, Carrier, CarrierLimits
from streembit.net.gate import Gate, GateLimits
from streembit.net.hublisten import HubFactory, Upgrades

reactor: Any = installed

LOOPBACK = "127.0.0.1"
MEBIBYTE = 1024 * 1024
# What the suite needs beyond what a hub allows: no subprotocol, binary messages, UTF-8 checked as a
# message comes in, 16 MiB in a message, 4 MiB in fragments of 64 bytes, and its time for that.
WIDE = CarrierLimits(
    stranger_bytes=16 * MEBIBYTE,
    member_bytes=16 * MEBIBYTE,
    fragments=4 * MEBIBYTE // 64 + 1,  # the last one is empty
    queue_bytes=32 * MEBIBYTE,
    join_s=300.0,
    frame_s=300.0,
    utf8=True,
    binary=True,
    subprotocol="",
)
# What a hub allows; the suite knows no subprotocol, and its echo stands for a member.
HUB = replace(LIMITS, subprotocol="")


class Echo:
    """Sends back each message as it came."""

    def opened(self, carrier: Carrier) -> None:
        """Take it for a member."""
        carrier.welcomed()

    def received(self, carrier: Carrier, token: bytes) -> None:
        """Send it back, as text or as bytes."""
        autobahn: Any = carrier
        autobahn.sendMessage(token, autobahn.message_is_binary)

    def lost(self, carrier: Carrier, reason: StreembitError) -> None:
        """Need not be told."""

    def refused(self, host: str, error: StreembitError) -> None:
        """Need not be told: the suite knows what to expect."""


def main() -> None:
    """Listen on the port that is given, with "hub" or "wide" limits."""
    limits = {"hub": HUB, "wide": WIDE}[sys.argv[2]]
    everybody = GateLimits(new_per_address=Rate(10_000.0, 10_000.0))
    factory = HubFactory(
        Echo(),
        Gate(everybody),
        reactor,
        lambda _host, _error: None,
        private=False,
        upgrades=Upgrades(subprotocol=limits.subprotocol),
        limits=limits,
    )
    factory.doStart()
    reactor.listenTCP(int(sys.argv[1]), factory, interface=LOOPBACK)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    reactor.run()


if __name__ == "__main__":
    main()
