"""The signatures of one peer's messages: checked, counted, and not forgiven for ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from streembit.errors import BadSignature, StreembitError
from streembit.jose.envelope import ParsedRpc, Verified, verify_rpc
from streembit.jose.keys import PublicKey
from streembit.wire.message import Rpc

MAX_BAD_SIGNATURES: Final = 3  # then the link ends and its address is discouraged


@dataclass(slots=True)
class Checks:
    """How many signatures a node has checked, and how many were bad."""

    good: int = 0
    bad: int = 0


class Scrutiny:
    """Checks what one peer signed.

    Args:
        checks: counts for the whole node.
        refused: told of each bad signature that does not end the link yet, and of the host.
    """

    __slots__ = ("_bad", "_checks", "_host", "_key", "_refused")

    def __init__(
        self,
        key: PublicKey,
        host: str,
        checks: Checks,
        refused: Callable[[str, StreembitError], None],
    ) -> None:
        self._key = key
        self._host = host
        self._checks = checks
        self._refused = refused
        self._bad = 0

    def verify(self, parsed: ParsedRpc) -> Verified[Rpc] | None:
        """Return the message if its signature is good; raise BadSignature at the third bad one."""
        try:
            verified = verify_rpc(parsed, self._key)
        except BadSignature as error:
            self.forged(error)
            return None
        self._checks.good += 1
        return verified

    def forged(self, error: BadSignature) -> None:
        """Count a bad signature, of a message or of what it brings; raise it at the third."""
        self._checks.bad += 1
        self._bad += 1
        if self._bad >= MAX_BAD_SIGNATURES:
            raise error
        self._refused(self._host, error)
