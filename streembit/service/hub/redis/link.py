"""The two connections of a process to Redis: one to ask, one to be told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import txredisapi
from twisted.application.internet import ClientService
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IAddress, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.ssl import optionsForClientTLS
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.errors import MailboxDegraded
from streembit.service.hub.redis import scripts
from streembit.service.hub.redis.address import RedisAddress
from streembit.service.hub.redis.scripts import Script

REPLY_S: Final = 5.0  # a server that answers later is taken for one that is away
CONNECT_S: Final = 5.0
MAX_ASKED: Final = 65_536  # questions that wait for their answers: what all members have under way
FIRST_RETRY_S, LAST_RETRY_S = 0.25, 2.0  # sessions here wait for it, and there is one server
NOT_YET: Final = "Redis was not reached yet"

Random = Callable[[], float]
Told = Callable[[bytes], None]

_log = Logger()


class _Factory(Factory):
    """Builds the library's protocols, which speak bytes.

    Args:
        told: called with each message, on a connection where they come.
        opened: called with each connection that is open.
    """

    noisy = False

    def __init__(self, told: Told | None, opened: Callable[[Any], object]) -> None:
        self._told = told
        self._opened = opened

    def buildProtocol(self, _addr: IAddress | None) -> Any:  # noqa: N802 - Twisted's name
        """Return a connection to ask on, or one on which messages come."""
        kind = txredisapi.RedisProtocol if self._told is None else Subscription
        made = kind(charset=None, replyTimeout=REPLY_S, convertNumbers=False)
        made.told = self._told
        made.whenConnected().addCallback(self._opened)
        return made


class Subscription(txredisapi.SubscriberProtocol):  # type: ignore[misc]
    """A connection on which messages come."""

    told: Told

    def messageReceived(self, _pattern: Any, _channel: bytes, message: bytes) -> None:  # noqa: N802
        """Pass a message on."""
        self.told(message)


class RedisLink(MultiService):
    """Keeps both connections open, and tells when both are, and when one is not.

    `trouble` says why nothing can be asked, "" while it can.

    Args:
        channels: what to listen to.
        told: called with each message.
        ready: called when both are open and prepared, each time.
    """

    def __init__(
        self,
        reactor: Any,
        address: RedisAddress,
        password: str,
        random: Random,
        channels: list[str],
        told: Told,
        ready: Callable[[], None],
    ) -> None:
        super().__init__()
        self.setName("redis")
        self.trouble = NOT_YET
        self._address = address
        self._password = password
        self._channels = channels
        self._ready = ready
        self._asking: Any = None
        self._listening: Any = None
        self._asked = 0
        self._random = random
        endpoint = _endpoint(reactor, address)
        for factory in (_Factory(None, self._begin_asking), _Factory(told, self._begin_listening)):
            ClientService(
                endpoint, factory, retryPolicy=self._retry_s, clock=reactor
            ).setServiceParent(self)

    @property
    def is_ready(self) -> bool:
        """Whether questions are answered and messages come."""
        return self._asking is not None and self._listening is not None

    def run(self, script: Script, *arguments: object) -> Deferred[Any]:
        """Fire with what a script returns; arguments are sent as text.

        Errbacks:
            MailboxDegraded: it cannot be asked; it was not done, or nobody
                heard whether it was.
        """
        return self.ask("EVALSHA", script.digest, 0, *arguments)

    def ask(self, *command: object) -> Deferred[Any]:
        """Fire with the answer to a command; see `run`."""
        if self._asking is None:
            return fail(MailboxDegraded(self.trouble))
        if self._asked >= MAX_ASKED:
            return fail(MailboxDegraded("too much waits for Redis"))
        self._asked += 1
        return maybeDeferred(self._asking.execute_command, *command).addBoth(self._answered)

    def beat(self) -> None:
        """Drop the connection that messages come on if nothing answers on it in time."""
        if self._listening is not None:
            self._listening.execute_command("PING").addErrback(lambda _: None)

    def _answered(self, answer: Any) -> Any:
        self._asked -= 1
        if not isinstance(answer, Failure):
            return answer
        if str(answer.value).startswith("NOSCRIPT") and self._asking is not None:
            protocol, self._asking = self._asking, None
            protocol.transport.abortConnection()  # the next one loads them
        raise MailboxDegraded(f"Redis: {answer.value}")

    # --- connections
    def _begin_asking(self, protocol: Any) -> None:
        Deferred.fromCoroutine(self._prepare(protocol, self._prepare_asking))

    def _begin_listening(self, protocol: Any) -> None:
        Deferred.fromCoroutine(self._prepare(protocol, self._prepare_listening))

    async def _prepare(self, protocol: Any, use: Callable[[Any], Awaitable[None]]) -> None:
        """Say who we are, and make use of a connection; it is dropped where that fails."""
        try:
            if self._password:
                await protocol.auth(self._password, self._address.user or None)
            if self._address.database:
                await protocol.select(self._address.database)
            await use(protocol)
        except txredisapi.RedisError as error:
            self._suffer(f"Redis at {self._address.shown} refuses us: {error}")
            protocol.transport.abortConnection()
            return
        protocol.whenDisconnected().addCallback(lambda _: self._closed(protocol))
        self._opened()

    async def _prepare_asking(self, protocol: Any) -> None:
        for script in scripts.ALL:
            await protocol.execute_command("SCRIPT", "LOAD", script.text)
        self._asking = protocol

    async def _prepare_listening(self, protocol: Any) -> None:
        await protocol.subscribe([channel.encode() for channel in self._channels])
        self._listening = protocol

    def _opened(self) -> None:
        if self.is_ready:
            self.trouble = ""
            _log.info("Redis answers: {server}", server=self._address.shown)
            self._ready()

    def _closed(self, protocol: Any) -> None:
        if self._asking is protocol:
            self._asking = None
        if self._listening is protocol:
            self._listening = None
        if self.running and not self.trouble:
            self._suffer(f"Redis cannot be reached at {self._address.shown}")

    def _suffer(self, trouble: str) -> None:
        """Take note of why nothing can be asked, and say it where it is news."""
        if trouble != self.trouble:
            self.trouble = trouble
            _log.error("{trouble}", trouble=trouble)

    def _retry_s(self, attempt: int) -> float:
        """Return when to try again: at any moment of a time that grows."""
        if self.trouble == NOT_YET:
            self._suffer(f"Redis cannot be reached at {self._address.shown}")
        most_s = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(attempt, 16))
        return FIRST_RETRY_S + self._random() * (most_s - FIRST_RETRY_S)


def _endpoint(reactor: Any, address: RedisAddress) -> IStreamClientEndpoint:
    if address.path is not None:
        return UNIXClientEndpoint(reactor, str(address.path), timeout=CONNECT_S)
    plain = HostnameEndpoint(reactor, address.host, address.port, timeout=CONNECT_S)
    if not address.tls:
        return plain
    return wrapClientTLS(optionsForClientTLS(address.host), plain)
