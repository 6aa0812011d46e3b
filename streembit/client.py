"""A running node's people, messages, files and records for programs on Twisted.

The methods have the names of the commands: `client.contact.add` does what
`streembit contact add` does. Each returns a Deferred, which can be awaited,
and fails with a LocalError: NodeNotRunning (NodeGone, one of its kind, where
the node ends meanwhile), NodeRefusal with the node's own code, or BadAnswer.

    async def main(reactor):
        client = Client(reactor, "~/.streembit")
        await client.message.send("Bob", "See you at noon.")
        async for happened in client.events():
            print(happened.event)
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from streembit.api import account, messages, network
from streembit.api.asks import (
    Ask,
    Calls,
    Contacts,
    Files,
    Hubs,
    Key,
    Messages,
    Offers,
    Peers,
    Records,
    absolute,
)
from streembit.api.caller import Caller, CallerReactor
from streembit.api.operation import Done
from streembit.disk.home import Home
from streembit.errors import BadAnswer, NodeNotRunning, NoSuchAccount
from streembit.service import facade
from streembit.service import people_rows as rows
from streembit.service.people_events import Arrived, Events, Happened, Notice

WAIT_S: Final = 20  # for events, in one request
AGAIN_S: Final = (1.0, 2.0, 4.0, 8.0)  # after the node could not be asked; the last one stays
LOST: Final = "events-lost"  # the code of the notice that tells of a gap


class Client:
    """One account's running node.

    Args:
        home: the node's folder; "~" is the user's.
        account: which one, where the home has several.
    """

    def __init__(
        self, reactor: CallerReactor, home: Path | str = "~/.streembit", account: str | None = None
    ) -> None:
        path = Path(home).expanduser().absolute()
        folder = path if account is None else Home(path).place(account).folder
        self._reactor = reactor
        self._account = account
        self._caller = Caller(reactor, path, folder)
        ask = Ask(self._caller)
        self.offer = Offers(ask)
        self.contact = Contacts(ask)
        self.hub = Hubs(ask)
        self.message = Messages(ask)
        self.call = Calls(ask)
        self.file = Files(ask)
        self.key = Key(ask)
        self.record = Records(ask)
        self.peer = Peers(ask)
        self._ask = ask

    def status(self) -> Deferred[facade.Status]:
        """Return the state of the node.

        Raises:
            NoSuchAccount: it runs as another account than the one named.
        """
        return Deferred.fromCoroutine(self._status())

    def doctor(self) -> Deferred[network.Checks]:
        """Have the node check itself."""
        return self._ask("GET", "/v1/doctor", network.Checks)

    def settings(
        self,
        *,
        read_receipts: bool | None = None,
        downloads: Path | str | None = None,
        presence: bool | None = None,
        user_type: rows.UserType | None = None,
    ) -> Deferred[rows.PeopleSettings]:
        """Return what the user decided, changed in what is given."""
        folder = None if downloads is None else absolute(downloads)
        body = account.ChangeSettings(read_receipts, folder, presence, user_type)
        if body == account.ChangeSettings():
            return self._ask("GET", "/v1/settings", rows.PeopleSettings)
        return self._ask("PUT", "/v1/settings", rows.PeopleSettings, body)

    def presence(self, state: rows.PresenceState) -> Deferred[Done]:
        """Tell linked contacts who may know whether the user is here; for a minute."""
        return self._ask("PUT", "/v1/presence", Done, messages.SetPresence(state))

    def wipe(self, account_name: str) -> Deferred[Done]:
        """Destroy the account on this machine and stop its node."""
        return self._ask("POST", "/v1/wipe", Done, account.WipeAccount(account_name))

    async def export(self) -> AsyncIterator[rows.ExportLine]:
        """Yield contacts and history; BadAnswer if they break off."""
        kind: Any = rows.ExportLine
        lines = await self._caller.lines("/v1/export", kind)
        try:
            async for line in lines:
                yield line
        finally:
            lines.close()

    async def events(self, after: str = "") -> AsyncIterator[Happened]:
        """Yield what happens, for ever, from a position on ("": from now on).

        A node that is gone is waited for. Where events are not known any
        more, a Notice with the code LOST stands in their place: then read
        contacts, messages and files anew.
        """
        position, failures = after, 0
        while True:
            try:
                found = await self._events(position, 0 if position == "" else WAIT_S)
            except (NodeNotRunning, BadAnswer):
                await deferLater(self._reactor, AGAIN_S[min(failures, len(AGAIN_S) - 1)])
                failures += 1
                continue
            failures, position = 0, found.next
            if found.lost:
                yield Happened(position, 0.0, Notice(LOST, "some events are not known any more"))
            for happened in found.events:
                yield happened

    def position(self) -> Deferred[str]:
        """Return the position of now, from which `events` can be followed later."""
        return self._ask("GET", "/v1/events", Events).addCallback(lambda found: str(found.next))

    def chat(self, contact: str) -> Chat:
        """Return a conversation with a contact."""
        return Chat(self, contact)

    async def _status(self) -> facade.Status:
        found = await self._ask("GET", "/v1/status", facade.Status)
        if self._account not in (None, found.account):
            raise NoSuchAccount("the running node has another one", runs_as=found.account)
        return found

    async def _events(self, after: str, wait_s: int) -> Events:
        return await self._ask("GET", f"/v1/events?after={after}&wait_s={wait_s}", Events)


class Chat:
    """A conversation: say something, and take what the other one says with `async for`."""

    def __init__(self, client: Client, contact: str) -> None:
        self._client = client
        self._contact = contact

    def send(self, text: str) -> Deferred[rows.MessageRow]:
        """Put a text into the outbox."""
        return self._client.message.send(self._contact, text)

    def typing(self, on: bool) -> Deferred[Done]:
        """Tell the contact that the user writes, or stopped; again every 5 s while so."""
        return self._client.message.typing(self._contact, on)

    async def __aiter__(self) -> AsyncIterator[rows.MessageRow]:
        """Yield their messages from now on, none left out, and mark them as read.

        A node that is gone is waited for, as `events` does: what came meanwhile follows.
        """
        key = (await self._client.contact.show(self._contact)).public_key
        newest = await self._client.message.list(self._contact, limit=1)
        shown = newest[-1].number if newest else 0
        async for happened in self._client.events():
            event = happened.event
            if isinstance(event, Notice) and event.code == LOST:
                try:
                    news = await self._above(shown)
                except NodeNotRunning:  # gone again: its next start is a gap as well
                    continue
            elif isinstance(event, Arrived) and event.message.contact == key:
                news = [event.message]
            else:
                continue
            for row in news:
                if row.number > shown and not row.outgoing:
                    shown = row.number
                    yield row
                    with suppress(NodeNotRunning):  # told with the next message
                        await self._client.message.read(self._contact, shown)

    async def _above(self, number: int) -> list[rows.MessageRow]:
        """Return all of the conversation that has higher numbers."""
        found: list[rows.MessageRow] = []
        while not found or found[0].number > number + 1:
            before = found[0].number if found else None
            page = await self._client.message.list(
                self._contact, before=before, limit=rows.MAX_PAGE
            )
            if not page:
                break
            found = page + found
        return [row for row in found if row.number > number]
