"""Two people in processes of their own, who are contacts."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from demo.members import Member
from streembit.client import Client
from tests.rig.procnet import LONG, ProcessCase, reactor

LINKED_WITHIN_S = 90.0


class TwoPeopleCase(ProcessCase):
    """A seed, ann and bob; ann and bob are contacts once `acquaint` is done."""

    timeout = 1800 if LONG else 400

    ann: Member
    bob: Member

    async def acquaint(self) -> None:
        """Make the two contacts by an offer, and wait for their link."""
        made = await self.client(self.ann).offer.create(life_s=3600, once=True)
        await self.client(self.bob).contact.add(made.text)
        for one, other in ((self.ann, "bob"), (self.bob, "ann")):
            await self.until(partial(self.is_linked, one, other), LINKED_WITHIN_S)

    def client(self, member: Member) -> Client:
        """Return who asks a member's node."""
        return Client(cast(Any, reactor), member.home)

    async def is_linked(self, member: Member, other: str) -> bool:
        """Tell whether a member has another one for a contact, with a link."""
        rows = await self.client(member).contact.list()
        return any(row.name == other and row.linked and row.state == "contact" for row in rows)
