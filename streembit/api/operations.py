"""All that the local API offers, as tables: of a node, of the people of its account, of a hub."""

from __future__ import annotations

from typing import Any, Final

from streembit.api import account, calls, contacts, directory, files, hub, messages, network, offers
from streembit.api.operation import Operation
from streembit.service.facade import NodeFacade
from streembit.service.hub.facade import HubFacade
from streembit.service.people_facade import PeopleFacade

OF_NODE: Final[tuple[Operation[NodeFacade], ...]] = network.OPERATIONS
OF_PEOPLE: Final[tuple[Operation[PeopleFacade], ...]] = (
    *offers.OPERATIONS,
    *contacts.OPERATIONS,
    *directory.OPERATIONS,
    *messages.OPERATIONS,
    *calls.OPERATIONS,
    *files.OPERATIONS,
    *account.OPERATIONS,
)
OPERATIONS: Final[tuple[Operation[Any], ...]] = (*OF_NODE, *OF_PEOPLE)
OF_HUB: Final[tuple[Operation[HubFacade], ...]] = hub.OPERATIONS
