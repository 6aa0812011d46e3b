"""The least that a relay on autobahn does: it reads no message, and passes each on to a partner."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet import reactor as _reactor
from twisted.internet.ssl import PrivateCertificate

reactor: Any = _reactor
PLACES: dict[str, Relay] = {}


class Relay(WebSocketServerProtocol):
    """The first message says who one is, and whom one speaks to."""

    partner = ""

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802
        """Pass on."""
        if not self.partner:
            own, self.partner = payload.decode().split()
            PLACES[own] = self
            self.sendMessage(b"welcome")
        elif (to := PLACES.get(self.partner)) is not None:
            to.sendMessage(payload, isBinary)


def main() -> None:
    """Serve on the port that is given, with TLS where a certificate and its key are."""
    factory = WebSocketServerFactory()
    factory.protocol = Relay
    port, tls = int(sys.argv[1]), sys.argv[2:]
    if tls:
        certificate = PrivateCertificate.loadPEM("".join(Path(file).read_text() for file in tls))
        context = certificate.options()
        reactor.listenSSL(port, factory, context, interface="127.0.0.1", backlog=500)
    else:
        reactor.listenTCP(port, factory, interface="127.0.0.1", backlog=500)
    reactor.run()


if __name__ == "__main__":
    main()
