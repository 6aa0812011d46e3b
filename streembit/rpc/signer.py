"""Making signed messages: the one place that numbers and dates what we say."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from streembit.jose.envelope import seal_rpc
from streembit.jose.keys import PrivateKey
from streembit.wire.message import Answer, Request, Rpc


class Signer:
    """Signs requests and answers with one identity for one network.

    Args:
        key: the identity's signing key.
        network: the network's id, stated in every message.
        now_s: the wall clock, Unix seconds; only stated as `iat`, nothing is decided by it.
        first: where the numbering of `jti` starts; chance, so that restarts do not repeat it.
    """

    def __init__(
        self, key: PrivateKey, network: str, now_s: Callable[[], float], first: int
    ) -> None:
        self._key = key
        self.issuer = key.public.text
        self.network = network
        self._now_s = now_s
        self._numbers = itertools.count(first)
        self.signed = 0

    def request(self, body: Request, links: Sequence[str]) -> tuple[str, bytes]:
        """Sign one request for the named links; return its `jti` and the token."""
        jti = f"{next(self._numbers):x}"
        return jti, self._seal(body, list(links), jti, "")

    def answer(self, body: Answer, link: str, request_jti: str) -> bytes:
        """Sign the answer to a request that came over this link."""
        return self._seal(body, [link], f"{next(self._numbers):x}", request_jti)

    def _seal(self, body: Request | Answer, links: list[str], jti: str, re: str) -> bytes:
        self.signed += 1
        rpc = Rpc(self.issuer, links, jti, int(self._now_s()), self.network, body, re)
        return seal_rpc(self._key, rpc)
