"""The rig itself: a hostile peer that behaves is served, and the watch sees what goes wrong."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.wire.message import FindNode, Nodes, Ping, Pong
from tests.rig.refusal import Watch
from tests.service.town import Town


class RigTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.watch = Watch(self, Town(self))
        self.town = self.watch.town

    def test_the_peer_can_behave(self) -> None:
        """What is refused in other tests is refused for what it is, not for who sends it."""
        link = self.watch.link()
        answer = self.town.result(link.ask(Ping()))
        self.assertIsInstance(answer.body, Pong)
        self.assertIsInstance(self.town.result(link.ask(FindNode("A" * 27))).body, Nodes)
        self.assertFalse(link.gone)
        self.watch.harmless()

    def test_the_watch_sees_a_refusal_that_did_not_happen(self) -> None:
        """A good message is no refusal."""
        link = self.watch.link()
        good = link.token(Ping())
        self.assertRaises(self.failureException, self.watch.refused, "x", link.say, good)

    def test_the_counter_is_the_one_that_is_shown(self) -> None:
        """The oracle of the attacks is the figure of the metrics page."""
        link = self.watch.link()
        self.watch.refused("bad-token", link.say, b"nonsense")
        self.assertIn(
            b'streembit_rejected_total{reason="bad-token"} 1.0', self.watch.node.metrics.text()
        )
