"""The front desk of real nodes on the in-memory network, asked directly and by the command line."""

from __future__ import annotations

import base64
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from streembit.disk.files import SYSTEM
from streembit.errors import BadKey, BadName, NoPeers, NotFound, StreembitError
from streembit.jose import fingerprint
from streembit.net.gate import GateLimits
from streembit.service.desk import Desk
from streembit.service.doctor import Doctor
from streembit.service.facade import Check, NodeFacade
from streembit.service.homecheck import MIN_FREE_BYTES
from streembit.service.limits import NodeLimits
from streembit.service.membership import Address
from streembit.service.node import Node
from streembit.service.settings import NetworkSettings
from streembit.wire.offer import Address as HubAddress
from tests.api.fake import FakeNode
from tests.cli.harness import NodeTestCase
from tests.disk.places import a_folder
from tests.service.town import NETWORK, PORT, Town

NAME = "BusinessName/Usecase/AppName"
TTL_S = 3600


class DeskTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = Town(self)
        self.town.grow(5)
        self.town.join()

    def desk(self, number: int) -> Desk:
        return self.town.desk(self.town.nodes[number])

    def put(self, number: int, value: bytes, name: str = NAME) -> Any:
        return self.town.result(self.desk(number).put_record(name, value, TTL_S))

    def get(self, number: int, owner: str, name: str = NAME) -> Any:
        return self.town.result(self.desk(number).get_record(owner, name))

    def refused(self, work: Coroutine[Any, Any, object], kind: type[StreembitError]) -> Any:
        with self.assertRaises(kind) as caught:
            self.town.result(work)
        return caught.exception


