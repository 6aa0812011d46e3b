"""What is written arrives, once and in order, by whichever way there is, or says why not."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from streembit.chat.conversation import EXPIRED, IN_THE_NETWORK, NO_PREKEYS, REMOVED
from streembit.chat.events import BegunAnew, Moved, Outgoing, ReadTo, Spoke
from streembit.chat.flight import BATCH
from streembit.chat.left import IN_MAILBOX, LIFE_S, MAX_LEFT
from streembit.chat.outbox import KEEP_S, MAX_MESSAGES
from streembit.chat.quota import BURST
from streembit.chat.retries import MOST_S
from streembit.errors import BadPrekeys, ChestDamaged, OutboxFull, TooLarge
from streembit.wire.content import (
    MAX_EARLY,
    MAX_TEXT_CHARS,
    FileAnswer,
    FileOffer,
    Goodbye,
    Presence,
    Rotated,
    Typing,
)
from tests.chat.people import NOW_S, contact_of
from tests.chat.talk import Talker, acquaint, exchange
from tests.jose.people import ANN, BOB, EVE

DAY_S = 86_400


class ConversationTest(SynchronousTestCase):
    """Ann and Bob, who know each other's prekeys."""

    def setUp(self) -> None:
        chance = Random(1)
        self.ann, self.bob = Talker(ANN, BOB, chance), Talker(BOB, ANN, chance)
        acquaint(self.ann, self.bob)

    def link(self) -> None:
        """Open a way between them."""
        for side in (self.ann, self.bob):
            side.talk.opened()
            side.commit()

    def unlink(self, now_s: float = NOW_S) -> None:
        """Close it."""
        for side in (self.ann, self.bob):
            side.talk.closed("away", now_s)

    def talk(self, now_s: float = NOW_S) -> int:
        return exchange(self.ann, self.bob, now_s)

    def leave(self, side: Talker, now_s: float = NOW_S) -> dict[int, bytes]:
        """Let somebody leave all that can be left; return the network."""
        network: dict[int, bytes] = {}
        while out := side.talk.deposit(now_s):
            side.commit()
            for each in out:
                network[each.place] = each.parcel
                side.events += side.talk.handed(each)
        side.commit()
        return network

    def fetch(self, side: Talker, other: Talker, network: dict[int, bytes]) -> list[int]:
        """Let somebody fetch what the other announces; return the places."""
        side.talk.taking.announced(*other.talk.left.waiting())
        places = side.talk.taking.due(NOW_S, 1_024)
        for place in places:
            side.events += side.talk.fetched(place, network.get(place), NOW_S)
            side.commit()
        return places

    def state(self, number: int) -> tuple[str, str]:
        """Return how far a message of Ann's has come, and why no farther."""
        entry = self.ann.talk.entry(number)
        assert entry is not None
        return entry.state, entry.why


