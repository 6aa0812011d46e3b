"""Where contacts were last, and when, as the book keeps it."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.logger import Logger

from streembit.errors import DiskFailed, DiskFull
from streembit.jose.keys import PublicKey
from streembit.net.relayed import is_hub_host
from streembit.rpc.peer import Peer
from streembit.service.network import Network
from streembit.service.people.register import Register
from streembit.service.relay.hubs import Hubs
from streembit.wire.offer import Address

_log = Logger()


class Places:
    """Notes where and when contacts are met; a disk that cannot keep it now costs no more."""

    def __init__(self, network: Network, hubs: Hubs, register: Register) -> None:
        self._network, self._hubs, self._register = network, hubs, register

    def of(self, key: PublicKey) -> Sequence[Address]:
        """Return where somebody was last, the best first."""
        entry = self._register.book.get(key)
        return entry.addresses if entry is not None else ()

    def hubs_of(self, key: PublicKey) -> list[Address]:
        """Return the hubs at which somebody was last."""
        return [each for each in self.of(key) if each.is_hub]

    def seen(self, peer: Peer) -> None:
        """Note that a contact is there, and where it can be dialled, or by which hub."""
        host, port = peer.carrier.host, peer.hello.port
        if is_hub_host(host):
            address = self._hubs.address_of(host)
        else:
            address = Address(host, port) if port else None
        self._register.book.seen(peer.key, int(self._network.now_s()), address)
        self._keep_if_possible()

    def left(self, key: PublicKey) -> None:
        """Note that a contact was there until now."""
        self._register.book.seen(key, int(self._network.now_s()), exact=True)
        self._keep_if_possible()

    def moved(self, key: PublicKey, addresses: Sequence[Address]) -> bool:
        """Take where a contact says to be; return whether that is somewhere new.

        The last address that worked is kept behind what it says.
        """
        entry = self._register.book.get(key)
        if entry is None or not addresses:
            return False
        others = [each for each in entry.addresses if each not in addresses]
        self._register.book.set_addresses(key, [*addresses, *others])
        self._keep_if_possible()
        return bool(set(addresses) - set(entry.addresses))

    def found(self, key: PublicKey, address: Address) -> None:
        """Put a place in front at which the network says that somebody is.

        Raises:
            DiskFull, DiskFailed: nothing has changed.
        """
        self._register.book.set_addresses(key, [address, *self.of(key)])
        self._register.keep()

    def _keep_if_possible(self) -> None:
        try:
            self._register.keep()
        except (DiskFull, DiskFailed) as error:
            _log.warn("not kept when and where contacts were seen: {error}", error=str(error))
