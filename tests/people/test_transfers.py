"""Files from one account to another: words, payloads, deaths, full disks, and who is told what."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import (
    BadFrame,
    DiskFull,
    NoSuchTransfer,
    NotEnoughSpace,
    NotFound,
    OutboxFull,
    TransferState,
)
from streembit.files.receiving import MAX_STRAY_BYTES
from streembit.files.turns import MAX_OFFERS_WAITING, MAX_RUNNING
from streembit.jose.base64url import decode as b64decode
from streembit.jose.base64url import encode as b64
from streembit.service.people.patience import LOOK_EVERY_S, SILENCE_S
from streembit.service.people.roll import MAX_FINISHED, TELL_EVERY_S
from streembit.wire.transfer import (
    CHUNK_BYTES,
    MAX_BLOCK_BYTES,
    Ask,
    FileContent,
    FileEnd,
    FileOffer,
    FileVerdict,
    pack_ask,
    pack_block,
)
from tests.files.rig import contents
from tests.people.duo import Duo, Wire
from tests.people.test_capture import LogEars

T = TypeVar("T")
SIZE = 3 * CHUNK_BYTES + 77_777


class TransferCase(SynchronousTestCase):
    """Alice has files, Bob has a folder."""

    def setUp(self) -> None:
        self.duo = Duo(self)
        self.alice, self.bob = self.duo.alice, self.duo.bob
        self.addCleanup(self.duo.close)

    def write(self, **files: int) -> dict[str, bytes]:
        """Write files of these lengths for Alice; `__` in a name stands for a folder's end."""
        made: dict[str, bytes] = {}
        for name, size in files.items():
            path = self.duo.source / name.replace("__", "/")
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(contents(size, len(made)))
            made[f"source/{name.replace('__', '/')}"] = path.read_bytes()
        return made

    def states(self) -> tuple[str, str]:
        """Return the states of the only transfer at both ends."""
        return self.alice.row().state, self.bob.row().state


