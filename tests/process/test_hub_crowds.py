"""Rows C1 to C4 and C8 at a hub: crowds from many addresses, and who never reads."""

from __future__ import annotations

import os
import resource
import signal
import socket
import time
from collections import Counter
from pathlib import Path
from typing import Final

from twisted.internet.defer import Deferred, DeferredList, gatherResults
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.protocol import Protocol as ByteProtocol
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest

from demo.members import FREE_PORT, OPEN, Member
from streembit.wire.hub import MAX_CARGO_BYTES, Gone, Observe
from tests.hubs.house import REQUEST
from tests.process.test_hub import HubCase, identity
from tests.rig.crowd import over_tcp_from
from tests.rig.hubguest import HOST, HubGuest
from tests.rig.procnet import LONG, memory_of, pause, reactor

CLOSED: Final = ("--no-passcode", "--plain", "--listen", FREE_PORT)  # nobody is exempt
SECURE: Final = ("--no-passcode", "--listen", FREE_PORT)
JOIN_WITHIN_S: Final = 5.0
ADDRESSES: Final = 40
EACH, REFUSED = (75, 2000) if LONG else (25, 300)  # of an address: the row's 3,000, a third in CI
STRANGERS: Final = 256  # that a hub holds
KNOWN: Final = 10  # sockets of those who are honest, and files that are open for a moment
DESCRIPTORS: Final = 128
SHARE: Final = 102  # of them that connections may take: a fifth is kept for files
LISTED: Final = 130
WATCHED_S: Final = 15.0 if LONG else 2.0  # who does not read has ten seconds
SERVED_WITHIN_S: Final = 0.25
FRAMES: Final = 10_000 if LONG else 2_000  # of each flooder
TURNS: Final = FRAMES // 500  # that an honest member has meanwhile: each behind 64 KiB of theirs
GROWS_BYTES: Final = 16 * 1024 * 1024  # queues of a few members, and what allocating them wastes
FLOOD_S: Final = 30.0
IDLE_WITHIN_S: Final = 5.0
IDLE_SHARE: Final = 0.1  # of a core


