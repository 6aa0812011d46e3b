"""Sessions between a hub and a member: each frame once, in order, by whom it says."""

from __future__ import annotations

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import (
    BadKey,
    BadMessage,
    BadSignature,
    OutOfTurn,
    RemoteError,
    SessionUsedUp,
    TooLarge,
    WrongAudience,
    WrongIssuer,
    WrongNetwork,
)
from streembit.hub import cargo
from streembit.hub.grant import EVERYBODY, PERMISSIONS, Grant, needed, needed_to_send
from streembit.hub.session import MAX_RECIPIENTS, MemberSession, ServedSession
from streembit.jose import base64url, envelope
from streembit.jose.keys import ParsedKeys, PrivateKey
from streembit.wire.hub import (
    MAX_CARGO_BYTES,
    MAX_CARGO_CHARS,
    MAX_FRAME_MEMBER,
    Challenge,
    Command,
    Done,
    Envelope,
    HubClaims,
    Join,
    Observe,
    Reply,
    Seen,
    Welcome,
)
from tests.hub.people import HUB, OTHER_HUB, Door
from tests.hub.samples import COMMANDS, LIVE, MAIL, REPLIES
from tests.jose.people import ANN, BOB, EVE

DUE_COMMANDS = [body for body in COMMANDS if not isinstance(body, Join)]
DUE_REPLIES = [body for body in REPLIES if not isinstance(body, Challenge | Welcome)]


def open_session() -> tuple[ServedSession, MemberSession]:
    """Return both sides of a session of Ann's."""
    served, joined = Door().open()
    return served, joined.session


def changed(token: bytes, key: PrivateKey, **changes: object) -> bytes:
    """Return a frame or an envelope with other claims, properly signed."""
    claims = msgspec.structs.replace(envelope.parse_frame(token).claims, **changes)
    if isinstance(claims, Envelope):
        return envelope.sign_envelope(key, claims)
    return envelope.sign_frame(key, claims)


class ServedTests(SynchronousTestCase):
    """What the hub takes from its member."""

    def test_commands_and_envelopes_are_counted_together(self) -> None:
        """The first one after the Join is number 2."""
        served, ours = open_session()
        frames = [ours.command(body) for body in DUE_COMMANDS]
        frames += [ours.live(BOB.public, b"\x01x"), ours.mail(BOB.public, bytes(16), b"\x02y")]
        for due, (number, token) in enumerate(frames, 2):
            self.assertEqual(number, due)
            verified = served.verify(served.read(token))
            self.assertEqual(verified.claims.n, due)
            self.assertEqual(verified.key, ANN.public)

    def test_an_envelope_says_all_that_a_recipient_needs(self) -> None:
        """Both keys, the hub, the session and when it began, its place, and the cargo."""
        _, ours = open_session()
        _, live = ours.live(BOB.public, b"\x01x")
        _, mail = ours.mail(BOB.public, bytes(range(16)), b"\x02y")
        claims = envelope.parse_frame(live).claims
        assert isinstance(claims, Envelope)
        self.assertEqual((claims.iss, claims.aud), (ANN.public.text, BOB.public.text))
        self.assertEqual((claims.hub, claims.session), (HUB.public.text, ours.name))
        self.assertEqual((claims.started_ms, claims.seq, claims.id), (ours.started_ms, 1, ""))
        self.assertEqual(cargo.unpack(cargo.of(claims)), (cargo.STREAM, b"x"))
        claims = envelope.parse_frame(mail).claims
        assert isinstance(claims, Envelope)
        self.assertEqual((claims.seq, claims.id), (0, base64url.encode(bytes(range(16)))))
        self.assertEqual(cargo.unpack(cargo.of(claims)), (cargo.PARCEL, b"y"))

    def test_A1_frames_again_left_out_or_moved_end_the_session(self) -> None:
        """Only the next one is the next one."""
        for order in ((0, 0), (1,), (0, 2), (0, 1, 0)):
            served, ours = open_session()
            frames = [ours.command(Observe())[1], ours.live(BOB.public, b"x")[1]]
            frames.append(ours.command(Observe())[1])
            for at in order[:-1]:
                served.read(frames[at])
            self.assertRaises(OutOfTurn, served.read, frames[order[-1]])

    def test_A2_frames_of_another_session_member_hub_or_network(self) -> None:
        """None of them is even verified."""
        served, _ = open_session()
        for door, kind in (
            (Door(number=2), WrongAudience),
            (Door(hub_key=OTHER_HUB.signing), WrongAudience),
            (Door(network="private.other"), WrongAudience),
            (Door(member_key=EVE.signing), WrongIssuer),
        ):
            other = door.open()[1].session
            self.assertRaises(kind, served.read, other.command(Observe())[1])
            self.assertRaises(kind, served.read, other.live(BOB.public, b"x")[1])
        _, ours = open_session()
        token = changed(ours.command(Observe())[1], ANN.signing, net="private.other")
        self.assertRaises(WrongNetwork, served.read, token)

    def test_the_sender_of_an_envelope_may_not_lie_about_itself(self) -> None:
        """Another sender, hub, session or begin; mail that is live as well, or neither."""
        changes: tuple[tuple[type[RemoteError], dict[str, object]], ...] = (
            (WrongIssuer, {"iss": EVE.public.text}),
            (WrongAudience, {"hub": OTHER_HUB.public.text}),
            (WrongAudience, {"session": "A" * 22}),
            (WrongAudience, {"started_ms": 1}),
            (BadMessage, {"id": "A" * 22}),
            (BadMessage, {"seq": 0}),
            (OutOfTurn, {"n": 3}),
        )
        for kind, change in changes:
            served, ours = open_session()
            token = changed(ours.live(BOB.public, b"x")[1], ANN.signing, **change)
            self.assertRaises(kind, served.read, token)

    def test_A4_a_signature_by_somebody_else(self) -> None:
        """The frame is read, and not believed."""
        served, ours = open_session()
        for token in (ours.command(Observe())[1], ours.live(BOB.public, b"x")[1]):
            parsed = served.read(changed(token, EVE.signing))
            self.assertRaises(BadSignature, served.verify, parsed)

    def test_A8_a_member_says_no_replies_and_joins_once(self) -> None:
        """All that a hub says, in a frame that the member signed."""
        bodies: list[Command | Reply] = [*REPLIES, COMMANDS[0]]
        for body in bodies:
            served, ours = open_session()
            token = changed(ours.command(Observe())[1], ANN.signing, body=body)
            self.assertRaises(BadMessage, served.read, token)


