"""A blocking client of the local API over the home's Unix socket."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
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
    NodeNotRunning,
    NodeRefusal,
)
from streembit.wire import codec

TIMEOUT_S: Final = 60.0  # a put to slow peers ends within 30 s
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024  # 2,000 peers are 0.5 MB

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
    """Asks the node that runs with a home.

    Every method raises NodeNotRunning when nobody serves the socket, and
    NodeRefusal for what the node refuses.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / unixpath.SOCKET_NAME

    def ask(self, method: str, path: str, kind: type[T], body: object = None) -> T:
        """Return the node's answer as the type that it promises."""
        data = None if body is None else codec.encode(body)
        status, answer = self._exchange(method, path, data)
        try:
            if status == 200:
                return codec.decode(answer, kind)
            error = codec.decode(answer, ErrorAnswer).error
        except BadJson as e:
            raise BadAnswer(e.detail, status=status) from None
        raise NodeRefusal(error.code, error.detail)

    def _exchange(self, method: str, path: str, data: bytes | None) -> tuple[int, bytes]:
        connection = Connection(self._path)
        headers = {"Content-Type": "application/json"} if data is not None else {}
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            return response.status, response.read(MAX_ANSWER_BYTES)
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
        return NodeNotRunning(f"start it with `twistd -n streembit-node --home {self._home}`")
