"""One account that a process runs as."""

from __future__ import annotations

from dataclasses import dataclass

from streembit.disk.config import Config
from streembit.jose.keys import Identity


@dataclass(frozen=True, slots=True)
class Party:
    """An account, opened, and how its node is configured."""

    config: Config
    identity: Identity
