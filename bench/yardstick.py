"""The price of bare cryptography here and now, the unit for figures of noisy machines."""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

MESSAGE_BYTES = 600  # about one signed request
ROUNDS = 15
CALLS_PER_ROUND = (
    40  # a round is shorter than a scheduler's slice, so the median round is undisturbed
)


@dataclass(frozen=True)
class Prices:
    """CPU-bound single calls, in microseconds."""

    sign_us: float
    verify_us: float
    aead_us: float

    @property
    def sign_and_verify_us(self) -> float:
        """One signature made and checked: the unit that other figures are divided by."""
        return self.sign_us + self.verify_us


def price_us(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the median time of one call in microseconds, over short rounds."""
    rounds = []
    for _ in range(ROUNDS):
        begun = clock()
        for _ in range(CALLS_PER_ROUND):
            call()
        rounds.append((clock() - begun) / CALLS_PER_ROUND)
    return statistics.median(rounds) * 1e6


def prices(message_bytes: int = MESSAGE_BYTES) -> Prices:
    """Measure ECDSA P-256 with SHA-256 and AES-256-GCM on a message of this many bytes."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    message = os.urandom(message_bytes)
    algorithm = ec.ECDSA(SHA256())
    signature = key.sign(message, algorithm)
    aead = AESGCM(os.urandom(32))
    nonce = bytes(12)
    return Prices(
        sign_us=price_us(lambda: key.sign(message, algorithm)),
        verify_us=price_us(lambda: public.verify(signature, message, algorithm)),
        aead_us=price_us(lambda: aead.encrypt(nonce, message, None)),
    )
