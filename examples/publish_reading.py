"""Publish a reading through the node that runs with a home, with nothing but Python itself.

python examples/publish_reading.py HOME Home/Kitchen/Temperature 21.5
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote


class LocalApi(http.client.HTTPConnection):
    """HTTP on the Unix socket of a home; who may open the socket is the node's owner."""

    def __init__(self, home: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._socket = str(home / "api.sock")

    def connect(self) -> None:
        """Connect to the socket instead of to a host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._socket)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Return the answer's JSON; an answer that is not good ends the program with its words."""
        text = None if body is None else json.dumps(body)
        self.request(method, quote(path), text, {"Content-Type": "application/json"})
        answer = self.getresponse()
        document = json.loads(answer.read())
        if answer.status != 200:
            sys.exit(f"{document['error']['code']}: {document['error']['detail']}")
        return document


def main() -> None:
    """Publish the reading, then read it back as anybody else would."""
    home, name, reading = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    api = LocalApi(home)
    me = api.ask("GET", "/v1/status")["public_key"]
    body = {"value": b64encode(reading.encode()).decode(), "ttl_s": 3600}
    put = api.ask("PUT", f"/v1/records/{name}", body)
    print(f"version {put['seq']} lies with {len(put['replicas'])} other nodes, each gave a receipt")
    got = api.ask("GET", f"/v1/owners/{me}/records/{name}")
    print(f"anybody finds it under {me[:16]}.../{name}, signed by {got['signer'][:16]}...")


if __name__ == "__main__":
    main()