class RecordTests(DeskTestCase):
    def test_all_ways_to_name_the_owner(self) -> None:
        """Key, node id and fingerprint, in whatever case and spacing people write them."""
        self.put(1, b"hello")
        key = self.town.nodes[1].identity.public
        shown = fingerprint.of(key)
        for owner in (
            key.hex,
            key.hex.upper(),
            f"{self.town.nodes[1].network.id:040x}",
            f" {self.town.nodes[1].network.id:040X} ",
            shown,
            shown.replace(" ", "").lower(),
        ):
            for number in range(5):
                found = self.get(number, owner)
                self.assertEqual((found.value, found.signer), (b"hello", key.hex), owner)

    def test_an_owner_who_is_gone_is_found_by_its_key_record(self) -> None:
        """Nobody has a link to it any more; id and fingerprint still tell the key."""
        self.put(1, b"hello")
        owner = self.town.nodes[1]
        self.town.run(30)
        self.town.memory.kill("10.0.1.1")
        owner.stopService()
        self.town.run(120)
        newcomer = self.town.add("10.0.9.1")
        self.town.join()
        for reference in (f"{owner.network.id:040x}", fingerprint.of(owner.identity.public)):
            found = self.town.result(self.town.desk(newcomer).get_record(reference, NAME))
            assert found is not None
            self.assertEqual((found.value, found.signer), (b"hello", owner.identity.public.hex))

    def test_a_composite_id_names_its_owner(self) -> None:
        """The older id of key and account name is checked against both."""
        settings = NetworkSettings(network=NETWORK, scheme="composite")
        node = self.town.add("10.0.9.1", settings=settings)
        self.town.join()
        self.town.result(self.town.desk(node).put_record(NAME, b"old", TTL_S))
        found = self.get(2, f"{node.network.id:040x}")
        self.assertEqual((found.value, found.signer), (b"old", node.identity.public.hex))
        self.town.memory.kill("10.0.9.1")
        node.stopService()
        self.town.run(120)
        self.assertEqual(self.get(3, f"{node.network.id:040x}").value, b"old")

    def test_a_tombstone_is_none(self) -> None:
        """What was deleted is nothing, for everybody, and can be put again."""
        self.put(1, b"hello")
        owner = self.town.nodes[1].identity.public.hex
        deleted = self.town.result(self.desk(1).delete_record(NAME))
        self.assertEqual(deleted.seq, 2)
        self.assertEqual([self.get(number, owner) for number in range(5)], [None] * 5)
        (row,) = self.town.result(self.desk(1).list_records())
        self.assertEqual((row.deleted, row.size_bytes, row.seq), (True, 0, 2))
        self.assertEqual(self.put(1, b"again").seq, 3)
        self.assertEqual(self.get(0, owner).value, b"again")

    def test_what_was_never_there(self) -> None:
        """Reading it is None, deleting it is an error, and an unknown owner has no key."""
        owner = self.town.nodes[1].identity.public.hex
        self.assertIsNone(self.get(0, owner))
        self.refused(self.desk(1).delete_record(NAME), NotFound)
        self.put(1, b"hello")
        self.refused(self.desk(0).delete_record(NAME), NotFound)
        self.refused(self.desk(0).get_record("ab" * 20, NAME), NotFound)

    def test_names_and_owners_that_cannot_be(self) -> None:
        """Each is refused before anything is sent."""
        own = self.town.nodes[0].identity.public.hex
        before = self.town.memory.bytes_sent
        for name in ("", "/", "a//b", "a/", " a", "../b", ".x", "a\n", "x" * 256, "\ud800"):
            self.refused(self.desk(0).put_record(name, b"", TTL_S), BadName)
            self.refused(self.desk(0).get_record(own, name), BadName)
            self.refused(self.desk(0).delete_record(name), BadName)
        for ttl_s in (0, 59, 24 * 3600 + 1, -1):
            self.refused(self.desk(0).put_record(NAME, b"", ttl_s), BadName)
        for owner in ("", "nobody", "ab" * 19, "zz" * 20, "A" * 56):
            self.refused(self.desk(0).get_record(owner, NAME), BadName)
        self.refused(self.desk(0).get_record("02" + "ff" * 32, NAME), BadKey)
        self.assertEqual(self.town.memory.bytes_sent, before)

    def test_without_peers_nothing_is_published(self) -> None:
        """A node that knows nobody says so, and uses up no number."""
        town = Town(self)
        alone = town.add("10.0.0.1")
        alone.startService()
        town.run(10)
        with self.assertRaises(NoPeers):
            town.result(town.desk(alone).put_record(NAME, b"", TTL_S))
        self.assertEqual(town.result(town.desk(alone).list_records()), [])

    def test_the_put_tells_where_it_went(self) -> None:
        """Each replica is a node that gave a receipt; the listing shows the same record."""
        put = self.put(1, b"hello")
        ids = {f"{node.network.id:040x}" for node in self.town.nodes}
        self.assertEqual(
            {r.node_id for r in put.replicas}, ids - {f"{self.town.nodes[1].network.id:040x}"}
        )
        self.assertGreaterEqual(put.requests, 4)
        (row,) = self.town.result(self.desk(1).list_records())
        self.assertEqual(
            (row.name, row.place, row.seq, row.exp), (NAME, put.place, put.seq, put.exp)
        )
        self.assertEqual((row.size_bytes, row.ttl_s, row.deleted), (5, TTL_S, False))


