"""What is asked of autobahn: to frame and to mask, and nothing that we do ourselves."""

from __future__ import annotations

from autobahn.websocket.protocol import FrameHeader, WebSocketProtocol


class Silence:
    """A log that says nothing: what is refused is told once, by its code, to the owner."""

    def _nothing(self, *_args: object, **_fields: object) -> None:
        pass

    trace = debug = info = warn = error = critical = failure = _nothing


class Settings:
    """What autobahn reads of its protocols: none of its timers, its compression and its logs.

    The names are autobahn's. As attributes of a class they cost a
    connection no memory.
    """

    log = Silence()
    logOctets = logFrames = trackTimings = False
    applyMask = True
    utf8validateIncoming = False  # see `CarrierLimits.utf8`
    maxFramePayloadSize = maxMessagePayloadSize = 0  # see `onMessageFrameBegin`
    autoFragmentSize = 0
    failByDrop = True  # who breaks the protocol is not spoken with
    echoCloseCodeReason = False
    openHandshakeTimeout = closeHandshakeTimeout = 0
    tcpNoDelay = True
    autoPingInterval = autoPingTimeout = 0
    autoPingSize = 12
    autoPingRestartOnAnyTraffic = False
    state = WebSocketProtocol.STATE_CONNECTING
    data = b""
    current_frame: FrameHeader | None = None
    inside_message = failedByMe = wasClean = False
    wasNotCleanReason: str | None = None
