"""A blocking client of the local API over the home's Unix socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Final, TypeVar

from streembit.api import unixpath
from streembit.api.operation import ErrorAnswer
from streembit.errors import (
    BadAnswer,
    BadJson,
    HomeMissing,
    HomePermissions,
    LocalError,
    NodeGone,
    NodeNotRunning,
    NodeRefusal,
    NoSuchPath,
)
from streembit.wire import codec

TIMEOUT_S: Final = 60.0  # a put to slow peers ends within 30 s
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024  # 500 of the longest messages are 32 MiB
PART_BYTES: Final = 64 * 1024  # of a streamed answer

_OF_ANOTHER: Final = "what runs with this home does not know this: a node, a seed and a hub differ"

T = TypeVar("T")


class Connection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket; raise OSError or ListenFailed."""
        self.sock = unixpath.connect(self._path, TIMEOUT_S)


class Client:
    """Asks the node that runs with a home, whose stores lie in a folder of it.

    Every method raises NodeNotRunning when nobody serves the socket, NodeGone
    when the node ends meanwhile, and NodeRefusal for what it refuses.

    Args:
        role: what should run there, for who has to start it.
    """

    def __init__(self, home: Path, folder: Path | None = None, role: str = "node") -> None:
        self._home = home
        self._role = role
        self._path = (folder or home) / unixpath.SOCKET_NAME

    def ask(self, method: str, path: str, kind: type[T], body: object = None) -> T:
        """Return the node's answer as the type that it promises."""
        data = None if body is None else codec.encode(body)
        with self._exchange(method, path, data) as response:
            answer = response.read(MAX_ANSWER_BYTES)
        _check(response, answer)
        try:
            return codec.decode(answer, kind)
        except BadJson as e:
            raise BadAnswer(e.detail, status=response.status) from None

    def stream(self, path: str) -> Iterator[bytes]:
        """Yield an answer of any length in parts; BadAnswer if it breaks off."""
        with self._exchange("GET", path, None) as response:
            if response.status != 200:
                _check(response, response.read(MAX_ANSWER_BYTES))
            while part := response.read(PART_BYTES):
                yield part

    @contextmanager
    def _exchange(self, method: str, path: str, data: bytes | None) -> Iterator[HTTPResponse]:
        connection = Connection(self._path)
        headers = {"Content-Type": "application/json"} if data is not None else {}
        try:
            connection.request(method, path, data, headers)
            yield connection.getresponse()
        except (ConnectionResetError, BrokenPipeError):
            raise NodeGone from None
        except HTTPException as e:
            raise BadAnswer(type(e).__name__) from None
        except PermissionError:
            raise HomePermissions("it belongs to another user", home=str(self._home)) from None
        except TimeoutError:
            raise BadAnswer("no answer in time", timeout_s=TIMEOUT_S) from None
        except OSError:
            raise self._absent() from None
        finally:
            connection.close()

    def _absent(self) -> LocalError:
        if not self._home.is_dir():
            return HomeMissing("make it with `streembit account create NAME`", home=str(self._home))
        command = f"twistd -n streembit-{self._role} --home {self._home}"
        return NodeNotRunning(f"start it with `{command}`")


def _check(response: HTTPResponse, answer: bytes) -> None:
    """Raise NodeRefusal for an answer that is not good."""
    if response.status == 200:
        return
    try:
        error = codec.decode(answer, ErrorAnswer).error
    except BadJson as e:
        raise BadAnswer(e.detail, status=response.status) from None
    detail = _OF_ANOTHER if error.code == NoSuchPath.code else error.detail
    raise NodeRefusal(error.code, detail)
