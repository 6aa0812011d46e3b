"""Real hubs behind Debian's HAProxy and nginx, with the configurations that we ship."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest

from streembit.client import Client
from tests.rig.hubcase import DEPLOY, HubCase, free_ports, program
from tests.rig.hubmember import LOOPBACK, certificate_for_loopback

reactor: Any = installed


class ProxyTests(HubCase):
    async def test_H6_members_join_through_haproxy(self) -> None:
        """TLS ends there and is checked; the hub hears of each member's own address."""
        (back,) = free_ports(1)
        hub = self.hub(back, "--behind-proxy")
        await self.ready(hub)
        front, certificate = await self.haproxy(back)
        await self.assert_members_join(front, certificate)
        await deferLater(reactor, 3.0)  # HAProxy looks after the hub: that is no stranger's doing
        status = await Client(reactor, self.folder / "hub").status()
        self.assertEqual(status.refusals, {})

    async def test_H6_members_join_through_nginx(self) -> None:
        """The same with nginx."""
        tool = program("nginx", "nginx-light")
        module = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
        if not module.exists():
            raise SkipTest("tools/system, or apt-get install libnginx-mod-stream")
        front, back = free_ports(2)
        certificate, key = certificate_for_loopback(self.folder)
        stream = self.write(
            "stream.conf",
            (DEPLOY / "nginx" / "streembit-hub.conf").read_text(),
            {
                "listen 32318 ssl": f"listen {LOOPBACK}:{front} ssl",
                "/etc/nginx/hub-certificate.pem": str(certificate),
                "/etc/nginx/hub-key.pem": str(key),
                "server 127.0.0.1:32331": f"server {LOOPBACK}:{back}",
            },
        )
        config = self.folder / "nginx.conf"
        config.write_text(
            f"load_module {module};\ndaemon off;\nmaster_process off;\nuser root;\n"
            f"pid {self.folder}/nginx.pid;\nerror_log {self.folder}/nginx.log;\n"
            f"events {{ }}\nstream {{ include {stream}; }}\n"
        )
        options = ["-p", str(self.folder), "-c", str(config), "-e", str(self.folder / "nginx.log")]
        checked = self.spawn([tool, "-t", *options])
        self.assertEqual(await checked.ended, 0, checked.err)
        hub = self.hub(back, "--behind-proxy")
        await self.ready(hub)
        self.spawn([tool, *options])
        await self.until_open(front)
        await self.assert_members_join(front, certificate)

    async def assert_members_join(self, port: int, certificate: Path) -> None:
        ann = self.member(1, port, host="127.0.0.5", trust=certificate)
        bob = self.member(2, port, host="127.0.0.6", trust=certificate)
        for member, host in ((ann, "127.0.0.5"), (bob, "127.0.0.6")):
            await member.join()
            assert member.welcome is not None
            self.assertRegex(member.welcome.observed, rf"^{re.escape(host)}:\d+$")
        await self.assert_they_talk(ann, bob)