class NodeTests(DeskTestCase):
    def test_status(self) -> None:
        """All that is shown is the node's own; limits have their units in their names."""
        self.town.run(200)
        node = self.town.nodes[0]
        status = self.town.result(self.desk(0).status())
        self.assertEqual((status.role, status.network, status.account), ("node", NETWORK, "node0"))
        self.assertEqual(status.public_key, node.identity.public.hex)
        self.assertEqual(status.listening, [f"10.0.0.1:{PORT}"])
        self.assertEqual((status.observed, status.reachability), (f"10.0.0.1:{PORT}", "reachable"))
        self.assertEqual((status.peers, status.links), (4, 4))
        self.assertTrue(status.readiness.ready)
        self.assertTrue(status.store.ok)
        self.assertGreater(status.signed_checked, 0)
        self.assertGreaterEqual(status.uptime_s, 200)
        for name, figure in (
            ("connections_total", 2000),
            ("connections_per_address", 8),
            ("connections_per_group", 64),
            ("connections_unknown", 64),
            ("new_connections_per_s", 0.2),
            ("new_connections_burst", 16),
            ("checks_per_peer_per_s", 200),
            ("checks_per_node_per_s", 4000),
            ("json_depth", 16),
            ("record_bytes", 8192),
            ("record_clock_skew_s", 3600),
            ("records_per_owner", 64),
            ("store_bytes", 64 * 2**20),
            ("queue_bytes", 2**20),
            ("queue_bytes_total", 64 * 2**20),
        ):
            self.assertEqual(status.limits[name], figure, name)

    def test_limits_are_those_in_force(self) -> None:
        """What was set is shown, not the default."""
        node = self.town.add("10.0.9.1", limits=NodeLimits(GateLimits(total=77, per_address=3)))
        self.town.join()
        limits = self.town.result(self.town.desk(node).status()).limits
        self.assertEqual((limits["connections_total"], limits["connections_per_address"]), (77, 3))

    def test_ping_by_every_name(self) -> None:
        """By id, key and fingerprint; the answer is signed by that key, and tells our address."""
        other = self.town.nodes[3]
        key = other.identity.public
        for reference in (f"{other.network.id:040x}", key.hex, fingerprint.of(key)):
            pong = self.town.result(self.desk(0).ping(reference))
            self.assertEqual((pong.public_key, pong.host), (key.hex, "10.0.3.1"))
            self.assertTrue(pong.observed.startswith("10.0.0.1:"), pong)
            self.assertGreater(pong.rtt_ms, 0)
        self.refused(self.desk(0).ping("ab" * 20), NotFound)
        self.refused(self.desk(0).ping("who"), BadName)

    def test_peers_are_listed_nearest_first(self) -> None:
        """Those of the table, and clients that are only linked."""
        client = NetworkSettings(network=NETWORK, client_only=True)
        device = self.town.add("10.0.9.1", settings=client)
        self.town.join()
        own = self.town.nodes[0].network.id
        rows = self.town.result(self.desk(0).peers())
        apart = [int(row.node_id, 16) ^ own for row in rows]
        self.assertEqual(apart, sorted(apart))
        self.assertEqual(len(rows), 5)
        (row,) = (r for r in rows if r.public_key == device.identity.public.hex)
        self.assertEqual((row.linked, row.storage), (True, False))

    def test_find_shows_each_request(self) -> None:
        """Each hop has its place in the chain and what it gave; the end is the true order."""
        target = self.town.nodes[4].network.id
        found = self.town.result(self.desk(0).find(f"{target:040x}"))
        self.assertEqual(found.nearest[0].distance_bits, 0)
        everybody = {node.network.id for node in self.town.nodes[1:]}
        expected = [f"{node_id:040x}" for node_id in sorted(everybody, key=lambda n: n ^ target)]
        self.assertEqual([row.node_id for row in found.nearest], expected)
        self.assertEqual(found.requests, len(found.hops))
        self.assertGreater(sum(hop.gave for hop in found.hops), 0)
        self.assertTrue(all(hop.round >= 1 and hop.code == "" for hop in found.hops))


class DoctorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = Town(self)

    def examined(self, node: Node, home: Path | None = None, free: int = 2**40) -> dict[str, Check]:
        """Return the doctor's findings by name."""
        doctor = Doctor(node, home, lambda _path: free)
        checks = self.town.result(doctor.examine())
        for check in checks:
            self.assertTrue(check.detail and (check.ok or check.advice), check)
        return {check.name: check for check in checks}

    def test_a_sound_node(self) -> None:
        """Everything is well, and each finding says how it is known."""
        self.town.grow(4)
        self.town.join()
        found = self.examined(self.town.nodes[1], a_folder(self))
        self.assertEqual([c.name for c in found.values() if not c.ok], [])
        self.assertEqual(
            found["reachability"].detail, "reachable; 3 of 3 peers reached us just now"
        )
        self.assertEqual(found["seed"].detail, f"10.0.0.1:{PORT} answers")
        self.assertEqual(found["clock"].detail, "agrees with the peers")
        self.assertEqual(found["peers"].detail, "3 known, 3 linked")
        self.assertEqual(
            list(found), ["clock", "port", "seed", "reachability", "peers", "store", "disk", "home"]
        )

    def test_a_seed_that_does_not_answer(self) -> None:
        """It is named; the others are dialled all the same, and a node that is its own seed too."""
        self.town.grow(1)
        seeds = [Address("10.0.0.1", PORT), Address("10.0.66.1", PORT), Address("10.0.1.1", PORT)]
        node = self.town.add("10.0.1.1", seeds=seeds)
        self.town.join()
        checks = self.town.result(Doctor(node).examine())
        told = [(check.ok, check.detail) for check in checks if check.name == "seed"]
        self.assertEqual(told[0], (True, f"10.0.0.1:{PORT} answers"))
        self.assertFalse(told[1][0])
        self.assertIn(f"10.0.66.1:{PORT}: peer-gone", told[1][1])
        self.assertEqual(told[2], (True, f"10.0.1.1:{PORT} is this node"))

    def test_another_key_at_a_seeds_address(self) -> None:
        """A seed that is named with its key has to prove it."""
        _, second = self.town.grow(2)
        wrong = Address("10.0.0.1", PORT, second.identity.public)
        node = self.town.add("10.0.9.1", seeds=[wrong, Address("10.0.1.1", PORT)])
        self.town.join()
        checks = self.town.result(Doctor(node).examine())
        (bad,) = (check for check in checks if check.name == "seed" and not check.ok)
        self.assertIn("wrong-identity", bad.detail)

    def test_a_private_node_whose_hub_is_away(self) -> None:
        """It has no port and no seeds that could be missing: its hub is all there is to look at."""
        hub = HubAddress("127.0.0.1", 32318, "ws")
        settings = NetworkSettings(network=NETWORK, relayed_members=True)
        node = self.town.add("10.0.0.1", seeds=[], hubs=[hub], settings=settings)
        node.startService()
        self.town.run(5)
        found = self.examined(node)
        self.assertEqual(list(found), ["clock", "peers", "hub", "store"])
        self.assertFalse(found["hub"].ok)
        self.assertIn("ws://127.0.0.1:32318: waiting peer-gone", found["hub"].detail)

    def test_nobody_and_nothing(self) -> None:
        """A node alone, without seeds and port: each is said, with what to do."""
        node = self.town.add("10.0.0.1", seeds=[])
        node.startService()
        node.reach.listening_on(0, [])
        found = self.examined(node)
        bad = {name for name, check in found.items() if not check.ok}
        self.assertEqual(bad, {"port", "seed", "peers", "reachability"})

    def test_the_first_seed_is_well_alone(self) -> None:
        """Somebody has to be first."""
        seed = self.town.add("10.0.0.1", settings=NetworkSettings(network=NETWORK, role="seed"))
        seed.startService()
        self.assertTrue(all(check.ok for check in self.examined(seed).values()))

    def test_an_unreachable_node_is_told_why(self) -> None:
        """What the others met at the port is shown, and which port to open."""
        self.town.grow(4)
        node = self.town.add("10.0.9.1", listen=False)
        self.town.join()
        check = self.examined(node)["reachability"]
        self.assertFalse(check.ok)
        self.assertEqual(check.detail, "unreachable; 0 of 4 peers reached us just now (peer-gone)")
        self.assertIn(str(PORT), check.advice)

    def test_a_client_need_not_be_reachable(self) -> None:
        """Who said so itself is not told off."""
        self.town.grow(4)
        settings = NetworkSettings(network=NETWORK, client_only=True)
        node = self.town.add("10.0.9.1", listen=False, settings=settings)
        self.town.join()
        self.assertTrue(self.examined(node)["reachability"].ok)

    def test_a_disk_almost_full_and_a_home_that_others_read(self) -> None:
        """Both are said with what to do about them."""
        self.town.grow(3)
        self.town.join()
        home = a_folder(self)
        found = self.examined(self.town.nodes[0], home, MIN_FREE_BYTES - 1)
        self.assertEqual((found["disk"].ok, found["home"].ok), (False, True))
        SYSTEM.change_mode(home, 0o755)
        found = self.examined(self.town.nodes[0], home, MIN_FREE_BYTES)
        self.assertEqual((found["disk"].ok, found["home"].ok), (True, False))
        self.assertIn(f"chmod 700 {home}", found["home"].advice)

    def test_it_leaves_everything_as_it_was(self) -> None:
        """Its dials are closed at once: the links are the same before and after."""
        self.town.grow(4)
        self.town.join()
        before = [(node, set(node.network.roster)) for node in self.town.nodes]
        self.examined(self.town.nodes[1])
        self.town.run(2)
        for node, peers in before:
            self.assertEqual(set(node.network.roster), peers)


