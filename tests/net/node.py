"""A host of the in-memory network that listens and dials, for the tests of both."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from streembit.errors import StreembitError
from streembit.jose.keys import PrivateKey, PublicKey
from streembit.link.hello import Hello
from streembit.net.dial import Dialer
from streembit.net.events import LinkWatch
from streembit.net.gate import Gate, GateLimits
from streembit.net.listen import LinkFactory
from streembit.net.tcp import LinkProtocol
from streembit.testing import MemoryNetwork
from tests.link.party import NETWORK, hello_of
from tests.net.pair import Owner

PORT = 32319


class HostNode:
    """Links of one identity on one in-memory host."""

    def __init__(
        self,
        network: MemoryNetwork,
        address: str,
        identity: PrivateKey,
        *,
        limits: GateLimits = GateLimits(),  # noqa: B008 - it is immutable
        members: tuple[PublicKey, ...] = (),
        name: str = NETWORK,
    ) -> None:
        self.network, self.identity, self.name = network, identity, name
        self.host = network.host(address)
        self.owner = Owner()
        self.gate = Gate(limits)
        self.turned_away: list[StreembitError] = []
        self.factory = LinkFactory(
            lambda watch: self.make(initiator=False, watch=watch),
            self.gate,
            network.clock,
            lambda _host, error: self.turned_away.append(error),
            lambda hello, _host: hello.public in members,
        )
        self.dialer = Dialer(
            self.host.connect,
            lambda expect, watch: self.make(initiator=True, expect=expect, watch=watch),
            network.clock,
            self.gate,
        )

    def make(
        self, *, initiator: bool, watch: LinkWatch, expect: PublicKey | None = None
    ) -> LinkProtocol:
        """Return a protocol of this node."""
        return LinkProtocol(
            self.identity,
            self.hello,
            self.name,
            self.network.clock,
            self.owner,
            initiator=initiator,
            expect=expect,
            watch=watch,
        )

    def hello(self, host: str, port: int) -> Hello:
        """Return what this node says of itself."""
        return hello_of(self.identity, observed=f"{host}:{port}")

    def listen(self) -> HostNode:
        """Listen on the tests' port."""
        self.host.listen(PORT, self.factory)
        return self

    def dial(self, other: HostNode, expect: PublicKey | None = None) -> Deferred[LinkProtocol]:
        """Dial another node."""
        return self.dialer.dial(other.host.address, PORT, expect)
