"""A port of one router: asked for, renewed, looked after and given back."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final

from streembit.router import natpmp, pcp
from streembit.router.talk import Talk, Told, Way
from streembit.router.terms import LEASE_S, NONCE_BYTES, Mapped, Want

MIN_RENEWAL_S: Final = 30.0  # however short a lease is; the shortest known are of 60 seconds
_NONCE: Final = b"streembit 1 pcp nonce "


class Epoch:
    """A router's clock: where it does not go on as ours does, the router has forgotten all.

    It counts from the router's start, and is compared as RFC 6887, section 8.5, says: it may go
    wrong by one part in sixteen and two seconds.
    """

    def __init__(self) -> None:
        self._last: tuple[float, int] | None = None  # our time, and the router's

    def goes_on(self, epoch_s: int, now_s: float) -> bool:
        """Take what the router says now; tell whether it goes on from what it said before."""
        last, self._last = self._last, (now_s, epoch_s)
        if last is None:
            return True
        ours_s, theirs_s = now_s - last[0], epoch_s - last[1]
        if theirs_s < -1:
            return False
        return ours_s + 2 >= theirs_s * 15 / 16 and theirs_s + 2 >= ours_s * 15 / 16


@dataclass(frozen=True, slots=True)
class Place:
    """Between whom a lease is: the router's address in this network, and ours."""

    router: str
    own: str


class Lease:
    """What is asked for a port, and what is made of the answers.

    Args:
        secret: makes the nonce, so that who is started again after a crash has it still: a
            router refuses to renew a port for somebody who does not know it.
    """

    def __init__(self, place: Place, secret: bytes) -> None:
        self.place = place
        self._secret = secret
        self._epoch = Epoch()
        self._inner = 0
        self._mapped: Mapped | None = None

    def take(self, inner: int, wanted: int) -> Talk:
        """Ask for a port that leads to `inner`, or renew it; the wanted one if it is free."""
        self._inner = inner
        want = self._want(wanted, LEASE_S)
        return Talk(
            [
                Way(pcp.NAME, [pcp.Port(want)]),
                Way(natpmp.NAME, [natpmp.Port(want), natpmp.Address()]),
            ]
        )

    def took(self, told: Told, now_s: float) -> Mapped:
        """Return what the answer gives us."""
        self._epoch.goes_on(told.said.epoch_s, now_s)
        said = told.said
        self._mapped = Mapped(said.host, said.port, said.lease_s, told.by)
        return self._mapped

    def look(self) -> Talk | None:
        """Ask whether the router still is as it was; None where there is nothing to ask about."""
        match self._mapped:
            case Mapped(by=pcp.NAME):
                return Talk([Way(pcp.NAME, [pcp.Clock(self.place.own)])])
            case Mapped():
                return Talk([Way(natpmp.NAME, [natpmp.Address()])])
            case None:
                return None

    def holds(self, told: Told, now_s: float) -> bool:
        """Tell whether the answer to a look lets us believe that the port is still ours."""
        goes_on = self._epoch.goes_on(told.said.epoch_s, now_s)
        is_there = self._mapped is not None and told.said.host in ("", self._mapped.host)
        return goes_on and is_there

    def give_back(self) -> Talk | None:
        """Ask the router to close the port; None where there is none."""
        mapped, self._mapped = self._mapped, None
        if mapped is None:
            return None
        want = self._want(mapped.port, 0)
        question = pcp.Port(want) if mapped.by == pcp.NAME else natpmp.Port(want)
        return Talk([Way(mapped.by, [question])])

    def _want(self, outer: int, lease_s: int) -> Want:
        about = f"{self.place.router} {self.place.own} {self._inner}".encode()
        nonce = hmac.digest(self._secret, _NONCE + about, "sha256")[:NONCE_BYTES]
        return Want(self.place.own, nonce, self._inner, outer, lease_s)


def renewal_s(lease_s: int, random: float) -> float:
    """Return after how long to renew: between a half and five eighths of the lease.

    So RFC 6887, section 11.2.1, has it, lest many ask at once; `random` is in [0, 1). A lease
    without an end (0), or one longer than we asked for, is renewed as if it had our length.
    """
    length_s = min(lease_s or LEASE_S, LEASE_S)
    return max(MIN_RENEWAL_S, length_s * (4 + random) / 8)
