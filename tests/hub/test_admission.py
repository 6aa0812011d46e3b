"""Rows H1, A2, A4, A5, A8 of admission: who is let in, and that nothing else opens the door."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import (
    BadBinding,
    BadHeader,
    BadJson,
    BadKey,
    BadMessage,
    BadSignature,
    BadToken,
    NotAdmitted,
    RemoteError,
    SelfConnect,
    VersionMismatch,
    WrongAudience,
    WrongIdentity,
    WrongNetwork,
)
from streembit.hub.admission import HubAdmission, MemberAdmission
from streembit.hub.grant import EVERYBODY, Grant
from streembit.jose import base64url, envelope
from streembit.jose.keys import PrivateKey
from streembit.wire.hub import Challenge, HubClaims, Join, Refused, Welcome
from tests.hub.people import BINDING, HUB, NETWORK, NOW_S, OTHER_HUB, QUOTA, Door, everybody
from tests.hub.samples import COMMANDS, REPLIES
from tests.jose.people import ANN, BOB, EVE
from tests.rig.evil import flipped
from tests.rig.tokens import of_every_kind, with_other_headers

BITS = 8


def claims_of(token: bytes) -> HubClaims:
    """Return what a frame says."""
    return envelope.parse_hub_frame(token).claims


def resigned(token: bytes, key: PrivateKey, **changes: object) -> bytes:
    """Return a frame with other claims, properly signed."""
    return envelope.sign_frame(key, msgspec.structs.replace(claims_of(token), **changes))


def with_body(token: bytes, key: PrivateKey, **changes: object) -> bytes:
    """Return a frame with another body, properly signed."""
    body = msgspec.structs.replace(claims_of(token).body, **changes)
    return resigned(token, key, body=body)


class OpenTests(SynchronousTestCase):
    """Those who are let in."""

    def test_a_member_that_proves_its_key_is_let_in(self) -> None:
        """Both sides end with the same session and know each other's key."""
        door = Door()
        served, joined = door.open()
        self.assertEqual(served.member, ANN.public)
        self.assertEqual(joined.session.hub, HUB.public)
        self.assertEqual(served.name, joined.session.name)
        self.assertEqual(served.started_ms, joined.session.started_ms)
        self.assertEqual(joined.network, NETWORK)
        self.assertEqual(joined.welcome.observed, "192.0.2.7:40000")
        self.assertEqual(joined.welcome.quota, QUOTA)
        self.assertEqual(joined.welcome.waiting, 3)
        self.assertEqual(joined.welcome.name, "a hub")
        self.assertEqual(joined.welcome.permissions, ["relay", "mailbox", "dht", "directory"])

    def test_without_tls_nothing_is_bound(self) -> None:
        """On loopback, and behind a proxy that ends TLS, the Join carries no exporter."""
        door = Door(binding=None)
        challenge = claims_of(door.hub.challenge()).body
        assert isinstance(challenge, Challenge)
        self.assertFalse(challenge.bound)
        join = claims_of(door.joined()).body
        assert isinstance(join, Join)
        self.assertEqual(join.binding, "")

    def test_a_member_behind_a_proxy_does_not_tell_its_own_exporter(self) -> None:
        """The hub asks for none; the member has one, of its TLS with the proxy."""
        hub, member = Door(binding=None).hub, Door().member
        join = claims_of(member.join(hub.challenge())).body
        assert isinstance(join, Join)
        self.assertEqual(join.binding, "")

    def test_a_member_of_any_network_takes_the_hubs(self) -> None:
        """As the signed challenge names it: so a private network is learned by its members."""
        door = Door()
        member = MemberAdmission(ANN.signing, None, own=bytes(32), started_ms=1, binding=BINDING)
        applicant = door.hub.judge(member.join(door.hub.challenge()), everybody, NOW_S)
        token, _ = door.hub.welcome(applicant, observed="", quota=QUOTA, waiting=0)
        self.assertEqual(member.finish(token).network, NETWORK)

    def test_B8_the_highest_version_of_both_is_spoken(self) -> None:
        """And where there is none, nobody goes on."""
        for ours, theirs, spoken in (((1, 3), (2, 9), 3), ((1, 1), (1, 4), 1), ((2, 5), (1, 3), 3)):
            hub = HubAdmission(
                HUB.signing,
                NETWORK,
                nonce=bytes(32),
                binding=None,
                versions=theirs,
            )
            member = self.member(versions=ours)
            token = member.join(hub.challenge())
            join = claims_of(token).body
            assert isinstance(join, Join)
            self.assertEqual(join.version, spoken)
            self.assertEqual(hub.judge(token, everybody, NOW_S).key, ANN.public)
        for low, high in ((2, 3), (0, 0)):
            token = with_body(Door().hub.challenge(), HUB.signing, low=low, high=high)
            self.assertRaises(VersionMismatch, Door().member.join, token)

    def member(self, **arguments: object) -> MemberAdmission:
        """Return Ann's side of a connection without TLS."""
        said: dict[str, object] = {"own": bytes(32), "started_ms": 1}
        return MemberAdmission(ANN.signing, NETWORK, **(said | arguments))  # type: ignore[arg-type]

    def test_sessions_are_dated_by_the_hubs_clock(self) -> None:
        """A member's own may be of 1970; each session is dated later than the one before."""
        own, hubs, before = 12_000, NOW_S * 1000, NOW_S * 1000 + 500
        for now_ms, after_ms, dated_ms in (
            (hubs, 0, hubs),
            (hubs, before, before + 1),
            (hubs, hubs, hubs + 1),
            (0, 0, own),
            (0, own, own + 1),
        ):
            challenge = Door(binding=None, now_ms=now_ms).hub.challenge()
            join = claims_of(self.member(started_ms=own, after_ms=after_ms).join(challenge)).body
            assert isinstance(join, Join)
            self.assertEqual(join.started_ms, dated_ms)

    def test_chance_of_the_wrong_size_is_our_own_mistake(self) -> None:
        """It is never sent."""
        for arguments in ({"own": bytes(31)}, {"binding": bytes(33)}, {"binding": b""}):
            self.assertRaises(ValueError, self.member, **arguments)


