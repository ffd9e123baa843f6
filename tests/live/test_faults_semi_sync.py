# SPDX-License-Identifier: Apache-2.0
"""Semi-synchronous replication: what a client was told to be committed survives, or nobody is promoted."""

import time

from lab import eventually, wait_same_data, writable_servers
from lab.fault_case import EXPOSED, KILL_LIMIT, SILENCE_LIMIT, FaultTest

TIMEOUT = 180

TWO = "--loose-rpl-semi-sync-source-wait-for-replica-count=2"
NO_ACKNOWLEDGEMENTS = {
    "mariadb": "SET GLOBAL rpl_semi_sync_slave_enabled = 0", "mysql": "SET GLOBAL rpl_semi_sync_replica_enabled = 0"
}


class SemiSyncTest(FaultTest):
    def start(self, flavour, *arguments, **options):
        super().start(flavour, *arguments, semi_sync=True, **options)

    def kill_all(self, *servers):
        for server in servers:
            server.process.signal(9)
        fault_at = time.monotonic()
        for server in servers:
            server.kill()
        return fault_at

    def check_refused(self, seconds, word):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.assertEqual(writable_servers(self.topology.servers), [], "nobody is promoted")
            time.sleep(0.1)
        self.assertIn(word, self.explain())

    def acknowledger_down(self, flavour):
        """One of three was down for long: everything since then is on the others."""
        self.start(flavour)
        self.topology.replicas[0].kill()
        time.sleep(4)
        fault_at = self.kill_all(self.old)
        promoted = self.wait_failover(fault_at, KILL_LIMIT)
        self.check_end(promoted)

    def only_acknowledger_dies_too(self, flavour):
        """What it alone had acknowledged comes back with it, and not before."""
        self.start(flavour, 2)
        first, second = self.topology.replicas
        second.execute(NO_ACKNOWLEDGEMENTS[flavour], second.flavour.stop_replica, second.flavour.start_replica)
        eventually(lambda: second.source_port() == self.old.port, 10, "it replicates again")
        time.sleep(1.5)  # until that has been seen
        self.kill_all(self.old, first)
        self.check_refused(6, first.address)
        first.restart()
        if flavour == "mysql":
            promoted = self.wait_failover(time.monotonic(), 60, patience=60)
            self.check_end(promoted)
            return
        # MariaDB drops at a start what it has not applied: only the primary itself is sure to have everything.
        self.check_refused(6, first.address)
        self.old.restart()
        self.topology.wait_replicating()
        self.stop_writing()
        self.assertLessEqual({c.number for c in self.commits()}, wait_same_data(self.topology.servers))


class Acknowledger(SemiSyncTest):
    def test_mariadb_down_for_long(self):
        self.acknowledger_down("mariadb")


class AcknowledgerToo(SemiSyncTest):
    NIGHTLY = True

    def test_mysql_down_for_long(self):
        self.acknowledger_down("mysql")

    def test_mariadb_dies_too(self):
        self.only_acknowledger_dies_too("mariadb")

    def test_mysql_dies_too(self):
        self.only_acknowledger_dies_too("mysql")


class WaitCountTwo(SemiSyncTest):
    """Each commit is on two replicas before the client hears of it. MariaDB has no such count."""

    NIGHTLY = True

    def test_mysql_primary_dies(self):
        self.start("mysql", extra=[TWO])
        fault_at = self.kill_all(self.old)
        promoted = self.wait_failover(fault_at, KILL_LIMIT)
        self.check_end(promoted)

    def test_mysql_primary_freezes(self):
        self.start("mysql", extra=[TWO])
        fault_at = time.monotonic()
        self.old.freeze()
        promoted = self.wait_failover(fault_at, SILENCE_LIMIT)
        self.old.thaw()
        self.check_stays_demoted(promoted, within=10)
        self.check_end(promoted, exposed=EXPOSED)

    def test_mysql_one_acknowledger_dies_too(self):
        """Two of three had each commit: one of those that are left has it."""
        self.start("mysql", extra=[TWO])
        fault_at = self.kill_all(self.old, self.topology.replicas[0])
        promoted = self.wait_failover(fault_at, SILENCE_LIMIT)
        self.check_end(promoted)

    def test_mysql_two_acknowledgers_die_too(self):
        """Just these two may have had a commit."""
        self.start("mysql", extra=[TWO])
        first, second, _ = self.topology.replicas
        self.kill_all(self.old, first, second)
        self.check_refused(6, first.address)
        first.restart()
        promoted = self.wait_failover(time.monotonic(), 60, patience=60)
        self.check_end(promoted)
