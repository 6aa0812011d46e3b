"""Writing at once: the bytes and their order are those of the usual way."""

from __future__ import annotations

from twisted.internet.abstract import FileDescriptor
from twisted.internet.testing import MemoryReactor, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from streembit.net.outlet import outlet


class Socket(FileDescriptor):
    """A descriptor whose kernel takes so many bytes, then none, or fails."""

    def __init__(self, room: int, error: Exception | None = None) -> None:
        super().__init__(MemoryReactor())
        self.connected = True
        self.room = room
        self.error = error
        self.sent = b""

    def fileno(self) -> int:
        return 7

    def writeSomeData(self, data: bytes) -> int | Exception:
        if self.error is not None:
            return self.error
        taken = bytes(data)[: self.room]
        self.room -= len(taken)
        self.sent += taken
        return len(taken)

    @property
    def waits(self) -> bool:
        """Whether the reactor watches it for room."""
        return self in self.reactor.getWriters()


class OutletTests(SynchronousTestCase):
    """What a link writes through."""

    def test_what_the_kernel_takes_needs_no_turn_of_the_reactor(self) -> None:
        """Nothing is left to be waited for."""
        sock = Socket(100)
        write = outlet(sock)
        write(b"one")
        write(b"two")
        self.assertEqual((sock.sent, sock.waits), (b"onetwo", False))

    def test_the_rest_follows_in_order(self) -> None:
        """Wherever the kernel stops; later frames wait behind the rest."""
        frames = [bytes([n]) * 5 for n in range(4)]
        for room in range(21):
            sock = Socket(room)
            write = outlet(sock)
            for frame in frames:
                write(frame)
            self.assertEqual(sock.waits, room < 20)
            for _ in range(40):
                sock.room = 1
                if sock.waits:
                    sock.doWrite()
            write(b"end")
            sock.room = 3
            if sock.waits:
                sock.doWrite()
            self.assertEqual(sock.sent, b"".join(frames) + b"end")

    def test_an_error_is_left_to_the_reactor(self) -> None:
        """It is found again when the reactor writes, which ends the connection."""
        sock = Socket(100, ConnectionResetError())
        outlet(sock)(b"lost")
        self.assertTrue(sock.waits)
        self.assertIs(sock.doWrite(), sock.error)

    def test_other_transports_write_as_they_do(self) -> None:
        """Those in memory have no kernel."""
        transport = StringTransport()
        outlet(transport)(b"frame")
        self.assertEqual(transport.value(), b"frame")
