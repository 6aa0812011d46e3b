"""What the operator of a running hub may ask of it."""

from __future__ import annotations

from typing import Protocol

from streembit.service.facade import Readiness, Status
from streembit.service.hub.rows import Kicked, MemberRow, NewMember, Reloaded, SessionRow


class HubFacade(Protocol):
    """A running hub as its local API sees it.

    Every method may raise a `LocalError`: what was asked cannot be. Members
    are named by public key, fingerprint or, in an allowlist, by account.
    """

    async def ready(self) -> Readiness:
        """Return whether members can join now; cheap."""

    async def status(self) -> Status:
        """Return the state of the hub, its part `hub` included; cheap."""

    async def members(self) -> list[MemberRow]:
        """Return the members of the allowlist in use, by account.

        Raises:
            NoAllowlist: the hub is public.
        """

    async def add_member(self, member: NewMember) -> Reloaded:
        """Write a member into the allowlist's file, and use it from now on.

        Raises:
            NoAllowlist: the hub is public.
            BadAllowlist: key or account is there, or the file is not sound
                as it is; it stays as it is.
            DiskFull, DiskFailed: it could not be written.
        """

    async def remove_member(self, member: str) -> Reloaded:
        """Take a member out of the file, and end its sessions within a second.

        Raises:
            NotFound: there is no such member.
            As `add_member`.
        """

    async def reload(self) -> Reloaded:
        """Read the allowlist's file, and use it from now on.

        Raises:
            NoAllowlist: the hub is public.
            BadAllowlist: the file is not sound; the list in use stays.
        """

    async def sessions(self) -> list[SessionRow]:
        """Return the sessions of this process, the newest first."""

    async def kick(self, member: str) -> Kicked:
        """End the sessions of a member, which may join again.

        Raises:
            NotFound: it has none.
        """
