"""What transfers of files need of the people: words to contacts, news for the user, and links."""

from __future__ import annotations

import os
from typing import Final

from msgspec.structs import replace

from streembit.jose import base64url
from streembit.net.tcp import LinkProtocol
from streembit.service.feed import Feed
from streembit.service.network import Network
from streembit.service.people.friend import Friends, named
from streembit.service.people.talks import Talks
from streembit.service.people.way import link_of
from streembit.service.people_events import Transferred
from streembit.service.people_rows import TransferRow
from streembit.wire.content import FileAnswer, FileOffer
from streembit.wire.transfer import FileContent, pack_content
from streembit.wire.transfer import FileOffer as Offered

ID_BYTES: Final = 16


class Porter:
    """Stands between the transfers, which know contacts by the names of their rows, and these."""

    def __init__(self, network: Network, friends: Friends, talks: Talks, feed: Feed) -> None:
        self._network, self._friends, self._talks, self._feed = network, friends, talks, feed

    def say(self, contact: str, content: FileContent) -> None:
        """Say a word about files to a contact; it is kept when this returns.

        Raises:
            OutboxFull, DiskFull, DiskFailed
        """
        friend = named(self._friends, contact)
        if friend is None:
            return
        name, now_s = base64url.encode(os.urandom(ID_BYTES)), int(self._network.now_s())
        body = base64url.encode(pack_content(content))
        if isinstance(content, Offered):
            friend.talk.write(FileOffer(name, now_s, body))
        else:
            friend.talk.write(FileAnswer(name, now_s, body))
        self._talks.settle()

    def changed(self, row: TransferRow) -> None:
        """Tell of a transfer that came on."""
        self._feed.tell(Transferred(self.row(row)))

    def row(self, row: TransferRow) -> TransferRow:
        """Return the row of a transfer with the key that the contact has now."""
        friend = named(self._friends, row.contact)
        return row if friend is None else replace(row, contact=friend.key.hex)

    def link_of(self, contact: str) -> LinkProtocol | None:
        """Return the link to a contact that is in use; None without one."""
        friend = named(self._friends, contact)
        peer = None if friend is None else self._network.roster.get(friend.key)
        return None if peer is None else link_of(peer)
