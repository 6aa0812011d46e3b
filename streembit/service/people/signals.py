"""The signalling of calls between programs of contacts: passed on as it comes, kept nowhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streembit.errors import KeyRefused, PeerGone, RateLimited
from streembit.jose.keys import PublicKey
from streembit.net.budget import Buckets, Rate
from streembit.rpc.peer import Peer
from streembit.service.feed import Feed
from streembit.service.network import Network
from streembit.service.people_events import Signal as SignalEvent
from streembit.wire.message import Answer, Signal, Signalled

# Of one contact: a description and some thirty candidates come at once, and again when the
# network changes. What is beyond it would push what others say out of the events.
SIGNALS: Final = Rate(per_s=2.0, burst=80.0)


class Signals:
    """Hands what a program says of a call to the contact's programs, over the link that is open.

    It goes as every request between contacts does: over a direct link, or sealed end to end
    through a hub. It says nothing when it is late, so nothing of it waits for a link.

    Args:
        seek: has somebody looked for.
        is_contact: tells whose programs are heard.
    """

    def __init__(
        self,
        network: Network,
        feed: Feed,
        seek: Callable[[PublicKey], None],
        is_contact: Callable[[PublicKey], bool],
    ) -> None:
        self._network, self._feed = network, feed
        self._seek, self._is_contact = seek, is_contact
        self._rates = Buckets(SIGNALS)

    async def send(self, key: PublicKey, signal: Signal) -> None:
        """Hand over one step; it has arrived when this returns.

        Raises:
            PeerGone: there is no link now; one is looked for.
            RemoteRefusal, RequestTimeout, ...: the contact's node took it not, or said nothing.
        """
        roster = self._network.roster
        peer = roster.get(key)
        if peer is None:
            self._seek(key)
            raise PeerGone("no link to the contact; it is looked for")
        roster.expect_answer()
        await peer.request(signal)

    def take(self, peer: Peer, signal: Signal) -> Answer:
        """Tell our programs of a step; raise KeyRefused, RateLimited."""
        if not self._is_contact(peer.key):
            raise KeyRefused("not a contact")
        if not self._rates.of(peer.key).take(self._network.now_s()):
            raise RateLimited("of what is said of calls")
        event = SignalEvent(peer.key.hex, signal.call, signal.step, signal.text)
        self._feed.tell(event)
        return Signalled()
