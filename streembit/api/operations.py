"""All that the local API offers, as one table: of the node, and of the people of its account."""

from __future__ import annotations

from typing import Any, Final

from streembit.api import account, contacts, files, messages, network
from streembit.api.operation import Operation
from streembit.service.facade import NodeFacade
from streembit.service.people_facade import PeopleFacade

OF_NODE: Final[tuple[Operation[NodeFacade], ...]] = network.OPERATIONS
OF_PEOPLE: Final[tuple[Operation[PeopleFacade], ...]] = (
    *contacts.OPERATIONS,
    *messages.OPERATIONS,
    *files.OPERATIONS,
    *account.OPERATIONS,
)
OPERATIONS: Final[tuple[Operation[Any], ...]] = (*OF_NODE, *OF_PEOPLE)