class StrangerTests(SynchronousTestCase):
    """H1: those who are not let in learn nothing by it."""

    def refused(
        self, token: bytes, grant: Grant | None, door: Door
    ) -> tuple[str, HubClaims, list[str]]:
        """Return why a Join was refused, what its sender is told, and whose keys were looked up."""
        asked: list[str] = []

        def find(key: str) -> Grant | None:
            asked.append(key)
            return grant

        error = self.assertRaises(NotAdmitted, door.hub.judge, token, find, NOW_S)
        return str(error.reason), claims_of(door.hub.refusal(error)), asked

    def test_H1_all_who_are_not_let_in_get_the_same_answer(self) -> None:
        """Unknown, expired, and a wrong signature by a member and by a stranger."""
        expired = Grant("ann", "human", frozenset({"relay"}), NOW_S)
        answers = []
        for grant, forged, why in (
            (None, False, "unknown-key"),
            (expired, False, "expired"),
            (EVERYBODY, True, "bad-signature"),
            (None, True, "bad-signature"),
            (expired, True, "bad-signature"),
        ):
            door = Door()
            token = door.joined()
            if forged:
                token = envelope.sign_frame(EVE.signing, claims_of(token))
            reason, answer, asked = self.refused(token, grant, door)
            self.assertEqual(reason, why)
            self.assertEqual(asked, [ANN.public.text])
            answers.append(answer)
        self.assertEqual(answers, [answers[0]] * 5)
        self.assertEqual(answers[0].body, Refused("not-admitted"))

    def test_H1_the_answers_have_the_same_length(self) -> None:
        """Byte for byte but for the signature, which has 86 characters."""
        tokens = []
        for forged in (False, True):
            door = Door()
            token = door.joined()
            if forged:
                token = envelope.sign_frame(EVE.signing, claims_of(token))
            error = self.assertRaises(NotAdmitted, door.hub.judge, token, lambda _key: None, NOW_S)
            tokens.append(door.hub.refusal(error))
        self.assertEqual(tokens[0][:-86], tokens[1][:-86])

    def test_H1_a_key_that_is_no_key_is_refused_alike(self) -> None:
        """It can be nobody's."""
        for bad in ("A" * 44, "A" * 43 + "B", "\u00e9" * 44, "x" * 44):
            door = Door()
            token = resigned(door.joined(), EVE.signing, iss=bad)
            reason, answer, asked = self.refused(token, EVERYBODY, door)
            self.assertEqual((reason, asked), ("bad-key", [bad]))
            self.assertEqual(answer.body, Refused("not-admitted"))

    def test_H1_the_second_before_the_end_is_served(self) -> None:
        """An expiry is the first second in which nothing is allowed."""
        grant = Grant("ann", "human", frozenset(), NOW_S)
        door = Door()
        self.assertIs(door.hub.judge(door.joined(), lambda _key: grant, NOW_S - 1).grant, grant)

    def test_H1_the_member_is_told_that_it_is_refused(self) -> None:
        """By the hub, about this Join: nobody else can say so."""
        door = Door()
        token = door.joined()
        error = self.assertRaises(NotAdmitted, door.hub.judge, token, lambda _key: None, NOW_S)
        refusal = door.hub.refusal(error)
        told = self.assertRaises(NotAdmitted, door.member.finish, refusal)
        self.assertEqual(told.reason, "not-admitted")
        forged = envelope.sign_frame(EVE.signing, claims_of(refusal))
        self.assertRaises(BadSignature, door.member.finish, forged)


