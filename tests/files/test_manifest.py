"""Lists of files: one form, known by its digest, and nothing absurd in it."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadJson, BadManifest, StreembitError, TooLarge
from streembit.files import manifest as manifests
from streembit.files.names import safe_tree
from streembit.jose.base64url import encode as b64
from streembit.wire import codec
from streembit.wire.terms import MAX_INT
from streembit.wire.transfer import (
    MAX_FILES,
    MAX_MANIFEST_BYTES,
    FileOffer,
    pack_content,
    read_content,
)
from tests.files.rig import TRANSFER

# Lists as a contact may send them, each with an offer that matches its bytes.
HOSTILE: tuple[bytes, ...] = (
    b"",
    b"[]",
    b"{}",
    b"null",
    b'[["a",1]]',
    b"[[[],1]]",
    b'[[[""],1]]',
    b'[[[""],0]]',
    b'[[["a",""],1]]',
    b'[[["","a"],0],[["b"],1]]',
    b'[[["a","",""],0],[["b"],1]]',
    b'[[["a"],-1]]',
    b'[[["a"],1.0]]',
    b'[[["a"],1e3]]',
    b'[[["a"],true]]',
    b'[[["a"],"1"]]',
    b'[[["a"],null]]',
    b'[[["a"],9007199254740992]]',
    b'[[["a"],9007199254740991],[["b"],9007199254740991]]',
    b'[[["a"],99999999999999999999999999]]',
    b'[[["a"],1,2]]',
    b'[[["a"]]]',
    b'[[["a"],01]]',
    b'[[["a"],1] ]',
    b' [[["a"],1]]',
    b'[[["\\u0061"],1]]',
    b'[[["a"],1]]\n',
    b'[[["a"],1]]x',
    b'[[["a"],1],]',
    b'\xef\xbb\xbf[[["a"],1]]',
    b'[[["\xff"],1]]',
    b'[[["\\ud800"],1]]',
    b'[[["' + b"x" * 256 + b'"],1]]',
    b"[[[" + b",".join([b'"a"'] * 33) + b"],1]]",
    b'[[[["a"]],1]]',
    b"[" * 1000 + b"]" * 1000,
    b"[" + b",".join([b'[["a"],0]'] * (MAX_FILES + 1)) + b"]",
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
FILES = st.lists(
    st.tuples(st.lists(NAMES, min_size=1, max_size=4), st.integers(0, 2**40)),
    min_size=1,
    max_size=20,
)


def offer_of(data: bytes, files: int = 1, total_bytes: int = 1) -> FileOffer:
    """Return an offer of exactly these bytes."""
    digest = b64(sha256(data).digest())
    return FileOffer(b64(TRANSFER), "x", files, total_bytes, digest, max(1, len(data)))


class ManifestTests(SynchronousTestCase):
    """Lists that come from a contact."""

    def test_L3_hostile_lists(self) -> None:
        """None is taken, by whatever number of files and bytes it was offered."""
        for data in HOSTILE:
            for files in (1, 2):
                with self.assertRaises(BadManifest, msg=repr(data[:60])):
                    manifests.read(data, offer_of(data, files))

    def test_L3_another_list_than_offered(self) -> None:
        """Its digest, number and sum are held against the offer."""
        data = b'[[["a"],5],[["b"],7]]'
        self.assertEqual(manifests.read(data, offer_of(data, 2, 12)).total_bytes, 12)
        for wrong in (offer_of(data, 1, 12), offer_of(data, 2, 11), offer_of(data + b" ", 2, 12)):
            with self.assertRaises(BadManifest):
                manifests.read(data, wrong)

    def test_L2_hostile_paths_of_a_sound_list(self) -> None:
        """The list is taken as it is; what lies on the disk are the safe paths of it."""
        paths = [["a"], ["a"], ["a", "b"], ["a", "b", "c"], [".."], ["..", "..", "x"], ["/"], ["A"]]
        manifest = manifests.make([(path, 1) for path in paths])
        again = manifests.read(manifest.data, manifest.offer(TRANSFER, "x"))
        safe = safe_tree(entry.path for entry in again.entries)
        self.assertEqual(len(set(safe)), len(paths))
        folders = {path[:n] for path in safe for n in range(1, len(path))}
        self.assertEqual(folders & set(safe), set())

    def test_a_folder_without_files(self) -> None:
        """Its path ends with an empty part, and on the disk it is a folder still."""
        manifest = manifests.make([(["a", "b", ""], 0), (["a", "b", "c"], 1), (["a", "x", ""], 0)])
        again = manifests.read(manifest.data, manifest.offer(TRANSFER, "x"))
        safe = safe_tree(entry.path for entry in again.entries)
        self.assertEqual(safe, [("a", "b", ""), ("a", "b", "c"), ("a", "x", "")])

    def test_the_largest_list(self) -> None:
        """As many files as there may be come through."""
        manifest = manifests.make([([f"{n:06}"], n) for n in range(MAX_FILES)])
        self.assertLess(len(manifest.data), MAX_MANIFEST_BYTES)
        again = manifests.read(manifest.data, manifest.offer(TRANSFER, "x"))
        self.assertEqual(len(again.entries), MAX_FILES)

    def test_what_one_transfer_does_not_take(self) -> None:
        """We are told before anything is offered."""
        absurd: list[list[tuple[list[str], int]]] = [
            [],
            [(["a"], 0)] * (MAX_FILES + 1),
            [(["a"] * 33, 0)],
            [([], 0)],
            [(["x" * 256], 0)],
            [([""], 0)],
            [(["a"], MAX_INT), (["b"], 1)],
            [(["x" * 255], 0)] * 40_000,
        ]
        for files in absurd:
            with self.assertRaises(TooLarge):
                manifests.make(files)

    def test_what_people_call_it(self) -> None:
        """The one file, the one folder, or the first of several."""
        for paths, expected in (
            ([["a.txt"]], "a.txt"),
            ([["d", "a"], ["d", "b"]], "d"),
            ([["d", "a"], ["b"]], "d and more"),
            ([["x" * 255], ["b"]], "x" * 200 + " and more"),
        ):
            manifest = manifests.make([(path, 1) for path in paths])
            name = manifests.top_name(manifest)
            self.assertEqual(name, expected)
            pack_content(manifest.offer(TRANSFER, name))

    @given(FILES)
    def test_any_files(self, files: list[tuple[list[str], int]]) -> None:
        """What was made is what is read, and the offer of it comes through."""
        manifest = manifests.make(files)
        offer = read_content(pack_content(manifest.offer(TRANSFER, manifests.top_name(manifest))))
        assert isinstance(offer, FileOffer)
        again = manifests.read(manifest.data, offer)
        assert [(entry.path, entry.size_bytes) for entry in again.entries] == files


class ContentTests(SynchronousTestCase):
    """Words about files."""

    def test_L3_absurd_offers(self) -> None:
        """Refused before anybody is asked."""
        sound: dict[str, Any] = {
            "t": "file_offer",
            "transfer": b64(TRANSFER),
            "name": "x",
            "files": 1,
            "total_bytes": 1,
            "manifest": b64(bytes(32)),
            "manifest_bytes": 12,
        }
        read_content(codec.encode(sound))
        for member, value in (
            ("transfer", ""),
            ("transfer", "AAAA"),
            ("transfer", b64(TRANSFER) + "="),
            ("transfer", "A" * 21 + "B"),
            ("name", ""),
            ("name", "x" * 256),
            ("files", 0),
            ("files", -1),
            ("files", MAX_FILES + 1),
            ("files", 1.5),
            ("total_bytes", -1),
            ("total_bytes", MAX_INT + 1),
            ("manifest", "x"),
            ("manifest_bytes", 0),
            ("manifest_bytes", MAX_MANIFEST_BYTES + 1),
            ("t", "other"),
        ):
            with self.assertRaises(BadJson, msg=f"{member} {value}"):
                read_content(codec.encode({**sound, member: value}))

    def test_codes_of_an_end(self) -> None:
        """Nothing but a code is a code."""
        for code in ("", "Done", "a b", "a\n", "-a", "a-", "a" * 21, "a-b-c-d-e-f", "é"):
            with self.assertRaises(BadJson):
                read_content(
                    codec.encode({"t": "file_end", "transfer": b64(TRANSFER), "code": code})
                )

    def test_too_long_for_a_word(self) -> None:
        """Whatever it holds."""
        with self.assertRaises(StreembitError):
            read_content(b" " * 5000)
