"""What is wrong with a running node, found by asking, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from twisted.internet.defer import Deferred, gatherResults

from streembit.dht.skew import WARN_S
from streembit.errors import PeerGone, SelfConnect, StreembitError
from streembit.service import homecheck
from streembit.service.facade import Check
from streembit.service.mapping import Mapping
from streembit.service.membership import Address
from streembit.service.network import show_address
from streembit.service.node import Node
from streembit.service.relay.hub import Hub

AGREED_S: Final = 2.0  # peers state whole seconds, and a handshake takes its time


class Doctor:
    """Examines a node; it asks peers, and changes nothing but what we know of our reachability.

    Args:
        home: the node's folder, None for a node that has none.
    """

    def __init__(
        self,
        node: Node,
        home: Path | None = None,
        free_bytes: Callable[[Path], int] = homecheck.free_bytes,
    ) -> None:
        self._node = node
        self._home = home
        self._free_bytes = free_bytes

    async def examine(self) -> list[Check]:
        """Return the findings: clock, port, seeds, peers, reachability, hubs, store, disk, home.

        A node of a private network has no port, and no seed but its hub.
        """
        found = [self._clock()]
        if not self._node.settings.relayed_members:
            found += await self._ways()
        found += [self._peers(), *map(_joined, self._node.hubs.own), self._store()]
        if self._home is not None:
            found += [homecheck.room(self._home, self._free_bytes), homecheck.modes(self._home)]
        return found

    async def _ways(self) -> list[Check]:
        """Return what is between us and others: our port, the seeds, whether we are reached."""
        dials = [Deferred.fromCoroutine(self._seed(seed)) for seed in self._node.seeds]
        seeds = await gatherResults(dials)
        found = [self._port(), *(seeds or [self._no_seeds()]), await self._reach()]
        if self._node.reach.mapping is not None:
            found.append(_mapped(self._node.reach.mapping))
        return found

    def _clock(self) -> Check:
        ahead_s = self._node.reach.reachability.clock_skew_s
        if ahead_s is None:
            return Check(
                "clock", True, "not yet compared: fewer than 3 peers in different networks"
            )
        side = "ahead of" if ahead_s > 0 else "behind"
        apart = f"{abs(ahead_s):,.0f} s {side} the peers"
        detail = apart if abs(ahead_s) >= AGREED_S else "agrees with the peers"
        advice = "set this machine's clock, or let it be set: timedatectl set-ntp true"
        return Check("clock", abs(ahead_s) <= WARN_S, detail, advice)

    def _port(self) -> Check:
        shown = ", ".join(self._node.reach.listening)
        advice = "give it a port where others reach it: --listen tcp:8905"
        return Check("port", bool(shown), f"listening on {shown}" if shown else "none", advice)

    async def _seed(self, seed: Address) -> Check:
        """Dial one seed, as a newcomer would."""
        shown = show_address(seed.host, seed.port)
        try:
            link = await self._node.carriers.prober.dial(seed.host, seed.port, seed.key)
        except SelfConnect:
            return Check("seed", True, f"{shown} is this node")
        except StreembitError as error:
            advice = "check its address, and the way there; name other seeds: --seed HOST:PORT"
            return Check("seed", False, f"{shown}: {error}", advice)
        link.close(PeerGone("the doctor has seen enough"))
        return Check("seed", True, f"{shown} answers")

    def _no_seeds(self) -> Check:
        known = len(self._node.network.table) > 0 or self._node.settings.role == "seed"
        return Check("seed", known, "none is set", "name one to start from: --seed HOST:PORT")

    def _peers(self) -> Check:
        table, links = len(self._node.network.table), len(self._node.network.roster)
        detail = f"{table:,} known, {links:,} linked"
        first = self._node.settings.role == "seed" and not self._node.seeds
        advice = "without peers nothing is found: see to the seeds, or name others"
        return Check("peers", table > 0 or first, detail, advice)

    async def _reach(self) -> Check:
        """Have other nodes dial us, now."""
        reachability = self._node.reach.reachability
        answers = await reachability.ask(self._node.network.roster)
        reached = sum(answer.reachable for answer in answers)
        codes = ", ".join(sorted({answer.code for answer in answers if answer.code}))
        detail = f"{reachability.verdict}; {reached} of {len(answers)} peers reached us just now"
        return Check(
            "reachability",
            self._node.settings.client_only or reachability.verdict != "unreachable",
            f"{detail} ({codes})" if codes else detail,
            f"let TCP port {self._node.network.port} in, in this machine's firewall, and have the "
            "router pass it on; or run with --client-only",
        )

    def _store(self) -> Check:
        ok, detail = self._node.dht.deposit.health()
        advice = "make room on the disk, or see to it that the home can be written"
        return Check("store", ok, detail or "accepts writes", advice)


def _joined(hub: Hub) -> Check:
    row = hub.row()
    detail = f"{row.url}: {row.state} {row.why}".rstrip()
    advice = "see to it that the hub runs, is the one with this key, and lets this account in"
    return Check("hub", row.state == "joined", detail, advice)


def _mapped(mapping: Mapping) -> Check:
    ok = mapping.mapped is not None and mapping.trouble is None
    advice = "let the router open ports (PCP, NAT-PMP or UPnP), or have it pass on the port by hand"
    return Check("port mapping", ok, mapping.detail, advice)
