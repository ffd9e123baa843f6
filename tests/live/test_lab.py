# SPDX-License-Identifier: Apache-2.0
"""The lab itself: what the other tests take for granted."""

import pathlib
import tempfile
import time
import unittest

import pymysql

from lab import Lab, faults, wait_one_primary, wait_same_data
from lab.commit_watch import CommitWatch, Writable, both_writable, returns
from lab.flavour import BATON_PASSWORD, BATON_USER, FLAVOURS

TIMEOUT = 60


class Servers(unittest.TestCase):
    def setUp(self):
        self.lab = Lab("self")
        self.addCleanup(self.lab.close)

    def _topology(self, flavour, tree):
        reason = FLAVOURS[flavour].missing_because()
        if reason:
            self.skipTest(reason)
        return self.lab.topology(flavour, tree)

    def test_mariadb_replicates(self):
        self._replicates("mariadb")

    def test_mysql_replicates(self):
        self._replicates("mysql")

    def _replicates(self, flavour):
        topology = self._topology(flavour, {"primary": {"middle": {"leaf": {}}, "other": {}}})
        writer = self.lab.writer(topology)
        time.sleep(0.3)
        writer.stop()

        written = {ack.number for ack in writer.acks()}

        self.assertGreater(len(written), 10)
        self.assertLessEqual(written, wait_same_data(topology.servers))
        self.assertEqual(topology["leaf"].source_port(), topology["middle"].port)
        with self.assertRaisesRegex(AssertionError, "not replicating"):
            wait_one_primary(topology.servers, timeout=0.1)  # the leaf is one tier below

    def test_mariadb_privileges_suffice(self):
        self._privileges_suffice("mariadb")

    def test_mysql_privileges_suffice(self):
        self._privileges_suffice("mysql")

    def _privileges_suffice(self, flavour):
        """Each statement that Baton needs is permitted to its account, and writing to tables is not."""
        topology = self._topology(flavour, 1)
        replica = topology.replicas[0]
        with pymysql.connect(
            host="127.0.0.1", port=replica.port, user=BATON_USER, password=BATON_PASSWORD, autocommit=True
        ) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW PROCESSLIST")
            self.assertTrue([row for row in cursor.fetchall() if row[1] == "system user"], "other users are seen")
            for statement in _STATEMENTS[flavour]:
                with self.subTest(statement):
                    cursor.execute(statement)
            # SUPER and its like would let Baton write on a read-only server by mistake.
            with self.assertRaises(pymysql.Error):
                cursor.execute("INSERT INTO app.ledger VALUES (1, 1)")
        with pymysql.connect(
            host="127.0.0.1", port=topology.primary.port, user=BATON_USER, password=BATON_PASSWORD
        ) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW SLAVE HOSTS" if flavour == "mariadb" else "SHOW REPLICAS")
            self.assertEqual(len(cursor.fetchall()), 1)

    def test_dropped_packets_cut_off_one_server_only(self):
        reason = faults.missing_because()
        if reason:
            self.skipTest(reason)
        topology = self._topology("mariadb", 2)
        cut, other = topology.replicas

        drop = self.lab.drop_packets(cut)

        with self.assertRaises(pymysql.Error):
            pymysql.connect(host="127.0.0.1", port=cut.port, user="app", password="app-secret", connect_timeout=0.3)
        topology.primary.execute("INSERT INTO app.ledger VALUES (7, 7)")
        wait_same_data([topology.primary, other], timeout=5)
        self.assertNotIn(7, cut.ledger())
        drop.stop()
        # What was sent meanwhile comes with the retransmissions of TCP.
        wait_same_data(topology.servers, timeout=20)

    def test_killed_lab_leaves_nothing_behind(self):
        topology = self._topology("mariadb", 1)
        processes = [server.process for server in topology.servers]

        self.lab.close()

        self.assertFalse([process for process in processes if process.alive()])
        self.assertFalse(self.lab.folder.exists())


