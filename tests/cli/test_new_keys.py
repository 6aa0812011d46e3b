"""Keys that change while the nodes run, by the command line alone, on real nodes."""

from __future__ import annotations

from twisted.internet.threads import deferToThread

from streembit.disk.home import Home
from tests.cli.test_two_nodes import TwoNodesCase


class NewKeysTests(TwoNodesCase):
    """Ann and bob are contacts; nobody starts a node again."""

    async def said(self, name: str, other: str, text: str, at: str, by: str) -> None:
        """Send a text, and wait until it is read at the other one's."""
        await self.ask(name, "message", "send", other, text)
        await self.until(
            at,
            ["message", "list", by],
            lambda found: text in [row["text"] for row in found["messages"]],
        )

    async def test_a_key_that_is_rotated(self) -> None:
        """The node goes on with it, its contact follows, and messages flow both ways."""
        await self.start()
        await self.befriend()
        await self.said("ann", "bob", "before", "bob", "Ann")
        old = await self.ask("ann", "status")
        told = await self.run_as("ann", "key", "rotate")
        self.assertEqual(told.status, 0, told.err)
        self.assertIn("The node runs with the new key now.\n", told.out)
        status = await self.ask("ann", "status")
        self.assertIn(status["public_key"], told.out)
        self.assertNotEqual(status["node_id"], old["node_id"])
        self.assertEqual(status["listening"], old["listening"])
        account = await self.ask("ann", "account", "show")
        self.assertEqual(account["public_key"], status["public_key"])
        (contact,) = (await self.ask("bob", "contact", "list"))["contacts"]
        self.assertEqual(contact["public_key"], status["public_key"])
        await self.said("ann", "bob", "after", "bob", "Ann")
        await self.said("bob", "Ann", "still you?", "ann", "bob")
        rows = (await self.ask("ann", "message", "list", "bob"))["messages"]
        self.assertEqual([row["text"] for row in rows], ["before", "after", "still you?"])
        again = await self.ask("ann", "key", "rotate")
        self.assertEqual(again["old_key"], status["public_key"])
        await self.said("bob", "Ann", "and now?", "ann", "bob")
        self.assertNotIn("STOPPING=1", self.manager.words)

    async def test_a_wrong_passcode_changes_nothing(self) -> None:
        """The node goes on as it was."""
        home = self.folder / "ann"
        await self.start()
        await deferToThread(Home(home).accounts.change_passcode, "ann", None, "Canary-Secret-1!")
        wrong = self.folder / "wrong"
        wrong.write_text("Canary-Secret-2!")
        wrong.chmod(0o600)
        before = await self.ask("ann", "status")
        refused = await self.run_as("ann", "key", "rotate", "--passcode-file", wrong)
        self.assertEqual((refused.status, refused.code), (1, "wrong-passcode"))
        self.assertEqual((await self.ask("ann", "status"))["public_key"], before["public_key"])

    async def test_a_key_that_is_revoked(self) -> None:
        """The contact refuses it, and the node says so and begins nothing more."""
        await self.start()
        await self.befriend()
        told = await self.run_as("ann", "key", "revoke", "--yes")
        self.assertEqual(told.status, 0, told.err)
        self.assertIn("1 know", told.out)
        self.assertIn("Nothing more is said under this key.", told.out)
        for name, other in (("ann", "bob"), ("bob", "Ann")):
            refused = await self.run_as(name, "message", "send", other, "hello?")
            self.assertEqual(refused.code, "key-revoked")
        (contact,) = (await self.ask("bob", "contact", "list"))["contacts"]
        self.assertIn("void", contact["alarm"])
        offer = await self.run_as("ann", "offer", "create")
        self.assertEqual(offer.code, "key-revoked")
