# SPDX-License-Identifier: Apache-2.0
"""Packets of the primary are lost: all, in one direction, or only between some."""

import time

from lab import active_node, eventually, writable_servers
from lab.fault_case import EXPOSED, SILENCE_LIMIT, FaultTest

TIMEOUT = 180
PARTITION_LIMIT = 20.0  # seconds without writes; the figure to reach is 15
CUT_OFF = ("AllMasterReplicasNotReplicating", "AllMasterReplicasNotReplicatingOrDead")


class Drop(FaultTest):
    """Nothing is refused and nothing is reset: the cable is out, or one direction of it."""

    def start(self, flavour, *arguments, **options):
        self.need_packet_filter()
        super().start(flavour, *arguments, **options)

    def _heal(self, promoted, drop):
        time.sleep(1)
        drop.stop()
        self.check_stays_demoted(promoted, within=15)
        self.check_end(promoted, exposed=EXPOSED)


class Incoming(Drop):
    """Nobody's packets reach the primary. What it sends still arrives, but it never learns that."""

    def test_mariadb(self):
        self.start("mariadb")
        fault_at = time.monotonic()
        drop = self.lab.drop_one_way(self.old, "in")
        promoted = self.wait_failover(fault_at, SILENCE_LIMIT)
        self._heal(promoted, drop)


class OneWay(Drop):
    NIGHTLY = True

    def test_mysql_incoming(self):
        self._one_way("mysql", "in")

    def test_mariadb_outgoing(self):
        self._one_way("mariadb", "out")

    def test_mysql_outgoing(self):
        self._one_way("mysql", "out")

    def test_mariadb_outgoing_semi_sync(self):
        self._one_way("mariadb", "out", semi_sync=True)

    def _one_way(self, flavour, direction, **options):
        self.start(flavour, **options)
        fault_at = time.monotonic()
        drop = self.lab.drop_one_way(self.old, direction)
        promoted = self.wait_failover(fault_at, SILENCE_LIMIT)
        self._heal(promoted, drop)


class BothWays(Drop):
    NIGHTLY = True

    def test_mariadb(self):
        self._both("mariadb")

    def test_mysql(self):
        self._both("mysql")

    def test_mariadb_short_replica_net_timeout(self):
        self._both("mariadb", replica_net_timeout=4)

    def test_mysql_semi_sync(self):
        self._both("mysql", semi_sync=True)

    def _both(self, flavour, **options):
        self.start(flavour, **options)
        fault_at = time.monotonic()
        drop = self.lab.drop_packets(self.old)
        promoted = self.wait_failover(fault_at, SILENCE_LIMIT)
        self._heal(promoted, drop)


class Isolated(Drop):
    """The primary is cut off from its replicas and from Baton, and not from its clients: it stays writable, as
    docs/guarantees.md says. With semi-synchronous replication it can acknowledge nothing meanwhile."""

    NIGHTLY = True

    def test_mariadb_semi_sync(self):
        self._isolated("mariadb")

    def test_mysql_semi_sync(self):
        self._isolated("mysql")

    def _isolated(self, flavour):
        self.start(flavour, semi_sync=True)
        fault_at = time.monotonic()
        cut = self.lab.cut_off_from(self.old, [*self.nodes, *self.topology.replicas])
        promoted = self.wait_failover(fault_at, SILENCE_LIMIT)
        time.sleep(5)
        beside = [c for c in self.watch.commits() if c.port == self.old.port and c.sent > fault_at + 1]
        self.assertEqual(beside, [], "it acknowledges nothing without a replica")
        cut.stop()
        self.check_stays_demoted(promoted, within=15)
        # Its replicas are gone, so what waited for them at the end was not acknowledged either.
        self.check_end(promoted, isolated=True)


class ReplicationOnly(Drop):
    """Replicas do not reach the primary; Baton and clients do. With semi-synchronous replication its writes hang."""

    NIGHTLY = True

    def test_mariadb_semi_sync(self):
        self._partition("mariadb")

    def test_mysql_semi_sync(self):
        self._partition("mysql")

    def _partition(self, flavour):
        self.start(flavour, semi_sync=True)
        fault_at = time.monotonic()
        self.lab.cut_off_from(self.old, self.topology.replicas)
        promoted = self.wait_failover(fault_at, PARTITION_LIMIT)
        self.check_stays_demoted(promoted, within=1)
        # Baton could reach the old primary all the time: it was read-only before the other one was writable.
        self.check_end(promoted, codes=CUT_OFF)

    def test_mariadb_short(self):
        """A few seconds of it are no reason to replace anybody."""
        self.start("mariadb", semi_sync=True)
        cut = self.lab.cut_off_from(self.old, self.topology.replicas)
        time.sleep(4)
        cut.stop()
        self.check_nothing_done(8, gap=12.0)


class OnlyBaton(Drop):
    """Baton alone does not reach the primary; replicas and clients do. Nothing is to be done."""

    def test_mariadb(self):
        self.start("mariadb")
        cut = self.lab.cut_off_from(self.old, self.nodes)
        eventually(lambda: self.findings(self.old) == ["UnreachableMaster"], 15, "it is reported")
        time.sleep(8)
        self.assertEqual(writable_servers(self.topology.servers), [self.old])
        cut.stop()
        eventually(lambda: active_node(self.nodes).knows(self.topology.servers), 15, "it is seen again")
        self.check_nothing_done(2, gap=3.0)


class OnlyActiveNode(Drop):
    """The active node alone does not reach the primary."""

    NIGHTLY = True

    def test_mysql(self):
        self.start("mysql")
        self.lab.cut_off_from(self.old, [active_node(self.nodes)])
        time.sleep(10)
        self.check_nothing_done(2, gap=3.0)
