"""Members join a hub, reach each other through it, and get what waited for them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.hub import directory
from streembit.jose import base64url
from streembit.wire.hub import (
    MAX_FOUND,
    Ack,
    Done,
    Entries,
    Gone,
    Kept,
    MailName,
    Observe,
    Presence,
    Publish,
    Refused,
    Search,
    Seen,
    Show,
    Watch,
    Withdraw,
)
from tests.hubs.house import House, identity


class JoinTests(SynchronousTestCase):
    """A member proves its key and is greeted."""

    def setUp(self) -> None:
        self.house = House(self)
        self.addCleanup(self.house.stop)

    def test_a_member_learns_who_the_hub_is_and_how_it_is_seen(self) -> None:
        """The welcome names hub, address, permissions and quota."""
        guest = self.house.joined(1)
        assert guest.welcome is not None
        self.assertEqual(guest.welcome.name, "test hub")
        self.assertEqual(guest.welcome.observed.rpartition(":")[0], "10.0.0.1")
        self.assertEqual(guest.welcome.waiting, 0)
        self.assertEqual(guest.own.hub, self.house.key)

    def test_an_idle_member_stays(self) -> None:
        """Pings keep it; nothing is refused in an hour."""
        guest = self.house.joined(1)
        self.house.run(3600.0)
        self.assertIsNone(guest.end)
        self.assertEqual(self.house.refusals(), {})

    def test_a_newer_join_takes_the_place_of_the_older(self) -> None:
        """One live session a key: the older one is closed, and nobody was at fault."""
        first = self.house.joined(1)
        second = self.house.joined(1)
        self.house.run(1.0)
        self.assertIsNotNone(first.end)
        self.assertIsNone(second.end)
        self.assertEqual(len(self.house.hub.sessions()), 1)
        self.assertEqual(self.house.refusals(), {})
        second.ask(Observe())
        self.house.run()
        self.assertIsInstance(second.answers()[-1], Seen)

    def test_an_older_join_that_comes_late_is_turned_away(self) -> None:
        """Sessions of a member are ordered by when they were begun, by the hub's clock."""
        late = self.house.guest(1, joins=False).connect()
        self.house.run(1.0)
        newer = self.house.joined(1)
        late.send(late.join())
        self.house.run(1.0)
        self.assertIsNotNone(late.end)
        self.assertIsNone(newer.end)
        self.assertEqual(len(self.house.hub.sessions()), 1)


class RelayTests(SynchronousTestCase):
    """Live envelopes go from member to member unchanged."""

    def setUp(self) -> None:
        self.house = House(self)
        self.addCleanup(self.house.stop)
        self.alice, self.bob = self.house.joined(1), self.house.joined(2)

    def test_envelopes_arrive_unchanged_and_in_order(self) -> None:
        """The bytes that the sender signed are the bytes that the recipient reads."""
        sent = [self.alice.live(self.bob, b"cargo %d" % n) for n in range(50)]
        self.house.run(1.0)
        self.assertEqual(self.bob.tokens[2:], sent)
        self.assertEqual([e.seq for e in self.bob.envelopes()], list(range(1, 51)))
        self.assertEqual(self.house.hub.router.relayed, 50)

    def test_who_is_not_here_is_told_to_be_gone(self) -> None:
        """The answer names the key and the frame."""
        self.alice.live(identity(99).public, b"anybody")
        self.house.run()
        self.assertEqual(self.alice.answers(), [Gone(identity(99).public.text)])
        self.bob.carrier.close() if self.bob.carrier else None
        self.house.run(1.0)
        self.alice.live(self.bob, b"still there?")
        self.house.run()
        self.assertEqual(self.alice.answers()[-1], Gone(self.bob.who.public.text))