class WayTests(TransferCase):
    """The usual way."""

    def test_a_folder_arrives(self) -> None:
        """Offered, accepted, moved, done; both know, and nothing else is left."""
        files = self.write(a=SIZE, d__b=0, d__c=70_000)
        self.duo.connect()
        transfer = self.duo.offer()
        self.assertEqual(self.states(), ("offered", "offered"))
        row = self.bob.row()
        self.assertEqual((row.name, row.files, row.total_bytes), ("source", 3, SIZE + 70_000))
        self.duo.accept(transfer)
        self.duo.run()
        self.assertEqual(self.states(), ("done", "done"))
        self.assertEqual(self.bob.files(), files)
        self.assertEqual(os.listdir(self.bob.downloads), ["source"])
        for party in (self.alice, self.bob):
            self.assertEqual(party.row().done_bytes, SIZE + 70_000)
            self.assertEqual(party.told[-1].state, "done")
        self.assertEqual(self.bob.row().paths, [str(self.bob.downloads / "source")])

    def test_done_means_that_the_files_have_their_names(self) -> None:
        """Not only that their bytes are there."""
        self.write(a=10)
        waiting: list[Callable[[], None]] = []

        def disk(work: Callable[[], T], /) -> Deferred[T]:
            done: Deferred[T] = Deferred()
            waiting.append(lambda: done.callback(work()))
            return done

        self.bob.disk = disk
        self.duo.kill(self.bob)
        self.duo.connect()
        transfer = self.duo.offer()
        Deferred.fromCoroutine(self.bob.transfers.accept(transfer))
        seen = []
        while waiting or self.bob.row().state != "done":
            (waiting.pop(0) if waiting else self.duo.step)()
            seen.append((self.bob.row().state, (self.bob.downloads / "source" / "a").exists()))
        self.assertEqual({there for state, there in seen if state == "done"}, {True})

    def test_a_folder_of_one_s_choice(self) -> None:
        """It is made where there is none."""
        self.write(a=10)
        self.duo.connect()
        self.duo.accept(self.duo.offer(), self.bob.folder / "x" / "y")
        self.duo.run()
        self.assertEqual(os.listdir(self.bob.folder / "x" / "y"), ["source"])

    def test_the_link_comes_later(self) -> None:
        """Words travel without one; the files when it is there."""
        files = self.write(a=SIZE)
        self.duo.accept(self.duo.offer())
        self.duo.run()
        self.assertEqual(self.states(), ("accepted", "accepted"))
        self.duo.connect()
        self.duo.run()
        self.assertEqual(self.bob.files(), files)

    def test_the_ask_comes_before_the_verdict(self) -> None:
        """Links and words are two ways: who asks has accepted."""
        files = self.write(a=100)
        self.duo.begin()
        verdict = self.bob.words.popleft()
        self.duo.run()
        self.bob.words.append(verdict)
        self.duo.run()
        self.assertEqual(self.states(), ("done", "done"))
        self.assertEqual(self.bob.files(), files)

    def test_denied(self) -> None:
        """Both know, and it cannot be accepted any more."""
        self.write(a=10)
        transfer = self.duo.offer()
        self.bob.transfers.deny(transfer)
        self.duo.run()
        self.assertEqual(self.states(), ("denied", "denied"))
        work = Deferred.fromCoroutine(self.bob.transfers.accept(transfer))
        self.failureResultOf(work, TransferState)

    def test_cancelled_by_either(self) -> None:
        """At any time; nothing of it stays on the disk."""
        for canceller, other in (("alice", "bob"), ("bob", "alice")):
            for when in (0, 5, 20, 40):
                self.setUp()
                self.write(a=SIZE)
                transfer = self.duo.begin(when)
                getattr(self.duo, canceller).transfers.cancel(transfer)
                self.duo.run()
                self.assertEqual(self.states(), ("failed", "failed"))
                self.assertEqual(getattr(self.duo, other).row().why, "cancelled")
                self.assertEqual(os.listdir(self.bob.downloads), [])
                with self.assertRaises(TransferState):
                    self.bob.transfers.cancel(transfer)

    def test_an_offer_that_is_taken_back(self) -> None:
        """Bob cannot accept it any more."""
        self.write(a=10)
        transfer = self.duo.offer()
        self.alice.transfers.cancel(transfer)
        self.duo.run()
        self.assertEqual(self.states(), ("failed", "failed"))

    def test_paused_by_either_and_on_again(self) -> None:
        """Nothing moves in between, also over a new link."""
        for pauser in ("alice", "bob"):
            self.setUp()
            files = self.write(a=SIZE, b=SIZE)
            transfer = self.duo.begin(30)
            party = getattr(self.duo, pauser)
            row = party.transfers.pause(transfer)
            self.assertEqual((row.state, row.why), ("paused", "paused"))
            self.duo.run()
            held = self.bob.row().done_bytes
            self.duo.cut()
            self.duo.connect()
            self.duo.run()
            self.assertEqual(self.bob.row().done_bytes, held)
            party.transfers.resume(transfer)
            self.duo.run()
            self.assertEqual(self.states(), ("done", "done"), pauser)
            self.assertEqual(self.bob.files(), files)

    def test_a_senders_pause_is_told_to_the_receiver(self) -> None:
        """It waits, for as long as it takes, also after a death, and goes on when that is over."""
        self.write(a=SIZE)
        transfer = self.duo.begin(30)
        self.alice.transfers.pause(transfer)
        self.duo.run()
        self.assertEqual((self.bob.row().state, self.bob.row().why), ("paused", "sender-paused"))
        self.duo.kill(self.bob)
        self.duo.connect()
        self.duo.clock.pump([LOOK_EVERY_S] * 20)
        self.duo.run()
        self.assertEqual((self.bob.row().state, self.bob.row().why), ("paused", "sender-paused"))
        self.alice.transfers.resume(transfer)
        self.duo.run()
        self.assertEqual(self.states(), ("done", "done"))
        self.assertEqual(self.bob.row().why, "")

    def test_a_pause_that_could_not_be_told_is_told_later(self) -> None:
        """As all words about files are."""
        self.write(a=SIZE)
        transfer = self.duo.begin(30)
        self.alice.mouth = self.refuse
        self.alice.transfers.pause(transfer)
        self.duo.run()
        self.assertEqual(self.bob.row().state, "running")
        self.alice.mouth = self.alice.say
        self.duo.clock.pump([LOOK_EVERY_S])
        self.duo.run()
        self.assertEqual(self.bob.row().why, "sender-paused")

    def test_the_pauses_of_both_ends_are_two(self) -> None:
        """The end of one is not that of the other."""
        self.write(a=SIZE)
        transfer = self.duo.begin(30)
        self.bob.transfers.pause(transfer)
        self.alice.transfers.pause(transfer)
        self.duo.run()
        self.assertEqual(self.bob.row().why, "paused")
        self.alice.transfers.resume(transfer)
        self.duo.run()
        self.assertEqual((self.bob.row().state, self.bob.row().why), ("paused", "paused"))
        self.bob.transfers.resume(transfer)
        self.duo.run()
        self.assertEqual(self.states(), ("done", "done"))

    def refuse(self, contact: str, word: object) -> None:
        """Have no room for a word."""
        raise OutboxFull

    def test_folders_without_files(self) -> None:
        """They are there at the other end, whether files lie beside them or not."""
        self.write(a=10)
        (self.duo.source / "bare" / "inner").mkdir(parents=True)
        (self.duo.source / "alone").mkdir()
        self.duo.connect()
        self.duo.accept(self.duo.offer())
        self.duo.run()
        self.duo.accept(self.duo.offer(self.duo.source / "alone"))
        self.duo.run()
        folders = [path for path in self.bob.downloads.rglob("*") if path.is_dir()]
        found = {str(path.relative_to(self.bob.downloads)) for path in folders}
        self.assertEqual(
            found, {"source", "source/bare", "source/bare/inner", "source/alone", "alone"}
        )
        self.assertEqual([row.state for row in self.alice.transfers.rows()], ["done", "done"])

    def test_several_at_once(self) -> None:
        """In both directions; each arrives."""
        self.write(a=SIZE)
        self.duo.connect()
        transfers = [self.duo.offer() for _ in range(3)]
        for transfer in transfers:
            self.duo.accept(transfer)
        back = self.bob.folder / "back"
        back.write_bytes(contents(SIZE, 9))
        row = self.successResultOf(
            Deferred.fromCoroutine(self.bob.transfers.offer("alice", [back]))
        )
        self.duo.run()
        work = self.alice.transfers.accept(row.id)
        self.successResultOf(Deferred.fromCoroutine(work))
        self.duo.run()
        self.assertEqual({row.state for row in self.bob.transfers.rows()}, {"done"})
        names = sorted(os.listdir(self.bob.downloads))
        self.assertEqual(names, ["source", "source (2)", "source (3)"])
        self.assertEqual((self.alice.downloads / "back").read_bytes(), contents(SIZE, 9))

    def test_so_many_run_at_a_time(self) -> None:
        """The others wait for their turn."""
        self.write(a=300_000)
        transfers = [self.duo.offer() for _ in range(MAX_RUNNING + 3)]
        for transfer in transfers:
            self.duo.accept(transfer)
        self.duo.connect()
        states = [row.state for row in self.bob.transfers.rows()]
        self.assertEqual(states.count("running"), MAX_RUNNING)
        self.duo.run()
        self.assertEqual({row.state for row in self.bob.transfers.rows()}, {"done"})

    def test_who_is_silent_lets_others_go_first(self) -> None:
        """A minute of nothing, and those that wait have the places."""
        self.write(a=300_000)
        self.duo.connect()
        transfers = [self.duo.offer() for _ in range(MAX_RUNNING + 3)]
        for transfer in transfers:
            self.duo.accept(transfer)
        assert self.bob.wire is not None
        self.bob.wire.waiting.clear()  # no ask reaches Alice
        self.duo.clock.pump([LOOK_EVERY_S] * int(SILENCE_S / LOOK_EVERY_S + 1))
        states = {row.id: row.state for row in self.bob.transfers.rows()}
        self.assertEqual({states[late] for late in transfers[MAX_RUNNING:]}, {"running"})
        self.assertEqual(list(states.values()).count("running"), MAX_RUNNING)

    def test_progress_is_told_now_and_then(self) -> None:
        """Not at each block."""
        self.write(a=SIZE)
        self.duo.begin()
        before = len(self.bob.told)
        self.duo.run(until=lambda: self.bob.row().done_bytes > 2 * CHUNK_BYTES)
        self.assertEqual(len(self.bob.told), before)
        self.duo.clock.advance(2 * TELL_EVERY_S)
        self.assertEqual(len(self.bob.told), before + 1)
        self.assertGreater(self.bob.told[-1].done_bytes, 2 * CHUNK_BYTES)
        self.assertGreater(self.bob.told[-1].rate_bytes_s, 100_000)
        self.duo.run()

    def test_what_is_left_out_is_told(self) -> None:
        """To the user, in the answer, and not in the log, where no name of a file belongs."""
        self.write(a=1)
        (self.duo.source / "link").symlink_to("/etc")
        log = LogEars()
        globalLogPublisher.addObserver(log)
        self.addCleanup(globalLogPublisher.removeObserver, log)
        work = self.alice.transfers.offer("bob", [self.duo.source])
        row = self.successResultOf(Deferred.fromCoroutine(work))
        self.assertEqual(len(row.left_out), 1)
        self.assertIn("link: a symbolic link, which is not followed", row.left_out[0])
        self.assertEqual([line for line in log.lines if "link" in line], [])
        self.assertEqual(self.alice.row().left_out, [])

    def test_what_cannot_be_offered(self) -> None:
        """It is said, and nothing is kept."""
        work = self.alice.transfers.offer("bob", [self.duo.source / "missing"])
        self.failureResultOf(Deferred.fromCoroutine(work), NotFound)
        self.assertEqual(self.alice.transfers.rows(), [])


