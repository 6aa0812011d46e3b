"""The two ends of the file benchmark, a process each: whole transfers, and a bare sealed stream.

Run by `bench.file_stream` as `python -m bench.file_ends ROLE HOME PORT [FILE]`.
The receiving roles write the port they listen at to HOME/port, and all of
them one line of JSON to standard output when the file is there.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from streembit.disk.chest import Chest
from streembit.errors import StreembitError
from streembit.jose.keys import PrivateKey
from streembit.link.hello import Hello
from streembit.net.tcp import LinkProtocol
from streembit.service.people.transfers import Transfers
from streembit.service.people_rows import TransferRow
from streembit.wire.transfer import FileContent, is_file_frame, pack_content, read_content

T = TypeVar("T")
reactor: Final[Any] = _reactor  # its type depends on the platform
KEY: Final = bytes(32)  # of the bare stream: both ends have it
FRAME_BYTES: Final = 60 * 1024
LENGTH_BYTES: Final = 4
WORD: Final = b"w"  # begins a payload that is a word about files


def rss_kib(name: str = "VmRSS") -> int:
    """Return the resident set, or with VmHWM the largest it was."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise AssertionError(name)


def tell(**figures: object) -> None:
    """Write the line that the benchmark waits for."""
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


# --- a transfer, as a node does it


class End:
    """One account: a link, transfers over it, and words as payloads of the link."""

    carrier = LinkProtocol

    def __init__(self, home: Path) -> None:
        self.key = PrivateKey.generate()
        self.link: LinkProtocol | None = None
        pool = ThreadPool(minthreads=1, maxthreads=2)
        pool.start()
        reactor.addSystemEventTrigger("during", "shutdown", pool.stop)

        def disk(work: Callable[[], T], /) -> Deferred[T]:
            return deferToThreadPool(reactor, pool, work)

        chest = Chest(home / "chest.sqlite", bytes(32))
        self.transfers = Transfers(chest, reactor, disk, home / "downloads", self.say, self.changed)
        self.transfers.startService()

    def say(self, _contact: str, word: FileContent) -> None:
        assert self.link is not None
        self.link.send(WORD + pack_content(word))

    def changed(self, row: TransferRow) -> None: ...

    def protocol(self, *, initiator: bool) -> LinkProtocol:
        """Return an end of the link."""
        return self.carrier(
            self.key,
            lambda _host, _port: Hello(self.key.public, clock_s=int(time.time())),
            "bench",
            reactor,
            self,
            initiator=initiator,
        )

    def link_open(self, link: LinkProtocol) -> None:
        self.link = link
        self.transfers.link_open("other", link)

    def message(self, link: LinkProtocol, payload: bytes) -> None:
        if is_file_frame(payload):
            self.transfers.payload("other", link, payload)
        else:
            self.transfers.hear("other", read_content(payload[1:]))

    def link_lost(self, link: LinkProtocol, reason: StreembitError) -> None:
        self.transfers.link_gone("other")
        reactor.stop()

    def refused(self, peer_host: str, error: StreembitError) -> None:
        sys.stderr.write(f"refused: {error}\n")


class ReceivingEnd(End):
    """Accepts what it is offered, and says how long it took until all was in its place."""

    began_s = 0.0
    before_kib = 0

    def changed(self, row: TransferRow) -> None:
        if row.state == "offered":
            self.before_kib = rss_kib()
            self.began_s = time.perf_counter()
            Deferred.fromCoroutine(self.transfers.accept(row.id)).addErrback(fail)
        elif row.state in {"done", "failed"}:
            tell(
                state=row.state,
                why=row.why,
                seconds=time.perf_counter() - self.began_s,
                cpu_s=time.process_time(),
                grown_kib=rss_kib("VmHWM") - self.before_kib,
                path=row.paths[0] if row.paths else "",
            )
            assert self.link is not None
            reactor.callLater(0, self.link.close)  # behind the word that all is there


