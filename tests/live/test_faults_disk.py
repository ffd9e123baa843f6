# SPDX-License-Identifier: Apache-2.0
"""The disk of a server is full."""

import contextlib
import time

import pymysql

from lab import eventually, faults, writable_servers
from lab.fault_case import FaultTest

TIMEOUT = 180
NIGHTLY = True

DISK = {"mariadb": 160, "mysql": 320}  # MiB; the data directory of an empty server takes half of it
RETRY = 80  # seconds; a server whose disk was full tries once a minute to go on


class Full(FaultTest):
    def start(self, flavour, *arguments, **options):
        reason = faults.no_small_disk()
        if reason:
            self.skipTest(reason)
        super().start(flavour, *arguments, **options)

    def fill(self, server):
        """As a log or a dump of somebody else does that lies on the same disk."""
        with open(server.datadir / "ballast", "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * 65536)
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * 512)

    def make_room(self, server):
        (server.datadir / "ballast").unlink()

    def test_mariadb_replica(self):
        self._replica("mariadb")

    def test_mysql_replica(self):
        self._replica("mysql")

    def _replica(self, flavour):
        """Of a replica: the primary is not touched, and the replica goes on when there is room."""
        self.start(flavour, disk_mib={"replica1": DISK[flavour]})
        first = self.topology.replicas[0]
        self.fill(first)
        time.sleep(8)
        self.assertEqual(self.recoveries(), [])
        self.assertEqual(writable_servers([s for s in self.topology.servers if s is not first]), [self.old])
        self.make_room(first)
        if not first.process.alive():  # InnoDB may give up in such a moment
            first.restart()
        with contextlib.suppress(pymysql.Error):  # it runs
            first.execute(first.flavour.start_replica)
        self.check_nothing_done(2, gap=None, same_within=RETRY)

    def test_mariadb_best_replica_then_primary_dies(self):
        self._replica_then_primary("mariadb")

    def test_mysql_best_replica_then_primary_dies(self):
        self._replica_then_primary("mysql")

    def _replica_then_primary(self, flavour):
        """A replica that cannot store anything any more is not promoted."""
        self.start(flavour, disk_mib={"replica1": DISK[flavour]})
        first = self.topology.replicas[0]
        self.fill(first)
        time.sleep(4)
        fault_at = time.monotonic()
        self.old.kill()
        promoted = self.wait_failover(fault_at, 20)
        self.assertIsNot(promoted, first)
        self.make_room(first)
        self.check_end(promoted, apart=[first])

    def test_mariadb_primary(self):
        self._primary("mariadb")

    def test_mysql_primary(self):
        self._primary("mysql")

    def _primary(self, flavour):
        """Of the primary: whatever is done, there is one that takes writes when there is room, and nothing is lost."""
        self.start(flavour, semi_sync=True, disk_mib={"primary": DISK[flavour]})
        self.fill(self.old)
        time.sleep(12)
        print(f"findings: {self.findings(self.old)}; recoveries: {[r['outcome'] for r in self.recoveries()]}")
        self.make_room(self.old)
        primary = eventually(lambda: self._only_writable(), 40, "one server takes writes")
        before = len(self.writer.acks())
        eventually(lambda: len(self.writer.acks()) > before + 20, RETRY, f"writes go on at {primary}")
        self.stop_writing()
        data = primary.ledger()
        self.assertEqual([c.number for c in self.commits() if c.number not in data], [])
        self.check_one_writable(primary, exposed=1.5)

    def _only_writable(self):
        found = writable_servers(self.topology.servers)
        return found[0] if len(found) == 1 else None
