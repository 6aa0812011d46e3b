"""Two sides agree through prekeys, each of which serves as long as it should and no longer."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.chat import agreement
from streembit.chat.agreement import initiate, respond
from streembit.chat.prekeys import KEEP_S, MAX_BEGUN, MAX_SIGNED, ROTATE_S, Prekeys
from streembit.errors import BadParcel, BadPrekeys, PrekeyGone
from streembit.jose.keys import PrivateKey
from streembit.wire import bundle as bundles
from streembit.wire.bundle import MAX_ONE_TIME, Bundle
from streembit.wire.parcel import Initial
from tests.chat.people import NOW_S, contact_of
from tests.jose.people import ANN, BOB, EVE

DAY_S = 86_400


def fresh() -> Prekeys:
    prekeys = Prekeys()
    prekeys.refresh(NOW_S)
    return prekeys


class AgreementTests(SynchronousTestCase):
    """Both compute the same, nobody else does."""

    def setUp(self) -> None:
        self.prekeys = fresh()
        self.bundle = self.prekeys.bundle(BOB, ANN.public)

    def initiate(self, bundle: Bundle, taken: int = 0) -> tuple[agreement.Agreed, Initial]:
        return initiate(ANN, contact_of(BOB), bundle, PrivateKey.generate(), taken)

    def test_both_agree(self) -> None:
        """With a one-time prekey and without."""
        for bundle in (self.bundle, self.bundle._replace(one_time=())):
            agreed, initial = self.initiate(bundle)
            keys = self.prekeys.find(initial, agreed.session)
            self.assertEqual(respond(BOB, contact_of(ANN), initial, *keys), agreed)
            self.assertEqual(keys[1] is None, not bundle.one_time)

    def test_each_session_is_another(self) -> None:
        """The ephemeral key alone makes a new secret and a new name."""
        one, two = self.initiate(self.bundle)[0], self.initiate(self.bundle)[0]
        self.assertNotEqual(one.shared, two.shared)
        self.assertNotEqual(one.session, two.session)

    def test_A9_each_of_the_four_keys_counts(self) -> None:
        """Another identity, signed prekey, one-time prekey or ephemeral key: another secret."""
        agreed, initial = self.initiate(self.bundle)
        signed, one_time = self.prekeys.find(initial, agreed.session)
        other = PrivateKey.generate()
        ann = contact_of(ANN)
        for answer in (
            respond(BOB, contact_of(EVE), initial, signed, one_time),
            respond(EVE, ann, initial, signed, one_time),
            respond(BOB, ann, initial, other, one_time),
            respond(BOB, ann, initial, signed, other),
            respond(BOB, ann, initial, signed, None),
            respond(BOB, ann, initial._replace(ephemeral=other.public.point), signed, one_time),
        ):
            self.assertNotEqual(answer.shared, agreed.shared)

    def test_A4_a_bundle_signed_by_another_or_for_another(self) -> None:
        """Its signature names the owner, the contact, the number and the point."""
        bad = (
            self.prekeys.bundle(EVE, ANN.public),
            self.prekeys.bundle(BOB, EVE.public),
            self.bundle._replace(signed_id=self.bundle.signed_id + 1),
            self.bundle._replace(signed_point=EVE.public.point),
            self.bundle._replace(signature=bytes(64)),
        )
        for bundle in bad:
            self.assertRaises(BadPrekeys, self.initiate, bundle)

    def test_A6_one_time_prekeys_off_the_curve(self) -> None:
        """They are not signed; they must lie on the curve all the same."""
        first = self.bundle.one_time[0]._replace(point=b"\x02" + b"\xff" * 32)
        self.assertRaises(BadPrekeys, self.initiate, self.bundle._replace(one_time=(first,)))

    def test_A6_an_ephemeral_point_off_the_curve(self) -> None:
        """It is refused as the parcel's fault."""
        _, initial = self.initiate(self.bundle)
        bad = initial._replace(ephemeral=b"\x03" + b"\xff" * 32)
        self.assertRaises(BadParcel, respond, BOB, contact_of(ANN), bad, BOB.agreement, None)

    def test_one_time_prekeys_that_were_taken_are_passed_over(self) -> None:
        """An old bundle begins as many sessions as it has one-time prekeys, then goes without."""
        ids = [each.id for each in self.bundle.one_time]
        used = [self.initiate(self.bundle, taken)[1].one_time_id for taken in [0, *ids]]
        self.assertEqual(used, [*ids, 0])


