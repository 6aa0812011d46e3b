"""People who meet through hubs: linked, moved to direct links and back, with nothing lost."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from streembit.disk.allowlist import AllowlistFile
from streembit.disk.mailbox import MailLimits
from streembit.disk.steps import finish
from streembit.errors import (
    BadKey,
    BadName,
    DiskFull,
    KeyRevoked,
    NoHub,
    PeerGone,
    RemoteRefusal,
)
from streembit.hub import cargo
from streembit.net.budget import Rate
from streembit.net.relayed import is_hub_host
from streembit.service.desk import Desk
from streembit.service.hub.desk import Desk as HubDesk
from streembit.service.people_events import ContactChanged
from streembit.service.relay.rows import FoundRow
from streembit.wire.hub import Kept
from tests.people.village import Person, Village
from tests.service.hubs import TownHub
from tests.service.test_metrics import shown
from tests.service.town import PORT


class HubCase(SynchronousTestCase):
    """A village with a hub; `hidden` people are behind a NAT: nobody can connect to them."""

    def setUp(self) -> None:
        self.village = Village(self)
        self.town = self.village.town
        self.hub = TownHub(self.town)
        self.addCleanup(self.hub.end)

    def hidden(self, *hubs: TownHub, **more: Any) -> Person:
        """Add a person whom nobody can connect to."""
        addresses = [hub.address for hub in hubs or (self.hub,)]
        person = self.village.person(listen=False, hubs=addresses, **more)
        person.node.reach.listening_on(PORT, [f"0.0.0.0:{PORT}"])
        self.village.until(lambda: all(hub.seat for hub in person.node.hubs.own))
        return person

    def hide(self, person: Person) -> None:
        """Put somebody behind a NAT: all that is open is reset, and nobody connects any more."""
        person.node.reach.listening_on(PORT, [f"0.0.0.0:{PORT}"])
        self.town.host(person.node).ports.pop(PORT, None)
        for peer in person.node.network.roster.conversations():
            if not is_hub_host(peer.carrier.host):
                peer.abort(PeerGone("reset"))

    def show(self, person: Person) -> None:
        """Let everybody connect to somebody, who tells the contacts where."""
        host = self.town.host(person.node)
        host.listen(PORT, person.node.carriers.factory)
        person.node.reach.listening_on(PORT, [f"{host.address}:{PORT}"])

    def via(self, one: Person, other: Person) -> str:
        """Return how one is linked to the other: "direct", "hub", or "" for not at all."""
        peer = one.node.network.roster.get(other.node.identity.public)
        if peer is None:
            return ""
        return "hub" if is_hub_host(peer.carrier.host) else "direct"

    def delivered(self, one: Person, other: Person) -> bool:
        """Tell whether all that one said to the other has arrived."""
        return all(row.state in ("delivered", "read") for row in one.mine(other))

    def are(self, how: str, one: Person, other: Person) -> bool:
        """Tell whether both are linked to each other in this way."""
        return self.via(one, other) == how == self.via(other, one)


class MeetingTests(HubCase):
    def test_two_who_cannot_be_reached_meet_through_a_hub(self) -> None:
        """By an offer that names the hub, and nothing else."""
        ann, bob = self.hidden(), self.hidden()
        made = self.town.result(ann.desk.create_offer(3600, True, ""))
        (shown,) = self.town.result(bob.desk.show_offers(made.text))
        self.assertEqual((shown.transport, shown.host), ("ws", self.hub.address.host))
        self.town.result(bob.desk.add_contact(made.text, "", ""))
        self.village.until(lambda: self.village.are_contacts(ann, bob), 20)
        self.assertTrue(self.are("hub", ann, bob))
        ann.say(bob, "hello")
        bob.say(ann, "hello yourself")
        self.village.until(lambda: ann.texts(bob) == ["- hello", "hello yourself"])
        self.village.until(lambda: ann.mine(bob)[0].state == "delivered", 5)

    def test_what_an_offer_and_a_card_tell(self) -> None:
        """Who is known to be reached offers that place, others their hub; a card tells both."""
        ann, bob = self.village.person(hubs=[self.hub.address]), self.village.person()
        self.village.until(lambda: ann.node.reach.reachability.verdict == "reachable", 300)
        made = self.town.result(ann.desk.create_offer(3600, True, ""))
        (shown,) = self.town.result(bob.desk.show_offers(made.text))
        self.assertEqual((shown.transport, shown.host), ("tcp", self.town.host(ann.node).address))
        addresses = ann.people.held.abode.addresses()
        self.assertEqual([each.transport for each in addresses], ["tcp", "ws"])
        self.assertEqual(addresses[-1], self.hub.address)

    def test_each_at_another_hub(self) -> None:
        """Who looks for somebody joins their hub, and leaves it when it is of no use."""
        other = TownHub(self.town, host="127.0.0.2", number=201)
        self.addCleanup(other.end)
        ann, bob = self.hidden(), self.hidden(other)
        self.village.acquaint(ann, bob)
        self.assertTrue(self.are("hub", ann, bob))
        self.assertEqual(len(self.hub.members()) + len(other.members()), 3)
        bob.node.stopService()
        self.village.until(lambda: not other.members(), 900)
        self.assertEqual(self.hub.members(), {ann.key})

    def test_a_link_through_a_hub_has_no_part_in_the_network(self) -> None:
        """Neither the table nor the candidates know of it, and it says nothing of our address."""
        ann, bob = self.hidden(), self.hidden()
        self.village.acquaint(ann, bob)
        self.town.run(300)
        self.assertTrue(self.are("hub", ann, bob))
        for one, other in ((ann, bob), (bob, ann)):
            network = one.node.network
            self.assertFalse([node for node in network.table if is_hub_host(node.contact.host)])
            self.assertIsNone(network.table.get(other.node.network.id))
            self.assertNotEqual(one.node.reach.reachability.verdict, "reachable")
            self.assertNotIn("hub", one.node.reach.reachability.observed)

    def test_a_hub_that_comes_back(self) -> None:
        """All are joined again, and what was said meanwhile arrives once."""
        ann, bob = self.hidden(), self.hidden()
        self.village.acquaint(ann, bob)
        self.hub.kill()
        self.village.until(lambda: not self.via(ann, bob), 30)
        ann.say(bob, "while it was gone")
        self.hub.start()
        self.village.until(lambda: self.are("hub", ann, bob), 60)
        self.village.until(lambda: self.village.persons and bob.texts(ann) == ["while it was gone"])
        self.town.run(60)
        self.assertEqual(bob.texts(ann), ["while it was gone"])


class MovingTests(HubCase):
    def setUp(self) -> None:
        super().setUp()
        self.ann, self.bob = self.hidden(), self.hidden()
        self.village.acquaint(self.ann, self.bob)

    def test_files_while_the_link_moves(self) -> None:
        """A transfer goes on over whichever link there is, and comes out whole."""
        self.hub.kill()
        self.hub = TownHub(self.town, member_frames=Rate(10.0, 10.0))  # 300 KB a second
        self.addCleanup(self.hub.end)
        self.village.until(lambda: self.are("hub", self.ann, self.bob))
        source = self.village.folder / "film"
        data = Random(1).randbytes(24 * 1024 * 1024)
        source.write_bytes(data)
        row = self.town.result(self.ann.desk.send_files(self.bob.key, [str(source)]))
        self.village.until(lambda: bool(self.bob.people.transfers.rows()))
        (offered,) = self.bob.people.transfers.rows()
        self.town.result(self.bob.desk.accept_files(offered.id, ""))
        for how in ("direct", "hub"):
            before = self.done_bytes()
            self.village.until(lambda before=before: self.done_bytes() > before, 60)
            (self.show if how == "direct" else self.hide)(self.bob)
            self.village.until(lambda how=how: self.are(how, self.ann, self.bob), 900)
            self.assertEqual(self.bob.people.transfers.rows()[0].state, "running", how)
        self.village.until(lambda: self.bob.people.transfers.rows()[0].state == "done", 900)
        (path,) = self.bob.people.transfers.rows()[0].paths
        self.assertEqual(Path(path).read_bytes(), data)
        self.village.until(lambda: self.ann.people.transfers.row(row.id).state == "done")

    def done_bytes(self) -> int:
        """Return how much of the only transfer has come."""
        return self.bob.people.transfers.rows()[0].done_bytes

    def test_a_direct_link_is_found_and_taken(self) -> None:
        """As soon as one of them can be reached; and the hub again when that is over."""
        self.assertTrue(self.are("hub", self.ann, self.bob))
        self.ann.events()
        self.show(self.bob)
        self.village.until(lambda: self.are("direct", self.ann, self.bob), 900)
        self.town.run(30)
        told = [each.contact.via for each in self.ann.events() if isinstance(each, ContactChanged)]
        self.assertEqual(told, ["direct"])
        self.assertEqual([len(hub.hub.sessions()) for hub in (self.hub,)], [2])
        self.hide(self.bob)
        self.village.until(lambda: self.are("hub", self.ann, self.bob), 60)

    def test_two_hundred_messages_while_the_link_moves(self) -> None:
        """All of them arrive, once and in order, at both sides."""
        said = 0
        for how in ("direct", "hub", "direct", "hub"):
            if how == "direct":
                self.show(self.bob)
            else:
                self.hide(self.bob)
            for _ in range(50):
                self.ann.say(self.bob, f"a{said}")
                self.bob.say(self.ann, f"b{said}")
                said += 1
                self.town.run(0.4)
            self.village.until(lambda how=how: self.are(how, self.ann, self.bob), 900)
        self.village.until(
            lambda: self.delivered(self.ann, self.bob) and self.delivered(self.bob, self.ann), 300
        )
        for one, letter in ((self.ann, "b"), (self.bob, "a")):
            other = self.bob if one is self.ann else self.ann
            theirs = [text for text in one.texts(other) if text.startswith(letter)]
            self.assertEqual(theirs, [f"{letter}{n}" for n in range(200)])


class MailTests(HubCase):
    def setUp(self) -> None:
        super().setUp()
        self.ann, self.bob = self.hidden(), self.hidden()
        self.village.acquaint(self.ann, self.bob)
        self.town.run(5)  # their cards are shown

    def away(self, person: Person) -> None:
        """Let somebody's node end."""
        self.town.end(person.node)
        self.village.until(lambda: person.key not in self.hub.members(), 60)

    def why(self, one: Person, other: Person) -> set[tuple[str, str]]:
        """Return the states of what one said to the other, each with why it is so."""
        return {(row.state, row.why) for row in one.mine(other)}

    def mails(self, person: Person) -> int:
        """Return how many mails wait for somebody."""
        return self.hub.mails(person.node.identity.public)

    def back(self, person: Person) -> Person:
        """Let somebody come back."""
        back = self.village.again(person, listen=False, hubs=[self.hub.address])
        back.node.reach.listening_on(PORT, [f"0.0.0.0:{PORT}"])
        return back

    def test_what_is_said_to_somebody_away_waits_in_the_mailbox(self) -> None:
        """The sender sees it, may go away, and it arrives when the other one is back."""
        self.away(self.bob)
        for n in range(5):
            self.ann.say(self.bob, f"m{n}")
        self.village.until(lambda: self.why(self.ann, self.bob) == {("sent", "in-mailbox")}, 120)
        self.assertGreaterEqual(self.mails(self.bob), 5)
        figures = shown(self.ann.node.metrics)
        self.assertEqual((figures["streembit_hubs_joined"], figures["streembit_hub_links"]), (1, 0))
        self.assertGreaterEqual(figures["streembit_mails_sent_total"], 5)
        self.away(self.ann)
        bob = self.back(self.bob)
        self.village.until(lambda: len(bob.texts(self.ann)) == 5, 20)
        self.village.until(lambda: not self.mails(bob), 5)
        ann = self.back(self.ann)
        self.village.until(lambda: self.delivered(ann, bob), 60)
        self.town.run(120)
        self.assertEqual(bob.texts(ann), [f"m{n}" for n in range(5)])
        self.assertEqual((self.mails(ann), self.mails(bob)), (0, 0))

    def test_mail_arrives_without_the_network(self) -> None:
        """All nodes that kept the parcels are gone; the mailbox has them."""
        self.away(self.bob)
        self.ann.say(self.bob, "by mail")
        self.village.until(lambda: self.why(self.ann, self.bob) == {("sent", "in-mailbox")}, 120)
        self.away(self.ann)
        seeds = self.town.nodes[:3]
        self.town.end(*seeds)
        bob = self.town.again(self.bob.node, listen=False, hubs=[self.hub.address])
        back = Person(self.village, bob, self.bob.chest, self.bob.number)
        bob.startService()
        self.village.until(lambda: back.texts(self.ann) == ["by mail"], 20)

    def test_the_network_has_it_where_no_hub_does(self) -> None:
        """Of a mailbox that is full the sender hears, and the message arrives all the same."""
        self.hub.kill()
        self.hub = TownHub(self.town, mail_limits=MailLimits(box_messages=2))
        self.addCleanup(self.hub.end)
        self.village.until(lambda: len(self.hub.members()) == 2)
        self.away(self.bob)
        for n in range(5):
            self.ann.say(self.bob, f"m{n}")
        states = {("sent", "in-mailbox"), ("sent", "mailbox-full")}
        self.village.until(lambda: self.why(self.ann, self.bob) == states, 120)
        bob = self.back(self.bob)
        self.village.until(lambda: len(bob.texts(self.ann)) == 5, 60)
        self.assertEqual(bob.texts(self.ann), [f"m{n}" for n in range(5)])
        self.village.until(lambda: self.delivered(self.ann, bob), 60)

    def test_a_mailbox_that_has_room_again(self) -> None:
        """What it did not take is sent once more after a while."""
        self.hub.kill()
        self.hub = TownHub(self.town, mail_limits=MailLimits(box_messages=1))
        self.addCleanup(self.hub.end)
        self.village.until(lambda: len(self.hub.members()) == 2)
        self.away(self.bob)
        for n in range(2):
            self.ann.say(self.bob, f"m{n}")
        states = {("sent", "in-mailbox"), ("sent", "mailbox-full")}
        self.village.until(lambda: self.why(self.ann, self.bob) == states, 120)
        self.hub.kill()
        self.hub = TownHub(self.town, mail_limits=MailLimits(box_messages=9))
        self.addCleanup(self.hub.end)
        self.village.until(lambda: self.why(self.ann, self.bob) == {("sent", "in-mailbox")}, 900)

    def test_S3_mail_that_cannot_be_kept_is_not_acknowledged(self) -> None:
        """While the disk is full it stays at the hub, and arrives once there is room."""
        self.away(self.bob)
        self.ann.say(self.bob, "for later")
        self.village.until(lambda: self.why(self.ann, self.bob) == {("sent", "in-mailbox")}, 120)
        self.away(self.ann)
        node = self.town.again(self.bob.node, listen=False, hubs=[self.hub.address])
        bob = Person(self.village, node, self.bob.chest, self.bob.number)
        node.startService()
        bob.chest.refusal = DiskFull()
        self.town.run(30)
        self.assertEqual((bob.texts(self.ann), self.mails(bob)), ([], 1))
        bob.chest.refusal = None
        self.hub.kill()
        self.hub.start()
        self.village.until(lambda: bob.texts(self.ann) == ["for later"], 60)
        self.village.until(lambda: not self.mails(bob), 5)
        self.flushLoggedErrors()

    def test_mail_of_strangers_is_refused_and_done_with(self) -> None:
        """It is counted, and does not come again."""
        eve = self.hidden()
        (hub,) = eve.node.hubs.own
        key = self.bob.node.identity.public
        sent = hub.mail(key, bytes(16), cargo.pack(cargo.PARCEL, b"hello"))
        self.assertIsInstance(self.town.result(sent), Kept)
        self.village.until(lambda: not self.mails(self.bob), 10)
        self.assertEqual(self.bob.node.refusals.counts(), {"key-refused": 1})

    def test_mail_of_a_contact_that_is_none(self) -> None:
        """What is no parcel of the pair is counted and done with; so is cargo of another kind."""
        (hub,) = self.ann.node.hubs.own
        key = self.bob.node.identity.public
        for n, data in enumerate((cargo.pack(cargo.PARCEL, b"x" * 100), b"\x07later")):
            self.town.result(hub.mail(key, bytes([n]) * 16, data))
        self.village.until(lambda: not self.mails(self.bob), 10)
        refused = self.bob.node.refusals.counts()
        self.assertEqual(refused, {"bad-parcel": 1, "bad-cargo": 1})


