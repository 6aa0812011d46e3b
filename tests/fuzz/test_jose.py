"""Mutated tokens, keys, key files, words and fingerprints: none is accepted that nobody made."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import (
    BadKey,
    BadName,
    BadToken,
    BadWords,
    KeyFileCorrupt,
    KeyFileWeak,
    RemoteError,
    WrongPasscode,
)
from streembit.jose import base64url, envelope, fingerprint, jwe, keyfile, words
from streembit.jose.keys import ParsedKeys, PublicKey
from streembit.jose.passcode import LEAST
from streembit.wire.message import RecordClaims
from tests.fuzz.mutate import CASES, Outcome, run
from tests.jose.people import ANN, BOB
from tests.wire.samples import BODIES, rpc

CLAIMS = RecordClaims(ANN.public.text, "main", "app", "a/b", 1, 1_700_000_000, "aGVsbG8")
RECORD = envelope.sign_record(ANN.signing, CLAIMS).encode()
MESSAGES = [envelope.seal_rpc(ANN.signing, rpc(body, iss=ANN.public.text)) for body in BODIES]
SEALED = jwe.seal(b"secret", BOB.agreement.public, typ="x").encode()


class TokenTests(SynchronousTestCase):
    """Nothing altered is ever accepted."""

    def assert_none_accepted(self, outcome: Outcome, unchanged: int) -> None:
        """Accepted are only the cases in which the mutator changed nothing."""
        self.assertEqual(outcome.accepted, unchanged)
        self.assertGreater(outcome.refused, 0)

    def test_A4_mutated_messages(self) -> None:
        """Each accepted token is one that Ann signed, byte for byte."""
        made, unchanged = set(MESSAGES), [0]

        def read(token: bytes) -> None:
            envelope.verify_rpc(envelope.parse_rpc(token), ANN.public)
            assert token in made
            unchanged[0] += 1

        outcome = run(read, MESSAGES, CASES, 21, RemoteError)
        self.assert_none_accepted(outcome, unchanged[0])

    def test_A4_mutated_records(self) -> None:
        """The same for records, which bring their own key."""
        keys, unchanged = ParsedKeys(64), [0]

        def read(token: bytes) -> None:
            envelope.verify_record(token, keys)
            assert token == RECORD
            unchanged[0] += 1

        outcome = run(read, [RECORD], CASES, 22, RemoteError)
        self.assert_none_accepted(outcome, unchanged[0])

    def test_A4_mutated_sealed_data(self) -> None:
        """Each opened token is one that was sealed."""
        unchanged = [0]

        def read(token: bytes) -> None:
            jwe.open_(token, BOB.agreement, typ="x")
            assert token == SEALED
            unchanged[0] += 1

        outcome = run(read, [SEALED], CASES, 23, RemoteError)
        self.assert_none_accepted(outcome, unchanged[0])

    def test_A7_mutated_base64(self) -> None:
        """What is decoded is exactly what would be encoded."""

        def read(text: bytes) -> None:
            assert base64url.encode_bytes(base64url.decode(text)) == text

        corpus = [base64url.encode_bytes(bytes(range(n))) for n in (1, 2, 3, 33, 64)]
        outcome = run(read, corpus, CASES, 24, BadToken)
        self.assertGreater(outcome.accepted, 0)
        self.assertGreater(outcome.refused, 0)


class KeyTests(SynchronousTestCase):
    """Keys in all of their forms."""

    def test_A6_mutated_points(self) -> None:
        """A point that is accepted has the same 33 bytes."""

        def read(point: bytes) -> None:
            assert PublicKey.parse(point).point == point

        outcome = run(read, [ANN.public.point, BOB.public.point], CASES, 31, BadKey)
        self.assertGreater(outcome.accepted, 0)
        self.assertGreater(outcome.refused, 0)

    def test_A6_mutated_texts_of_keys(self) -> None:
        """A text that is accepted is the key's one text."""

        def read(data: bytes) -> None:
            text = data.decode("utf-8", "replace")
            key = PublicKey.from_hex(text) if len(text) == 66 else PublicKey.from_text(text)
            assert text in (key.text, key.hex)

        corpus = [ANN.public.text.encode(), ANN.public.hex.encode()]
        outcome = run(read, corpus, CASES, 32, BadKey)
        self.assertGreater(outcome.refused, 0)

    def test_mutated_key_files(self) -> None:
        """Damaged files are called damaged; none opens as another identity."""
        refusals = KeyFileCorrupt, KeyFileWeak, WrongPasscode

        def read(data: bytes) -> None:
            assert keyfile.inspect(data).public_key == ANN.public.hex
            assert keyfile.unlock(data, None).seed == ANN.seed

        corpus = [keyfile.lock(ANN, None), keyfile.lock(ANN, "Passw0rd!", params=LEAST)]
        outcome = run(read, corpus, CASES, 33, refusals)
        self.assertGreater(outcome.refused, 0)

    def test_mutated_words(self) -> None:
        """Words that are accepted stand for themselves."""

        def read(data: bytes) -> None:
            text = data.decode("utf-8", "replace")
            assert words.from_seed(words.to_seed(text)).split() == text.lower().split()

        corpus = [words.from_seed(ANN.seed).encode(), words.from_seed(BOB.seed).encode()]
        outcome = run(read, corpus, CASES, 34, BadWords)
        self.assertGreater(outcome.refused, 0)

    def test_mutated_fingerprints(self) -> None:
        """A text that is accepted is, but for case and spacing, the fingerprint itself."""

        def read(data: bytes) -> None:
            text = data.decode("utf-8", "replace")
            shown = fingerprint.show(fingerprint.parse(text))
            assert "".join(text.upper().split()).replace("-", "") == shown.replace(" ", "")

        outcome = run(read, [fingerprint.of(ANN.public).encode()], CASES, 35, BadName)
        self.assertGreater(outcome.accepted, 0)
        self.assertGreater(outcome.refused, 0)
