"""Mutated frames, words, lists and journals of transfers: refused in order, or read one way."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadFrame, BadJson, BadManifest, BadMessage, StreembitError
from streembit.files import manifest as manifests
from streembit.files.names import safe_tree
from streembit.files.receiving import Receiving
from streembit.files.state import read_journal
from streembit.wire.transfer import (
    Ask,
    FileEnd,
    FileVerdict,
    Mark,
    pack_ask,
    pack_block,
    pack_content,
    pack_mark,
    read_content,
    read_frame,
)
from tests.files.rig import PLENTY, TRANSFER, Pair, contents, manifest_of
from tests.files.test_manifest import offer_of
from tests.fuzz.mutate import CASES, run
from tests.wire.test_transfer import pack

FRAMES = [
    pack_block(TRANSFER, 0, 2, 0, b"hello"),
    pack_ask(Ask(TRANSFER, 0, 2, 0, 5)),
    pack_mark(Mark(TRANSFER, 0, 2, 5, bytes(32))),
]
MANIFEST = manifest_of({("d", "a\u00e9"): b"12345", ("d", "e", "b"): b"", ("c",): b"x" * 300})
OFFER = MANIFEST.offer(TRANSFER, "d and more")
NAME = OFFER.transfer
WORDS = [
    pack_content(word)
    for word in (OFFER, FileVerdict(NAME, accepted=True), FileEnd(NAME, "wrong-digest"))
]


class FileTests(SynchronousTestCase):
    """Parsers of what contacts say about files."""

    def test_B1_mutated_frames(self) -> None:
        """What is read is written again as it came."""

        def read(payload: bytes) -> None:
            assert pack(read_frame(payload)) == payload

        outcome = run(read, FRAMES, CASES, 41, BadFrame)
        self.assertGreater(outcome.accepted, 0)
        self.assertGreater(outcome.refused, 0)

    def test_B5_mutated_words(self) -> None:
        """What is read comes back the same."""

        def read(text: bytes) -> None:
            word = read_content(text)
            assert read_content(pack_content(word)) == word

        outcome = run(read, WORDS, CASES, 42, (BadJson, BadMessage))
        self.assertGreater(outcome.accepted, 0)
        self.assertGreater(outcome.refused, outcome.accepted)

    def test_L2_mutated_lists(self) -> None:
        """Offered as they are: read in canonical form only, and all paths become safe."""

        def read(text: bytes) -> None:
            offer = offer_of(text, 3, 305)
            manifest = manifests.read(text, offer)
            safe = safe_tree(entry.path for entry in manifest.entries)
            assert len(set(safe)) == len(manifest.entries) == 3

        outcome = run(read, [MANIFEST.data], CASES, 43, BadManifest)
        self.assertGreater(outcome.accepted, 0)
        self.assertGreater(outcome.refused, 0)

    def test_S2_mutated_journals(self) -> None:
        """A transfer or an error of ours."""
        pair = Pair({("d", "a"): b"12345"})
        pair.accept()
        pair.run()

        def read(data: bytes) -> None:
            Receiving.load(read_journal(data))

        outcome = run(read, [pair.disk.journal], CASES // 4, 44, (BadJson, BadManifest))
        self.assertGreater(outcome.refused, 0)

    def test_L3_mutated_frames_in_the_middle_of_a_transfer(self) -> None:
        """Refused or dropped; what is finished is what was sent."""
        data = contents(70_000)
        pair = Pair({("a",): data})
        pair.sending.answered(pair.receiving.accept(PLENTY))
        pair.begin()
        payloads: list[bytes] = []

        def listen(payload: bytes) -> bytes:
            payloads.append(payload)
            return payload

        pair.tamper = listen
        pair.run()

        def receive(payload: bytes) -> None:
            receiving = Receiving(pair.sending.offer)
            receiving.accept(PLENTY)
            receiving.begin({}, frozenset())
            for sound in payloads[:3]:
                receiving.frame(read_frame(sound))  # type: ignore[arg-type]
            frame = read_frame(payload)
            if not isinstance(frame, Ask):
                receiving.frame(frame)

        outcome = run(receive, payloads[2:], CASES // 20, 45, StreembitError)
        self.assertGreater(outcome.accepted, 0)
        self.assertGreater(outcome.refused, 0)