class PresenceTests(HubCase):
    def test_who_may_know_that_we_are_at_a_hub(self) -> None:
        """Contacts who are told of our presence, and nobody else; it can be taken back."""
        ann, bob, eve = self.hidden(), self.hidden(), self.hidden()
        self.village.acquaint(ann, bob)
        self.town.run(5)
        self.assertEqual(self.visible(bob, ann, eve), {ann.key})
        self.assertEqual(self.visible(eve, ann, bob), set())
        self.town.result(ann.desk.show_presence(bob.key, False))
        self.town.run(5)
        self.assertEqual(self.visible(bob, ann), set())
        self.assertEqual(self.visible(ann, bob), {bob.key})

    def visible(self, watcher: Person, *others: Person) -> set[str]:
        """Return the keys of those whom the hub shows to somebody."""
        keys = {other.node.identity.public.text: other.key for other in others}
        own = watcher.node.identity.public.text
        return {keys[key] for key in self.town.result(self.hub.hub.backplane.visible(own, [*keys]))}

    def test_a_contact_who_comes_to_a_hub_is_linked_to_at_once(self) -> None:
        """By somebody who looks rarely by now; the one who comes knows of no place to look at."""
        ann, bob = self.hidden(), self.hidden()
        self.village.acquaint(ann, bob)
        self.town.run(5)
        self.town.end(bob.node, *self.town.nodes[:3])
        self.town.run(4 * 3600)  # the next look is some minutes away
        node = self.town.again(bob.node, listen=False, hubs=[self.hub.address])
        forgetful = Person(self.village, node, bob.chest, bob.number)
        forgetful.people.register.book.set_addresses(ann.node.identity.public, [])
        forgetful.people.register.keep()
        node.startService()
        self.village.until(lambda: self.are("hub", ann, forgetful), 10)


