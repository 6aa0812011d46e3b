"""Figures are counted cheaply, bounded in labels, and shown as Prometheus text."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import every
from streembit.service.metrics import MAX_LABELS, Metrics, Tally


def shown(metrics: Metrics) -> dict[str, float]:
    """Return what Prometheus itself reads out of the text, by sample and labels."""
    return {
        sample.name + "".join(f"[{value}]" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


class MetricsTests(SynchronousTestCase):
    def test_what_is_counted_is_shown(self) -> None:
        """Counters, gauges and refusals appear under their names, read when shown."""
        peers = [1, 2]
        metrics = Metrics()
        metrics.gauge("streembit_peers", "Peers in the table.", lambda: len(peers))
        metrics.counter("streembit_signed_checked", "Signatures verified.", lambda: 7)
        metrics.rejected.add("bad-signature")
        metrics.rejected.add("bad-signature", 2)
        peers.append(3)
        self.assertEqual(
            shown(metrics),
            {
                "streembit_peers": 3.0,
                "streembit_signed_checked_total": 7.0,
                "streembit_rejected_total[bad-signature]": 3.0,
            },
        )

    def test_two_registries_know_nothing_of_each_other(self) -> None:
        """Nothing is kept in a global registry."""
        first, second = Metrics(), Metrics()
        first.rejected.add("bad-json")
        self.assertEqual(shown(second), {})

    def test_a_name_is_given_once(self) -> None:
        """Two figures of one name are a mistake of ours and are refused."""
        metrics = Metrics()
        with self.assertRaises(ValueError):
            metrics.gauge("streembit_rejected", "Again.", lambda: 0)
        metrics.gauge("streembit_peers", "Peers.", lambda: 0)
        with self.assertRaises(ValueError):
            metrics.tally("streembit_peers", "Again.", "kind")


class TallyTests(SynchronousTestCase):
    def test_C6_labels_are_bounded(self) -> None:
        """A peer that invents codes adds no series, and loses no count."""
        tally = Tally("streembit_rejected", "", "reason")
        for n in range(1000):
            tally.add(f"invented-{n}")
        self.assertEqual(len(tally.counts()), MAX_LABELS)
        self.assertEqual(tally.total, 1000)
        self.assertEqual(tally.counts()["other"], 1000 - (MAX_LABELS - 1))

    def test_C6_every_error_of_ours_has_its_own_label(self) -> None:
        """The bound is wide enough for all the codes that exist."""
        tally = Tally("streembit_rejected", "", "reason")
        for error in every():
            tally.add(error.code)
        self.assertNotIn("other", tally.counts())

    def test_L1_labels_are_plain_words(self) -> None:
        """What is no lower-case word counts as other."""
        tally = Tally("streembit_rejected", "", "reason")
        for label in ("", "A", "a b", 'a"', "a\n", "\x1b[31m", "ä", "a" * 49):
            self.assertEqual(tally.add(label), "other")
        self.assertEqual(tally.counts(), {"other": 8})
