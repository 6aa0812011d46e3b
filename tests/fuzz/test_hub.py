"""Mutated frames of hubs, streams and allowlists: refused, or exactly what somebody has signed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from twisted.trial.unittest import SynchronousTestCase

from streembit.disk import allowlist as file
from streembit.errors import BadAllowlist, BadCargo, BadJson, RemoteError
from streembit.hub import allowlist, cargo, directory
from streembit.hub.stream import MAX_RESETS, MAX_STREAMS, Received, Streams
from streembit.hub.witness import Witness
from streembit.jose import envelope, jws
from streembit.jose.jws import Kind
from streembit.wire import codec
from streembit.wire.hub import MAX_CARGO_BYTES, Envelope, HubClaims
from tests.fuzz.mutate import CASES, run
from tests.hub.people import HUB, NETWORK, NOW_S, QUOTA, Door, everybody
from tests.hub.samples import COMMANDS, LIVE, MAIL, REPLIES, frame
from tests.hub.test_allowlist import BAD, GOOD
from tests.hub.test_stream import Pipe, sent
from tests.jose.people import ANN, BOB

FEW = CASES // 4  # of what is signed anew for each case
ENTRY = directory.make(ANN, network=NETWORK, now_unix_s=NOW_S)


class HubFuzz(SynchronousTestCase):
    """What the outcomes have in common."""

    def check(
        self,
        read: Callable[[bytes], object],
        corpus: Sequence[bytes],
        cases: int,
        seed: int,
        allowed: type[Exception] | tuple[type[Exception], ...] = RemoteError,
    ) -> None:
        """Check that a parser takes what is good, and refuses mutations in an orderly way."""
        outcome = run(read, corpus, cases, seed, allowed)
        self.assertGreater(outcome.accepted, 0)
        self.assertGreater(outcome.refused, 0)


class TokenTests(HubFuzz):
    """Frames as they come: nothing altered is taken."""

    def test_A4_mutated_joins(self) -> None:
        """Who is let in by one sent the very token that the member signed."""
        door = Door()
        join = door.joined()

        def read(token: bytes) -> None:
            door.hub.judge(token, everybody, NOW_S)
            assert token == join

        self.check(read, [join], CASES, 81)

    def test_A4_mutated_challenges_and_welcomes(self) -> None:
        """A member answers and takes no others than the hub's."""
        door = Door()
        challenge = door.hub.challenge()
        applicant = door.hub.judge(door.member.join(challenge), everybody, NOW_S)
        welcome, _ = door.hub.welcome(applicant, observed="", quota=QUOTA, waiting=0)

        def read(token: bytes) -> None:
            try:
                door.member.finish(token)
                assert token == welcome
            except RemoteError:
                Door().member.join(token)
                assert token == challenge

        self.check(read, [challenge, welcome], CASES, 82)

    def test_A4_mutated_frames_and_envelopes(self) -> None:
        """In the middle of a session, on both sides."""
        _, joined = Door().open()
        served, _ = Door().open()
        ours = [joined.session.command(COMMANDS[9])[1], joined.session.live(BOB.public, b"x")[1]]
        theirs = [
            served.say(REPLIES[9]),
            Door(member_key=BOB.signing).open()[1].session.live(ANN.public, b"x")[1],
        ]

        def read(token: bytes) -> None:
            served, joined = Door().open()
            try:
                served.verify(served.read(token))
                assert token == ours[0]  # the second one is not the next one
            except RemoteError:
                joined.session.verify(joined.session.read(token))
                assert token in (*theirs, ours[1])  # its own is for a witness to refuse

        self.check(read, [*ours, *theirs], FEW, 83)

    def test_A4_mutated_entries(self) -> None:
        """A directory shows what was signed."""

        def read(token: bytes) -> None:
            directory.judge(token.decode("utf-8", "replace"), NETWORK, NOW_S)
            assert token == ENTRY.token.encode()

        self.check(read, [ENTRY.token.encode()], CASES, 84)