class Knock(ByteProtocol):
    """A connection that says some bytes, or none, and stays for as long as it may."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        assert self.transport is not None
        self._crowd.open.append(self)
        if self._crowd.says:
            self.transport.write(self._crowd.says)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        self._crowd.open.remove(self)
        empty = self._crowd.empty
        if not self._crowd.open and empty is not None and not empty.called:
            empty.callback(None)

    def leave(self) -> None:
        """End the connection."""
        self.transport.abortConnection()  # type: ignore[union-attr]


class Crowd(Factory):
    """Connections that say the same, from wherever.

    Attributes:
        open: those that are there, as far as this side knows.
    """

    noisy = False

    def __init__(self, port: int, says: bytes = b"") -> None:
        self.says = says
        self.open: list[Knock] = []
        self.empty: Deferred[None] | None = None
        self._port = port

    def buildProtocol(self, addr: object) -> Knock:  # noqa: N802
        """Return one connection."""
        return Knock(self)

    def come(self, address: str) -> Deferred[object]:
        """Connect once more, from an address; fire when that is done, or refused."""
        dialled: Deferred[object] = over_tcp_from(address)(HOST, self._port, self)  # type: ignore[assignment]
        return dialled.addErrback(lambda failure: failure.trap(ConnectError) and None)

    def leave(self) -> Deferred[None]:
        """End all connections; fire when they are gone."""
        self.empty = empty = Deferred[None]()
        if not self.open:
            empty.callback(None)
        for knock in list(self.open):
            knock.leave()
        return empty


def descriptors(member: Member) -> int:
    """Return how many files and sockets a member has open now."""
    return len(os.listdir(f"/proc/{member.pid}/fd"))


def busy_s(member: Member) -> float:
    """Return how long a member's process has kept a core busy since its start."""
    fields = Path(f"/proc/{member.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class CrowdCase(HubCase):
    """A hub that exempts nobody, and a crowd before it."""

    def crowd(self, port: int, says: bytes = b"") -> Crowd:
        """Return a crowd that is gone when the test ends."""
        made = Crowd(port, says)
        self.addCleanup(made.leave)
        return made

    async def comes(self, number: int, port: int, address: str, *, tls: bool = False) -> HubGuest:
        """Return a member that tries again and again until it has joined."""
        while True:
            guest = self.guest(number).connect(port, tls=tls, connect=over_tcp_from(address))
            self.addCleanup(self.goes, guest)
            await DeferredList([guest.joined])
            if guest.session is not None:
                return guest
            await pause(0.25)

    def goes(self, guest: HubGuest) -> Deferred[float] | None:
        """Let a member leave, if it is there."""
        if guest.carrier is None or guest.gone.called:
            return None
        guest.carrier.abort()
        return guest.gone

    async def served(self, guest: HubGuest) -> float:
        """Return how long a member waits for an answer."""
        begun_s, count = reactor.seconds(), len(guest.answers)
        guest.ask(Observe())
        await self.until(lambda: len(guest.answers) > count, JOIN_WITHIN_S, "an answer")
        return reactor.seconds() - begun_s

    async def talk(self, one: HubGuest, other: HubGuest) -> None:
        """Let one member say something to another."""
        count = len(other.envelopes)
        one.send(one.own.live(other.who.public, b"hello")[1])
        await self.until(lambda: len(other.envelopes) > count, JOIN_WITHIN_S, "what was said")


class FloodTests(CrowdCase):
    """Connections, more than anybody wants."""

    ending = False

    async def test_C1_a_flood_of_connections_from_forty_addresses(self) -> None:
        """So many strangers are held; a member is served and another joins within 5 s."""
        self.write(range(1, 4))
        hub = await self.hub(*CLOSED, private=True)
        port = self.port(hub)
        member = await self.comes(1, port, "127.99.0.1")
        before = descriptors(hub)
        crowds = [self.crowd(port, says) for says in (b"", REQUEST.encode() + b"\r\n")]
        floods = [self.flood(crowds[n % 2], f"127.66.{n}.1") for n in range(ADDRESSES)]
        flooding = DeferredList([Deferred.fromCoroutine(flood) for flood in floods])
        self.addCleanup(lambda: flooding)
        self.addCleanup(setattr, self, "ending", True)
        await pause(0.2)
        begun_s = reactor.seconds()
        newcomer = await self.comes(2, port, "127.99.1.1")
        self.assertLess(reactor.seconds() - begun_s, JOIN_WITHIN_S)
        await self.talk(newcomer, member)
        await flooding
        held = STRANGERS + KNOWN
        await self.until(lambda: descriptors(hub) - before <= held, 5, "the dropped to be gone")
        await self.talk(member, newcomer)
        refused = await self.refusals(hub)
        self.assertGreater(refused["too-many-connections"] + refused["rate-limited"], REFUSED)
        self.assertLess(len(hub.log.read_bytes().splitlines()), 500)

    async def flood(self, crowd: Crowd, address: str) -> None:
        """Connect again and again from one address."""
        for _ in range(EACH):
            if not self.ending:
                await crowd.come(address)

    async def test_C2_a_fifth_is_kept_for_files(self) -> None:
        """With 128 descriptors connections take 102; list, mail and API work meanwhile."""
        self.write(range(1, LISTED))
        few = ["/bin/sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@"', "sh"]
        options = (*CLOSED, "--private", str(self.list))
        hub = await self.net.start("hub", "hub", options=options, within=few)
        port = self.port(hub)
        first, second = [await self.comes(n, port, f"127.99.{n}.1") for n in (1, 2)]
        guests = [self.guest(n) for n in range(3, LISTED)]
        for number, guest in enumerate(guests):
            guest.connect(port, connect=over_tcp_from(f"127.70.{number}.1"))
            self.addCleanup(self.goes, guest)
        await DeferredList([guest.joined for guest in guests])
        there = [guest for guest in guests if guest.session is not None]
        self.assertLessEqual(len(there) + 2, SHARE)
        self.assertGreater(len(there) + 2, SHARE - 10)
        self.assertGreater((await self.refusals(hub))["too-many-connections"], 0)
        await self.talk(first, second)
        first.send(first.own.mail(there[0].who.public, bytes(16), b"mail")[1])
        await self.until(lambda: bool(there[0].envelopes), JOIN_WITHIN_S, "mail")
        self.write([1, 2])
        hub.signal(signal.SIGHUP)
        await gatherResults([guest.gone for guest in there])
        await self.comes(2, port, "127.99.3.1")

    async def test_C2_descriptors_run_out(self) -> None:
        """Told so while it runs: it stays up, its members talk, and others come when some go."""
        hub = await self.hub(*CLOSED)
        port = self.port(hub)
        first, second = [await self.comes(n, port, f"127.99.{n}.1") for n in (1, 2)]
        few = descriptors(hub) + KNOWN
        resource.prlimit(hub.pid, resource.RLIMIT_NOFILE, (few, few))
        crowd = self.crowd(port)
        await DeferredList([crowd.come(f"127.70.{n}.1") for n in range(60)])
        await self.talk(first, second)
        self.assertTrue(hub.runs)
        await crowd.leave()
        begun_s = reactor.seconds()
        third = await self.comes(3, port, "127.99.3.1")
        self.assertLess(reactor.seconds() - begun_s, JOIN_WITHIN_S)
        await self.talk(third, first)

    async def test_C4_a_flood_of_handshakes_from_many_addresses(self) -> None:
        """Half a minute of it: a member joins meanwhile, and soon after it the hub is idle."""
        if not LONG:
            raise SkipTest("takes half a minute: make slow")
        hub = await self.hub(*SECURE)
        port = self.port(hub)
        member = await self.comes(1, port, "127.99.0.1", tls=True)
        until_s = reactor.seconds() + FLOOD_S
        lanes = [self.handshakes(port, f"127.66.{n}.1", until_s) for n in range(ADDRESSES)]
        flooding = gatherResults([Deferred.fromCoroutine(lane) for lane in lanes])
        begun_s = reactor.seconds()
        await self.comes(2, port, "127.99.1.1", tls=True)
        self.assertLess(reactor.seconds() - begun_s, JOIN_WITHIN_S)
        await flooding
        ended_s = reactor.seconds()
        while await self.share_of_a_core(hub) > IDLE_SHARE:
            self.assertLess(reactor.seconds() - ended_s, IDLE_WITHIN_S)
        self.assertLess(await self.served(member), 1.0)
        refused = await self.refusals(hub)
        self.assertGreater(refused["rate-limited"], 1000)

    async def handshakes(self, port: int, address: str, until_s: float) -> None:
        """Do one TLS handshake after the other from an address."""
        while reactor.seconds() < until_s:
            guest = self.guest(99, joins=False)
            guest.connect(port, tls=True, connect=over_tcp_from(address))
            await DeferredList([guest.challenged])
            if guest.carrier is not None and not guest.gone.called:
                guest.carrier.abort()
            await guest.gone

    async def share_of_a_core(self, hub: Member) -> float:
        """Return what the hub took of a core in the last second."""
        before, begun_s = busy_s(hub), time.monotonic()
        await pause(1.0)
        return (busy_s(hub) - before) / (time.monotonic() - begun_s)


class Careless:
    """Owns the carrier of a member that only counts what it is told."""

    def __init__(self, guest: HubGuest) -> None:
        self.told = 0
        self.lost = guest.lost
        assert guest.carrier is not None
        guest.carrier.events = self

    def opened(self, _carrier: object) -> None:
        pass

    def received(self, _carrier: object, _token: bytes) -> None:
        self.told += 1

    def refused(self, _host: str, _error: object) -> None:
        pass


class BusyTests(CrowdCase):
    """Members that send as fast as they can."""

    async def test_C3_four_members_at_full_speed(self) -> None:
        """Who is honest has its turn again and again, while theirs are worked off."""
        hub = await self.hub(*OPEN, "--plain", "--listen", FREE_PORT)
        port = self.port(hub)
        honest, *flooders = [await self.comes(n, port, "127.0.0.1") for n in range(1, 6)]
        nobody = identity(99).public
        frames = [[f.own.live(nobody, b"x")[1] for _ in range(FRAMES)][::-1] for f in flooders]
        careless = [Careless(flooder) for flooder in flooders]
        pouring = LoopingCall(self.pour, flooders, frames)
        pouring.start(0.005)
        self.addCleanup(lambda: pouring.stop() if pouring.running else None)
        turns = 0
        while min(each.told for each in careless) < FRAMES:  # each was told that nobody is there
            await self.answered(honest)
            turns += 1
        self.assertGreater(turns, TURNS)

    def pour(self, flooders: list[HubGuest], frames: list[list[bytes]]) -> None:
        """Send as much as goes."""
        for flooder, left in zip(flooders, frames, strict=True):
            while left and not flooder.carrier.is_full:  # type: ignore[union-attr]
                flooder.send(left.pop())

    async def answered(self, guest: HubGuest) -> None:
        """Ask something, and look every millisecond for the answer."""
        count = len(guest.answers)
        guest.ask(Observe())
        while len(guest.answers) == count:
            await pause(0.001)


class DeafTests(CrowdCase):
    """Members that do not read."""

    async def test_C8_a_member_that_never_reads(self) -> None:
        """Others never wait, and little memory is spent; in the long run it is dropped."""
        hub = await self.hub(*OPEN, "--plain", "--listen", FREE_PORT)
        port = self.port(hub)
        deaf, bystander, *senders = [await self.comes(n, port, "127.0.0.1") for n in range(1, 7)]
        before = memory_of(hub.pid)
        self.stop_reading(deaf)
        pouring = LoopingCall(self.pour, senders, deaf)
        pouring.start(0.02)
        self.addCleanup(lambda: pouring.stop() if pouring.running else None)
        begun_s, in_time, most = reactor.seconds(), Counter[bool](), before
        while reactor.seconds() - begun_s < WATCHED_S:
            in_time[await self.served(bystander) < SERVED_WITHIN_S] += 1
            most = max(most, memory_of(hub.pid))
            await pause(0.05)
        pouring.stop()
        self.assertGreater(in_time[True], 9 * in_time[False])
        self.assertLess(most - before, GROWS_BYTES)
        if not LONG:
            self.assertTrue(all(sender.carrier.is_full for sender in senders))  # type: ignore[union-attr]
            return
        self.assertEqual((await self.refusals(hub))["slow-reader"], 1)
        self.assertTrue(all(has_heard(sender, deaf) for sender in senders))
        await self.talk(senders[0], senders[1])

    def stop_reading(self, guest: HubGuest) -> None:
        """Have a member read nothing, and its system hold little for it."""
        transport = guest.carrier.transport  # type: ignore[union-attr]
        transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        transport.pauseProducing()

    def pour(self, senders: list[HubGuest], deaf: HubGuest) -> None:
        """Let each sender say as much as its hub takes."""
        for sender in senders:
            while not sender.carrier.is_full and not has_heard(sender, deaf):  # type: ignore[union-attr]
                sender.send(sender.own.live(deaf.who.public, bytes(MAX_CARGO_BYTES))[1])


def has_heard(sender: HubGuest, deaf: HubGuest) -> bool:
    """Tell whether a sender was told that nobody takes what it sends."""
    return Gone(deaf.who.public.text) in sender.answers