class DeathTests(TransferCase):
    """Whoever dies, whenever."""

    def test_S1_killed_at_random(self) -> None:
        """The files arrive, and of each death little is sent twice."""
        chance = Random(7)
        for dies in ("alice", "bob", "link"):
            self.setUp()
            files = self.write(a=SIZE, b=SIZE, c__d=10, e=0)
            self.duo.begin()
            sent = 0
            for _ in range(4):
                for _ in range(chance.randrange(60)):
                    self.duo.step()
                wire = self.alice.wire
                sent += 0 if wire is None else wire.sent_bytes - sum(map(len, wire.waiting))
                if dies == "link":
                    self.duo.cut()
                else:
                    self.duo.kill(getattr(self.duo, dies))
                self.duo.connect()
            self.duo.run()
            assert self.alice.wire is not None
            sent += self.alice.wire.sent_bytes
            self.assertEqual(self.states(), ("done", "done"), dies)
            self.assertEqual(self.bob.files(), files)
            self.assertLess(sent, 2 * SIZE + 4 * (CHUNK_BYTES + 2000) + 20_000)

    def test_S1_the_offer_outlives_a_death(self) -> None:
        """Also one that happened before the word was said."""
        self.write(a=10)
        work = self.alice.transfers.offer("bob", [self.duo.source])
        self.successResultOf(Deferred.fromCoroutine(work))
        self.duo.run()
        transfer = self.bob.row().id
        for party in (self.alice, self.bob):
            self.duo.kill(party)
        self.assertEqual(self.states(), ("offered", "offered"))
        self.duo.connect()
        self.duo.accept(transfer)
        self.duo.kill(self.bob)
        self.duo.connect()
        self.duo.run()
        self.assertEqual(self.states(), ("done", "done"))

    def test_S1_a_word_that_was_kept_and_not_said(self) -> None:
        """It is said at the next start."""
        self.write(a=10)
        transfer = self.duo.offer()

        def die(_contact: str, _word: object) -> None:
            raise KeyboardInterrupt

        self.bob.mouth = die
        with self.assertRaises(KeyboardInterrupt):
            self.bob.transfers.deny(transfer)
        self.bob.mouth = self.bob.say
        self.duo.kill(self.bob)
        self.duo.run()
        self.assertEqual(self.states(), ("denied", "denied"))

    def test_a_pause_outlives_a_death(self) -> None:
        """What our user stopped does not go on by itself."""
        self.write(a=SIZE)
        transfer = self.duo.begin(20)
        self.bob.transfers.pause(transfer)
        self.duo.kill(self.bob)
        self.duo.connect()
        self.duo.run()
        self.assertEqual((self.bob.row().state, self.bob.row().why), ("paused", "paused"))
        self.bob.transfers.resume(transfer)
        self.duo.run()
        self.assertEqual(self.states(), ("done", "done"))

    def test_S2_a_private_folder_that_is_gone(self) -> None:
        """It pauses, and says why."""
        self.write(a=SIZE)
        transfer = self.duo.begin(20)
        self.duo.kill(self.bob)
        (private,) = self.bob.downloads.iterdir()
        private.rename(self.bob.folder / "elsewhere")
        self.duo.connect()
        self.duo.run()
        self.assertEqual((self.bob.row().state, self.bob.row().why), ("paused", "disk-failed"))
        (self.bob.folder / "elsewhere").rename(private)
        self.bob.transfers.resume(transfer)
        self.duo.run()
        self.assertEqual(self.states(), ("done", "done"))

    def test_another_link_takes_over(self) -> None:
        """What comes by the old one afterwards does no harm."""
        files = self.write(a=SIZE)
        self.duo.begin(20)
        old = self.alice.wire
        assert old is not None
        self.duo.connect()
        link = self.bob.wire
        assert link is not None
        while old.waiting:
            self.bob.transfers.payload("alice", link, old.take())
        self.duo.run()
        self.assertEqual(self.states(), ("done", "done"))
        self.assertEqual(self.bob.files(), files)

    def test_a_link_that_closes_while_there_is_another(self) -> None:
        """Nobody says that it is gone; the next look goes on over the other."""
        files = self.write(a=SIZE)
        self.duo.begin(20)
        for party in (self.alice, self.bob):
            assert party.wire is not None
            party.wire.is_open = False
            party.wire = Wire()
        self.bob.found = self.bob.wire
        self.duo.clock.advance(LOOK_EVERY_S)
        self.duo.run()
        self.assertEqual(self.states(), ("done", "done"))
        self.assertEqual(self.bob.files(), files)

    def test_an_ask_by_a_link_that_was_left(self) -> None:
        """It comes late, and does not lead the sender back."""
        files = self.write(a=SIZE)
        self.duo.begin()
        self.duo.run(lambda: self.bob.row().done_bytes > CHUNK_BYTES)
        left = self.alice.wire
        late = pack_ask(Ask(b64decode(self.alice.row().id), 0, 2, 0, SIZE))
        assert left is not None
        self.duo.connect()
        for _ in range(3):
            self.duo.step()
        self.alice.transfers.payload("bob", left, late)
        self.duo.run()
        self.assertEqual(self.states(), ("done", "done"))
        self.assertEqual(self.bob.files(), files)

    def test_a_link_takes_over_at_the_first_moment(self) -> None:
        """While the disk looks what is there; the asks go by the new one."""
        files = self.write(a=SIZE)
        waiting: list[Callable[[], None]] = []

        def disk(work: Callable[[], T], /) -> Deferred[T]:
            done: Deferred[T] = Deferred()
            waiting.append(lambda: done.callback(work()))
            return done

        self.duo.begin()
        self.duo.run()
        self.assertEqual(self.bob.files(), files)
        self.bob.disk = disk
        self.duo.kill(self.bob)
        self.duo.connect()
        again = self.duo.offer()
        work = Deferred.fromCoroutine(self.bob.transfers.accept(again))
        while not work.called:
            waiting.pop(0)()
        self.assertEqual(self.bob.transfers.row(again).state, "accepted")
        self.duo.connect()
        for _ in range(200):
            self.duo.run()
            while waiting:
                waiting.pop(0)()
        self.assertEqual(self.bob.transfers.row(again).state, "done")

    def test_S3_a_word_that_cannot_be_said_now(self) -> None:
        """It is said later."""
        self.write(a=10)
        transfer = self.duo.offer()

        def refuse(_contact: str, _word: FileContent) -> object:
            raise DiskFull

        self.bob.mouth = refuse
        self.bob.transfers.deny(transfer)
        self.duo.run()
        self.assertEqual(self.states(), ("offered", "denied"))
        self.bob.mouth = self.bob.say
        self.duo.clock.advance(LOOK_EVERY_S)
        self.duo.run()
        self.assertEqual(self.states(), ("denied", "denied"))

    def test_a_sender_that_lost_our_asks(self) -> None:
        """After a minute of silence they are sent anew."""
        files = self.write(a=SIZE)
        self.duo.begin(20)
        for party in (self.alice, self.bob):
            assert party.wire is not None
            while party.wire.waiting:
                party.wire.take()
        self.duo.clock.pump([LOOK_EVERY_S] * int(SILENCE_S / LOOK_EVERY_S + 1))
        self.duo.run()
        self.assertEqual(self.states(), ("done", "done"))
        self.assertEqual(self.bob.files(), files)