class JoinTests(SynchronousTestCase):
    """What is not an answer to this connection's challenge is no Join."""

    def assert_refused(
        self, kind: type[RemoteError] | tuple[type[RemoteError], ...], token: bytes, door: Door
    ) -> None:
        """Check that the hub refuses a Join before or after its signature, and lets nobody in."""
        kinds = kind if isinstance(kind, tuple) else (kind,)
        error = self.assertRaises(RemoteError, door.hub.judge, token, everybody, NOW_S)
        self.assertIsInstance(error, kinds)
        answer = claims_of(door.hub.refusal(error))
        self.assertEqual(answer.body, Refused(error.code))

    def test_A4_every_flipped_bit_of_a_join(self) -> None:
        """None of them opens the door."""
        door = Door()
        token = door.joined()
        reasons: Counter[str] = Counter()
        for bit in range(len(token) * BITS):
            error = self.assertRaises(
                RemoteError, door.hub.judge, flipped(token, bit), everybody, NOW_S
            )
            reasons[error.code] += 1
        self.assertGreaterEqual(sum(reasons.values()), 2400)
        self.assertGreater(reasons["not-admitted"], 400)
        self.assertEqual(door.hub.judge(token, everybody, NOW_S).key, ANN.public)

    def test_A4_every_flipped_bit_of_a_challenge_and_a_welcome(self) -> None:
        """The member is not taken in either."""
        door = Door()
        challenge = door.hub.challenge()
        for bit in range(len(challenge) * BITS):
            self.assertRaises(RemoteError, Door().member.join, flipped(challenge, bit))
        token, _ = door.welcomed()
        for bit in range(len(token) * BITS):
            self.assertRaises(RemoteError, door.member.finish, flipped(token, bit))
        self.assertEqual(door.member.finish(token).session.hub, HUB.public)

    def test_A2_a_join_of_another_connection(self) -> None:
        """Another nonce, another hub, another network, another TLS connection."""
        token = Door().joined()
        for other, kind in (
            (Door(number=2), WrongAudience),
            (Door(hub_key=OTHER_HUB.signing), WrongAudience),
            (Door(network="private.other"), WrongNetwork),
            (Door(binding=bytes(32)), BadBinding),
            (Door(binding=None), BadBinding),
        ):
            self.assert_refused(kind, token, other)

    def test_A2_a_welcome_of_another_connection(self) -> None:
        """To another member, of another hub, for another Join of the same member."""
        door = Door()
        door.joined()
        for other, kind in (
            (Door(member_key=BOB.signing), WrongAudience),
            (Door(hub_key=OTHER_HUB.signing), WrongIdentity),
            (Door(network="private.other"), WrongNetwork),
            (Door(number=2), WrongAudience),
            (Door(now_ms=1), WrongAudience),
        ):
            token, _ = other.welcomed()
            self.assertRaises(kind, door.member.finish, token)

    def test_A2_reflection(self) -> None:
        """What a side said itself is nothing it can hear."""
        door = Door()
        challenge = door.hub.challenge()
        self.assert_refused(BadMessage, challenge, door)
        join = door.member.join(challenge)
        self.assertRaises(SelfConnect, door.member.finish, join)
        self.assertRaises(SelfConnect, Door().member.join, join)
        welcome, _ = door.welcomed()
        self.assert_refused(BadMessage, welcome, door)

    def test_a_member_that_is_the_hub_itself_is_not_let_in(self) -> None:
        """By neither side."""
        door = Door(member_key=HUB.signing)
        self.assertRaises(SelfConnect, door.member.join, door.hub.challenge())
        join = Door().joined()
        self.assert_refused(SelfConnect, resigned(join, HUB.signing, iss=HUB.public.text), Door())

    def test_claims_that_are_not_due(self) -> None:
        """Each of them, in a frame that the member signed."""
        join = Door().joined()
        claims: tuple[tuple[type[RemoteError], dict[str, object]], ...] = (
            (WrongAudience, {"aud": ""}),
            (WrongAudience, {"aud": OTHER_HUB.public.text}),
            (WrongAudience, {"n": 0}),
            (WrongAudience, {"n": 2}),
            (WrongAudience, {"re": 0}),
            (WrongNetwork, {"net": "streembit"}),
        )
        for kind, changes in claims:
            self.assert_refused(kind, resigned(join, ANN.signing, **changes), Door())
        bodies: tuple[tuple[type[RemoteError], dict[str, object]], ...] = (
            (WrongAudience, {"nonce": "A" * 43}),
            (BadBinding, {"binding": ""}),
            (BadBinding, {"binding": "A" * 43}),
            (VersionMismatch, {"version": 0}),
            (VersionMismatch, {"version": 2}),
        )
        for kind, changes in bodies:
            self.assert_refused(kind, with_body(join, ANN.signing, **changes), Door())

    def test_A2_what_the_hub_said_to_another_or_at_another_time(self) -> None:
        """A member takes no challenge and no welcome but those that come now, to it."""
        door = Door()
        challenge = door.hub.challenge()
        others: tuple[dict[str, object], ...] = ({"aud": BOB.public.text}, {"n": 3}, {"re": 2})
        for changes in others:
            token = resigned(challenge, HUB.signing, **changes)
            self.assertRaises(WrongAudience, Door().member.join, token)
        applicant = door.hub.judge(door.joined(), everybody, NOW_S)
        welcome, _ = door.hub.welcome(applicant, observed="", quota=QUOTA, waiting=0)
        for changes in others:
            token = resigned(welcome, HUB.signing, **changes)
            self.assertRaises(WrongAudience, door.member.finish, token)

    def test_A8_every_body_in_the_place_of_every_other(self) -> None:
        """A hub takes a Join only, a member first a Challenge and then a Welcome or a refusal."""
        door = Door()
        join = door.joined()
        for body in COMMANDS + REPLIES:
            if not isinstance(body, Join):
                self.assert_refused(BadMessage, resigned(join, ANN.signing, body=body), door)
            if not isinstance(body, Challenge):
                token = resigned(door.hub.challenge(), HUB.signing, body=body)
                self.assertRaises(BadMessage, Door().member.join, token)
            if not isinstance(body, Welcome | Refused):
                token = resigned(door.welcomed()[0], HUB.signing, body=body)
                self.assertRaises(BadMessage, door.member.finish, token)

    def test_A5_other_headers_and_A8_other_kinds(self) -> None:
        """The payload of a good Join under every header but its own."""
        door = Door()
        payload = base64url.decode(door.joined().split(b".")[1])
        for name, token in with_other_headers(payload, "hub+jwt", ANN.signing):
            error = self.assertRaises(RemoteError, door.hub.judge, token, everybody, NOW_S)
            self.assertIsInstance(error, BadHeader | BadToken, name)
        for kind, token in of_every_kind(payload, ANN.signing):
            if kind != "hub+jwt":
                self.assertRaises(RemoteError, door.hub.judge, token, everybody, NOW_S)

    def test_what_is_no_frame(self) -> None:
        """Nothing, noise, and claims that are not of the form."""
        door = Door()
        for bad in (b"", b".", b"..", bytes(100), door.joined()[:-1], b"{" * 50):
            self.assertRaises((BadToken, BadHeader, BadJson), door.hub.judge, bad, everybody, NOW_S)
            self.assertRaises((BadToken, BadHeader, BadJson), Door().member.join, bad)


