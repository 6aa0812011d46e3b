"""People whose nodes nobody can connect to: they meet through a hub, and mail waits there."""

from __future__ import annotations

import signal
from functools import partial

from twisted.internet.defer import Deferred, gatherResults

from demo.members import FREE_PORT, NOWHERE, OPEN, Member
from tests.process.two import TwoPeopleCase

WITHIN_S = 40.0
HIDDEN = (*OPEN, "--listen", NOWHERE)


class HubPeopleTests(TwoPeopleCase):
    """A seed and a hub, over TLS; ann, bob and cat listen nowhere."""

    cat: Member

    async def test_they_meet_and_what_is_said_to_who_is_stopped_arrives(self) -> None:
        """The link is shown as one through the hub; the message as one in the mailbox."""
        seed = await self.net.start("seed", "seed")
        seeds = [self.net.places[seed.name]]
        hub = await self.net.start("hub", "hub", seeds, options=(*OPEN, "--listen", FREE_PORT))
        status = await hub.api.status()
        assert status.hub is not None
        options = (*HIDDEN, "--hub", status.hub.pin)
        starting = [self.net.start(name, "node", seeds, options) for name in ("ann", "bob", "cat")]
        self.ann, self.bob, self.cat = await gatherResults(map(Deferred.fromCoroutine, starting))
        for member in (self.ann, self.bob, self.cat):
            await self.until(partial(self.is_joined, member), WITHIN_S)
        await self.acquaint()
        (row,) = await self.ann.api.contact.list()
        self.assertTrue(row.via.startswith("hub "), row.via)
        await self.ann.api.message.send("bob", "through the hub")
        await self.until(partial(self.has, self.bob, "ann", "through the hub"), WITHIN_S)
        made = await self.ann.api.offer.create(life_s=3600, once=True)
        await self.cat.api.contact.add(made.text)
        await self.until(partial(self.is_linked, self.ann, "cat"), WITHIN_S)
        await self.ann.api.message.send("cat", "good morning")
        await self.until(partial(self.has, self.cat, "ann", "good morning"), WITHIN_S)
        self.cat.signal(signal.SIGTERM)
        await self.cat.ended
        await self.ann.api.message.send("cat", "for when you are back")
        await self.until(partial(self.waits_in_mailbox, self.ann, "cat"), WITHIN_S)
        self.ann.signal(signal.SIGTERM)  # nobody but the hub is left to tell it
        await self.ann.ended
        await self.net.again(self.cat, same_port=False)
        await self.until(partial(self.has, self.cat, "ann", "for when you are back"), WITHIN_S)

    async def is_joined(self, member: Member) -> bool:
        """Tell whether a node is joined to its hub."""
        return [row.state for row in await member.api.hub.list()] == ["joined"]

    async def has(self, member: Member, contact: str, text: str) -> bool:
        """Tell whether a message has arrived, once."""
        return [row.text for row in await member.api.message.list(contact)].count(text) == 1

    async def waits_in_mailbox(self, member: Member, contact: str) -> bool:
        """Tell whether the last message lies in the contact's mailbox."""
        row = (await member.api.message.list(contact))[-1]
        return (row.state, row.why) == ("sent", "in-mailbox")
