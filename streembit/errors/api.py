"""What a node answers to its own user, and how asking it fails."""

from __future__ import annotations

from streembit.errors.base import LocalError

# --- asking a node ------------------------------------------------------------------------


class NotReady(LocalError):
    """The node is not ready yet."""

    code = "not-ready"


class NoPeers(LocalError):
    """The node knows no other node that answers."""

    code = "no-peers"


class NotFound(LocalError):
    """There is nothing of this name."""

    code = "not-found"


class TooLarge(LocalError):
    """What was given is larger than allowed."""

    code = "too-large"


# --- the local API ------------------------------------------------------------------------


class NodeNotRunning(LocalError):
    """No node is running with this home."""

    code = "node-not-running"


class NodeGone(NodeNotRunning):
    """The node ended before it answered; what was asked may be done, or not."""

    code = "node-gone"


class NodeRefusal(LocalError):
    """The running node refused.

    `code` and `detail` are the node's own.
    """

    code = "node-refused"

    def __init__(self, code: str, detail: str = "", **fields: object) -> None:
        super().__init__(detail, **fields)
        self.code = code


class BadAnswer(LocalError):
    """The node's answer cannot be understood; it may be of another version."""

    code = "bad-answer"


class Internal(LocalError):
    """The node has a defect; its log says more."""

    code = "internal"


class BadRequest(LocalError):
    """The request is not of a form that is served."""

    code = "bad-request"


class ForbiddenHost(LocalError):
    """The request came by a host name that may be another's."""

    code = "forbidden-host"


class ForbiddenOrigin(LocalError):
    """The request came from a web page."""

    code = "forbidden-origin"


class NoSuchPath(LocalError):
    """There is nothing at this path."""

    code = "no-such-path"


class MethodNotAllowed(LocalError):
    """This path does not take this method."""

    code = "method-not-allowed"


class UnsupportedMediaType(LocalError):
    """The body is not JSON by its type."""

    code = "unsupported-media-type"