class DirectoryTests(HubCase):
    def setUp(self) -> None:
        super().setUp()
        self.ann, self.bob = self.hidden(), self.hidden()

    def found(self, person: Person, name: str) -> list[FoundRow]:
        """Return whom somebody finds."""
        return self.town.result(person.desk.search_hubs(name)).found

    def test_from_a_search_to_a_contact(self) -> None:
        """Bob wants to be found; Ann finds him by the beginning of his name, and asks."""
        self.assertEqual(self.found(self.ann, self.bob.name), [])
        self.town.result(self.bob.desk.change_settings(None, None, None, "service"))
        entered = self.town.result(self.bob.desk.publish_entry("the one from the harbour"))
        self.assertEqual((entered.hubs, entered.failed), (["the hub"], {}))
        (row,) = self.found(self.ann, self.bob.name[:-1].upper())
        self.assertEqual((row.name, row.public_key), (self.bob.name, self.bob.key))
        self.assertEqual((row.note, row.hub), ("the one from the harbour", "the hub"))
        self.assertEqual(row.user_type, "service")
        self.town.result(self.ann.desk.request_contact(row.public_key, "Bob", "may I?"))
        self.village.until(lambda: bool(self.town.result(self.bob.desk.list_requests())), 60)
        (request,) = self.town.result(self.bob.desk.list_requests())
        self.town.result(self.bob.desk.accept_request(request.id, ""))
        self.village.until(lambda: self.village.are_contacts(self.ann, self.bob), 60)
        self.assertTrue(self.are("hub", self.ann, self.bob))
        self.assertEqual(self.found(self.ann, self.bob.name)[0].known_as, "Bob")

    def test_nobody_is_found_who_did_not_ask_for_it(self) -> None:
        """And nobody who has changed their mind; one who asks does not find oneself."""
        self.town.result(self.bob.desk.publish_entry(""))
        self.assertEqual(self.found(self.bob, self.bob.name), [])
        self.assertEqual(self.found(self.bob, self.ann.name), [])
        self.assertFalse(self.town.result(self.bob.desk.withdraw_entry()).wanted)
        self.assertEqual(self.found(self.ann, self.bob.name), [])

    def test_an_entry_is_published_anew(self) -> None:
        """At each joining: who was asked once to be found stays so, and its time goes on."""
        self.town.result(self.bob.desk.publish_entry("hi"))
        (before,) = self.found(self.ann, self.bob.name)
        self.town.end(self.bob.node)
        self.town.run(60)
        node = self.town.again(self.bob.node, listen=False, hubs=[self.hub.address])
        bob = Person(self.village, node, self.bob.chest, self.bob.number)
        node.startService()
        self.village.until(lambda: bool(node.hubs.own[0].seat))
        self.town.run(1)
        (after,) = self.found(self.ann, bob.name)
        self.assertGreaterEqual(after.expires, before.expires + 60)
        self.assertEqual((after.note, self.town.result(bob.desk.entry()).wanted), ("hi", True))

    def test_under_a_former_key_nobody_is_found(self) -> None:
        """Who takes another key is found under that one alone, also while both last."""
        self.town.result(self.bob.desk.publish_entry("hi"))
        (before,) = self.found(self.ann, self.bob.name)
        self.town.result(self.bob.desk.rotate_key(None))
        self.assertEqual(self.found(self.ann, self.bob.name), [])
        new = self.bob.drawer.next
        assert new is not None
        self.town.end(self.bob.node)
        self.town.run(5)
        bob = self.village.again(self.bob, identity=new, listen=False, hubs=[self.hub.address])
        self.village.until(lambda: bool(self.found(self.ann, bob.name)), 60)
        (after,) = self.found(self.ann, bob.name)
        self.assertEqual((before.public_key == after.public_key, after.note), (False, "hi"))

    def test_nobody_is_found_by_a_key_that_is_void(self) -> None:
        """It is not published at the next joining either, and cannot be."""
        self.town.result(self.bob.desk.publish_entry("hi"))
        self.town.result(self.bob.desk.revoke_key(None))
        self.assertEqual(self.found(self.ann, self.bob.name), [])
        self.hub.kill()
        self.town.run(60)
        self.hub.start()
        self.village.until(lambda: len(self.hub.members()) == 2, 120)
        self.town.run(60)
        self.assertEqual(self.found(self.ann, self.bob.name), [])
        done = Deferred.fromCoroutine(self.bob.desk.publish_entry("hi"))
        self.failureResultOf(done, KeyRevoked)

    def test_without_a_hub(self) -> None:
        """It is said what is missing."""
        eve = self.village.person()
        for asked in (eve.desk.search_hubs("ann"), eve.desk.publish_entry("")):
            done = Deferred.fromCoroutine(asked)
            self.failureResultOf(done, NoHub)
        self.failureResultOf(Deferred.fromCoroutine(self.ann.desk.search_hubs("a")), BadName)


