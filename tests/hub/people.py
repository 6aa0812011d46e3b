"""A hub, its members and a finished admission, the same in each run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from streembit.hub.admission import HubAdmission, Joined, MemberAdmission
from streembit.hub.grant import EVERYBODY, Grant
from streembit.hub.session import ServedSession
from streembit.jose.keys import Identity, PrivateKey
from streembit.wire.hub import Quota
from tests.jose.people import ANN

NETWORK: Final = "private.test"
NOW_S: Final = 1_700_000_000
HUB: Final = Identity.from_seed(bytes([7]) * 32, "hub")
OTHER_HUB: Final = Identity.from_seed(bytes([8]) * 32, "other")
QUOTA: Final = Quota(128, 8 * 1024 * 1024, 14)
BINDING: Final = bytes([5]) * 32


def everybody(_key: str) -> Grant:
    """Let in who signs."""
    return EVERYBODY


@dataclass
class Door:
    """One connection between a hub and somebody who wants to join it."""

    hub_key: PrivateKey = HUB.signing
    member_key: PrivateKey = ANN.signing
    network: str = NETWORK
    number: int = 1  # of the connection: all chance comes from it
    binding: bytes | None = BINDING
    now_ms: int = NOW_S * 1000  # the hub's; the member's clock is an hour behind
    hub: HubAdmission = field(init=False)
    member: MemberAdmission = field(init=False)

    def __post_init__(self) -> None:
        self.hub = HubAdmission(
            self.hub_key,
            self.network,
            nonce=bytes([self.number]) * 32,
            binding=self.binding,
            now_ms=self.now_ms,
        )
        self.member = MemberAdmission(
            self.member_key,
            self.network,
            own=bytes([self.number + 100]) * 32,
            started_ms=(NOW_S - 3600) * 1000,
            binding=self.binding,
        )

    def joined(self) -> bytes:
        """Return the member's Join."""
        return self.member.join(self.hub.challenge())

    def welcomed(self) -> tuple[bytes, ServedSession]:
        """Return the hub's Welcome and its side of the session."""
        applicant = self.hub.judge(self.joined(), everybody, NOW_S)
        return self.hub.welcome(
            applicant, observed="192.0.2.7:40000", quota=QUOTA, waiting=3, name="a hub"
        )

    def open(self) -> tuple[ServedSession, Joined]:
        """Return both sides of the session."""
        token, served = self.welcomed()
        return served, self.member.finish(token)
