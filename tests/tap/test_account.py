"""An account whose node takes the place of another, or, where that cannot be, the process ends."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, cast

from twisted.application.service import Service
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import DiskFull, NotReady
from streembit.jose.keys import Identity
from streembit.service.desk import Desk
from streembit.tap.account import END_WITHIN_S, Account, AccountReactor, Life
from tests.service.town import Town

OLD, NEW, NEWER = (Identity.from_seed(bytes([n]) * 32, "ann") for n in (101, 102, 103))


class Reactor(Clock):
    """A clock that notes whether the process is to end."""

    stopped = False

    def stop(self) -> None:
        """Take note."""
        self.stopped = True


class Slow(Service):
    """Stops when the test lets it."""

    def __init__(self) -> None:
        self.stopping: Deferred[None] = Deferred()

    def stopService(self) -> Deferred[None]:
        """Take as long as the test likes."""
        super().stopService()
        return self.stopping


class AccountTests(SynchronousTestCase):
    """Each life is a real node with a file that it holds open, and something that ends slowly."""

    def setUp(self) -> None:
        self.town = Town(self)
        self.reactor = Reactor()
        self.notes: list[str] = []
        self.slow: list[Slow] = []
        self.refusal: Exception | None = None
        self.account = Account(OLD, self.begin, cast(AccountReactor, self.reactor))
        self.account.startService()
        self.addCleanup(self.finish)

    def begin(self, identity: Identity, account: Account) -> Life:
        """Make a life."""
        if self.refusal is not None:
            raise self.refusal
        number = len(self.town.nodes)
        node = self.town.add(f"10.0.{number}.1", identity=identity, listen=False)
        held = ExitStack()
        self.notes.append(f"open {number}")
        held.callback(self.notes.append, f"close {number}")
        life = Life(held, node, Desk(node), None)
        self.slow.append(Slow())
        for service in (node, self.slow[-1]):
            service.setServiceParent(life)
        return life

    def finish(self) -> None:
        """End the process."""
        for each in self.slow:
            if not each.stopping.called:
                each.stopping.callback(None)
        self.account.stopService()
        self.account.close()

    def changing(self, identity: Identity = NEW) -> Deferred[None]:
        """Let the account begin to go on as somebody else."""
        return Deferred.fromCoroutine(self.account.go_on(identity))

    def key(self) -> Deferred[str]:
        """Ask whoever is at the desk for the key."""

        async def ask() -> str:
            return (await (await self.account.node()).status()).public_key

        return Deferred.fromCoroutine(ask())

    def test_one_node_takes_the_place_of_another(self) -> None:
        """It begins when the files of the first are closed; who asks meanwhile waits for it."""
        self.assertEqual(self.successResultOf(self.key()), OLD.public.hex)
        changing = self.changing()
        asked, given_up = self.key(), self.key()
        self.assertNoResult(asked)
        given_up.addErrback(lambda _: None).cancel()
        self.assertIsNone(self.account.watched())
        self.assertIsNone(self.account.metrics())
        self.assertEqual(self.notes, ["open 0"])
        self.slow[0].stopping.callback(None)
        self.successResultOf(changing)
        self.assertEqual(self.notes, ["open 0", "close 0", "open 1"])
        self.assertEqual(self.successResultOf(asked), NEW.public.hex)
        self.assertEqual([node.running for node in self.town.nodes], [0, 1])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertFalse(self.reactor.stopped)

    def test_links_come_in_to_the_node_that_runs(self) -> None:
        """And to nobody in between."""
        first = self.enter()
        assert first is not None
        changing = self.changing()
        self.assertTrue(first.transport.disconnected)
        self.assertIsNone(self.enter())
        self.slow[0].stopping.callback(None)
        self.successResultOf(changing)
        second = self.enter()
        assert second is not None
        old, new = (node.carriers.factory for node in self.town.nodes)
        self.assertIs(first.factory, old)
        self.assertIs(second.factory, new)

    def enter(self) -> Any:
        """Connect to the port; return the protocol of the accepted connection, if it is one."""
        link = self.account.door.buildProtocol(IPv4Address("TCP", "10.1.1.1", 7))
        if link is not None:
            link.makeConnection(StringTransport())
            self.addCleanup(link.connectionLost, Failure(ConnectionDone()))
        return link

    def test_one_change_at_a_time(self) -> None:
        """A second one finds nothing to change yet; the first goes on."""
        changing = self.changing()
        self.failureResultOf(self.changing(NEWER), NotReady)
        self.slow[0].stopping.callback(None)
        self.successResultOf(changing)
        self.assertEqual(self.successResultOf(self.key()), NEW.public.hex)

    def test_a_node_that_does_not_end(self) -> None:
        """Nothing half changed goes on: the process ends, and nobody waits for ever."""
        changing, asked = self.changing(), self.key()
        self.reactor.advance(END_WITHIN_S + 0.1)
        self.failureResultOf(changing, CancelledError)
        self.failureResultOf(asked, NotReady)
        self.failureResultOf(self.key(), NotReady)
        self.failureResultOf(self.slow[0].stopping, CancelledError)
        self.assertTrue(self.reactor.stopped)
        self.assertEqual(len(self.flushLoggedErrors(CancelledError)), 1)

    def test_a_node_that_cannot_begin(self) -> None:
        """The process ends; its next start says why, or is well."""
        self.refusal = DiskFull("no room")
        changing, asked = self.changing(), self.key()
        self.slow[0].stopping.callback(None)
        self.failureResultOf(changing, DiskFull)
        self.failureResultOf(asked, NotReady)
        self.assertTrue(self.reactor.stopped)
        self.assertEqual(len(self.flushLoggedErrors(DiskFull)), 1)
        self.assertEqual(self.notes, ["open 0", "close 0"])

    def test_a_process_that_ends_meanwhile(self) -> None:
        """No node begins any more."""
        changing, asked = self.changing(), self.key()
        self.account.stopService()
        self.slow[0].stopping.callback(None)
        self.failureResultOf(changing, NotReady)
        self.failureResultOf(asked, NotReady)
        self.assertEqual(len(self.town.nodes), 1)
        self.assertFalse(self.reactor.stopped)
