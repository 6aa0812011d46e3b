"""The commands that Streembit gives to twistd; nothing is imported until one is chosen."""

from twisted.application.service import ServiceMaker

seed = ServiceMaker(
    "Streembit seed",
    "streembit.tap.seed",
    "A public, always-on node where newcomers start.",
    "streembit-seed",
)
node = ServiceMaker(
    "Streembit node",
    "streembit.tap.node",
    "A person's or a device's own node.",
    "streembit-node",
)
hub = ServiceMaker(
    "Streembit hub",
    "streembit.tap.hub",
    "A meeting point for those who cannot be reached: relay, mailbox, directory.",
    "streembit-hub",
)