class MailTests(SynchronousTestCase):
    """What is sent to who is away waits for it."""

    def setUp(self) -> None:
        self.house = House(self)
        self.addCleanup(self.house.stop)
        self.alice = self.house.joined(1)

    def test_mail_is_receipted_waits_comes_and_is_deleted_on_the_recipients_word(self) -> None:
        """Until then it comes again at each join."""
        numbers = [self.alice.mail(identity(2).public, n, b"letter %d" % n) for n in range(40)]
        self.house.run(1.0)
        kept = [n for body in self.alice.answers() if isinstance(body, Kept) for n in body.numbers]
        self.assertEqual(kept, numbers)
        for _ in range(2):
            bob = self.house.joined(2)
            assert bob.welcome is not None
            self.assertEqual(bob.welcome.waiting, 40)
            got = [base64url.decode(mail.val) for mail in bob.envelopes()]
            self.assertEqual(got, [b"letter %d" % n for n in range(40)])
        bob.ask(Ack([MailName(self.alice.who.public.text, m.id) for m in bob.envelopes()]))
        self.house.run()
        self.assertEqual(bob.answers(), [Done()])
        self.assertEqual(self.house.shelf.count(bob.who.public.text), 0)

    def test_mail_to_a_member_that_is_here_comes_at_once_and_once(self) -> None:
        """It is on the disk before, and is not told twice in a session."""
        bob = self.house.joined(2)
        for n in range(20):
            self.alice.mail(bob, n, b"now")
            self.house.run(0.05)
        self.house.run(1.0)
        self.assertEqual(len(bob.envelopes()), 20)

    def test_a_mailbox_full_of_the_longest_mails_is_delivered_as_they_are_read(self) -> None:
        """A member that was away for long is not taken for one that does not read."""
        for n in range(128):
            self.alice.mail(identity(2).public, n, bytes(32_000))
            self.house.run(0.01)
        bob = self.house.guest(2).connect()
        self.house.run(0.02)
        assert bob.carrier is not None
        transport = bob.carrier.transport  # type: ignore[attr-defined]
        for _ in range(60):
            transport.pauseProducing()
            self.house.run(0.5)
            transport.resumeProducing()
            self.house.run(0.01)
        self.house.run(1.0)
        self.assertEqual(len(bob.envelopes()), 128)
        self.assertEqual(self.house.refusals(), {})

    def test_a_full_mailbox_refuses_the_next_mail(self) -> None:
        """The sender hears of it; what was kept stays."""
        for n in range(129):
            self.alice.mail(identity(2).public, n, b"one of many")
        self.house.run(2.0)
        refused = [body for body in self.alice.answers() if isinstance(body, Refused)]
        self.assertEqual([body.code for body in refused], ["mailbox-full"])
        self.assertEqual(self.house.refusals(), {"mailbox-full": 1})
        self.assertEqual(self.house.shelf.count(identity(2).public.text), 128)


class PresenceTests(SynchronousTestCase):
    """Who is here is told to whom the member allows it."""

    def setUp(self) -> None:
        self.house = House(self)
        self.addCleanup(self.house.stop)
        self.alice, self.bob = self.house.joined(1), self.house.joined(2)

    def test_only_those_whom_a_member_names_are_told(self) -> None:
        """Both have to want it: one shows itself, the other watches."""
        carol = self.house.joined(3)
        key = self.bob.who.public.text
        self.alice.ask(Watch([key]))
        carol.ask(Watch([key]))
        self.house.run(2.0)
        self.assertEqual(self.alice.answers(), [Done()])
        self.bob.ask(Show([self.alice.who.public.text]))
        self.house.run(2.0)
        self.assertEqual(self.alice.answers()[1:], [Presence([key], [])])
        assert self.bob.carrier is not None
        self.bob.carrier.abort()
        self.house.run(2.0)
        self.assertEqual(self.alice.answers()[2:], [Presence([], [key])])
        self.assertEqual(carol.answers(), [Done()])

    def test_who_comes_back_is_told_of_nobody_until_it_asks_again(self) -> None:
        """What it watched went with its session."""
        key = self.bob.who.public.text
        self.alice.ask(Watch([key]))
        self.house.run(1.0)
        self.alice.carrier.abort()  # type: ignore[union-attr]
        self.house.run(1.0)
        again = self.house.joined(1)
        self.bob.ask(Show([again.who.public.text]))
        self.house.run(2.0)
        self.assertEqual(again.answers(), [])


class DirectoryTests(SynchronousTestCase):
    """Who wants to be found is found by name."""

    def test_a_search_that_finds_many_says_that_there_are_more(self) -> None:
        """A screen of them is enough to be more precise."""
        house = House(self)
        self.addCleanup(house.stop)
        now_s = int(house.clock.seconds())
        for number in range(1, MAX_FOUND + 2):
            member = house.joined(number)
            entry = directory.make(member.who, network="streembit", now_unix_s=now_s)
            member.ask(Publish(entry.token))
            house.run(0.1)
        member.ask(Search("member"))
        house.run(1.0)
        found = member.answers()[-1]
        assert isinstance(found, Entries)
        self.assertEqual((len(found.entries), found.more), (MAX_FOUND, True))

    def test_an_entry_is_found_until_it_is_withdrawn(self) -> None:
        """Only its owner can publish it."""
        house = House(self)
        self.addCleanup(house.stop)
        alice, bob = house.joined(1), house.joined(2)
        now_s = int(house.clock.seconds())
        entry = directory.make(alice.who, network="streembit", now_unix_s=now_s)
        alice.ask(Publish(entry.token))
        bob.ask(Publish(entry.token))
        house.run(1.0)
        self.assertEqual(alice.answers(), [Done()])
        self.assertIsInstance(bob.answers()[-1], Refused)
        bob.ask(Search("MEMB"))
        house.run(1.0)
        self.assertEqual(bob.answers()[-1], Entries([entry.token]))
        alice.ask(Withdraw())
        house.run(1.0)
        bob.ask(Search("memb"))
        house.run(1.0)
        self.assertEqual(bob.answers()[-1], Entries([]))
