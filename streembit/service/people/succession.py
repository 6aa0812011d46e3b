"""Changes of our identity key, and its end: announced to all contacts for as long as it takes."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace
from twisted.internet.task import deferLater

from streembit.contacts import rotation as rotations
from streembit.errors import KeyRefused
from streembit.jose import fingerprint as fingerprints
from streembit.jose.keys import Identity, PublicKey
from streembit.service.network import Network
from streembit.service.people.friend import Friend
from streembit.service.people.holdings import Holdings
from streembit.service.people.inviting import Inviting
from streembit.service.people.keyfile import KeyFile
from streembit.service.people.listed import Listed
from streembit.service.people.statements import say_to_all
from streembit.service.people.transfers import Transfers
from streembit.service.people.ways import Ways
from streembit.service.people_events import Notice
from streembit.service.people_rows import KeyChanged

TELL_WITHIN_S: Final = 3.0  # a contact on a link knows in a round trip; others find it in a card
LOOK_EVERY_S: Final = 0.1
VOID: Final = "key-revoked"
VOID_TEXT: Final = (
    "our own key is void: nothing can be said under it, and contacts hear of it as they come"
)


class Succession:
    """Gives the account another key, or none any more, and tells all contacts of it."""

    def __init__(
        self,
        network: Network,
        held: Holdings,
        ways: Ways,
        transfers: Transfers,
        inviting: Inviting,
        listed: Listed,
    ) -> None:
        self._network, self._lineage, self._feed = network, held.lineage, held.feed
        self._friends, self._talks, self._ways = held.friends, held.talks, ways
        self._transfers, self._inviting, self._listed = transfers, inviting, listed

    async def rotate(self, key_file: KeyFile, passcode: str | None) -> KeyChanged:
        """Take a new identity, tell all contacts, and let another node go on as it.

        Raises:
            WrongPasscode, DiskFull, DiskFailed: nothing has changed.
            KeyRevoked: who was told that our key is void, takes no successor of it.
            WrongState: another change is under way.
            NotReady: the key file is changed, and the process ends.
        """
        self._lineage.check_unchanged()
        new, statement = self._replace(key_file, passcode)
        offers = self._inviting.retract()  # they lead to a key at which nobody answers any more
        changed = await self._announced(statement, new.public)
        await self._listed.retract()
        await key_file.go_on(new)
        return replace(changed, offers=offers)

    def _replace(self, key_file: KeyFile, passcode: str | None) -> tuple[Identity, str]:
        """Put a new identity into the key file; return it, and the statement that it follows."""
        old = self._network.identity
        new = Identity.generate(old.name)
        now_s, network = int(self._network.now_s()), self._network.settings.network
        statement = rotations.make(old, new, network, now_s)
        self._lineage.begin(new, statement, now_s)
        try:
            key_file.replace(new, passcode)
        except BaseException:
            self._lineage.settle()
            raise
        return new, statement

    async def revoke(self) -> KeyChanged:
        """Declare our key void, tell all contacts, and end all that goes on under it.

        Raises:
            KeyRevoked: it is void already.
            WrongState: a change of key is under way.
        """
        self._lineage.check_unchanged()
        identity, network = self._network.identity, self._network.settings.network
        token = rotations.revoke(identity, network, int(self._network.now_s()))
        self._lineage.end(token)
        self._inviting.withdraw()
        changed = await self._announced(token, None)
        self._end()
        await self._listed.withdraw()
        return changed

    def _end(self) -> None:
        """End what goes on under a key that is void; cards tell those who have not heard."""
        for friend in self._friends.values():
            friend.talk.end(VOID)
            self._transfers.forget(friend.name, VOID)
        self._talks.settle()
        self._feed.tell(Notice(VOID, VOID_TEXT))

    async def _announced(self, statement: str, new: PublicKey | None) -> KeyChanged:
        """Tell all contacts; return how many know, when all know who can be told at once."""
        old = self._network.identity.public
        linked = [friend for friend in self._friends.values() if friend.talk.is_open]
        count, said = len(self._friends), self._tell(statement)
        until_s = self._network.now_s() + TELL_WITHIN_S
        while (told := sum(_knows(friend, said) for friend in linked)) < len(linked):
            if self._network.now_s() >= until_s:
                break
            await deferLater(self._network.clock, LOOK_EVERY_S)
        shown = fingerprints.of(new or old)
        return KeyChanged(old.hex, new.hex if new else "", shown, told, count - told)

    def _tell(self, statement: str) -> str:
        """Put the statement into all outboxes, and on all links; return the id of the message."""
        name = say_to_all(self._friends, statement, self._network.now_s())
        self._ways.showing.show_all()  # who follows a thief by now takes no parcel of ours
        self._talks.settle()
        self._ways.cards.changed()
        return name


def _knows(friend: Friend, said: str) -> bool:
    """Tell whether a contact has what was said: its answer, or it ended the link for it."""
    talk = friend.talk.conversation
    number = talk.find(said)
    entry = None if number is None else talk.entry(number)
    if entry is None:
        return False
    return entry.state in ("delivered", "read") or entry.why == KeyRefused.code
