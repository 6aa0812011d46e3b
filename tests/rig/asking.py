"""Ask the router of this namespace for ports, by PCP or NAT-PMP, as standard input says.

Each line is one of `map INNER WANTED`, `holds` and `unmap`, and has one line for an answer: what
is returned, as JSON, or the code and the text of what is raised.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from streembit.errors import StreembitError
from streembit.net.portcontrol import PortControl

SECRET = b"secret"
reactor: Any = installed


class Console(LineReceiver):
    """Does what each line says; the lines come one at a time."""

    delimiter = b"\n"

    def __init__(self) -> None:
        self._router = PortControl(reactor, SECRET)

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 - Twisted's name
        """See the module."""
        Deferred.fromCoroutine(self._do(*line.decode().split())).addErrback(self._stop)

    async def _do(self, verb: str, *numbers: str) -> None:
        try:
            answer = await self._answer(verb, *numbers)
        except StreembitError as error:
            answer = [error.code, error.detail]
        self.sendLine(json.dumps(answer).encode())

    async def _answer(self, verb: str, *numbers: str) -> object:
        if verb == "map":
            mapped = await self._router.map(*map(int, numbers))
            return [mapped.host, mapped.port, mapped.lease_s, mapped.by]
        return await (self._router.holds() if verb == "holds" else self._router.unmap())

    def _stop(self, failure: Failure) -> None:
        failure.printTraceback()
        reactor.stop()

    def connectionLost(self, reason: object = None) -> None:  # noqa: N802 - Twisted's name
        """End with the input."""
        if reactor.running:
            reactor.stop()


if __name__ == "__main__":
    StandardIO(Console())
    reactor.run()
