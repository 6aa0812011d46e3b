"""Real hubs on the in-memory network: the tree of a hub, with its mailbox on the disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, execute

from streembit.disk.mailbox import Mailbox, MailLimits
from streembit.jose.keys import Identity, PublicKey
from streembit.net.budget import Rate
from streembit.service.hub.hub import Hub
from streembit.service.hub.local import LocalBackplane
from streembit.service.hub.members import Everybody, Members
from streembit.service.hub.settings import MEMBER_FRAMES, HubSettings
from streembit.wire.offer import Address
from tests.service.town import NETWORK, Town

PORT = 32318


def _at_once(work: Callable[..., Any], *args: Any) -> Deferred[Any]:
    return execute(work, *args)


class TownHub:
    """A hub of a town; what it keeps outlives its end.

    It stands on a loopback address, since it speaks without TLS: all hosts
    of the network in memory reach it there.
    """

    def __init__(
        self,
        town: Town,
        *,
        host: str = "127.0.0.1",
        number: int = 200,
        name: str = "the hub",
        network: str = NETWORK,
        members: Members | None = None,
        mail_limits: MailLimits | None = None,
        member_frames: Rate = MEMBER_FRAMES,
    ) -> None:
        self.town = town
        self.identity = Identity.from_seed(bytes([number]) * 32, "hub")
        self.address = Address(host, PORT, "ws")
        self._settings = HubSettings(network, name, member_frames=member_frames)
        self._members = members or Everybody()
        self._limits = mail_limits or MailLimits()
        self._path = town.folder / f"mailbox{number}.sqlite"
        self.start()

    def start(self) -> None:
        """Come up, with what the mailbox holds."""
        host = self.town.memory.revive(self.address.host)
        self.mailbox = Mailbox(self._path, self._limits)
        self.hub = Hub(
            self.identity,
            self._settings,
            self._members,
            LocalBackplane(self.mailbox, _at_once),
            self.town.memory.clock,
            self.town.memory.clock.seconds,
        )
        host.listen(PORT, self.hub.factory)
        self.hub.startService()

    def kill(self) -> None:
        """End without a word to anybody; the mailbox stays."""
        self.town.memory.kill(self.address.host)
        self.end()

    def end(self) -> None:
        """Stop, as at the end of a test."""
        if self.hub.running:
            stopped = self.hub.stopService()
            self.town.run_until(lambda: bool(stopped.called))
            self.mailbox.close()

    def members(self) -> set[str]:
        """Return the keys that are joined now, as hex."""
        return {session.served.member.hex for session in self.hub.sessions()}

    def mails(self, recipient: PublicKey) -> int:
        """Return how many mails wait for somebody."""
        return self.mailbox.count(recipient.text)
