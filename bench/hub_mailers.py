"""Real members of a hub, some hundred in this process, who write mail to each other all the time.

`python -m bench.hub_mailers URL FIRST COUNT ALL` keeps COUNT sessions of `service.relay` with the
hub at URL, for the members FIRST and on of ALL. Each line that it prints is JSON: how many are
joined, whenever that changes; when its standard input ends, what was acknowledged and shown.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from random import Random
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.python.failure import Failure

from bench.hub_clients import connect_from, identity_of, many_files, reactor
from streembit.errors import StreembitError
from streembit.hub import cargo
from streembit.hub.witness import Finding
from streembit.jose.keys import ParsedKeys, PublicKey
from streembit.service.relay.seat import Mailed, Seat
from streembit.service.relay.session import HubSession, over
from streembit.wire import hubtext
from streembit.wire.hub import Reply
from streembit.wire.offer import Address

EVERY_S: Final = 4.0  # in the mean a member writes
PARCEL_BYTES: Final = 1024
NETWORK: Final = "streembit"
REST_S: Final = 8.0  # after the last mail was written: what was kept is delivered by then
AGAIN_S: Final = 1.0


class Mailer:
    """One member: it writes to the next, and writes again what was not acknowledged.

    A mail that the sender or the hub sends again has the name that it had, and is known by it, as
    chats know a message by the key that it was sealed with.

    Attributes:
        kept: the texts of the mails that the hub has acknowledged.
        shown: the texts of the mails that were shown.
        again: how many came again, and were not shown.
    """

    def __init__(self, number: int, to: int, hub: Address, said: Callable[[], None]) -> None:
        self.kept: list[str] = []
        self.shown: list[str] = []
        self.again = 0
        self.findings: dict[str, int] = {}
        self._known: set[tuple[str, str]] = set()
        self.seat: Seat | None = None
        self.waiting = 0
        self.writes = True
        self._number, self._said = number, said
        self._to = identity_of(to).public
        self._random = Random(number)
        identity = identity_of(number)
        self.session = HubSession(
            identity.signing,
            NETWORK,
            hub,
            over(connect_from(number), reactor),
            reactor,
            self._random.random,
            ParsedKeys(),
            self,
        )

    def start(self) -> None:
        """Join, and begin to write."""
        self.session.startService()
        self._plan()

    # --- SessionEvents
    def joined(self, seat: Seat) -> None:
        self.seat = seat
        self._said()

    def left(self, error: StreembitError) -> None:
        if self.seat is not None:
            self.seat = None
            self._said()

    def mailed(self, mail: Mailed) -> None:
        """Show it unless it is known, and have the hub delete it."""
        name = (mail.claims.iss, mail.claims.id)
        if name in self._known:
            self.again += 1
        else:
            self._known.add(name)
            self.shown.append(cargo.unpack(mail.cargo)[1].decode())
        if self.seat is not None:
            self.seat.ack(mail.claims)

    def live(self, sender: PublicKey, session: str, cargo: bytes) -> None: ...

    def refused(self, host: str, error: StreembitError) -> None: ...

    def gone(self, key: str) -> None: ...

    def busy(self, key: str) -> None: ...

    def ready(self, key: str) -> None: ...

    def present(self, here: list[str], away: list[str]) -> None: ...

    def noticed(self, finding: Finding) -> None:
        """Count it: a hub that was killed sends again what it does not know to be acknowledged."""
        self.findings[finding.kind] = self.findings.get(finding.kind, 0) + 1

    # --- writing
    def _plan(self) -> None:
        reactor.callLater(self._random.random() * 2 * EVERY_S, self._write)

    def _write(self) -> None:
        if self.writes:
            self.waiting += 1
            self._send(os.urandom(16), os.urandom(PARCEL_BYTES // 2).hex())
            self._plan()

    def _send(self, name: bytes, text: str) -> None:
        """Send a mail until it is acknowledged, always by the same name."""
        if self.seat is None:
            reactor.callLater(AGAIN_S, self._send, name, text)
            return
        done: Deferred[Reply] = self.seat.mail(
            self._to, name, cargo.pack(cargo.PARCEL, text.encode())
        )
        done.addCallbacks(self._kept, self._not_kept, (text,), errbackArgs=(name, text))

    def _kept(self, _reply: Reply, text: str) -> None:
        self.waiting -= 1
        self.kept.append(text)

    def _not_kept(self, failure: Failure, name: bytes, text: str) -> None:
        failure.trap(StreembitError)
        reactor.callLater(AGAIN_S, self._send, name, text)


class Group(Protocol):
    """The members of this process; standard input says when to end."""

    def __init__(self, hub: Address, first: int, count: int, every: int) -> None:
        self._members = [
            Mailer(number, (number + 1) % every, hub, self._tell)
            for number in range(first, first + count)
        ]

    def connectionMade(self) -> None:  # noqa: N802
        """Begin, not all at the same moment."""
        for index, member in enumerate(self._members):
            reactor.callLater(index * 0.005, member.start)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """Write no more, wait until all is acknowledged, then tell."""
        for member in self._members:
            member.writes = False
        self._settle()

    def _settle(self) -> None:
        if any(member.waiting for member in self._members):
            reactor.callLater(AGAIN_S, self._settle)
        else:
            reactor.callLater(REST_S, self._end)

    def _tell(self) -> None:
        say({"joined": sum(member.seat is not None for member in self._members)})

    def _end(self) -> None:
        findings: dict[str, int] = {}
        for member in self._members:
            for kind, count in member.findings.items():
                findings[kind] = findings.get(kind, 0) + count
        kept = [name for member in self._members for name in member.kept]
        shown = [name for member in self._members for name in member.shown]
        again = sum(member.again for member in self._members)
        say({"kept": kept, "shown": shown, "again": again, "findings": findings})
        reactor.stop()


def say(line: dict[str, Any]) -> None:
    """Print it."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run until standard input ends, and all is told."""
    url, first, count, every = sys.argv[1:]
    many_files()
    StandardIO(Group(hubtext.read(url), int(first), int(count), int(every)))
    reactor.run()


if __name__ == "__main__":
    main()