class MemberTests(SynchronousTestCase):
    """What a member takes from the hub."""

    def test_the_hubs_frames_are_counted_from_the_welcome_on(self) -> None:
        """Envelopes of others come between them and are not counted."""
        served, ours = open_session()
        foreign = Door(member_key=BOB.signing, number=2).open()[1].session
        ours.command(Observe())
        frames = [served.say(body, 2) for body in DUE_REPLIES]
        frames.insert(3, foreign.live(ANN.public, b"x")[1])
        numbers = []
        for token in frames:
            verified = ours.verify(ours.read(token))
            if isinstance(verified.claims, HubClaims):
                self.assertEqual(verified.key, HUB.public)
                numbers.append(verified.claims.n)
            else:
                self.assertEqual(verified.key, BOB.public)
        self.assertEqual(numbers, list(range(3, 3 + len(DUE_REPLIES))))

    def test_A1_frames_again_left_out_or_moved_end_the_session(self) -> None:
        """As on the other side."""
        for order in ((0, 0), (1,), (0, 2), (0, 1, 0)):
            served, ours = open_session()
            frames = [served.say(Seen("")) for _ in range(3)]
            for at in order[:-1]:
                ours.read(frames[at])
            self.assertRaises(OutOfTurn, ours.read, frames[order[-1]])

    def test_A2_frames_of_another_session_member_hub_or_network(self) -> None:
        """A hub's word is for one session."""
        for other, kind in (
            (Door(number=2), WrongAudience),
            (Door(hub_key=OTHER_HUB.signing), WrongIssuer),
            (Door(network="private.other"), WrongAudience),
        ):
            _, ours = open_session()
            self.assertRaises(kind, ours.read, other.open()[0].say(Seen("")))
        served, ours = open_session()
        token = changed(served.say(Seen("")), HUB.signing, net="private.other")
        self.assertRaises(WrongNetwork, ours.read, token)

    def test_A2_what_a_member_said_does_not_come_back(self) -> None:
        """Its commands are not the hub's; its envelopes are for others, as a Witness finds."""
        _, ours = open_session()
        self.assertRaises(WrongIssuer, ours.read, ours.command(Observe())[1])

    def test_A4_what_the_hub_did_not_sign(self) -> None:
        """And what a member did not, or somebody whose key is none."""
        served, ours = open_session()
        forged = changed(served.say(Seen("")), EVE.signing)
        self.assertRaises(BadSignature, ours.verify, ours.read(forged))
        foreign = Door(member_key=BOB.signing, number=2).open()[1].session
        forged = changed(foreign.live(ANN.public, b"x")[1], EVE.signing)
        self.assertRaises(BadSignature, ours.verify, ours.read(forged))
        forged = changed(foreign.live(ANN.public, b"x")[1], EVE.signing, iss="A" * 44)
        self.assertRaises(BadKey, ours.verify, ours.read(forged))

    def test_A8_a_hub_says_no_commands_and_welcomes_once(self) -> None:
        """All that a member says, and the first frames again."""
        bodies = [*COMMANDS, *(b for b in REPLIES if isinstance(b, Challenge | Welcome))]
        for body in bodies:
            served, ours = open_session()
            token = changed(served.say(Done()), HUB.signing, body=body)
            self.assertRaises(BadMessage, ours.read, token)

    def test_an_answer_to_what_was_not_asked(self) -> None:
        """It names a frame that the member has not sent."""
        served, ours = open_session()
        self.assertRaises(BadMessage, ours.read, served.say(Seen(""), re=2))

    def test_an_envelope_that_is_neither_mail_nor_live(self) -> None:
        """Its sender's hub let it through: it is none."""
        foreign = Door(member_key=BOB.signing, number=2).open()[1].session
        for change in ({"id": "A" * 22}, {"seq": 0}):
            _, ours = open_session()
            token = changed(foreign.live(ANN.public, b"x")[1], BOB.signing, **change)
            self.assertRaises(BadMessage, ours.read, token)

    def test_live_envelopes_are_counted_for_each_recipient(self) -> None:
        """From 1; mail is not counted."""
        _, ours = open_session()
        seqs = []
        for to in (BOB, EVE, BOB, BOB):
            claims = envelope.parse_frame(ours.live(to.public, b"x")[1]).claims
            assert isinstance(claims, Envelope)
            seqs.append(claims.seq)
            ours.mail(to.public, bytes(16), b"y")
        self.assertEqual(seqs, [1, 1, 2, 3])

    def test_a_cargo_that_is_too_long_is_our_own_mistake(self) -> None:
        """It has taken no number; one of the greatest length fits into a frame."""
        served, ours = open_session()
        self.assertRaises(TooLarge, ours.live, BOB.public, bytes(MAX_CARGO_BYTES + 1))
        self.assertRaises(TooLarge, ours.mail, BOB.public, bytes(16), bytes(MAX_CARGO_BYTES + 1))
        _, token = ours.mail(BOB.public, bytes(16), bytes(MAX_CARGO_BYTES))
        self.assertLessEqual(len(token), MAX_FRAME_MEMBER)
        served.verify(served.read(token))
        self.assertEqual(len(base64url.encode(bytes(MAX_CARGO_BYTES))), MAX_CARGO_CHARS)

    def test_a_session_counts_for_so_many_recipients(self) -> None:
        """The next one asks for a new session; those it knows are served on."""
        _, ours = open_session()
        keys = ParsedKeys()
        ours = MemberSession(ANN.signing, HUB.public, "net", ours.name, 1, keys, max_recipients=2)
        ours.live(BOB.public, b"x")
        ours.live(EVE.public, b"x")
        self.assertRaises(SessionUsedUp, ours.live, OTHER_HUB.public, b"x")
        ours.live(BOB.public, b"x")
        self.assertGreater(MAX_RECIPIENTS, 10_000)