class Driven:
    """A desk whose every answer lets the in-memory network run until it is there."""

    def __init__(self, town: Town, desk: Desk) -> None:
        self._town, self._desk = town, desk

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._desk, name)

        async def call(*arguments: object) -> Any:
            return self._town.result(method(*arguments))

        return call


class CommandLineTests(NodeTestCase):
    """`streembit` beside a real node: its words are those of the network."""

    def make_node(self) -> FakeNode:
        self.town = Town(self)
        self.town.grow(5)
        self.town.join()
        self.town.run(120)
        return cast(FakeNode, Driven(self.town, self.town.desk(self.town.nodes[0])))

    async def test_a_record_from_put_to_delete(self) -> None:
        """Put, list, read by three names of the owner, delete, read no more."""
        key = self.town.nodes[0].identity.public
        put = await self.streembit("record", "put", NAME, "hällo", "--ttl", "2h", "--json")
        self.assertEqual(
            (put.status, put.json["seq"], len(put.json["replicas"])), (0, 1, 4), put.err
        )
        (row,) = (await self.streembit("record", "list", "--json")).json["records"]
        self.assertEqual((row["name"], row["ttl_s"]), (NAME, 7200))
        for owner in (key.hex, f"{self.town.nodes[0].network.id:040x}", fingerprint.of(key)):
            got = await self.streembit("record", "get", owner, NAME, "--json")
            self.assertEqual(base64.b64decode(got.json["value"]).decode(), "hällo", got.err)
            self.assertEqual(got.json["signer"], key.hex)
        self.assertEqual((await self.streembit("record", "delete", NAME)).status, 0)
        got = await self.streembit("record", "get", key.hex, NAME)
        self.assertEqual((got.status, got.code), (1, "not-found"))

    async def test_what_cannot_be_is_said_in_one_line(self) -> None:
        """Wrong names, unknown owners and nodes: exit status 1, and the code."""
        key = self.town.nodes[0].identity.public.hex
        for arguments, code in (
            (("record", "put", "a//b", "x"), "bad-name"),
            (("record", "get", "nobody", NAME), "bad-name"),
            (("record", "get", "ab" * 20, NAME), "not-found"),
            (("record", "get", key, NAME), "not-found"),
            (("record", "delete", NAME), "not-found"),
            (("peer", "ping", "ab" * 20), "not-found"),
        ):
            ended = await self.streembit(*arguments)
            self.assertEqual(
                (ended.status, ended.code, ended.err.count("\n")), (1, code, 1), arguments
            )

    async def test_status_doctor_and_peers(self) -> None:
        """A sound node is shown as one."""
        status = (await self.streembit("status", "--json")).json
        self.assertEqual((status["peers"], status["readiness"]["ready"]), (4, True))
        doctor = await self.streembit("doctor")
        self.assertEqual(doctor.status, 0, doctor.out)
        self.assertIn("4 of 4 peers reached us just now", doctor.out)
        rows = (await self.streembit("peer", "list", "--json")).json["peers"]
        self.assertEqual(len(rows), 4)
        pong = await self.streembit("peer", "ping", rows[0]["node_id"], "--json")
        self.assertEqual(pong.json["public_key"], rows[0]["public_key"])
        found = await self.streembit("peer", "find", rows[3]["node_id"], "--json")
        self.assertEqual(found.json["nearest"][0]["node_id"], rows[3]["node_id"])


def _is_a_facade(desk: Desk) -> NodeFacade:
    """Let the type checker compare the two."""
    return desk
