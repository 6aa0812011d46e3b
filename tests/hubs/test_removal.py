"""A member that is taken off the list is gone at once, and what was promised to others stays."""

from __future__ import annotations

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from streembit.hub import directory
from streembit.hub.grant import Grant
from streembit.wire.hub import (
    MAX_FOUND,
    Ack,
    Entries,
    MailName,
    Presence,
    Search,
    Show,
    Watch,
)
from tests.hubs.house import (
    ALL,
    Held,
    House,
    head,
    identity,
    listed,
)


class RemovalTests(SynchronousTestCase):
    """A member that is taken off the list is gone at once."""

    def setUp(self) -> None:
        self.disk = Held()
        self.house = House(self, members=listed(1, 2, 3), disk=self.disk)
        self.addCleanup(self.house.stop)
        self.removed, self.other = self.house.joined(1), self.house.joined(2)

    def test_H2_its_session_ends_before_the_reload_is_done(self) -> None:
        """Others stay, are told that it went, and it is not let in again."""
        key = self.removed.who.public.text
        self.other.ask(Watch([key]))
        self.removed.ask(Show([self.other.who.public.text]))
        self.house.run(2.0)
        ended = self.house.hub.admit(listed(2, 3))
        self.assertEqual(ended, [key])
        self.house.run(2.0)
        self.assertIsNone(self.house.hub.find(key))
        self.assertIsNotNone(self.removed.end)
        self.assertIsNone(self.other.end)
        self.assertEqual(self.other.answers()[-1], Presence([], [key]))
        again = self.house.guest(1).connect()
        self.house.run(7.0)
        self.assertIsNone(again.session)
        self.assertEqual(self.house.refusals(), {"removed": 1, "unknown-key": 1})

    def test_H2_what_the_operator_did_stands_in_the_log(self) -> None:
        """One line for each session: whose, which, and by which list."""
        name = self.removed.own.name
        with capturedLogs() as events:
            self.house.hub.admit(listed(2, 3))
        lines = [event for event in events if event.get("session") == name]
        self.assertEqual(len(lines), 1)
        self.assertEqual(lines[0]["key"], self.removed.who.public.hex)
        self.assertEqual((lines[0]["account"], lines[0]["generation"]), ("m1", 2))

    def test_H2_also_in_the_middle_of_a_message(self) -> None:
        """The rest of it is read by nobody."""
        _, token = self.removed.own.live(self.other.who.public, b"half of this")
        frame = head(len(token)) + token
        write = self.removed.carrier.transport.write  # type: ignore[union-attr]
        write(frame[: len(frame) // 2])
        self.house.run()
        self.house.hub.admit(listed(2, 3))
        write(frame[len(frame) // 2 :])
        self.house.run(1.0)
        self.assertEqual(self.other.envelopes(), [])
        self.assertIsNotNone(self.removed.end)

    def test_H2_what_it_asked_for_and_has_not_got_is_not_answered(self) -> None:
        """A mail that was on its way to the disk has no receipt."""
        self.disk.holds = True
        self.removed.mail(self.other, 1, b"on its way")
        self.house.run()
        self.house.hub.admit(listed(2, 3))
        self.disk.holds = False
        self.disk.work()
        self.house.run(1.0)
        self.assertEqual(self.removed.answers(), [])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_H2_frames_that_wait_for_a_slow_recipient_are_not_passed_on(self) -> None:
        """Who sent them may not any more."""
        transport = self.other.carrier.transport  # type: ignore[union-attr]
        transport.pauseProducing()
        for _ in range(20):
            self.removed.live(self.other, bytes(30_000))
            self.house.run(0.1)
        before = self.house.hub.router.relayed
        self.house.hub.admit(listed(2, 3))
        transport.resumeProducing()
        self.house.run(5.0)
        self.assertEqual(self.house.hub.router.relayed, before)
        self.assertIsNone(self.other.end)

    def test_H2_a_member_that_may_do_less_joins_again_and_learns_it(self) -> None:
        """One that may do more goes on."""
        less = Grant("m1", "human", frozenset({"relay"}))
        more = Grant("m2", "human", ALL | {"admin"})
        self.assertEqual(
            self.house.hub.admit(listed(1, 2, m1=less, m2=more)), [self.removed.who.public.text]
        )
        again = self.house.joined(1)
        assert again.welcome is not None
        self.assertEqual(again.welcome.permissions, ["relay"])
        self.assertIsNone(self.other.end)

    def test_H2_a_member_whose_time_is_over_is_ended_within_seconds(self) -> None:
        """Also one that says nothing."""
        until_s = int(self.house.clock.seconds()) + 20
        short = Grant("m1", "human", ALL, until_s)
        self.house.hub.admit(listed(1, 2, m1=short))
        self.house.run(15.0)
        self.assertIsNone(self.removed.end)
        self.house.run(11.0)
        self.assertIsNotNone(self.removed.end)
        self.assertEqual(self.house.refusals(), {"expired": 1})

    def test_H2_who_may_have_no_mail_any_more_is_given_none(self) -> None:
        """What waits for it stays where it is."""
        self.other.mail(identity(3).public, 1, b"for the third")
        self.house.run()
        self.house.hub.admit(listed(1, 2, 3, m3=Grant("m3", "human", frozenset({"relay"}))))
        third = self.house.joined(3)
        self.assertEqual(third.envelopes(), [])
        self.assertEqual(self.house.shelf.count(third.who.public.text), 1)

    def test_H2_a_frame_that_comes_after_its_time_is_not_served(self) -> None:
        """It need not wait for the next look at who may stay."""
        now_s = int(self.house.clock.seconds())
        short = Grant("m1", "human", ALL, now_s + 2)
        self.assertEqual(self.house.hub.admit(listed(1, 2, m1=short)), [])
        self.house.run(2.5)
        self.removed.live(self.other, b"too late")
        self.house.run(0.1)
        self.assertEqual(self.house.refusals(), {"expired": 1})
        self.assertEqual(self.other.envelopes(), [])

    def test_H2_a_list_that_says_that_the_time_is_over_ends_the_session(self) -> None:
        """At once, as one that does not name the member."""
        over = Grant("m1", "human", ALL, 1)
        ended = self.house.hub.admit(listed(1, 2, m1=over))
        self.assertEqual(ended, [self.removed.who.public.text])

    def test_H4_mail_that_was_receipted_survives_the_hub(self) -> None:
        """The next one has it, once."""
        self.other.mail(identity(3).public, 1, b"kept")
        self.house.run()
        self.house.stop()
        house = House(self, members=listed(1, 2, 3), shelf=self.house.shelf.path)
        self.addCleanup(house.stop)
        third = house.joined(3)
        self.assertEqual(len(third.envelopes()), 1)
        third.ask(Ack([MailName(self.other.who.public.text, third.envelopes()[0].id)]))
        house.run()
        self.assertEqual(house.joined(3).envelopes(), [])


class DirectoryTests(SynchronousTestCase):
    """Who is not a member any more is not shown to those who are."""

    def setUp(self) -> None:
        self.count = 3 * MAX_FOUND
        self.house = House(self, members=listed(*range(1, self.count + 1)))
        self.addCleanup(self.house.stop)
        self.searching = self.house.joined(1)
        self.entries = {number: self.published(number) for number in range(2, self.count + 1)}

    def published(self, number: int) -> str:
        """Return the entry of a member, as if it had published it."""
        who, now_s = identity(number), int(self.house.clock.seconds())
        token = directory.make(who, network="streembit", now_unix_s=now_s).token
        self.house.shelf.publish(directory.publish(token, who.public, "streembit", now_s))
        return token

    def found(self) -> Entries:
        """Return what a search tells."""
        self.searching.ask(Search("member"))
        self.house.run(1.0)
        found = self.searching.answers()[-1]
        assert isinstance(found, Entries)
        return found

    def test_H2_who_was_removed_is_not_found(self) -> None:
        """However many they are, they hide nobody who is left."""
        self.assertTrue(self.found().more)
        self.house.hub.admit(listed(1, self.count - 1, self.count))
        left = sorted(self.entries[number] for number in (self.count - 1, self.count))
        found = self.found()
        self.assertEqual((sorted(found.entries), found.more), (left, False))

    def test_B6_a_search_looks_at_so_many_entries(self) -> None:
        """Behind a thousand of removed members there may be others: more of the name is asked."""
        for number in range(1_000, 2_000):
            self.published(number)
        self.house.hub.admit(listed(1))
        found = self.found()
        self.assertEqual((found.entries, found.more), ([], True))

    def test_H2_nor_who_may_not_be_in_it_or_whose_time_is_over(self) -> None:
        """A permission counts for what was done with it as well."""
        over_s = int(self.house.clock.seconds()) + 100
        third = Grant("m3", "human", ALL - {"directory"})
        fourth = Grant("m4", "human", ALL, over_s)
        self.house.hub.admit(listed(1, 2, 3, 4, m3=third, m4=fourth))
        self.assertEqual(sorted(self.found().entries), sorted(self.entries[n] for n in (2, 4)))
        self.house.run(200.0)
        self.assertEqual(self.found().entries, [self.entries[2]])