class SendingEnd(End):
    """Offers one file as soon as there is a link."""

    before_kib = 0

    def __init__(self, home: Path, path: Path) -> None:
        super().__init__(home)
        self._path = path

    def link_open(self, link: LinkProtocol) -> None:
        super().link_open(link)
        if self.transfers.rows():
            return  # we died: the other side knows what it wants
        self.before_kib = rss_kib()
        work = self.transfers.offer("other", [self._path])
        Deferred.fromCoroutine(work).addErrback(fail)

    def changed(self, row: TransferRow) -> None:
        if row.state in {"done", "failed"}:
            grown_kib = rss_kib("VmHWM") - self.before_kib
            tell(state=row.state, why=row.why, grown_kib=grown_kib, cpu_s=time.process_time())


# --- the same bytes, sealed, and nothing else


class PlainSender(Protocol):
    """Reads a file, seals it and writes it, while the transport takes it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._seal = AESGCM(KEY)
        self._count = 0
        self._paused = False

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)  # type: ignore[union-attr]
        self.resumeProducing()

    def resumeProducing(self) -> None:
        self._paused = False
        while not self._paused:
            data = self._file.read(FRAME_BYTES)
            if not data:
                self.transport.unregisterProducer()  # type: ignore[union-attr]
                self.transport.loseConnection()  # type: ignore[union-attr]
                return
            sealed = self._seal.encrypt(self._count.to_bytes(12), data, None)
            self._count += 1
            self.transport.write(len(sealed).to_bytes(LENGTH_BYTES) + sealed)  # type: ignore[union-attr]

    def pauseProducing(self) -> None:
        self._paused = True

    def stopProducing(self) -> None: ...

    def connectionLost(self, reason: Failure | None = None) -> None:
        tell(state="done", cpu_s=time.process_time())
        reactor.stop()


class PlainReceiver(Protocol):
    """Cuts the stream into frames, opens them and writes them to a file."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._path = path
        self._open = AESGCM(KEY)
        self._count = 0
        self._buffer = bytearray()
        self._began_s = 0.0

    def connectionMade(self) -> None:
        self._began_s = time.perf_counter()

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        start, end = 0, LENGTH_BYTES
        while len(self._buffer) >= end:
            end += int.from_bytes(self._buffer[start:end])
            if len(self._buffer) < end:
                break
            frame = bytes(self._buffer[start + LENGTH_BYTES : end])
            os.write(self._fd, self._open.decrypt(self._count.to_bytes(12), frame, None))
            self._count += 1
            start, end = end, end + LENGTH_BYTES
        del self._buffer[:start]

    def connectionLost(self, reason: Failure | None = None) -> None:
        seconds = time.perf_counter() - self._began_s
        tell(state="done", seconds=seconds, cpu_s=time.process_time(), path=str(self._path))
        reactor.stop()


def fail(failure: Failure) -> None:
    """End the process with the failure."""
    failure.printTraceback()
    reactor.stop()


def listen(home: Path, make: Callable[[], Protocol]) -> None:
    """Listen at any port of loopback and write it to HOME/port."""
    endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")

    def listening(port: object) -> None:
        (home / "port.new").write_text(str(port.getHost().port))  # type: ignore[attr-defined]
        (home / "port.new").rename(home / "port")

    endpoint.listen(Factory.forProtocol(make)).addCallbacks(listening, fail)


def connect(port: int, make: Callable[[], Protocol]) -> None:
    """Connect to a port of loopback."""
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
    endpoint.connect(Factory.forProtocol(make)).addErrback(fail)


def main(
    role: str, home: Path, port: int, path: Path, sender: type[SendingEnd] = SendingEnd
) -> None:
    """Play one role until it is over."""
    home.mkdir(exist_ok=True)
    match role:
        case "receive":
            receiving = ReceivingEnd(home)
            listen(home, lambda: receiving.protocol(initiator=False))
        case "send":
            sending = sender(home, path)
            connect(port, lambda: sending.protocol(initiator=True))
        case "plain-receive":
            listen(home, lambda: PlainReceiver(home / "received"))
        case "plain-send":
            connect(port, lambda: PlainSender(path))
        case _:
            raise SystemExit(f"no such role: {role}")
    reactor.run()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