_STATEMENTS = {
    "mariadb": [
        "SELECT @@server_id, @@global.read_only, @@global.gtid_current_pos, @@global.gtid_binlog_pos",
        "SHOW ALL SLAVES STATUS",
        "SHOW SLAVE STATUS",
        "SHOW MASTER STATUS",
        "SHOW BINARY LOGS",
        "SHOW GLOBAL STATUS LIKE 'rpl_semi_sync%'",
        "STOP SLAVE IO_THREAD",
        "STOP SLAVE",
        "CHANGE MASTER TO MASTER_CONNECT_RETRY=1",
        "START SLAVE",
        "STOP SLAVE",
        "SET GLOBAL gtid_slave_pos = @@global.gtid_slave_pos",
        "SET GLOBAL rpl_semi_sync_master_enabled = OFF",
        "SET GLOBAL rpl_semi_sync_slave_enabled = OFF",
        "RESET SLAVE ALL",
        "SET GLOBAL read_only = OFF",
        "SET GLOBAL read_only = ON",
        "FLUSH BINARY LOGS",
        "SELECT GET_LOCK('baton.test', 0)",
        "SELECT IS_USED_LOCK('baton.test')",
    ],
    "mysql": [
        "SELECT @@server_id, @@server_uuid, @@global.super_read_only, @@global.gtid_executed, @@global.gtid_purged",
        "SHOW REPLICA STATUS",
        "SHOW BINARY LOG STATUS",
        "SHOW BINARY LOGS",
        "SHOW GLOBAL STATUS LIKE 'rpl_semi_sync%'",
        "SELECT * FROM performance_schema.replication_connection_status",
        "SELECT * FROM performance_schema.replication_group_members",
        "SELECT * FROM performance_schema.processlist",
        "SELECT VARIABLE_NAME, VARIABLE_SOURCE FROM performance_schema.variables_info",
        "SELECT VARIABLE_NAME, VARIABLE_VALUE FROM performance_schema.persisted_variables",
        "STOP REPLICA IO_THREAD",
        "STOP REPLICA",
        "CHANGE REPLICATION SOURCE TO SOURCE_CONNECT_RETRY=1",
        "START REPLICA",
        "STOP REPLICA",
        "RESET REPLICA ALL",
        "SET GLOBAL super_read_only = OFF",
        "SET GLOBAL read_only = OFF",
        "SET GLOBAL super_read_only = ON",
        "FLUSH BINARY LOGS",
        "SELECT GET_LOCK('baton.test', 0)",
        "SELECT IS_USED_LOCK('baton.test')",
    ],
}


class Proofs(unittest.TestCase):
    """What the CommitWatch concludes from its log."""

    def _watch(self, *lines):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        watch = CommitWatch(pathlib.Path(folder.name), [1, 2])
        watch.log.write_text("\n".join(lines) + "\ncommit 99 1 9", "ascii")  # half a line at the end
        return watch

    def test_one_after_the_other_is_no_overlap(self):
        watch = self._watch(
            "commit 10 1 1.0 1.1", "commit 11 1 1.2 1.6", "commit 20 2 1.5 1.7", "commit 21 2 1.8 1.9"
        )
        self.assertEqual(returns(watch.commits()), [], "11 may have been done before 20")

    def test_two_take_writes(self):
        watch = self._watch("commit 10 1 1.0 1.1", "commit 20 2 1.5 1.7", "commit 11 1 1.8 1.9", "commit 12 1 2.0 2.3")
        found = returns(watch.commits())
        self.assertEqual([(r.port, r.other, r.count) for r in found], [(1, 2, 2)])
        self.assertAlmostEqual(found[0].seconds, 0.5)

    def test_writable_at_one_time(self):
        watch = self._watch(
            "flags 1 1.0 1.1 0 0", "flags 1 2.0 2.1 0 0", "flags 2 1.4 1.5 0 0", "flags 2 2.4 2.5 0 0",
        )
        spans = watch.writable_spans()
        self.assertEqual(spans, [Writable(1, 1.1, 2.0), Writable(2, 1.5, 2.4)])
        self.assertEqual(len(both_writable(spans)), 1)
        self.assertEqual(both_writable(spans, {1}), [])

    def test_silence_and_read_only_end_a_span(self):
        watch = self._watch(
            "flags 1 1.0 1.1 0 0", "flags 1 1.2 1.3 0 0", "silent 1 1.4 2.4", "flags 2 1.8 1.9 0 0",
            "flags 2 2.0 2.1 0 0", "flags 2 2.2 2.3 1 1", "flags 1 2.5 2.6 0 0", "flags 1 2.7 2.8 0 0",
        )
        self.assertEqual([(s.port, s.since, s.until) for s in watch.writable_spans()],
                         [(1, 1.1, 1.2), (2, 1.9, 2.0), (1, 2.6, 2.7)])
        self.assertEqual(both_writable(watch.writable_spans()), [])
