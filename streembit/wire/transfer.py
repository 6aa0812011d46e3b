"""What two nodes say about files: offer, verdict, end as JSON; blocks, asks, marks as bytes."""

from __future__ import annotations

from struct import Struct as Layout
from struct import error as LayoutError
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct

from streembit.errors import BadFrame, BadMessage
from streembit.wire import codec
from streembit.wire.terms import MAX_INT, DigestText, Whole

CHUNK_BYTES: Final = 1024 * 1024  # each ends with a mark; what is lost when a process dies is less
MAX_BLOCK_BYTES: Final = 60 * 1024  # with its head and the link's seal it fits a frame
MAX_FILES: Final = 100_000
MAX_MANIFEST_BYTES: Final = 8 * 1024 * 1024  # 80 bytes a file at the most files
MAX_PATH_PARTS: Final = 32
MAX_PART_CHARS: Final = 255
MAX_CONTENT_BYTES: Final = 4096  # an offer with the longest name, each character escaped
MANIFEST: Final = 2**32 - 1  # the number that the list of files has as a file of its own
TRANSFER_BYTES: Final = 16
FIRST_BYTE: Final = 0  # a signed message begins with "e"

_BLOCK, _ASK, _MARK = 1, 2, 3
_HEAD: Final = Layout(">BB16sIIQ")
_UPTO: Final = Layout(">Q")
_DIGEST_BYTES: Final = 32

TransferText = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{21}[AQgw]\Z")]  # 16 bytes
CodeText = Annotated[str, Meta(pattern=r"^[a-z]{1,20}(-[a-z]{1,20}){0,4}\Z", max_length=64)]


class FileOffer(Struct, frozen=True, tag_field="t", tag="file_offer"):
    """Offers files: how many, how long together, and the digest of the list of them.

    `name` is what people read, of one file or folder; it names nothing on
    a disk. `manifest` is the SHA-256 of the list, which has
    `manifest_bytes`.
    """

    transfer: TransferText
    name: Annotated[str, Meta(min_length=1, max_length=MAX_PART_CHARS)]
    files: Annotated[int, Meta(ge=1, le=MAX_FILES)]
    total_bytes: Whole
    manifest: DigestText
    manifest_bytes: Annotated[int, Meta(ge=1, le=MAX_MANIFEST_BYTES)]


class FileVerdict(Struct, frozen=True, tag_field="t", tag="file_verdict"):
    """Answers an offer."""

    transfer: TransferText
    accepted: bool


class FileEnd(Struct, frozen=True, tag_field="t", tag="file_end"):
    """Ends a transfer for good: `done`, `cancelled`, or the code of what went wrong."""

    transfer: TransferText
    code: CodeText


FileContent = FileOffer | FileVerdict | FileEnd


class FileEntry(Struct, frozen=True, array_like=True):
    """One file of a list: the parts of its path, and its length.

    A folder without files has a path that ends with an empty part, as if a
    file of no name and no bytes lay in it.
    """

    path: Annotated[
        list[Annotated[str, Meta(max_length=MAX_PART_CHARS)]],
        Meta(min_length=1, max_length=MAX_PATH_PARTS),
    ]
    size_bytes: Whole

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder without files."""
        return not self.path[-1]


FileEntries = Annotated[list[FileEntry], Meta(min_length=1, max_length=MAX_FILES)]


Data = bytes | memoryview  # bytes of a file; a view is of a whole payload, or valid for a call


class Block(NamedTuple):
    """Bytes of a file, as answer to the asks of this run."""

    transfer: bytes
    file: int
    run: int
    offset: int
    data: Data


class Ask(NamedTuple):
    """Asks for a file from `start` on, as far as `upto` for now.

    Several asks of one run differ in `upto` only, which grows. Marks come
    for the chunks before `start` too.
    """

    transfer: bytes
    file: int
    run: int
    start: int
    upto: int


class Mark(NamedTuple):
    """Says the SHA-256 of the file's first `end` bytes, at the end of each chunk."""

    transfer: bytes
    file: int
    run: int
    end: int
    digest: bytes


FileFrame = Block | Ask | Mark


def pack_block(transfer: bytes, file: int, run: int, offset: int, data: Data) -> bytes:
    """Return the payload of a block; the caller keeps the data within MAX_BLOCK_BYTES."""
    return b"".join((_HEAD.pack(FIRST_BYTE, _BLOCK, transfer, file, run, offset), data))


def pack_ask(ask: Ask) -> bytes:
    """Return the payload of an ask."""
    head = _HEAD.pack(FIRST_BYTE, _ASK, ask.transfer, ask.file, ask.run, ask.start)
    return head + _UPTO.pack(ask.upto)


def pack_mark(mark: Mark) -> bytes:
    """Return the payload of a mark."""
    head = _HEAD.pack(FIRST_BYTE, _MARK, mark.transfer, mark.file, mark.run, mark.end)
    return head + mark.digest


def is_file_frame(payload: bytes) -> bool:
    """Return whether a link's payload belongs to a transfer: nothing else begins so."""
    return payload[:1] == b"\0"


def read_frame(payload: bytes) -> FileFrame:
    """Return what a payload says that `is_file_frame`.

    Raises:
        BadFrame: another first byte or kind, a length that the kind does
            not have, a number beyond 2**53 - 1, or an ask for less than
            nothing.
    """
    try:
        first, kind, transfer, file, run, offset = _HEAD.unpack_from(payload)
    except LayoutError:
        raise BadFrame("a transfer's frame is cut off", size_bytes=len(payload)) from None
    if first != FIRST_BYTE or offset > MAX_INT:
        raise BadFrame("not a transfer's frame")
    if kind == _BLOCK and 1 <= len(payload) - _HEAD.size <= MAX_BLOCK_BYTES:
        return Block(transfer, file, run, offset, memoryview(payload)[_HEAD.size :])
    rest = payload[_HEAD.size :]
    if kind == _ASK and len(rest) == _UPTO.size:
        return _ask(Ask(transfer, file, run, offset, *_UPTO.unpack(rest)))
    if kind == _MARK and len(rest) == _DIGEST_BYTES:
        return Mark(transfer, file, run, offset, rest)
    raise BadFrame("a transfer's frame of another kind or length", size_bytes=len(payload))


def pack_content(content: FileContent) -> bytes:
    """Return the bytes that a conversation carries."""
    return codec.encode(content)


def read_content(data: bytes) -> FileContent:
    """Return what a conversation's bytes about files say; raise BadJson or BadMessage."""
    if len(data) > MAX_CONTENT_BYTES:
        raise BadMessage("too long for a word about files", size_bytes=len(data))
    content: FileContent = codec.decode(data, FileContent)  # type: ignore[arg-type]
    return content


def _ask(ask: Ask) -> Ask:
    if not 0 < ask.upto <= MAX_INT:
        raise BadFrame("an ask that reaches nowhere")
    return ask
