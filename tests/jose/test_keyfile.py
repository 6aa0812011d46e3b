"""Key files: opened by their passcode, and damage is told from a wrong passcode."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import KeyFileCorrupt, KeyFileWeak, WeakPasscode, WrongPasscode
from streembit.jose import base64url, keyfile
from streembit.jose.keyfile import KdfParams, inspect, lock, unlock
from streembit.jose.keys import Identity
from streembit.jose.passcode import LEAST
from streembit.wire import codec
from tests.jose.people import ANN, BOB
from tests.sources import ROOT

GOOD = "Passw0rd!"
VECTORS = ROOT / "docs/protocol/vectors/keyfile.json"


def locked(identity: Identity = ANN) -> bytes:
    """Return a key file that opens quickly."""
    return lock(identity, GOOD, params=LEAST)


def altered(data: bytes, **header: object) -> bytes:
    """Return a key file with other members in its header and a checksum that fits them."""
    document: dict[str, Any] = json.loads(data)
    document["header"].update(header)
    return with_checksum(document)


def with_checksum(document: dict[str, Any]) -> bytes:
    """Return the document with the checksum that its header and secret have."""
    header = codec.decode(json.dumps(document["header"]).encode(), keyfile.Header)
    checksum = keyfile._checksum(header, document["secret"])
    return json.dumps({**document, "checksum": checksum}).encode()


class LockTests(SynchronousTestCase):
    """What was locked is unlocked."""

    def test_the_passcode_opens_it(self) -> None:
        """Name and both keys come back."""
        identity = unlock(locked(), GOOD)
        self.assertEqual(identity.seed, ANN.seed)
        self.assertEqual(identity.name, "ann")
        self.assertEqual(identity.agreement.public, ANN.agreement.public)

    def test_two_files_of_one_identity_differ(self) -> None:
        """Each has its own salt and nonce."""
        one, two = (json.loads(locked()) for _ in range(2))
        for name in ("salt", "nonce", "check"):
            self.assertNotEqual(one["header"][name], two["header"][name])
        self.assertNotEqual(one["secret"], two["secret"])

    def test_the_vectors_of_the_protocol(self) -> None:
        """A file made elsewhere opens; each wrong one has its error."""
        document = json.loads(VECTORS.read_text(encoding="utf-8"))
        errors = {"key-file-corrupt": KeyFileCorrupt, "key-file-weak": KeyFileWeak}
        errors["wrong-passcode"] = WrongPasscode
        for example in document["opened"]:
            data = json.dumps(example["file"]).encode()
            identity = unlock(data, example["passcode"])
            self.assertEqual(identity.seed.hex(), example["seed"])
            if example["passcode"] is not None:
                params = KdfParams(**example["file"]["header"]["kdf"])
                salt, nonce = (bytes.fromhex(example[name]) for name in ("salt", "nonce"))
                again = lock(identity, example["passcode"], params=params, salt=salt, nonce=nonce)
                self.assertEqual(json.loads(again), example["file"])
        for example in document["refused"]:
            data = json.dumps(example["file"]).encode()
            self.assertRaises(errors[example["error"]], unlock, data, example["passcode"])

    def test_a_file_says_whose_it_is_without_its_passcode(self) -> None:
        """Name, public key and protection can be listed."""
        header = inspect(locked())
        self.assertEqual((header.name, header.public_key), ("ann", ANN.public.hex))
        self.assertEqual(header.protection, "argon2id+a256gcm")
        self.assertEqual(header.kdf, LEAST)

    def test_L7_the_secret_is_not_in_the_file(self) -> None:
        """Neither the seed nor a scalar, in any form."""
        data = locked().decode()
        for secret in (ANN.seed, ANN.signing.scalar, ANN.agreement.scalar):
            for form in (secret.hex(), base64url.encode(secret), str(int.from_bytes(secret))):
                self.assertNotIn(form, data)

    def test_a_weak_passcode_locks_nothing(self) -> None:
        """The rule of passcodes holds here, whoever calls."""
        for weak in ("", "password", "Password1"):
            self.assertRaises(WeakPasscode, lock, ANN, weak)

    def test_L6_weak_parameters_lock_nothing(self) -> None:
        """Nobody writes a file that nobody opens."""
        self.assertRaises(KeyFileWeak, lock, ANN, GOOD, params=KdfParams(1024, 1, 1))


class ClearTests(SynchronousTestCase):
    """A seed or a device may have a key file without passcode, and the file says so."""

    def test_a_clear_file_opens_without_passcode(self) -> None:
        """It is marked as unprotected."""
        data = lock(ANN, None)
        self.assertEqual(unlock(data, None).seed, ANN.seed)
        self.assertEqual(inspect(data).protection, "none")

    def test_no_passcode_opens_no_locked_file(self) -> None:
        """To give none is to give the wrong one."""
        self.assertRaises(WrongPasscode, unlock, locked(), None)

    def test_a_passcode_does_not_open_a_clear_file(self) -> None:
        """Who expects protection learns that there is none."""
        self.assertRaises(KeyFileWeak, unlock, lock(ANN, None), GOOD)


class RefusedTests(SynchronousTestCase):
    """What does not open says why."""

    def test_L6_a_wrong_passcode_is_called_so(self) -> None:
        """Similar ones too."""
        data = locked()
        for wrong in ("passw0rd!", "Passw0rd! ", "Passw0rd", "", "x" * 100, "\ud800"):
            self.assertRaises(WrongPasscode, unlock, data, wrong)

    def test_L6_weak_or_heavy_files_are_not_opened(self) -> None:
        """A file that asks for cheap guesses, or for more memory than 1 GiB, before any work."""
        for kdf in (
            {"memory_kib": 1024, "passes": 3, "lanes": 1},
            {"memory_kib": 64 * 1024, "passes": 1, "lanes": 1},
            {"memory_kib": 2 * 1024 * 1024, "passes": 3, "lanes": 1},
            {"memory_kib": 64 * 1024, "passes": 1000, "lanes": 1},
        ):
            self.assertRaises(KeyFileWeak, unlock, altered(locked(), kdf=kdf), GOOD)

    def test_damage_is_told_from_a_wrong_passcode(self) -> None:
        """Any one byte replaced, any cut: never opened, never called a wrong passcode."""
        data = locked()
        for place in range(len(data)):
            damaged = data[:place] + b"#" + data[place + 1 :]
            if json_value(damaged) != json_value(data):
                self.assertRaises(KeyFileCorrupt, unlock, damaged, GOOD)
        for cut in range(0, len(data) - 2, 7):
            self.assertRaises(KeyFileCorrupt, unlock, data[:cut], GOOD)

    def test_an_altered_header_is_refused_under_the_right_passcode(self) -> None:
        """With a checksum that fits, the sealed part still covers each member of the header."""
        data = locked()
        changes: list[dict[str, object]] = [
            {"name": "eve"},
            {"public_key": BOB.public.hex},
            {"nonce": base64url.encode(bytes(12))},
        ]
        for change in changes:
            self.assertRaises(KeyFileCorrupt, unlock, altered(data, **change), GOOD)

    def test_an_altered_secret_is_refused_under_the_right_passcode(self) -> None:
        """Each byte of the sealed seed."""
        document: dict[str, Any] = json.loads(locked())
        secret = bytearray(base64url.decode(document["secret"]))
        for place in range(0, len(secret), 11):
            secret[place] ^= 1
            document["secret"] = base64url.encode(bytes(secret))
            self.assertRaises(KeyFileCorrupt, unlock, with_checksum(document), GOOD)
            secret[place] ^= 1

    def test_parts_of_another_length_are_refused(self) -> None:
        """Salt, nonce, secret, missing parameters."""
        changes: list[dict[str, object]] = [
            {"salt": base64url.encode(bytes(8))},
            {"salt": ""},
            {"nonce": ""},
            {"nonce": "===="},
            {"kdf": None},
        ]
        for change in changes:
            self.assertRaises(KeyFileCorrupt, unlock, altered(locked(), **change), GOOD)
        document: dict[str, Any] = json.loads(lock(ANN, None))
        for secret in ("", base64url.encode(bytes(31)), base64url.encode(bytes(33))):
            document["secret"] = secret
            self.assertRaises(KeyFileCorrupt, unlock, with_checksum(document), None)

    def test_a_clear_file_of_another_key_is_refused(self) -> None:
        """The secret and the public key beside it belong together."""
        data = altered(lock(ANN, None), public_key=BOB.public.hex)
        self.assertRaises(KeyFileCorrupt, unlock, data, None)

    def test_S6_other_documents_are_refused(self) -> None:
        """Newer versions, other JSON, no JSON, something large."""
        document: dict[str, Any] = json.loads(locked())
        document["header"]["version"] = 2
        others = [json.dumps(document).encode(), b"", b"{}", b"[]", b"\xff", b"A" * 100_000]
        for data in others:
            self.assertRaises(KeyFileCorrupt, unlock, data, GOOD)
            self.assertRaises(KeyFileCorrupt, inspect, data)


def json_value(data: bytes) -> object:
    """Return what a text says, or the text when it is no JSON."""
    try:
        return json.loads(data)
    except ValueError:
        return data
