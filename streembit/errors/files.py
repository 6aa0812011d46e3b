"""What is refused of the files that contacts send each other."""

from __future__ import annotations

from streembit.errors.base import LocalError, RemoteError


class BadManifest(RemoteError):
    """The list of files is not what was offered."""

    code = "bad-manifest"


class BadBlock(RemoteError):
    """Bytes of a file came that are not due there."""

    code = "bad-block"


class BadAsk(RemoteError):
    """Bytes of a file were asked for that are not to be had."""

    code = "bad-ask"


class WrongDigest(RemoteError):
    """The bytes of the file are not those that the sender's digest stands for."""

    code = "wrong-digest"


class NoSuchTransfer(RemoteError):
    """There is no such transfer of files, or it has ended."""

    code = "no-such-transfer"


class TooManyTransfers(RemoteError):
    """Too many offers of files wait for an answer already."""

    code = "too-many-transfers"


class FileChanged(LocalError):
    """The file is not any more what it was when it was offered."""

    code = "file-changed"


class NotEnoughSpace(LocalError):
    """The disk has less free space than the files need."""

    code = "not-enough-space"


class TransferState(LocalError):
    """The transfer is in a state in which this cannot be done."""

    code = "transfer-state"
