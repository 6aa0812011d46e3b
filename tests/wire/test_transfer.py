"""Frames and words of transfers, by the published vectors, and at every cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadFrame, BadJson, BadManifest
from streembit.files import manifest as manifests
from streembit.files.names import safe_tree
from streembit.wire.terms import MAX_INT
from streembit.wire.transfer import (
    MAX_BLOCK_BYTES,
    Ask,
    Block,
    FileFrame,
    FileOffer,
    Mark,
    is_file_frame,
    pack_ask,
    pack_block,
    pack_content,
    pack_mark,
    read_content,
    read_frame,
)
from tests.sources import ROOT

VECTORS = ROOT / "docs" / "protocol" / "vectors" / "files.json"


def load() -> Any:
    """Return the vectors."""
    return json.loads(VECTORS.read_text())


def pack(frame: FileFrame) -> bytes:
    """Return the payload of any frame."""
    match frame:
        case Ask():
            return pack_ask(frame)
        case Mark():
            return pack_mark(frame)
        case Block():
            return pack_block(*frame)


def of_vector(vector: Any, transfer: bytes) -> FileFrame:
    """Return the frame that a vector describes."""
    head = transfer, vector["file"], vector["run"], vector["position"]
    match vector["kind"]:
        case "ask":
            return Ask(*head, vector["upto"])
        case "mark":
            return Mark(*head, bytes.fromhex(vector["digest"]))
        case _:
            return Block(*head, bytes.fromhex(vector["data"]))


def refused(vectors: Any) -> Iterator[bytes]:
    """Yield the payloads that no reader takes."""
    for vector in vectors["refused"]:
        data = bytes.fromhex(vector.get("frame") or vector["frame_begins"])
        yield data.ljust(vector.get("length", 0), b"\0")


class VectorTests(SynchronousTestCase):
    """What another implementation is held against."""

    def test_frames(self) -> None:
        """Each is read, and written, as it stands there."""
        vectors = load()
        for vector in vectors["frames"]:
            payload = bytes.fromhex(vector["frame"])
            frame = of_vector(vector, bytes.fromhex(vectors["transfer"]))
            self.assertEqual(read_frame(payload), frame, vector["name"])
            self.assertEqual(pack(frame), payload, vector["name"])
            self.assertTrue(is_file_frame(payload))

    def test_frames_that_are_refused(self) -> None:
        """None is read."""
        for payload in refused(load()):
            with self.assertRaises(BadFrame, msg=payload[:60].hex()):
                read_frame(payload)

    def test_words(self) -> None:
        """Each is read, and written, as it stands there; others are not read."""
        vectors = load()
        for vector in vectors["words"]:
            text = vector["text"].encode()
            self.assertEqual(pack_content(read_content(text)), text)
        for word in vectors["words_refused"]:
            with self.assertRaises(BadJson, msg=word):
                read_content(word.encode())

    def test_lists(self) -> None:
        """The list is what was offered; others are refused; its paths are made safe."""
        vectors = load()
        offer = read_content(vectors["words"][0]["text"].encode())
        assert isinstance(offer, FileOffer)
        found = vectors["list"]
        manifest = manifests.read(found["text"].encode(), offer)
        self.assertEqual(manifest.digest.hex(), found["digest"])
        entries = [{"path": entry.path, "size": entry.size_bytes} for entry in manifest.entries]
        self.assertEqual(entries, found["files"])
        safe = safe_tree(entry.path for entry in manifest.entries)
        self.assertEqual([list(path) for path in safe], found["safe"])
        for text in vectors["lists_refused"]:
            with self.assertRaises(BadManifest, msg=text):
                manifests.read(text.encode(), offer)

    def test_paths(self) -> None:
        """Each is made safe as it stands there."""
        for vector in load()["paths"]:
            self.assertEqual([list(path) for path in safe_tree([vector["path"]])], [vector["safe"]])


class FrameTests(SynchronousTestCase):
    """Frames in general."""

    def test_every_cut(self) -> None:
        """No beginning of an ask or mark is one."""
        for frame in (Ask(bytes(16), 1, 2, 3, 4), Mark(bytes(16), 1, 2, 3, bytes(32))):
            payload = pack(frame)
            for cut in range(len(payload)):
                with self.assertRaises(BadFrame):
                    read_frame(payload[:cut])

    @given(
        st.binary(min_size=16, max_size=16),
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**32 - 1),
        st.integers(0, MAX_INT),
        st.integers(1, MAX_INT),
        st.binary(min_size=1, max_size=100),
    )
    def test_any_numbers(
        self, transfer: bytes, file: int, run: int, position: int, upto: int, data: bytes
    ) -> None:
        """What was packed is what is read."""
        for frame in (
            Block(transfer, file, run, position, data),
            Ask(transfer, file, run, position, upto),
            Mark(transfer, file, run, position, data[:1] * 32),
        ):
            assert read_frame(pack(frame)) == frame

    def test_the_longest_block_fits_a_link(self) -> None:
        """With its head, and the link's seal."""
        from streembit.net.tcp import MAX_PAYLOAD_BYTES

        self.assertLessEqual(
            len(pack_block(bytes(16), 0, 0, 0, bytes(MAX_BLOCK_BYTES))), MAX_PAYLOAD_BYTES
        )
