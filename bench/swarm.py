"""What a network under test offers, so that one workload drives each of them alike."""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Outcome:
    """How one put or get ended.

    `value` is what a get brought, None when it brought nothing; for a put
    it is the value when at least one other node took it. `seconds` ends
    at the first valid answer.
    """

    value: bytes | None
    seconds: float


class Swarm(Protocol):
    """Nodes of one network in this process, numbered in the order of joining.

    The coroutines belong to whatever event loop the network brings, which
    is why waiting and running several at once are methods as well.
    """

    settle_s: float  # what the network asks for between the last join and the first put

    async def join(self, seed_port: int | None) -> int:
        """Start one more node, joined through the one at this port; return its own port."""
        ...

    async def put(self, at: int, name: str, value: bytes, reader: int) -> Outcome:
        """Publish from one node; `reader` is who will read, where that matters."""
        ...

    async def get(self, at: int, name: str, limit_s: float) -> Outcome:
        """Look up at one node what a put of this process published."""
        ...

    def holds(self, at: int, name: str) -> bool:
        """Say whether a node has the value in its own store; asked while the network is quiet."""
        ...

    async def pause(self, seconds: float) -> None:
        """Let the nodes run for a while."""
        ...

    async def together(self, work: Sequence[Coroutine[Any, Any, Outcome]]) -> list[Outcome]:
        """Run these at the same time and return what each came to, in order."""
        ...

    def requests(self) -> int:
        """Count the requests all nodes here have sent so far; asked while the network is quiet."""
        ...

    async def stop(self) -> None:
        """Close every node of this process."""
        ...
