"""QR codes: as a PNG file, and drawn in a terminal."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Final

MODULE_PIXELS: Final = 4  # a code of 120 modules is 480 pixels: phones read it from a screen
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
# Two rows of modules in one line of text; dark modules are blanks, as most terminals are dark.
_HALVES: Final = {
    (True, True): " ",
    (True, False): "\u2584",
    (False, True): "\u2580",
    (False, False): "\u2588",
}

Matrix = list[list[bool]]


def matrix_of(text: str) -> Matrix:
    """Return the modules of a text's code, True where dark, with the quiet zone around.

    Raises:
        TooLarge: no code holds so much.
    """
    import qrcode
    from qrcode.exceptions import DataOverflowError

    from streembit.errors import TooLarge

    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_L)
    code.add_data(text, optimize=0)
    try:
        code.make(fit=True)
    except (DataOverflowError, ValueError):
        raise TooLarge("text for a QR code", size_chars=len(text)) from None
    return [[bool(module) for module in row] for row in code.get_matrix()]


def drawn(matrix: Matrix) -> list[str]:
    """Return the lines that show a code on a terminal with a dark background."""
    light = [False] * len(matrix[0])
    rows = [*matrix, light] if len(matrix) % 2 else matrix
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return ["".join(_HALVES[halves] for halves in zip(*pair, strict=True)) for pair in pairs]


def png(matrix: Matrix) -> bytes:
    """Return a code as a PNG image, black on white, one bit a pixel."""
    side = len(matrix) * MODULE_PIXELS
    rows = b"".join(_scan_line(row) * MODULE_PIXELS for row in matrix)
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)  # one bit, grey, no interlace
    chunks = _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")
    return _SIGNATURE + chunks


def write_new(file: Path, data: bytes) -> None:
    """Write a file that is not there yet, for its owner alone; raise FileExistsError."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(data)


def _scan_line(row: list[bool]) -> bytes:
    """Return one line of pixels: the filter 0, then bits, 1 for white."""
    bits = "".join("0" * MODULE_PIXELS if module else "1" * MODULE_PIXELS for module in row)
    padded = bits.ljust((len(bits) + 7) // 8 * 8, "0")
    return b"\0" + int(padded, 2).to_bytes(len(padded) // 8)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