class ClaimsTests(HubFuzz):
    """What is properly signed and says anything at all."""

    def test_B5_mutated_claims(self) -> None:
        """Read one way, with every bound kept."""

        def read(data: bytes) -> None:
            kind = Envelope if b'"hub"' in data else HubClaims
            claims = codec.decode(data, kind)
            codec.decode_any(data)
            assert codec.decode(codec.encode(claims), kind) == claims

        corpus = [codec.encode(frame(body)) for body in COMMANDS + REPLIES]
        corpus += [codec.encode(LIVE), codec.encode(MAIL)]
        self.check(read, corpus, CASES, 85)

    def test_B9_mutated_claims_that_a_member_signed(self) -> None:
        """The hub reads them as the next frame or ends the session."""
        _, joined = Door().open()
        corpus = [
            codec.encode(envelope.parse_frame(token).claims)
            for token in (
                joined.session.command(COMMANDS[4])[1],
                Door().open()[1].session.live(BOB.public, b"x")[1],
                Door().open()[1].session.mail(BOB.public, bytes(16), b"x")[1],
            )
        ]

        def read(payload: bytes) -> None:
            served, _ = Door().open()
            kind = Kind.ENVELOPE if b'"hub"' in payload else Kind.HUB
            parsed = served.read(jws.sign(kind, payload, ANN.signing))
            assert parsed.claims.n == 2
            served.verify(parsed)

        self.check(read, corpus, FEW, 86)

    def test_B9_mutated_claims_that_a_hub_signed(self) -> None:
        """A hub of the worst kind breaks its own session, and no more."""
        corpus = [
            codec.encode(envelope.parse_frame(Door().open()[0].say(body)).claims)
            for body in (*REPLIES[2:], *REPLIES[:2])  # its first frames come too late
        ]

        def read(payload: bytes) -> None:
            _, joined = Door().open()
            parsed = joined.session.read(jws.sign(Kind.HUB, payload, HUB.signing))
            assert parsed.claims.n == 3
            joined.session.verify(parsed)

        self.check(read, corpus, FEW, 87)

    def test_B9_mutated_claims_that_a_sender_signed(self) -> None:
        """A recipient judges them, and takes no cargo that is none."""
        witness = Witness(ANN.public.text, HUB.public.text)
        witness.begin()
        sender = Door(member_key=BOB.signing).open()[1].session
        corpus = [
            codec.encode(envelope.parse_frame(token).claims)
            for token in (
                sender.live(ANN.public, b"\x01x")[1],
                sender.mail(ANN.public, bytes(16), b"\x02x")[1],
            )
        ]

        def read(payload: bytes) -> None:
            _, joined = Door().open()
            claims = joined.session.read(jws.sign(Kind.ENVELOPE, payload, BOB.signing)).claims
            assert isinstance(claims, Envelope)
            finding = witness.judge(claims, NOW_S)
            if finding is None or finding.takes:
                assert (claims.aud, claims.hub) == (ANN.public.text, HUB.public.text)
                witness.take(claims)
                assert 0 < len(cargo.of(claims)) <= MAX_CARGO_BYTES

        self.check(read, corpus, FEW, 88)


class StreamTests(HubFuzz):
    """A member says anything at all on its streams."""

    def test_B9_mutated_conversations(self) -> None:
        """Streams break; nothing grows, and no byte comes twice."""
        pipe = Pipe()
        ours, _ = pipe.open()
        ours.write(bytes(range(256)) * 200)
        ours.close()
        pipe.sides[0].open(7).write(b"hello")
        said = [bytes.fromhex("01010123456789abcdef"), *sent(pipe.sides[0])]
        conversation = json.dumps([each.hex() for each in said]).encode()

        def read(data: bytes) -> None:
            side, came = Streams(), 0
            for line in data.decode("latin-1").split('"')[1::2]:
                try:
                    event = side.receive(bytes.fromhex(line))
                except ValueError:
                    raise BadCargo("not hex") from None
                if isinstance(event, Received):
                    came += len(event.data)
                    assert event.stream.untaken_bytes <= came
                assert len(side) <= MAX_STREAMS
            assert len(sent(side)) <= MAX_RESETS

        self.check(read, [conversation], FEW, 89, BadCargo)


class AllowlistTests(HubFuzz):
    """Row H3: the file of an operator's slip."""

    CORPUS = [
        json.dumps(GOOD, indent=2).encode(),
        json.dumps(GOOD).encode(),
        *(json.dumps(document).encode() for _, document in BAD[:8]),
    ]

    def test_H3_mutated_lists(self) -> None:
        """Taken whole or refused; a list that was taken is one that can be written."""

        def read(data: bytes) -> None:
            found = allowlist.read(codec.decode_any(data))
            assert allowlist.read(allowlist.written(found)) == found

        self.check(read, self.CORPUS, CASES, 90, (BadAllowlist, BadJson))

    def test_H3_mutated_files(self) -> None:
        """A refusal names a line and a column that are there."""

        def read(data: bytes) -> None:
            try:
                file.parse(data, "allowlist.json")
            except BadAllowlist as error:
                lines = data.split(b"\n")
                assert isinstance(error.line, int) and isinstance(error.column, int)
                assert 1 <= error.line <= len(lines)
                assert 1 <= error.column <= len(lines[error.line - 1]) + 1
                raise

        self.check(read, self.CORPUS, CASES, 91, BadAllowlist)