class PinTests(SynchronousTestCase):
    """H6: what a member demands of a hub before it says who it is."""

    def member(self, **arguments: object) -> MemberAdmission:
        """Return Ann's side with demands."""
        said: dict[str, object] = {"own": bytes(32), "started_ms": 1, "binding": BINDING}
        return MemberAdmission(ANN.signing, NETWORK, **(said | arguments))  # type: ignore[arg-type]

    def test_H6_another_key_than_the_pinned_one(self) -> None:
        """It is told nothing at all."""
        challenge = Door(hub_key=OTHER_HUB.signing).hub.challenge()
        error = self.assertRaises(WrongIdentity, self.member(pinned=HUB.public).join, challenge)
        self.assertEqual((error.expected, error.found), (HUB.public.text, OTHER_HUB.public.text))
        self.assertTrue(self.member(pinned=OTHER_HUB.public).join(challenge))

    def test_H6_a_challenge_that_the_pinned_key_did_not_sign(self) -> None:
        """It names the key, and that is not enough."""
        forged = envelope.sign_frame(EVE.signing, claims_of(Door().hub.challenge()))
        self.assertRaises(BadSignature, self.member(pinned=HUB.public).join, forged)
        self.assertRaises(BadSignature, self.member().join, forged)
        nobody = resigned(Door().hub.challenge(), EVE.signing, iss="A" * 44)
        self.assertRaises(BadKey, self.member().join, nobody)

    def test_H6_whoever_ends_tls_in_the_middle_gets_no_session(self) -> None:
        """The member's TLS and the hub's are two, so their exporters are."""
        hub = Door(binding=bytes([1]) * 32).hub
        join = self.member(binding=bytes([2]) * 32).join(hub.challenge())
        self.assertRaises(BadBinding, hub.judge, join, everybody, NOW_S)

    def test_H6_where_nobody_checks_the_certificate_the_challenge_must_bind(self) -> None:
        """Else the middle could be a proxy of anybody's."""
        challenge = Door(binding=None).hub.challenge()
        self.assertRaises(BadBinding, self.member(must_bind=True).join, challenge)
        self.assertTrue(self.member(must_bind=True).join(Door().hub.challenge()))

    def test_H6_a_hub_that_asks_for_tls_where_there_is_none(self) -> None:
        """TLS was stripped on the way."""
        self.assertRaises(BadBinding, self.member(binding=None).join, Door().hub.challenge())

    def test_H5_a_hub_of_another_network(self) -> None:
        """A public member does not join a private hub, nor the other way round."""
        challenge = Door(network="private.other").hub.challenge()
        self.assertRaises(WrongNetwork, self.member().join, challenge)

    def test_a_welcome_before_the_challenge(self) -> None:
        """There is nothing that it could answer."""
        self.assertRaises(BadMessage, self.member().finish, Door().welcomed()[0])

    def test_the_join_names_the_session(self) -> None:
        """A hub that could choose its name would choose that of a session with another hub."""
        door = Door()
        join = door.joined()
        digest = sha256(join.rpartition(b".")[0]).digest()
        applicant = door.hub.judge(join, everybody, NOW_S)
        self.assertEqual(applicant.digest, digest)
        token, served = door.hub.welcome(applicant, observed="", quota=QUOTA, waiting=0)
        self.assertEqual(served.name, base64url.encode(digest[:16]))
        for changes in ({"session": "A" * 22}, {"join": "A" * 43}):
            self.assertRaises(
                RemoteError, door.member.finish, with_body(token, HUB.signing, **changes)
            )
        self.assertEqual(door.member.finish(token).session.name, served.name)
