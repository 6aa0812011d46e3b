"""The encrypted channel of a link: sealed frames in order, each once, keys that change."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from streembit.errors import BadFrame, DecryptFailed
from streembit.link.schedule import TAG_BYTES, next_key

FRAMES_PER_KEY: Final = 2**20  # far below where AES-GCM's bounds begin to thin (2^32)
KEY_LIFE_S: Final = 3600.0  # what a stolen key can read of the past
OVERHEAD_BYTES: Final = TAG_BYTES


class Channel:
    """AES-256-GCM, one key a direction, the frame's number as nonce.

    The number is not sent: a frame that is lost, repeated, moved or
    altered does not open, and from then on nothing does. A sealed
    empty payload ends the sender's key and starts the next one; each
    key is for so many frames, of which the last is kept for its end.
    """

    __slots__ = (
        "_last_count",
        "_opened",
        "_receive",
        "_receive_key",
        "_sealed",
        "_send",
        "_send_key",
        "_since_s",
    )

    def __init__(
        self, send_key: bytes, receive_key: bytes, frames_per_key: int = FRAMES_PER_KEY
    ) -> None:
        self._last_count = frames_per_key - 1  # kept for the frame that ends the key
        self._send_key = send_key
        self._receive_key = receive_key
        self._send = AESGCM(send_key)
        self._receive: AESGCM | None = AESGCM(receive_key)
        self._sealed = 0
        self._opened = 0
        self._since_s: float | None = None

    def seal(self, payload: bytes) -> bytes:
        """Return the frame of a payload, 16 bytes longer.

        Raises:
            ValueError: empty payload, or `due` was not heeded for 2^20
                frames.
        """
        count = self._sealed
        if not payload or count >= self._last_count:
            raise ValueError("nothing to seal, or the key is used up")
        self._sealed = count + 1
        return self._send.encrypt(count.to_bytes(12), payload, None)

    def open(self, frame: bytes) -> bytes | None:
        """Return the payload, or None for a frame that only changed the key.

        Raises:
            DecryptFailed: not the next frame of this direction, as the
                peer sealed it. The channel is closed for ever.
            BadFrame: a key that ended before it sealed anything.
        """
        count = self._opened
        receive = self._receive
        if receive is None or count > self._last_count:
            raise self._closed(DecryptFailed("the channel is closed"))
        try:
            payload = receive.decrypt(count.to_bytes(12), frame, None)
        except InvalidTag:
            raise self._closed(DecryptFailed("not the next frame of this link")) from None
        if not payload:
            self._turn()
            return None
        self._opened = count + 1
        return payload

    def due(self, now_s: float) -> bool:
        """Say whether the sending key has served its hour or its 2^20 frames.

        The hour counts from the first question.
        """
        if self._since_s is None:
            self._since_s = now_s
        if self._sealed >= self._last_count:
            return True
        return self._sealed > 0 and now_s - self._since_s >= KEY_LIFE_S

    def rekey(self, now_s: float) -> bytes:
        """Return the frame that ends the sending key, and take the next one."""
        frame = self._send.encrypt(self._sealed.to_bytes(12), b"", None)
        self._send_key = next_key(self._send_key)
        self._send = AESGCM(self._send_key)
        self._sealed = 0
        self._since_s = now_s
        return frame

    def _turn(self) -> None:
        # A change must follow a payload, or empty frames would buy key derivations for nothing.
        if not self._opened:
            raise self._closed(BadFrame("a key ended unused"))
        self._receive_key = next_key(self._receive_key)
        self._receive = AESGCM(self._receive_key)
        self._opened = 0

    def _closed(self, error: DecryptFailed | BadFrame) -> DecryptFailed | BadFrame:
        self._receive = None
        return error