class GrantTests(SynchronousTestCase):
    """Who may what."""

    def test_each_command_needs_what_the_table_says(self) -> None:
        """All of them are in it."""
        self.assertEqual(
            {type(body).__name__: needed(body) for body in COMMANDS},
            {
                "Join": None,
                "Ack": "mailbox",
                "Put": "dht",
                "Get": "dht",
                "Publish": "directory",
                "Withdraw": "directory",
                "Search": "directory",
                "Show": None,
                "Watch": None,
                "Observe": None,
                "DialBack": None,
                "Kick": "admin",
                "Dismiss": "admin",
            },
        )
        self.assertEqual([needed_to_send(each) for each in (LIVE, MAIL)], ["relay", "mailbox"])

    def test_a_grant_lists_its_permissions_in_their_order(self) -> None:
        """What a Welcome tells does not depend on a set's order."""
        self.assertEqual(Grant("", "human", frozenset(PERMISSIONS)).listed(), list(PERMISSIONS))
        self.assertNotIn("admin", EVERYBODY.permissions)

    def test_a_grant_without_an_end_never_ends(self) -> None:
        """And one with it ends at its second."""
        self.assertFalse(EVERYBODY.is_over(2**60))
        self.assertEqual(
            [Grant("", "human", frozenset(), 5).is_over(now) for now in (4.9, 5, 6)],
            [False, True, True],
        )