class LifeTests(SynchronousTestCase):
    """Prekeys are made, published, used up, forgotten."""

    def initial(self, prekeys: Prekeys, one_time: bool = True) -> Initial:
        bundle = prekeys.bundle(BOB, ANN.public)
        number = bundle.one_time[0].id if one_time else 0
        return Initial(bytes(33), bundle.signed_id, number)

    def test_signed_ones_change_weekly_and_are_kept_two_weeks(self) -> None:
        """Until the fourteenth day a parcel made with the old one opens."""
        prekeys = fresh()
        first = self.initial(prekeys, one_time=False)
        self.assertFalse(prekeys.refresh(NOW_S + ROTATE_S - 1))
        self.assertEqual(prekeys.bundle(BOB, ANN.public).signed_id, first.signed_id)
        self.assertTrue(prekeys.refresh(NOW_S + ROTATE_S))
        self.assertNotEqual(prekeys.bundle(BOB, ANN.public).signed_id, first.signed_id)
        prekeys.refresh(NOW_S + KEEP_S - 1)
        prekeys.find(first, b"s" * 16)
        self.assertTrue(prekeys.refresh(NOW_S + KEEP_S))
        self.assertRaises(PrekeyGone, prekeys.find, first, b"s" * 16)

    def test_D6_clocks_that_jump(self) -> None:
        """Whatever the clock does there is one to publish, and there are never more than four."""
        prekeys = fresh()
        for now_s in (NOW_S + 3650 * DAY_S, NOW_S, 0, NOW_S + 9 * DAY_S, NOW_S - DAY_S, 2**40):
            prekeys.refresh(now_s)
            bundle = prekeys.bundle(BOB, ANN.public)
            agreement.check(bundle, ANN, contact_of(BOB))
            self.assertFalse(prekeys.refresh(now_s))
            self.assertLessEqual(len(prekeys._state.signed), MAX_SIGNED)

    def test_one_time_ones_serve_once(self) -> None:
        """Used, it is gone, and another one takes its place with a number of its own."""
        prekeys = fresh()
        before = {each.id for each in prekeys.bundle(BOB, ANN.public).one_time}
        initial = self.initial(prekeys)
        prekeys.use(initial, b"s" * 16)
        self.assertRaises(PrekeyGone, prekeys.find, initial, b"t" * 16)
        self.assertTrue(prekeys.refresh(NOW_S))
        after = {each.id for each in prekeys.bundle(BOB, ANN.public).one_time}
        self.assertEqual(len(after), MAX_ONE_TIME)
        self.assertEqual(before - after, {initial.one_time_id})
        self.assertGreater(min(after - before), max(before))

    def test_A2_a_session_without_a_one_time_prekey_begins_once(self) -> None:
        """Repeated, after a restart too, its first parcel is refused; their count is bounded."""
        prekeys = fresh()
        initial = self.initial(prekeys, one_time=False)
        for number in range(MAX_BEGUN):
            prekeys.find(initial, number.to_bytes(16))
            prekeys.use(initial, number.to_bytes(16))
        prekeys = Prekeys.load(prekeys.state())
        self.assertRaises(PrekeyGone, prekeys.find, initial, (7).to_bytes(16))
        self.assertRaises(PrekeyGone, prekeys.find, initial, MAX_BEGUN.to_bytes(16))

    def test_renewed_ones_have_numbers_of_their_own(self) -> None:
        """After a restore, none that a contact may still hold is taken for a new one."""
        prekeys = fresh()
        old = prekeys.bundle(BOB, ANN.public)
        prekeys.renew()
        prekeys.refresh(NOW_S)
        new = prekeys.bundle(BOB, ANN.public)
        self.assertGreater(new.one_time[0].id, old.one_time[-1].id + 2**15)
        self.assertRaises(PrekeyGone, prekeys.find, Initial(b"", old.signed_id, 0), b"")

    def test_a_state_comes_back(self) -> None:
        """Loaded, they are the same; anything else is refused."""
        prekeys = fresh()
        state = prekeys.state()
        self.assertEqual(Prekeys.load(state).state(), state)
        for bad in (b"", state[:-1], b"\x94\x02" + state[2:], state + b"x"):
            self.assertRaises(ValueError, Prekeys.load, bad)


class BundleTests(SynchronousTestCase):
    """The bytes of a bundle."""

    def test_there_and_back(self) -> None:
        """With eight one-time prekeys and with none."""
        full = fresh().bundle(BOB, ANN.public)
        for bundle, size_bytes in ((full, 397), (full._replace(one_time=()), 101)):
            self.assertEqual(len(bundles.pack(bundle)), size_bytes)
            self.assertEqual(bundles.unpack(bundles.pack(bundle)), bundle)

    def test_other_bytes(self) -> None:
        """Any other length, numbers that are 0 or that do not rise."""
        bundle = fresh().bundle(BOB, ANN.public)
        data = bundles.pack(bundle)
        for bad in (b"", data[:-1], data + bytes(37), data[:100]):
            self.assertRaises(BadPrekeys, bundles.unpack, bad)
        falling = bundle._replace(one_time=bundle.one_time[::-1])
        for wrong in (bundle._replace(signed_id=0), falling):
            self.assertRaises(BadPrekeys, bundles.unpack, bundles.pack(wrong))