class DiskTests(TransferCase):
    """Disks that are full or fail, files that change."""

    def test_L3_no_room(self) -> None:
        """A sparse file of eight terabytes is offered, and not accepted."""
        with (self.duo.source / "a").open("wb") as file:
            file.truncate(2**43)
        transfer = self.duo.offer()
        work = Deferred.fromCoroutine(self.bob.transfers.accept(transfer))
        self.failureResultOf(work, NotEnoughSpace)
        self.assertEqual(self.bob.row().state, "offered")
        self.assertEqual(list(self.bob.downloads.iterdir()), [])

    def test_S3_a_disk_that_fills_up(self) -> None:
        """The transfer pauses with the reason, keeps what came, and goes on by itself."""
        files = self.write(a=SIZE, b=SIZE)
        full = [False]

        def disk(work: Callable[[], T], /) -> Deferred[T]:
            return Deferred.fromCoroutine(self.run_or_refuse(work, full))

        self.bob.disk = disk
        self.duo.kill(self.bob)
        self.duo.begin()
        self.duo.run(until=lambda: self.bob.row().done_bytes > CHUNK_BYTES)
        full[0] = True
        self.duo.run()
        row = self.bob.row()
        self.assertEqual((row.state, row.why), ("paused", "disk-full"))
        self.assertGreater(row.done_bytes, CHUNK_BYTES // 2)
        full[0] = False
        self.duo.clock.advance(LOOK_EVERY_S)
        self.duo.run()
        self.assertEqual(self.states(), ("done", "done"))
        self.assertEqual(self.bob.files(), files)

    async def run_or_refuse(self, work: Callable[[], T], full: list[bool]) -> T:
        if full[0]:
            raise DiskFull(os.strerror(errno.ENOSPC))
        return work()

    def test_S3_a_chest_that_cannot_be_written(self) -> None:
        """Nothing is promised that is not kept."""
        self.write(a=10)
        transfer = self.duo.offer()
        self.bob.chest.refusal = DiskFull("no room")
        work = Deferred.fromCoroutine(self.bob.transfers.accept(transfer))
        self.failureResultOf(work, DiskFull)
        self.assertEqual(list(self.bob.words), [])

    def test_files_that_change_meanwhile(self) -> None:
        """Both ends are told; nothing of them is kept."""
        self.write(a=SIZE)
        self.duo.begin(20)
        (self.duo.source / "a").write_bytes(b"other")
        self.duo.run()
        self.assertEqual(self.states(), ("failed", "failed"))
        self.assertEqual(self.bob.row().why, "file-changed")
        self.assertEqual(os.listdir(self.bob.downloads), [])


class HostileTests(TransferCase):
    """A contact who keeps to no rule."""

    def offer_of(self, number: int, **other: object) -> FileOffer:
        fields = {
            "transfer": b64(number.to_bytes(16)),
            "name": "x",
            "files": 1,
            "total_bytes": 10,
            "manifest": b64(bytes(32)),
            "manifest_bytes": 12,
        }
        return FileOffer(**{**fields, **other})  # type: ignore[arg-type]

    def test_C6_a_flood_of_offers(self) -> None:
        """So many wait, the others are ended; other contacts' are not."""
        for number in range(3 * MAX_OFFERS_WAITING):
            self.bob.transfers.hear("mallory", self.offer_of(number))
        self.assertEqual(len(self.bob.transfers.rows()), MAX_OFFERS_WAITING)
        self.assertEqual(len(self.bob.words), 2 * MAX_OFFERS_WAITING)
        self.bob.transfers.hear("alice", self.offer_of(1000))
        self.assertEqual(len(self.bob.transfers.rows()), MAX_OFFERS_WAITING + 1)

    def test_offers_that_were_taken_back_are_forgotten(self) -> None:
        """Only so many of what is over are shown and kept."""
        for number in range(MAX_FINISHED + 50):
            offer = self.offer_of(number)
            self.bob.transfers.hear("mallory", offer)
            self.bob.transfers.hear("mallory", FileEnd(offer.transfer, "cancelled"))
        self.assertEqual(len(self.bob.transfers.rows()), MAX_FINISHED)
        self.assertEqual(len(self.bob.chest.all("transfers")), MAX_FINISHED)

    def test_A9_another_contact_s_transfer(self) -> None:
        """Who is not part of it decides, ends, asks and sends nothing."""
        self.write(a=SIZE)
        self.duo.connect()
        transfer = self.duo.offer()
        other = self.bob.wire
        assert other is not None
        for word in (FileVerdict(transfer, accepted=True), FileEnd(transfer, "done")):
            self.alice.transfers.hear("mallory", word)
        self.bob.transfers.hear("mallory", self.offer_of(1, transfer=transfer))
        self.assertEqual(self.states(), ("offered", "offered"))
        self.duo.accept(transfer)
        for _ in range(9):
            self.duo.step()
        raw = self.raw(transfer)
        self.alice.transfers.payload("mallory", other, pack_ask(Ask(raw, 0, 1, 0, 10)))
        self.bob.transfers.payload("mallory", other, pack_block(raw, 0, 2, 0, b"evil"))
        self.assertEqual(self.alice.words[-1][0], "mallory")
        self.alice.words.clear()
        self.bob.words.clear()
        self.duo.run()
        self.assertEqual((self.duo.source / "a").read_bytes(), self.bob.files()["source/a"])

    def raw(self, transfer: str) -> bytes:
        """Return an id as frames carry it."""
        return b64decode(transfer)

    def test_blocks_of_nothing(self) -> None:
        """They are counted, and end the link."""
        self.duo.connect()
        wire = self.bob.wire
        assert wire is not None and self.alice.wire is not None
        for _ in range(MAX_STRAY_BYTES // MAX_BLOCK_BYTES + 1):
            self.alice.wire.waiting.append(pack_block(bytes(16), 0, 1, 0, bytes(MAX_BLOCK_BYTES)))
        self.duo.run()
        self.assertEqual([error.code for error in self.bob.refusals], ["bad-block"])
        self.assertEqual(len(self.bob.words), 0)

    def test_frames_that_are_none(self) -> None:
        """They end the link."""
        self.duo.connect()
        wire = self.bob.wire
        assert wire is not None
        with self.assertRaises(BadFrame):
            self.bob.transfers.payload("alice", wire, b"\0\1\2")

    def test_asks_that_make_no_sense(self) -> None:
        """They end the transfer, for both."""
        self.write(a=SIZE)
        self.duo.connect()
        transfer = self.duo.offer()
        assert self.bob.wire is not None
        self.bob.wire.send(pack_ask(Ask(self.raw(transfer), 7, 1, 0, 10)))
        self.duo.run()
        self.assertEqual(self.alice.row().why, "bad-ask")
        self.assertEqual(self.bob.row().why, "bad-ask")

    def test_asks_for_what_is_over(self) -> None:
        """The contact is told that it is."""
        self.write(a=10)
        transfer = self.duo.offer()
        self.duo.accept(transfer)
        self.duo.run()
        self.alice.transfers.cancel(transfer)
        self.alice.words.clear()  # the word is lost, as by a backup that was put back
        self.duo.connect()
        self.duo.run()
        self.assertEqual(self.bob.row().why, "cancelled")

    def test_a_contact_that_is_none_any_more(self) -> None:
        """Its transfers end."""
        self.write(a=SIZE)
        self.duo.begin(9)
        self.bob.transfers.forget("alice")
        self.assertEqual(self.bob.row().state, "failed")
        self.assertEqual(list(self.bob.downloads.iterdir()), [])

    def test_ids_that_there_are_not(self) -> None:
        """Our user is told."""
        for call in (
            self.bob.transfers.deny,
            self.bob.transfers.cancel,
            self.bob.transfers.pause,
            self.bob.transfers.resume,
            self.bob.transfers.row,
        ):
            with self.assertRaises(NoSuchTransfer):
                call("x")


class FolderTests(TransferCase):
    """What is said of a path."""

    def test_the_private_folder_is_the_only_one_until_the_end(self) -> None:
        """It is hidden, and its name tells nothing."""
        self.write(a=SIZE)
        self.duo.begin(20)
        (private,) = self.bob.downloads.iterdir()
        self.assertRegex(private.name, r"^\.streembit-[0-9a-f]{16}$")
        self.assertNotIn("source", str(list(Path(private).rglob("*"))))
