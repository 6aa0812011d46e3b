"""Parcels by mail: left in the mailboxes of contacts who are away, and those that came for us."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.chat.events import Outgoing
from streembit.errors import (
    BadParcel,
    ContactFloods,
    KeyRefused,
    RemoteError,
    StreembitError,
)
from streembit.hub import cargo as cargoes
from streembit.jose.keys import PublicKey
from streembit.service.log import Refusals
from streembit.service.network import Network
from streembit.service.people.diary import Diary
from streembit.service.people.friend import Friend, Friends
from streembit.service.people.places import Places
from streembit.service.people.talk import Talk
from streembit.service.relay.hub import Hub
from streembit.service.relay.hubs import Hubs
from streembit.service.relay.seat import Mailed

ID_BYTES: Final = 16
START_WITHIN_S: Final = 30.0
AGAIN_S: Final = (60.0, 600.0)  # after no mailbox took it: drawn in between; a full one stays full

Place = tuple[PublicKey, int]

_log = Logger()


class Post:
    """Mails what lies in the network for a contact to its hub as well.

    Both at once, for each makes up for what the other lacks: a mailbox keeps a parcel for weeks
    without us and hands it over at once, and may lose it, withhold it or be full; the network
    forgets it in a day unless we renew it, and nobody alone can withhold it. The parcel is the
    same, so whichever comes second is known.

    The name of a mail is made of its parcel: a second try is the same mail. What the hub gets is
    sealed once more, as in the network, so that it cannot tell whose conversation goes on.
    """

    def __init__(
        self,
        network: Network,
        hubs: Hubs,
        friends: Friends,
        places: Places,
        refusals: Refusals,
        random: Callable[[], float],
    ) -> None:
        self._network, self._hubs, self._friends, self._places = network, hubs, friends, places
        self._refusals, self._random = refusals, random
        self._times: Diary[Place] = Diary(network.clock, self._due)
        self._new: dict[Place, tuple[Talk, Outgoing]] = {}  # that nobody keeps yet
        self._sending: dict[Place, Deferred[None]] = {}  # at most MAX_LEFT of each contact
        self.mailed = self.received = 0

    def add(self, friend: Friend) -> None:
        """Go on with what waits for a contact, and with no mailbox."""
        for place in friend.talk.conversation.left.unmailed():
            self._times.soon((friend.key, place), self._random() * START_WITHIN_S)

    def drop(self, friend: Friend) -> None:
        """Do nothing more for a contact."""
        for number in friend.talk.conversation.left.standing():
            self._times.strike((friend.key, number))
        self._new = {place: new for place, new in self._new.items() if place[0] != friend.key}
        for (key, _), sending in list(self._sending.items()):
            if key == friend.key:
                sending.cancel()

    def close(self) -> None:
        """Do nothing more."""
        self._times.close()
        for sending in list(self._sending.values()):
            sending.cancel()

    # --- ours
    def leave(self, talk: Talk, outgoing: Outgoing) -> None:
        """Mail a parcel, and tell the talk when a hub keeps it."""
        place = talk.contact, outgoing.place
        self._new[place] = talk, outgoing
        self._due(place)

    def moved(self, friend: Friend) -> None:
        """Take note that a contact is at other places: there may be a hub."""
        for place in friend.talk.conversation.left.unmailed():
            self._due((friend.key, place))

    def _due(self, place: Place) -> None:
        """Mail a parcel that still lies somewhere and is in no mailbox."""
        friend = self._friends.get(place[0])
        if friend is None or place in self._sending:
            return
        left = friend.talk.conversation.left
        parcel = left.parcel(place[1]) if place[1] in left.unmailed() else None
        if parcel is None or not self._places.hubs_of(friend.key):
            self._new.pop(place, None)
            return
        sending = Deferred.fromCoroutine(self._send(friend, place, parcel))
        if not sending.called:
            self._sending[place] = sending
        sending.addErrback(_failed)
        sending.addBoth(lambda _: self._sending.pop(place, None))

    async def _send(self, friend: Friend, place: Place, parcel: bytes) -> None:
        code = await self._mail(friend, parcel)
        if self._friends.get(friend.key) is not friend:
            return
        left = friend.talk.conversation.left
        if code:
            left.not_mailed(place[1], code)
            least_s, most_s = AGAIN_S
            self._times.put(place, least_s + self._random() * (most_s - least_s))
            return
        self.mailed += 1
        left.mailed(place[1], self._network.now_s())
        friend.talk.touch()
        if (new := self._new.pop(place, None)) is not None:
            talk, outgoing = new
            talk.lies(outgoing)

    async def _mail(self, friend: Friend, parcel: bytes) -> str:
        """Mail a parcel to the first hub that keeps it; return "", or the code of why none does."""
        cargo = cargoes.pack(cargoes.PARCEL, friend.pair.seal_parcel(parcel))
        name, code = sha256(parcel).digest()[:ID_BYTES], ""
        for address in self._places.hubs_of(friend.key):
            try:
                await self._hubs.at(address).mail(friend.key, name, cargo)
            except StreembitError as error:
                code = error.code
            else:
                return ""
        return code

    # --- theirs
    def arrived(self, hub: Hub, mail: Mailed, sealed: bytes) -> None:
        """Take a mail; the hub is told to delete it when what it brings is kept, or is of no use.

        Raises:
            KeyRefused: the sender is no contact.
            BadParcel: it cannot be opened.
        """
        friend = self._friends.get(mail.sender)
        if friend is None:
            raise KeyRefused("not a contact")
        heard = friend.talk.hear(_opened(friend, sealed))
        heard.addCallback(self._heard, hub, mail)
        heard.addErrback(_failed)

    def _heard(self, code: str, hub: Hub, mail: Mailed) -> None:
        if code:
            self._refusals.refuse(code)  # its sender has no address here
        else:
            self.received += 1
        if code != ContactFloods.code:  # else it comes again with the next session
            hub.ack(mail)


def _opened(friend: Friend, sealed: bytes) -> bytes:
    """Return the parcel that was sealed under any of the pairs; raise BadParcel."""
    for pair in friend.pairs.theirs:
        try:
            return pair.open_parcel(sealed)
        except RemoteError as error:
            _log.debug("a mail does not open: {code}", code=error.code)
    raise BadParcel("not sealed for us")


def _failed(failure: Failure) -> None:
    """Leave what cannot be kept now to the next time: the mail comes again, the parcel lies on."""
    if failure.check(StreembitError, CancelledError) is None:
        _log.failure("mail could not be sent or taken", failure)