class AdminTests(HubCase):
    """A member that may shut others out of a private hub, at her own node."""

    def setUp(self) -> None:
        super().setUp()
        self.ann, self.bob = self.hidden(), self.hidden()
        self.hub.kill()
        self.path = self.village.folder / "allowlist.json"
        self.path.touch(mode=0o600)
        self.path.write_text(
            json.dumps({"members": [self.row(self.ann, "admin"), self.row(self.bob)]})
        )
        file = AllowlistFile(self.path)
        self.hub = TownHub(self.town, members=finish(file.load()))
        self.addCleanup(self.hub.end)
        HubDesk(self.hub.hub, file, "plain", lambda: "")
        self.village.until(lambda: len(self.hub.members()) == 2, 60)

    def row(self, person: Person, *more: str) -> dict[str, object]:
        """Return the row of somebody who may relay, and more."""
        permissions = ["relay", *more]
        return {"account": person.name, "public_key": person.key, "permissions": permissions}

    def test_H2_she_shuts_a_member_out(self) -> None:
        """For now, and then for good; a member without the permission is refused."""
        hub, desk = self.hub.identity.public.hex, Desk(self.ann.node)
        before = self.hub.hub.find(self.bob.node.identity.public.text)
        assert before is not None
        self.town.result(desk.kick_member(hub, self.bob.key))
        self.village.until(lambda: len(self.hub.members()) == 2, 60)
        self.assertTrue(before.ended)
        with self.assertRaises(RemoteRefusal) as refused:
            self.town.result(Desk(self.bob.node).dismiss_member(hub, self.ann.key))
        self.assertEqual(refused.exception.code, "not-permitted")
        self.town.result(desk.dismiss_member(hub, self.bob.key))
        self.assertEqual(self.hub.members(), {self.ann.key})
        self.town.run(600)
        self.assertEqual(self.hub.members(), {self.ann.key})
        self.assertNotIn(self.bob.key, self.path.read_text())

    def test_only_at_hubs_of_her_own(self) -> None:
        """And only by whole keys."""
        desk = Desk(self.ann.node)
        for hub, member, error in (
            (self.bob.key, self.bob.key, NoHub),
            ("02", self.bob.key, BadKey),
            (self.hub.identity.public.hex, self.bob.name, BadKey),
        ):
            with self.assertRaises(error):
                self.town.result(desk.kick_member(hub, member))
        self.assertEqual(len(self.hub.members()), 2)