class LiveTests(ConversationTest):
    """Over a link."""

    def test_a_message_is_queued_delivered_read(self) -> None:
        """Each state when it is true, and read receipts only from who wants them."""
        number = self.ann.write("hello")
        self.assertEqual(self.state(number), ("queued", ""))
        self.link()
        (receiptless,) = [out for out in self.ann.due() if out.piece]
        self.assertEqual(self.bob.hear(receiptless.parcel), "")
        self.assertEqual(self.ann.talk.handed(receiptless), [Moved(number)])
        self.assertEqual(self.state(number)[0], "delivered")
        self.talk()
        self.assertEqual(self.state(number)[0], "delivered")
        self.assertEqual((self.bob.heard, self.bob.talk.unread), (["hello"], 1))
        self.bob.talk.see(1)
        self.talk()
        self.assertEqual(self.state(number)[0], "delivered")
        self.ann.write("again")
        self.talk()
        self.bob.talk.receipts = True
        self.bob.talk.see(2)
        self.talk()
        self.assertIn(ReadTo(2), self.ann.events)
        self.assertEqual(self.state(number)[0], "read")
        self.assertEqual(self.bob.talk.unread, 0)

    def test_what_programs_say_is_never_unread(self) -> None:
        """Nor is it counted when it is deleted, or seen with what people say."""
        self.ann.write("hello")
        self.ann.talk.write(FileAnswer("A" * 22, 1, "AAAA"), NOW_S)
        self.ann.talk.write(Rotated("B" * 21 + "A", 1, "AAAA"), NOW_S)
        self.ann.write("again")
        self.link()
        self.talk()
        self.assertEqual(self.bob.talk.unread, 2)
        self.assertTrue(self.bob.talk.delete(2))
        self.assertEqual(self.bob.talk.unread, 2)
        self.bob.talk.see(3)
        self.assertEqual(self.bob.talk.unread, 1)
        self.bob.talk.see(4)
        self.assertEqual(self.bob.talk.unread, 0)

    def test_long_messages_and_all_kinds(self) -> None:
        """In pieces, put together, in their order."""
        texts = ["x" * 3_000, "short", "\u00e9" * MAX_TEXT_CHARS, "y" * MAX_TEXT_CHARS]
        for text in texts:
            self.ann.write(text)
        offer = FileOffer("A" * 22, 1, "AAAA")
        self.ann.talk.write(offer, NOW_S)
        self.link()
        self.talk()
        self.assertEqual(self.bob.heard, texts)
        self.assertIn(Spoke(5, offer), self.bob.events)

    def test_pieces_in_any_order_and_twice(self) -> None:
        """The reader sees them in order, once; the writer learns of each."""
        texts = [f"message {n}" for n in range(MAX_EARLY)]
        for text in texts:
            self.ann.write(text)
        self.link()
        parcels = [out.parcel for out in self.ann.due()] * 2
        Random(2).shuffle(parcels)
        codes = Counter(self.bob.hear(parcel) for parcel in parcels)
        self.assertEqual(codes, {"": len(parcels) // 2, "parcel-repeated": len(parcels) // 2})
        self.assertEqual(self.bob.heard, texts)
        self.talk()
        self.assertEqual(self.ann.talk.queued, 0)

    def test_C6_so_many_are_in_flight(self) -> None:
        """No more than MAX_EARLY pieces are on their way, sealed in batches."""
        for n in range(2 * MAX_EARLY):
            self.ann.write(str(n))
        self.link()
        self.assertLessEqual(len(self.ann.talk.due(NOW_S)), BATCH + 1)
        self.ann.due()
        self.assertEqual(self.ann.due(), [])
        self.talk(NOW_S + 10)
        self.assertEqual(self.bob.heard, [str(n) for n in range(2 * MAX_EARLY)])

    def test_without_a_receipt_it_goes_out_again(self) -> None:
        """After two seconds and more, then later and later; a receipt ends that."""
        self.ann.write("hello")
        self.link()
        self.ann.due()
        times, now_s = [], float(NOW_S)
        for _ in range(6):
            while not self.ann.due(now_s):
                now_s += 1.0
            times.append(now_s - NOW_S)
        self.assertGreaterEqual(times[0], 2.0)
        waits = [b - a for a, b in pairwise(times)]
        self.assertGreater(max(waits), waits[0])
        self.assertLessEqual(max(waits), 2.0 + 2.0 * 2**6)
        self.assertEqual(self.bob.hear(self.ann.due(now_s + MOST_S)[0].parcel), "")
        self.talk(now_s + MOST_S)
        self.assertEqual(self.bob.heard, ["hello"])
        self.assertEqual(self.ann.talk.tries, 0)

    def test_a_way_that_opens_again_carries_at_once(self) -> None:
        """What was on the lost one goes out again, and is read once."""
        self.ann.write("hello")
        self.link()
        self.bob.hear(self.ann.due()[-1].parcel)
        self.unlink()
        self.assertEqual(self.ann.due(), [])
        self.link()
        self.talk()
        self.assertEqual((self.bob.heard, self.ann.talk.queued), (["hello"], 0))

    def test_typing_and_presence_matter_now_or_never(self) -> None:
        """The newest of each goes out once; without a way none does; goodbye likewise."""
        self.ann.talk.say(Typing(True))
        self.link()
        self.talk()
        for notice in (Typing(True), Typing(False), Presence("here"), Goodbye()):
            self.ann.talk.say(notice)
        self.talk()
        said = [each for each in self.bob.events if not isinstance(each, BegunAnew)]
        self.assertEqual(said, [Typing(False), Presence("here"), Goodbye()])


class WhyTests(ConversationTest):
    """Why a message has not arrived is always known."""

    def test_each_reason(self) -> None:
        """No prekeys; away; in the network; refused, by its code."""
        stranger = Talker(ANN, EVE, Random(3))
        number = stranger.write("hello")
        self.assertTrue(stranger.talk.needs_card)
        entry = stranger.talk.entry(number)
        self.assertEqual(entry.why if entry else "", NO_PREKEYS)
        number = self.ann.write("hello")
        self.ann.talk.unreachable("no-address", NOW_S)
        self.assertEqual(self.state(number), ("queued", "no-address"))
        self.leave(self.ann)
        self.assertEqual(self.state(number), ("sent", IN_THE_NETWORK))
        self.link()
        out = self.ann.due()[-1]
        self.ann.talk.refused(out, "contact-floods", NOW_S)
        self.ann.talk.left.take_back_all()
        self.assertEqual(self.state(number)[1], "contact-floods")
        self.ann.commit()
        self.ann.restart()
        self.assertEqual(self.state(number)[1], "contact-floods")

    def test_what_a_mailbox_has(self) -> None:
        """All of a message has to be there; else why it is not, and a restart knows the former."""
        first, second = self.ann.write("hello"), self.ann.write("x" * 6_000)
        self.ann.talk.unreachable("away", NOW_S)
        self.leave(self.ann)
        kept = self.ann.talk.left
        places = sorted(kept.unmailed())
        kept.mailed(places[0], NOW_S)
        self.assertEqual(self.state(first), ("sent", IN_MAILBOX))
        self.assertEqual(self.state(second), ("sent", IN_THE_NETWORK))
        for place in places[1:-1]:
            kept.mailed(place, NOW_S)
        kept.not_mailed(places[-1], "mailbox-full")
        self.assertEqual(self.state(second), ("sent", "mailbox-full"))
        self.ann.commit()
        self.ann.restart()
        self.assertEqual(self.state(first), ("sent", IN_MAILBOX))
        self.assertEqual(self.ann.talk.left.unmailed(), places[-1:])
        self.ann.talk.left.mailed(places[-1], NOW_S)
        self.assertEqual(self.state(second), ("sent", IN_MAILBOX))
        self.link()
        self.talk()
        self.assertEqual(self.state(second), ("delivered", ""))

    def test_tries_are_put_off_for_longer_each_time(self) -> None:
        """Up to six hours; a clock that goes back ends the wait; a new message too."""
        self.ann.write("hello")
        self.assertTrue(self.ann.talk.wants_way(NOW_S))
        for _ in range(40):
            self.ann.talk.unreachable("away", NOW_S)
            self.assertTrue(self.ann.talk.wants_way(NOW_S + MOST_S + 1))
        soon = [n for n in range(60) if self.ann.talk.wants_way(NOW_S + n)]
        self.assertEqual(soon, [])
        self.assertTrue(self.ann.talk.wants_way(NOW_S - 30 * DAY_S))
        self.assertEqual(self.ann.talk.tries, 40)
        self.ann.write("and now")
        self.assertTrue(self.ann.talk.wants_way(NOW_S))
        self.assertFalse(self.bob.talk.wants_way(NOW_S))
        self.assertIsNone(self.bob.talk.next_s(NOW_S))
        self.assertEqual(self.ann.talk.next_s(NOW_S), NOW_S)

    def test_after_14_days_it_has_failed(self) -> None:
        """The oldest first; what follows is read all the same."""
        old = self.ann.write("old" * 2_000)
        self.link()
        lost = self.ann.due()
        later = self.ann.write("later", NOW_S + 10)
        self.bob.hear(lost[-1].parcel)
        self.bob.hear(self.ann.due(NOW_S + 10)[-1].parcel)
        self.assertEqual(self.bob.heard, [])
        self.assertEqual(self.ann.talk.tick(NOW_S + KEEP_S - 1), [])
        self.talk(NOW_S + 60)
        older = NOW_S + KEEP_S
        self.ann.restart()
        self.link()
        gone = self.ann.write("gone" * 2_000, older)
        self.assertEqual(self.state(later)[0], "delivered")
        self.assertEqual(self.state(old)[0], "delivered")
        self.ann.due(older)
        self.assertEqual(self.ann.talk.tick(older + KEEP_S), [Moved(gone)])
        self.assertEqual(self.state(gone), ("failed", EXPIRED))
        self.ann.write("next", older + KEEP_S)
        self.talk(older + KEEP_S)
        self.assertEqual(self.bob.heard, ["old" * 2_000, "later", "next"])

    def test_what_was_given_up_holds_nothing_back(self) -> None:
        """A message that arrived behind it is read, though nothing else is ever sent."""
        old = self.ann.write("old" * 2_000)
        self.ann.write("later", NOW_S + 60)
        self.link()
        out = [each for each in self.ann.due(NOW_S + 60) if each.piece]
        for each in (out[0], out[-1]):
            self.bob.hear(each.parcel, NOW_S + 60)
        for receipt in self.bob.due(NOW_S + 60):
            self.ann.hear(receipt.parcel, NOW_S + 60)
        self.assertEqual((self.bob.heard, self.ann.talk.queued), ([], 1))
        self.assertEqual(self.ann.talk.tick(NOW_S + KEEP_S), [Moved(old)])
        self.ann.commit()
        self.ann.restart()
        self.link()
        self.talk(NOW_S + KEEP_S)
        self.assertEqual(self.bob.heard, ["later"])
        self.assertIsNone(self.ann.talk.next_s(NOW_S + KEEP_S))

    def test_an_ended_contact(self) -> None:
        """All that waits has failed, what lies in the network is void, keys are gone."""
        numbers = [self.ann.write("one"), self.ann.write("two")]
        self.leave(self.ann)
        self.assertEqual(self.ann.talk.end(), [Moved(n) for n in numbers])
        self.ann.commit()
        self.assertEqual(self.state(2), ("failed", REMOVED))
        self.assertEqual(len(self.ann.talk.left.void()), 2)
        self.assertTrue(self.ann.talk.needs_card)
        self.assertEqual([r for r in self.ann.shelf.rooms if r.startswith("sess")][1:], [])


class RefusalTests(ConversationTest):
    """Parcels that are not taken."""

    def test_bounds_of_the_outbox(self) -> None:
        """So many messages and no more; none that is too long."""
        for n in range(MAX_MESSAGES):
            self.ann.talk.write(self.ann.text(str(n)), NOW_S)
        self.assertRaises(OutboxFull, self.ann.talk.write, self.ann.text("x"), NOW_S)
        self.assertEqual(self.ann.talk.queued, MAX_MESSAGES)
        long = self.bob.text("\U0001f600" * MAX_TEXT_CHARS)
        self.assertRaises(TooLarge, self.bob.talk.write, long, NOW_S)
        self.assertEqual(self.bob.talk.changes(), [])

    def test_a_contact_who_floods(self) -> None:
        """It is refused by a code before anything is opened; others and later times are not."""
        self.link()
        self.talk()
        self.ann.talk.say(Typing(True))
        (out,) = self.ann.due()
        codes = {self.bob.hear(out.parcel) for _ in range(BURST + 1)}
        self.assertEqual(codes, {"", "parcel-repeated", "contact-floods"})
        self.assertEqual(self.bob.hear(out.parcel, NOW_S + 60), "parcel-repeated")

    def test_who_is_told_of_a_flood_waits(self) -> None:
        """Everything arrives in the end, without a hot loop."""
        for n in range(40):
            self.ann.write(str(n))
        self.link()
        now_s, handed = float(NOW_S), 0
        while self.ann.talk.queued:
            for out in self.ann.due(now_s):
                handed += 1
                if now_s < NOW_S + 30:
                    self.ann.talk.refused(out, "contact-floods", now_s)
                else:
                    self.bob.hear(out.parcel, now_s)
            for back in self.bob.due(now_s):
                self.ann.hear(back.parcel, now_s)
            now_s += 1.0
            self.assertLess(now_s, NOW_S + 1_000)
        self.assertLess(handed, 600)

    def test_a_contact_who_lost_its_state(self) -> None:
        """It says so, and all goes out in a new session, with nothing lost or read twice."""
        self.ann.write("one")
        self.link()
        self.talk()
        bundle = self.bob.talk.bundle(NOW_S)
        rooms = self.bob.shelf.rooms
        for room in [name for name in rooms if name.startswith("sessions")]:
            del rooms[room]
        self.bob.commit()
        self.bob.restart()
        self.ann.talk.learn(bundle, NOW_S)
        self.ann.write("two")
        self.bob.talk.opened()
        self.talk()
        self.assertEqual((self.bob.heard, self.ann.talk.queued), (["one", "two"], 0))

    def test_a_contact_who_lost_its_prekeys_too(self) -> None:
        """Nothing can be said until its fresh ones are known; then all arrives."""
        self.ann.write("one")
        self.bob.shelf.rooms.clear()
        self.bob.restart()
        self.link()
        self.talk()
        self.assertTrue(self.ann.talk.needs_card)
        self.assertEqual(self.ann.talk.queued, 1)
        acquaint(self.ann, self.bob)
        self.talk(NOW_S + 60)
        self.assertEqual(self.bob.heard, ["one"])

    def test_C6_a_contact_who_refuses_all_sessions(self) -> None:
        """It is not worth an agreement for each answer: the tries are put off."""
        self.ann.write("one")
        self.link()
        sent = 0
        for now_s in range(NOW_S, NOW_S + 600):
            while out := self.ann.talk.due(now_s):
                sent += len(out)
                for each in out:
                    self.ann.talk.refused(each, "unknown-session", now_s)
        self.assertLess(sent, 40)

    def test_C6_a_contact_whose_parcels_never_open(self) -> None:
        """At most one session a minute is begun to say so."""
        for talker in (self.ann, self.bob):
            talker.write("hello")
        self.link()
        self.talk()
        parcel = bytearray(self.ann_parcel())
        begun = set()
        for second in range(180):
            parcel[1:17] = second.to_bytes(16)
            self.assertEqual(self.bob.hear(bytes(parcel), NOW_S + second), "unknown-session")
            begun |= {out.session for out in self.bob.due(NOW_S + second)}
        self.assertLessEqual(len(begun), 4)

    def ann_parcel(self) -> bytes:
        self.ann.talk.say(Typing(True))
        return self.ann.due()[0].parcel

    def test_prekeys_of_another_are_refused(self) -> None:
        """Nothing changes by them."""
        eve = Talker(EVE, ANN, Random(4))
        self.assertRaises(BadPrekeys, self.ann.talk.learn, eve.talk.bundle(NOW_S), NOW_S)
        self.assertRaises(BadPrekeys, self.ann.talk.learn, b"", NOW_S)
        self.assertEqual(self.ann.talk.changes(), [])

    def test_a_refused_parcel_changes_nothing(self) -> None:
        """Neither rows nor events come of it, wherever it was altered."""
        self.ann.write("hello")
        self.link()
        self.bob.commit()
        parcel = self.ann.due()[-1].parcel
        for at in range(0, len(parcel), 7):
            bad = parcel[:at] + bytes((parcel[at] ^ 1 << at % 8,)) + parcel[at + 1 :]
            self.assertNotEqual(self.bob.hear(bad, NOW_S), "")
            self.assertEqual(self.bob.heard, [])
        self.assertEqual(self.bob.hear(parcel), "")
        self.assertEqual(self.bob.heard, ["hello"])


class OfflineTests(ConversationTest):
    """Through the network."""

    def test_left_fetched_and_acknowledged(self) -> None:
        """The receipt comes the same way, and what arrived is taken back."""
        texts = [f"message {n}" for n in range(30)]
        for text in texts:
            self.ann.write(text)
        network = self.leave(self.ann)
        first, last = self.ann.talk.left.waiting()
        self.assertEqual(sorted(network), list(range(first, last + 1)))
        self.assertEqual(self.ann.talk.left.standing(), sorted(network))
        self.assertEqual(self.ann.talk.left.parcel(first), network[first])
        self.assertEqual(self.fetch(self.bob, self.ann, network), sorted(network))
        self.assertEqual(self.bob.heard, texts)
        self.assertTrue(self.bob.talk.wants_way(NOW_S))
        self.fetch(self.ann, self.bob, self.leave(self.bob))
        self.assertEqual(self.ann.talk.queued, 0)
        self.assertEqual(self.ann.talk.left.waiting(), (0, 0))
        self.assertEqual(self.ann.talk.left.void(), sorted(network))
        for place in network:
            self.ann.talk.left.deleted(place)
        self.assertEqual(self.ann.talk.left.void(), [])
        self.assertEqual(self.fetch(self.bob, self.ann, network), [])

    def test_by_both_ways_it_is_read_once(self) -> None:
        """A direct way opens while it lies in the network."""
        self.ann.write("hello")
        network = self.leave(self.ann)
        places = self.ann.talk.left.waiting()
        self.link()
        self.talk()
        self.assertEqual(self.ann.talk.left.waiting(), (0, 0))
        self.bob.talk.taking.announced(*places)
        for place, parcel in network.items():
            self.bob.talk.fetched(place, parcel, NOW_S)
        self.assertEqual(self.bob.heard, ["hello"])

    def test_absent_ones_are_looked_for_later(self) -> None:
        """After ten minutes, then twice as long; what was taken is not looked for again."""
        for n in range(3):
            self.ann.write(str(n))
        network = self.leave(self.ann)
        late = min(network)
        kept = network.pop(late)
        self.assertEqual(len(self.fetch(self.bob, self.ann, network)), 3)
        self.assertEqual(self.bob.heard, [])
        self.assertEqual(self.bob.talk.taking.due(NOW_S + 599, 10), [])
        self.assertEqual(self.bob.talk.taking.next_s(), NOW_S + 600)
        self.bob.restart()
        self.bob.talk.taking.announced(*self.ann.talk.left.waiting())
        self.assertEqual(self.bob.talk.taking.due(NOW_S, 10), [late])
        self.bob.events += self.bob.talk.fetched(late, kept, NOW_S)
        self.assertEqual(self.bob.heard, ["0", "1", "2"])

    def test_what_lies_there_is_bounded(self) -> None:
        """In number and in time: 72 hours after it was written it goes."""
        for n in range(MAX_LEFT + 10):
            self.ann.write(str(n))
        self.assertEqual(len(self.leave(self.ann)), MAX_LEFT)
        self.ann.talk.tick(NOW_S + LIFE_S - 1)
        self.assertEqual(len(self.ann.talk.left.standing()), MAX_LEFT)
        self.ann.talk.tick(NOW_S + LIFE_S)
        self.assertEqual(len(self.ann.talk.left.void()), MAX_LEFT)
        self.assertEqual(self.leave(self.ann, NOW_S + LIFE_S), {})
        self.assertEqual(self.state(1)[0], "sent")

    def test_D5_places_are_never_used_twice(self) -> None:
        """Not after a restart, nor by a state that was set back or lost."""
        self.ann.write("one")
        backup = self.ann.shelf.copy()
        used = set(self.leave(self.ann))
        self.ann.restart()
        self.ann.write("two")
        used |= set(self.leave(self.ann))
        self.assertEqual(len(used), 2)
        self.ann.shelf = backup
        self.ann.restart()
        self.ann.talk.start_anew(NOW_S + 60)
        self.assertFalse(used & set(self.leave(self.ann, NOW_S + 60)))

    def test_one_receipt_lies_there_at_a_time(self) -> None:
        """A newer one takes the place of the older one."""
        for n in range(3):
            self.ann.write(str(n))
            self.fetch(self.bob, self.ann, self.leave(self.ann))
            self.assertEqual(len(self.leave(self.bob)), 1)
            self.assertEqual(len(self.bob.talk.left.standing()), 1)
        self.assertEqual(len(self.bob.talk.left.void()), 2)

    def test_parcels_that_do_not_open_heal_without_a_link(self) -> None:
        """The reader begins a session to say so; what was lost is left again in it."""
        self.ann.write("one")
        lost = self.leave(self.ann)
        self.bob.shelf.rooms = {
            name: rows for name, rows in self.bob.shelf.rooms.items() if "talk" not in name
        }
        self.bob.restart()
        self.bob.talk.learn(self.ann.talk.bundle(NOW_S), NOW_S)
        self.bob.talk.taking.announced(*self.ann.talk.left.waiting())
        for place, parcel in lost.items():
            self.assertEqual(self.bob.hear(parcel), "prekey-gone")
            self.bob.talk.taking.taken(place)
        self.fetch(self.ann, self.bob, self.leave(self.bob))
        self.fetch(self.bob, self.ann, self.leave(self.ann))
        self.assertEqual(self.bob.heard, ["one"])


class DeleteTests(ConversationTest):
    """One's own view only."""

    def test_a_queued_one_is_never_sent(self) -> None:
        """The contact does not learn that it was."""
        gone = self.ann.write("gone")
        self.ann.write("kept")
        self.assertTrue(self.ann.talk.delete(gone))
        self.assertFalse(self.ann.talk.delete(gone))
        self.ann.commit()
        self.link()
        self.talk()
        self.assertEqual(self.bob.heard, ["kept"])
        self.assertIsNone(self.ann.talk.entry(gone))
        self.assertEqual([each.number for each in self.ann.talk.page(None, 9)], [2])

    def test_one_on_its_way_arrives(self) -> None:
        """Though it is not shown here any more; then its text is gone from the disk."""
        number = self.ann.write("on its way")
        self.link()
        self.ann.due()
        self.assertTrue(self.ann.talk.delete(number))
        self.ann.commit()
        self.assertIsNone(self.ann.talk.entry(number))
        self.ann.restart()
        self.link()
        self.talk()
        self.assertEqual(self.bob.heard, ["on its way"])
        texts = [row for rows in self.ann.shelf.rooms.values() for row in rows.values()]
        self.assertFalse([row for row in texts if b"on its way" in row])

    def test_one_of_theirs_does_not_come_back(self) -> None:
        """Its id is remembered, and it is not unread any more."""
        self.ann.write("hello")
        network = self.leave(self.ann)
        self.fetch(self.bob, self.ann, network)
        self.assertEqual(self.bob.talk.unread, 1)
        self.assertTrue(self.bob.talk.delete(1))
        self.assertEqual(self.bob.talk.unread, 0)
        self.ann.talk.start_anew(NOW_S)
        self.ann.commit()
        acquaint(self.ann, self.bob)
        self.link()
        self.talk()
        self.assertEqual(self.bob.heard, ["hello"])
        self.assertEqual(self.bob.talk.page(None, 9), [])

    def test_a_message_is_found_by_its_id(self) -> None:
        """Ours and theirs, until it is deleted."""
        self.ann.write("hello")
        self.link()
        self.talk()
        entry = self.ann.talk.entry(1)
        assert entry is not None
        for side in (self.ann, self.bob):
            self.assertEqual(side.talk.find(entry.id), 1)
            side.talk.delete(1)
            self.assertIsNone(side.talk.find(entry.id))


class StateTests(ConversationTest):
    """What is kept."""

    def test_S1_nothing_is_lost_at_any_commit(self) -> None:
        """Both die after every step; all arrives, once, in order."""
        texts = [f"message {n}" * 200 for n in range(8)]
        for text in texts:
            self.ann.write(text)
        self.link()
        for step in range(200):
            for side, other in ((self.ann, self.bob), (self.bob, self.ann)):
                side.restart()
                side.talk.opened()
                for out in side.due(NOW_S + 10 * step)[-2:]:
                    other.hear(out.parcel, NOW_S + 10 * step)
                    other.restart()
                    other.talk.opened()
        self.assertEqual(self.bob.heard, texts)

    def test_the_keys_of_a_parcel_are_kept_before_it_goes(self) -> None:
        """What `due` and `deposit` sealed, and `hear` opened, is among the changes."""
        self.ann.write("hello")
        self.link()
        (out,) = [each for each in self.ann.talk.due(NOW_S) if each.piece]
        self.assertIn(out.session, [change.key for change in self.ann.talk.changes()])
        self.bob.talk.hear(out.parcel, NOW_S)
        changes = self.bob.talk.changes()
        self.assertIn(out.session, [change.key for change in changes])
        self.assertIn(b"prekeys", [change.key for change in changes])

    def test_A2_a_state_that_was_set_back_uses_nothing_again(self) -> None:
        """No session, prekey or stream of before; the user is told; nothing is read twice."""
        self.ann.write("one")
        backup = self.ann.shelf.copy()
        self.link()
        old = {out.session for out in self.ann.due()}
        self.talk()
        bundle = self.ann.talk.bundle(NOW_S)
        self.ann.shelf = backup
        self.ann.restart()
        self.assertEqual(self.ann.talk.start_anew(NOW_S), [BegunAnew(True)])
        self.ann.commit()
        self.assertNotEqual(self.ann.talk.bundle(NOW_S), bundle)
        self.ann.write("two")
        self.link()
        new = {out.session for out in self.ann.due()}
        self.assertFalse(old & new)
        self.unlink()
        acquaint(self.ann, self.bob)
        self.link()
        self.talk()
        self.assertEqual(self.bob.heard, ["one", "two"])
        self.assertIn(BegunAnew(False), self.bob.events)
        self.assertEqual(self.ann.talk.queued, 0)

    def test_other_keys_under_the_same_name(self) -> None:
        """Ann has another key: the history stays, what did not arrive goes out under it."""
        for side, name in ((self.ann, "bob"), (self.bob, "ann")):
            side.name = name
            side.restart()
        acquaint(self.ann, self.bob)
        self.ann.write("before")
        self.link()
        self.talk()
        self.unlink()
        self.ann.write("between")
        self.leave(self.ann)
        self.ann.own = EVE
        self.bob.other = contact_of(EVE)
        for side in (self.ann, self.bob):
            side.restart()
            side.talk.change_keys(NOW_S)
            side.commit()
            self.assertTrue(side.talk.needs_card)
        self.assertEqual(self.ann.talk.left.standing(), [])
        acquaint(self.ann, self.bob)
        self.link()
        self.talk()
        self.assertEqual(self.bob.heard, ["before", "between"])
        self.assertEqual([each.number for each in self.bob.talk.page(None, 9)], [2, 1])

    def test_a_row_that_is_none_of_ours(self) -> None:
        """It is told as damage, not as nothing."""
        self.ann.write("one")
        for room, rows in self.ann.shelf.rooms.items():
            if room.split()[0] in ("talk", "outbox"):
                kept = dict(rows)
                for key in rows:
                    rows[key] = b"\xc1"
                self.assertRaises(ChestDamaged, self.ann.restart)
                rows.update(kept)
        self.ann.restart()

    def test_pages_go_back_in_time(self) -> None:
        """The newest first, each once, any number at a time."""
        for n in range(150):
            self.ann.write(str(n))
        seen: list[int] = []
        while page := self.ann.talk.page(seen[-1] if seen else None, 40):
            seen += [each.number for each in page]
        self.assertEqual(seen, list(range(150, 0, -1)))

    def test_what_a_notice_is_carried_by(self) -> None:
        """A notice that is handed over moves no message."""
        self.assertEqual(self.ann.talk.handed(Outgoing(b"", b"", 0)), [])
