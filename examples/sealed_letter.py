"""Seal a letter to one person: nobody else can read it, and who wrote it is proved.

python examples/sealed_letter.py
"""

from __future__ import annotations

from streembit.errors import StreembitError
from streembit.jose import base64url, fingerprint, jwe
from streembit.jose.keys import Identity, ParsedKeys

TYPE = "example+jwe"


def main() -> None:
    """Alice writes to Bob; Eve, who got hold of the letter, tries to read and to forge."""
    alice, bob, eve = (Identity.generate(name) for name in ("alice", "bob", "eve"))
    print("Alice's fingerprint, to compare by telephone:", fingerprint.of(alice.public))

    token = jwe.sign_then_seal(
        b"The key lies under the stone.", alice, bob.public, bob.agreement.public, typ=TYPE
    )
    print(f"what travels: {token[:48]}... ({len(token)} characters)")

    letter = jwe.open_then_verify(token, bob, ParsedKeys(), typ=TYPE)
    print("Bob reads:", base64url.decode(letter.claims.val).decode())
    print("signed by Alice:", letter.key == alice.public)

    for what, forged in (("read it", token), ("change it", token[:-8] + "AAAAAAAA")):
        try:
            jwe.open_then_verify(forged, eve if what == "read it" else bob, ParsedKeys(), typ=TYPE)
        except StreembitError as e:
            print(f"Eve cannot {what}: {e.code}")


if __name__ == "__main__":
    main()
