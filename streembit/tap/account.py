"""One account of a process: what stays as long as it runs, and the node under its key of now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Final

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IReactorCore, IReactorTime
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from streembit.errors import NotReady
from streembit.jose.keys import Identity
from streembit.service.desk import Desk
from streembit.service.metrics import Metrics
from streembit.service.node import Node
from streembit.service.people_facade import PeopleFacade
from streembit.tap.listening import address_of, shown
from streembit.tap.people import LatePeople
from streembit.tap.stopped import failures

END_WITHIN_S: Final = 4.5  # as the end of a process: what takes longer does not end by itself

_log = Logger()


class AccountReactor(IReactorCore, IReactorTime):
    """What an account needs of the reactor by itself."""


class Life(MultiService):
    """All that runs under one key: the node, its people, and what they keep open.

    `held` is closed when all of it has stopped, or has been given up.
    """

    def __init__(self, held: ExitStack, node: Node, desk: Desk, people: LatePeople | None) -> None:
        super().__init__()
        self.setName("life")
        self.held, self.node, self.desk, self.people = held, node, desk, people


Begin = Callable[[Identity, "Account"], Life]


class Account(MultiService):
    """Keeps ports and local API open while the node behind them takes the place of another.

    See `api.desks.Desks` for who asks. Should a node not end in time, or the next one not begin,
    then the process ends: nothing half changed goes on, and its next start is one with the new
    key.

    Args:
        begin: makes all that runs under a key; it is called with the files of the one before
            closed.
    """

    def __init__(self, identity: Identity, begin: Begin, reactor: AccountReactor) -> None:
        super().__init__()
        self.setName(identity.name)
        self._begin = begin
        self._reactor = reactor
        self._ports: Sequence[IListeningPort] = ()
        self._waiting: list[Deferred[None]] = []
        self._life: Life | None = None
        self._over: NotReady | None = None
        self.door = Door(self)
        self._last = self._begun(identity)
        self.has_people = self._last.people is not None

    # --- who is there
    @property
    def life(self) -> Life | None:
        """What runs now, None while one node takes the place of another."""
        return self._life

    async def node(self) -> Desk:
        """See `Desks`."""
        return (await self._now()).desk

    async def people(self) -> PeopleFacade:
        """See `Desks`."""
        people = (await self._now()).people
        assert people is not None
        return people.desk()

    def watched(self) -> Desk | None:
        """Return whom the watchdog asks, None while one node takes the place of another."""
        return None if self._life is None else self._life.desk

    def refuse(self, reason: str) -> None:
        """See `Desks`."""
        self._last.node.refusals.refuse(reason)

    def metrics(self) -> Metrics | None:
        """Return the figures of the node that runs."""
        return None if self._life is None else self._life.node.metrics

    # --- the tree
    def listening(self, ports: Sequence[IListeningPort]) -> list[str]:
        """Take the ports that are open from now on; return what others are shown of them."""
        self._ports = ports
        return self._tell_ports()

    def close(self) -> None:
        """Close the files, when all has stopped or was given up."""
        self._last.held.close()

    async def go_on(self, identity: Identity) -> None:
        """End the node, and begin another one with the key that the key file has now.

        Raises:
            NotReady: the process ends, for whatever reason.
        """
        await self.begin_again(identity)
        _log.info("the node runs with a new key: {key}", key=identity.public.hex)

    async def begin_again(self, identity: Identity) -> None:
        """End the node, and begin another one.

        Raises:
            NotReady: the process ends, for whatever reason.
        """
        old, self._life = self._life, None
        if old is None:
            raise NotReady("another change of the key is under way")
        try:
            await self._end(old)
            if not self.running:
                raise NotReady("the process ends")
            self._begun(identity)
            self._tell_ports()
        except BaseException as error:
            self._give_up(error)
            raise
        self._wake()

    # --- how
    def _begun(self, identity: Identity) -> Life:
        life = self._begin(identity, self)
        life.node.carriers.factory.doStart()
        self._last = life
        life.setServiceParent(self)
        self._life = life
        return life

    async def _end(self, life: Life) -> None:
        """Stop all that runs, and close its files; raise why something did not end."""
        ended: Deferred[object] = maybeDeferred(life.disownServiceParent)
        ended.addTimeout(END_WITHIN_S, self._reactor)
        for failure in failures(await ended):
            failure.raiseException()
        life.held.close()

    def _give_up(self, error: BaseException) -> None:
        if self.running:
            _log.failure("the next node cannot begin: the process ends")
            self._reactor.stop()
        self._over = NotReady(f"the node cannot go on: {error}")
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)

    async def _now(self) -> Life:
        while self._life is None:
            if self._over is not None:
                raise self._over
            waiting: Deferred[None] = Deferred(self._waiting.remove)
            self._waiting.append(waiting)
            await waiting
        return self._life

    def _tell_ports(self) -> list[str]:
        """Tell the node where it listens: the first port is the one that others are told."""
        texts = [shown(port) for port in self._ports]
        if self._ports and self._life is not None:
            self._life.node.reach.listening_on(address_of(self._ports[0]).port, texts)
        return texts


class Door(Factory):
    """Lets links in to the node that runs; while there is none, they are closed at once."""

    noisy = False

    def __init__(self, account: Account) -> None:
        self._account = account

    def buildProtocol(self, addr: Any) -> Any:
        """Return the node's protocol."""
        life = self._account.life
        return None if life is None else life.node.carriers.factory.buildProtocol(addr)
