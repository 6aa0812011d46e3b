"""Requests of ours that were refused: with which code, as long as they are not answered."""

from __future__ import annotations

from streembit.jose.keys import PublicKey
from streembit.service.people.register import Register


class Refused:
    """The last refusal of each request that waits; forgotten when the process ends."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._codes: dict[PublicKey, str] = {}  # at most of all whom we ask

    def code(self, key: PublicKey) -> str:
        """Return the code with which somebody refused our last request, "" where none did."""
        return self._codes.get(key, "") if self._register.requests.is_asked(key) else ""

    def note(self, key: PublicKey, code: str) -> bool:
        """Note a refusal; return whether it is news: a request waits, and it is another code."""
        is_asked = self._register.requests.is_asked
        if not is_asked(key) or code == self.code(key):
            return False
        self._codes = {each: why for each, why in self._codes.items() if is_asked(each)}
        self._codes[key] = code
        return True

    def forget(self, key: PublicKey) -> None:
        """Forget a refusal: somebody was asked anew, or has heard it now."""
        self._codes.pop(key, None)
