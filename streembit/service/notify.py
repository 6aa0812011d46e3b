"""What the service manager is told: ready, alive, stopping, by datagrams to its socket."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Final

MAX_STATUS_CHARS: Final = 200  # one line of `systemctl status`


class Notifier:
    """Speaks the protocol of sd_notify(3); without a socket to speak to it says nothing.

    A datagram that cannot be sent is dropped: the manager notices a missing
    one by its own watchdog.
    """

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_s = watchdog_s
        self._status = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], pid: int) -> Notifier:
        """Return one for the socket and the watchdog that the manager named.

        A watchdog meant for another process is not ours to feed. What is not
        of the documented form counts as absent.
        """
        address = environ.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return cls()
        usec = environ.get("WATCHDOG_USEC", "")
        for_us = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
        watching = for_us and usec.isascii() and usec.isdigit() and int(usec) > 0
        return cls(address, int(usec) / 1e6 if watching else None)

    @property
    def heard(self) -> bool:
        """Whether there is a manager to speak to."""
        return bool(self._address)

    def ready(self) -> None:
        """Say that the start is over: the ports listen."""
        self._send("READY=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Show `text` in `systemctl status`; the same text is sent once."""
        printable = "".join(c if c.isprintable() else " " for c in text)[:MAX_STATUS_CHARS]
        if printable != self._status:
            self._status = printable
            self._send(f"STATUS={printable}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)
            try:
                channel.sendto(message.encode(), self._address)
            except OSError:
                return
