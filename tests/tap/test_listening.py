"""A port that cannot be opened ends the start; none stays deaf."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from errno import EADDRINUSE
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from streembit.errors import BadConfig, ListenFailed
from streembit.tap.listening import BACKLOG, Listening, address_of, at_once


class Taken(MemoryReactorClock):
    """A reactor in memory on which one port is another's."""

    def listenTCP(self, port: int, *args: Any, **kwargs: Any) -> Any:
        """Refuse the port 2."""
        if port == 2:
            error = OSError(EADDRINUSE, "Address already in use")
            raise CannotListenError("127.0.0.1", port, error)
        return super().listenTCP(port, *args, **kwargs)


class ListeningTests(SynchronousTestCase):
    """The service that holds a role's ports."""

    def test_all_ports_are_open_before_anybody_hears_of_them(self) -> None:
        """It happens in the privileged start, so a low port can be had."""
        reactor = Taken()
        told: list[Sequence[IListeningPort]] = []
        listening = Listening(
            reactor, ["tcp:1:interface=127.0.0.1", "tcp:3"], Factory(), told.append
        )
        self.assertEqual(reactor.tcpServers, [])
        listening.privilegedStartService()
        self.assertEqual([server[0] for server in reactor.tcpServers], [1, 3])
        self.assertEqual([len(ports) for ports in told], [2])
        listening.startService()
        self.successResultOf(listening.stopService())

    def test_C1_many_may_wait_to_be_accepted(self) -> None:
        """As many as come while we are busy, unless the operator says how many."""
        reactor = Taken()
        described = ["tcp:1", "tcp6:3:interface=\\:\\:1", "haproxy:tcp:4", "tcp:5:backlog=7"]
        Listening(reactor, described, Factory()).privilegedStartService()
        self.assertEqual([server[2] for server in reactor.tcpServers], [BACKLOG] * 3 + [7])

    def test_a_taken_port_is_refused(self) -> None:
        """The endpoint and the reason are named, once, and nobody is told of half a start."""
        told: list[object] = []
        listening = Listening(Taken(), ["tcp:1", "tcp:2"], Factory(), told.append)
        with self.assertRaises(ListenFailed) as refused:
            listening.privilegedStartService()
        self.assertIn("tcp:2", refused.exception.detail)
        self.assertEqual(refused.exception.detail.count("Address already in use"), 1)
        self.assertEqual(told, [])

    def test_a_port_beyond_the_last_is_refused(self) -> None:
        """By the system, in one line."""
        listening = Listening(reactor, ["tcp:65536:interface=127.0.0.1"], Factory())
        with self.assertRaises(ListenFailed) as refused:
            listening.privilegedStartService()
        self.assertIn("0-65535", refused.exception.detail)

    def test_what_is_no_endpoint_is_refused(self) -> None:
        """Before anything is opened."""
        for text in ("carrier-pigeon:7", "tcp:http", "tcp", "tcp:1:colour=red", ""):
            self.assertRaises(BadConfig, Listening, Taken(), ["tcp:1", text], Factory())

    def test_a_socket_that_nobody_handed_over(self) -> None:
        """A unit without its socket unit: one clear refusal."""
        with self.assertRaises((ListenFailed, BadConfig)):
            Listening(Taken(), ["systemd:domain=INET:index=0"], Factory()).privilegedStartService()

    def test_an_endpoint_that_takes_its_time_is_refused(self) -> None:
        """A start does not wait for anybody."""
        self.assertRaises(ListenFailed, at_once, Deferred())


class CrowdTests(TestCase):
    """A real port, and more who come than anybody expected."""

    def test_C1_who_waits_to_be_accepted_is_connected(self) -> None:
        """Three hundred connect at once, to a process that does something else meanwhile."""
        opened: list[Sequence[IListeningPort]] = []
        listening = Listening(reactor, ["tcp:0:interface=127.0.0.1"], Factory(), opened.append)
        listening.privilegedStartService()
        self.addCleanup(listening.stopService)
        place = ("127.0.0.1", address_of(opened[0][0]).port)
        for _ in range(300):
            self.addCleanup(socket.create_connection(place, timeout=0.5).close)
