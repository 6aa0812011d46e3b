"""What members with the permission `admin` may do from afar: shut others out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.logger import Logger

from streembit.errors import (
    BadAllowlist,
    DiskFailed,
    DiskFull,
    NotFound,
    NotPermitted,
    NotReady,
    NotThere,
)
from streembit.hub.grant import Grant
from streembit.jose import base64url
from streembit.service.hub.rows import Kicked, Reloaded
from streembit.service.hub.session import Session
from streembit.wire.hub import Dismiss, Done, Kick

_log = Logger()


class Operator(Protocol):
    """Who can do it; see `facade.HubFacade`."""

    async def kick(self, member: str) -> Kicked:
        """End the sessions of a member."""

    async def remove_member(self, member: str) -> Reloaded:
        """Take a member out of the allowlist's file."""


class Admins:
    """Serves what admins ask, and leaves a line of it in the log.

    From afar nobody is let in, and no other admin is shut out: who has stolen an admin's key
    gains no more than that, and the operator at the hub itself can undo it.

    Args:
        own: the hub's own key, as text.
        grant_of: returns what the holder of a key may do.

    Attributes:
        operator: None where nobody operates this hub.
    """

    def __init__(self, own: str, grant_of: Callable[[str], Grant | None]) -> None:
        self.operator: Operator | None = None
        self._own, self._grant_of = own, grant_of

    async def answer(self, session: Session, body: Kick | Dismiss) -> Done:
        """Shut a member out.

        Raises:
            NotThere: it is no member, or not joined.
            NotPermitted: it is an admin, or the hub's own node.
            NotReady: it cannot be done now.
        """
        grant = self._grant_of(body.key)
        if grant is None:
            raise NotThere("no such member")
        if body.key == self._own or "admin" in grant.permissions:
            raise NotPermitted("an admin is shut out at the hub itself")
        if self.operator is None:
            raise NotReady("nobody operates this hub")
        await self._do(self.operator, body)
        _log.warn(
            "the admin {by} has shut out a member ({what}): {key}",
            by=session.served.member.hex,
            what="kick" if isinstance(body, Kick) else "dismiss",
            key=_hex(body.key),
        )
        return Done()

    async def _do(self, operator: Operator, body: Kick | Dismiss) -> None:
        try:
            if isinstance(body, Kick):
                await operator.kick(_hex(body.key))
            else:
                await operator.remove_member(_hex(body.key))
        except NotFound as error:
            raise NotThere(error.detail) from None
        except (BadAllowlist, DiskFull, DiskFailed) as error:
            raise NotReady(f"the allowlist cannot be changed: {error.code}") from None


def _hex(key: str) -> str:
    return base64url.decode(key).hex()
