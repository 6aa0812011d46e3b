"""Writing to a transport: to a socket with nothing queued in this turn of the reactor."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import ITransport


def outlet(transport: ITransport) -> Callable[[bytes], None]:
    """Return what writes to the transport, in order and with its own queue and errors.

    A frame that the kernel takes whole costs one system call; the usual way costs four (the socket
    is watched for writing, waited for, written to and watched no more).  Nobody else may write to
    the transport.
    """
    if not isinstance(transport, FileDescriptor):
        return transport.write

    def write(data: bytes) -> None:
        if transport.dataBuffer:  # something waits: this goes behind it
            transport.write(data)
            return
        sent = transport.writeSomeData(data)
        if sent == len(data):
            return
        # The rest waits for the kernel, or the error for the reactor's next turn.
        transport.write(data[sent:] if isinstance(sent, int) and sent > 0 else data)
        transport.doWrite()  # moves it into dataBuffer, which so tells that something waits

    return write
