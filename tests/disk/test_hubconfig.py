"""The part [hub] of the configuration: its limits, and what contradicts itself."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.disk import config
from streembit.disk.hubconfig import HubConfig
from streembit.disk.mailbox import DEFAULTS, MailLimits
from streembit.errors import BadConfig


def parsed(text: str) -> HubConfig:
    """Return what the part says."""
    return config.parse(f"[hub]\n{text}".encode(), "hub").hub


class HubConfigTests(SynchronousTestCase):
    def test_the_mailbox_keeps_what_the_file_says(self) -> None:
        """Each bound has its name; without a word they are those of the design."""
        self.assertEqual(parsed("").mail_limits, DEFAULTS)
        text = (
            "mail_messages = 2\nmail_bytes = 100_000\nmail_days = 3\nmail_messages_per_sender = 4\n"
            "mail_bytes_per_sender = 200_000\nmail_bytes_total = 300_000\n"
        )
        expected = MailLimits(
            box_messages=2,
            box_bytes=100_000,
            sender_messages=4,
            sender_bytes=200_000,
            total_bytes=300_000,
            days=3,
        )
        self.assertEqual(parsed(text).mail_limits, expected)

    def test_what_cannot_be_is_refused(self) -> None:
        """Bounds out of bounds, a backplane that is none, a password for nothing."""
        for text in (
            "mail_messages = 0",
            "mail_days = 1000",
            "mail_bytes = 10",
            'backplane = "http://127.0.0.1"',
            'backplane = "redis://"',
            'backplane_password_file = "/x"',
        ):
            self.assertRaises(BadConfig, parsed, text)
