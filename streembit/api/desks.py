"""Who answers what is asked over the local API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from streembit.service.facade import NodeFacade
from streembit.service.hub.facade import HubFacade
from streembit.service.people_facade import PeopleFacade


class Desks(Protocol):
    """Looked for anew at each request: an account can go on as another node."""

    @property
    def has_people(self) -> bool:
        """Whether there is anybody to ask about contacts, messages and files."""

    async def node(self) -> NodeFacade:
        """Return who answers for the node; wait while one takes the place of another.

        Raises:
            NotReady: there is none any more.
        """

    async def people(self) -> PeopleFacade:
        """Return who answers for its people, as `node`."""

    def refuse(self, reason: str) -> object:
        """Count a refusal by its reason."""


@dataclass(frozen=True)
class Settled:
    """Desks of one node that stays; `late_people` makes its people when they are needed."""

    a_node: NodeFacade
    refuse: Callable[[str], object]
    late_people: Callable[[], PeopleFacade] | None = None

    @property
    def has_people(self) -> bool:
        """See `Desks`."""
        return self.late_people is not None

    async def node(self) -> NodeFacade:
        """See `Desks`."""
        return self.a_node

    async def people(self) -> PeopleFacade:
        """See `Desks`."""
        assert self.late_people is not None
        return self.late_people()


@dataclass(frozen=True)
class HubDesk:
    """The desk of a hub, where nobody else is asked."""

    a_hub: HubFacade
    refuse: Callable[[str], object]

    async def hub(self) -> HubFacade:
        """Return who answers for the hub."""
        return self.a_hub
