"""Letters between people who are to be contacts: carried to their doors until they were heard."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.contacts.requests import Asked, Owed
from streembit.errors import RateLimited, RemoteRefusal, StreembitError, UnknownAnswer, by_code
from streembit.jose.keys import PublicKey
from streembit.rpc.peer import Peer
from streembit.service.network import Network
from streembit.service.people.circle import Circle
from streembit.service.people.holdings import Holdings
from streembit.service.people.showing import Showing
from streembit.service.people_events import Notice
from streembit.wire.message import Knock
from streembit.wire.offer import ContactAnswer, ContactLetter, ContactRequest

_log = Logger()


class Letters:
    """Delivers our requests and our answers.

    A letter goes out when there is a link, again on each new link, until it was heard.
    """

    def __init__(self, network: Network, held: Holdings, showing: Showing, circle: Circle) -> None:
        self._network, self._register, self._own = network, held.register, held.own
        self._abode, self._refused, self._feed = held.abode, held.refused, held.feed
        self._showing, self._circle = showing, circle
        self._on_their_way: set[PublicKey] = set()

    def deliver(self, key: PublicKey) -> None:
        """Give somebody who is linked the letters that wait for them."""
        peer = self._network.roster.get(key)
        if peer is not None:
            self.linked(peer)

    def linked(self, peer: Peer) -> None:
        """Give somebody the letters that wait for them."""
        point = peer.key.point
        requests = self._register.requests
        asked = next((each for each in requests.asked() if each.key == point), None)
        owed = next((each for each in requests.owed() if each.key == point), None)
        if peer.key in self._on_their_way or (asked is None and owed is None):
            return
        self._on_their_way.add(peer.key)
        done = Deferred.fromCoroutine(self._deliver(peer, owed, asked))
        done.addErrback(_not_now)
        done.addBoth(lambda _: self._on_their_way.discard(peer.key))

    async def _deliver(self, peer: Peer, owed: Owed | None, asked: Asked | None) -> None:
        if owed is not None and await self._knock(peer, self._answer(owed)):
            self._register.requests.heard(owed)
            self._register.keep()
            self._showing.show(peer.key)
        if asked is not None:
            await self._knock(peer, self._request(asked))

    async def _knock(self, peer: Peer, letter: ContactLetter) -> bool:
        """Return whether a letter was heard, whatever they think of it."""
        self._network.roster.expect_answer()
        try:
            await peer.request(Knock(letter))
        except RemoteRefusal as refusal:
            _log.info("a letter was refused: {code}", code=refusal.code)
            if isinstance(letter, ContactRequest):
                self._tell(peer.key, refusal.code)
            return refusal.code == UnknownAnswer.code
        if isinstance(letter, ContactRequest):
            self._refused.forget(peer.key)
        return True

    def _tell(self, key: PublicKey, code: str) -> None:
        """Tell the user, once, that a request as it is comes to nothing."""
        entry = self._register.book.get(key)
        if entry is None or code == RateLimited.code or not self._refused.note(key, code):
            return
        kind = by_code(code)
        why = kind.sentence() if kind is not None else code
        self._feed.tell(Notice(code, f"{entry.name} does not take the request: {why}"))
        self._circle.tell(entry)

    def _request(self, asked: Asked) -> ContactRequest:
        return ContactRequest(
            asked.id,
            self._network.identity.name,
            self._register.settings.user_type,
            self._own.newest.agreement.public.text,
            self._abode.addresses(),
            self._network.settings.network,
            int(self._network.now_s()),
            asked.nonce,
            asked.note,
        )

    def _answer(self, owed: Owed) -> ContactAnswer:
        return ContactAnswer(
            owed.re,
            owed.accepted,
            self._own.newest.agreement.public.text,
            self._abode.addresses(),
            self._network.settings.network,
            int(self._network.now_s()),
        )


def _not_now(failure: Failure) -> None:
    """Leave a letter to the next link."""
    if failure.check(StreembitError, CancelledError) is None:
        _log.failure("a letter could not be delivered", failure)
