"""Three identities that are the same in each run."""

from __future__ import annotations

from typing import Final

from streembit.jose.keys import Identity, PrivateKey

ANN: Final = Identity.from_seed(bytes([1]) * 32, "ann")
BOB: Final = Identity.from_seed(bytes([2]) * 32, "bob")
EVE: Final = Identity.from_seed(bytes([3]) * 32, "eve")
KEY: Final[PrivateKey] = ANN.signing
