"""A hub that stands alone: the facade over a real allowlist's file, with one session."""

from __future__ import annotations

from pathlib import Path

from streembit.disk import allowlist
from streembit.errors import NoAllowlist, NotFound
from streembit.hub.allowlist import Allowlist, Member, change
from streembit.hub.grant import Grant
from streembit.jose.keys import Identity, PublicKey
from streembit.service.facade import Readiness, Status
from streembit.service.hub.rows import (
    HubStatus,
    Kicked,
    MemberRow,
    NewMember,
    Reloaded,
    SessionRow,
)
from tests.api.fake import NOW_S, FakeNode

ALICE, BOB, EVE = (Identity.from_seed(bytes([n]) * 32, "x").public for n in (1, 2, 3))
LIST = f"""{{
  "members": [
    {{"account": "alice", "public_key": "{ALICE.hex}", "permissions": ["relay", "admin"]}},
    {{"account": "lamp", "public_key": "{BOB.hex}", "user_type": "device",
     "permissions": [], "expires": {NOW_S}, "note": "in the hall"}}
  ]
}}
"""


class FakeHub:
    """Keeps the list of a file, and a session of Alice's; without a file it is public."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.generation = 0
        self.here = {ALICE.text}
        self.has_node = True
        self.trouble = ""
        self.list = Allowlist({})
        if path is not None:
            path.write_text(LIST)
            path.chmod(0o600)
            self._use(allowlist.load(path))

    async def ready(self) -> Readiness:
        return Readiness(True, None, "")

    async def status(self) -> Status:
        from msgspec.structs import replace

        of_hub = HubStatus(
            private=self.path is not None,
            members=None if self.path is None else len(self.list.members),
            generation=self.generation,
            allowlist=self.trouble,
            sessions=1,
            joined=3,
            processes=2,
            backplane="redis",
            mails=4,
            mail_bytes=5000,
            mailbox="",
            security="tls",
            accelerated=True,
            pin=f"wss://hub.example.org:32318#{ALICE.hex}",
        )
        status = replace(await FakeNode().status(), role="hub", people=None, hub=of_hub)
        if self.has_node:
            return status
        ready = Readiness(True, None, "members can join")
        return replace(status, peers=0, links=0, records=0, observed="", readiness=ready)

    async def members(self) -> list[MemberRow]:
        self._file()
        return [self._row(key, member) for key, member in self.list.members.items()]

    async def add_member(self, member: NewMember) -> Reloaded:
        key = PublicKey.from_hex(member.public_key)
        permissions = frozenset(member.permissions)
        grant = Grant(member.account, member.user_type, permissions, member.expires or None)
        return self._use(allowlist.add(self._file(), Member(key, grant, member.note)))

    async def remove_member(self, member: str) -> Reloaded:
        return self._use(allowlist.remove(self._file(), self._key(member)))

    async def reload(self) -> Reloaded:
        return self._use(allowlist.load(self._file()))

    async def sessions(self) -> list[SessionRow]:
        return [
            SessionRow(
                public_key=ALICE.hex,
                account="alice",
                session="s" * 22,
                observed="192.0.2.9:4711",
                agent="test",
                since=NOW_S,
                idle_s=3.25,
                frames_in=1200,
                frames_out=7,
                queued_bytes=0,
            )
            for _ in self.here
        ]

    async def kick(self, member: str) -> Kicked:
        key = self._key(member)
        if key not in self.here:
            raise NotFound("no session of this member")
        self.here.discard(key)
        return Kicked(1)

    def _file(self) -> Path:
        if self.path is None:
            raise NoAllowlist
        return self.path

    def _key(self, member: str) -> str:
        for key, each in self.list.members.items():
            if member in (each.grant.account, each.key.hex):
                return key
        raise NotFound("no such member")

    def _use(self, new: Allowlist) -> Reloaded:
        found = change(self.list, new)
        self.list, self.generation = new, self.generation + 1
        closed = self.here & (found.removed | found.reduced)
        self.here -= closed
        added, removed, altered = (
            sorted(PublicKey.from_text(key).hex for key in keys)
            for keys in (found.added, found.removed, found.reduced | found.altered)
        )
        return Reloaded(self.generation, len(new.members), added, removed, altered, len(closed))

    def _row(self, key: str, member: Member) -> MemberRow:
        grant = member.grant
        return MemberRow(
            member.key.hex,
            grant.account,
            grant.user_type,
            grant.listed(),
            grant.expires_s or 0,
            member.note,
            key in self.here,
        )
