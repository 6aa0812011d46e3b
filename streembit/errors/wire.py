"""What is refused of a message: its bytes, its seal, and what it says."""

from __future__ import annotations

from streembit.errors.base import RemoteError

# --- what arrives as bytes ----------------------------------------------------------------


class FrameTooLarge(RemoteError):
    """The announced frame is longer than allowed."""

    code = "frame-too-large"


class BadFrame(RemoteError):
    """The frame is not of the form that is due here."""

    code = "bad-frame"


class BadJson(RemoteError):
    """The text is not strict JSON of the expected shape."""

    code = "bad-json"


class BadMessage(RemoteError):
    """The message is well formed but makes no sense here."""

    code = "bad-message"


class BadToken(RemoteError):
    """The token is not canonical base64url in the right number of parts."""

    code = "bad-token"


class BadHeader(RemoteError):
    """The token's header is not the one allowed for this kind of message."""

    code = "bad-header"


class BadSignature(RemoteError):
    """The signature does not verify."""

    code = "bad-signature"


class BadKey(RemoteError):
    """The public key is not a point of P-256 in its compressed form."""

    code = "bad-key"


class DecryptFailed(RemoteError):
    """The sealed data cannot be opened with this key."""

    code = "decrypt-failed"


# --- what a message says ------------------------------------------------------------------


class WrongIssuer(RemoteError):
    """The message names another sender than the key that signed it."""

    code = "wrong-issuer"


class WrongAudience(RemoteError):
    """The message is meant for somebody else or for another link."""

    code = "wrong-audience"


class WrongNetwork(RemoteError):
    """The other side belongs to another network."""

    code = "wrong-network"


class DeadlineExceeded(RemoteError):
    """The other side took longer than allowed."""

    code = "deadline-exceeded"


class RequestTimeout(RemoteError):
    """The peer did not answer the request in time."""

    code = "request-timeout"


class TooManyRequests(RemoteError):
    """Too many requests to this peer wait for an answer already."""

    code = "too-many-requests"


class UnknownAnswer(RemoteError):
    """An answer came to a question that nobody asked."""

    code = "unknown-answer"
