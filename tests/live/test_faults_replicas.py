# SPDX-License-Identifier: Apache-2.0
"""The primary dies while its replicas are not as they should be: the right one is promoted, or none."""

import time

from lab import eventually, writable_servers
from lab.fault_case import KILL_LIMIT, SILENCE_LIMIT, FaultTest

TIMEOUT = 180

STOP_APPLIER = {"mariadb": "STOP SLAVE SQL_THREAD", "mysql": "STOP REPLICA SQL_THREAD"}
START_APPLIER = {"mariadb": "START SLAVE SQL_THREAD", "mysql": "START REPLICA SQL_THREAD"}
STOP_RECEIVER = {"mariadb": "STOP SLAVE IO_THREAD", "mysql": "STOP REPLICA IO_THREAD"}
DELAY = {"mariadb": "CHANGE MASTER TO MASTER_DELAY = 3600", "mysql": "CHANGE REPLICATION SOURCE TO SOURCE_DELAY = 3600"}


def receives_from(replica, source):
    state = replica.replication()
    return state["receiver"] == "Yes" and int(state["source_port"]) == source.port


def binary_logs(server):
    return [row["Log_name"] for row in server.rows("SHOW BINARY LOGS")]


class ReplicaTest(FaultTest):
    def write_on_replica(self, server, *statements):
        """As an administrator who may write although the server is read-only."""
        if server.flavour.name == "mysql":
            server.execute("SET GLOBAL super_read_only = 0", *statements, "SET GLOBAL super_read_only = 1")
        else:
            server.execute(*statements)

    def kill_primary(self, limit=KILL_LIMIT):
        fault_at = time.monotonic()
        self.old.kill()
        return self.wait_failover(fault_at, limit)

    def errant(self, flavour, domain=""):
        """The first by name, which would be promoted otherwise, has a transaction of its own."""
        self.start(flavour)
        first = self.topology.replicas[0]
        self.write_on_replica(first, *([domain] if domain else []), "CREATE DATABASE errant")
        promoted = self.kill_primary()
        self.assertIsNot(promoted, first)
        return first, promoted

    def duplicate_key(self, flavour):
        """A row that somebody wrote on the replica stops its applier."""
        self.start(flavour)
        first = self.topology.replicas[0]
        number = max(ack.number for ack in self.writer.acks()) + 100
        self.write_on_replica(
            first, "SET SESSION sql_log_bin = 0", f"INSERT INTO app.ledger (n, written_by) VALUES ({number}, 0)"
        )
        eventually(lambda: first.replication()["applier"] == "No", 10, "its applier stops")
        time.sleep(1.2)  # until it has been seen
        promoted = self.kill_primary()
        self.assertIsNot(promoted, first)
        record = self.check_end(promoted, apart=[first])
        self.assertIn("1062", self.reason(record, first))


class Errant(ReplicaTest):
    def test_mysql(self):
        first, promoted = self.errant("mysql")
        record = self.check_end(promoted)
        self.assertIn("errant", self.reason(record, first))


class Broken(ReplicaTest):
    def test_mariadb_duplicate_key(self):
        self.duplicate_key("mariadb")


class BrokenToo(ReplicaTest):
    NIGHTLY = True

    def test_mysql_duplicate_key(self):
        self.duplicate_key("mysql")

    def test_mariadb_errant(self):
        """In a domain of its own: it goes on replicating."""
        first, promoted = self.errant("mariadb", "SET SESSION gtid_domain_id = 7")
        record = self.check_end(promoted)
        self.assertIn("errant", self.reason(record, first))

    def test_mariadb_errant_in_the_same_domain(self):
        """It stops its own applier by that (gtid_strict_mode), or is ahead of all others."""
        first, promoted = self.errant("mariadb")
        self.check_end(promoted, apart=[first])


class Unapplied(ReplicaTest):
    """What was received and not applied counts: it is applied before the promotion."""

    def test_mariadb_applier_stopped(self):
        self.applier_stopped("mariadb")

    def applier_stopped(self, flavour):
        self.start(flavour, semi_sync=True)
        for replica in self.topology.replicas:
            replica.execute(STOP_APPLIER[flavour])
        before = max(commit.number for commit in self.writer.acks())
        eventually(lambda: max(a.number for a in self.writer.acks()) > before + 100, 20, "writes that nobody applies")
        promoted = self.kill_primary(limit=10)
        # The promoted one has applied all; on the others the appliers are left as the operator left them.
        for replica in self.topology.replicas:
            if replica is not promoted:
                eventually(lambda r=replica: receives_from(r, promoted), 20, f"{replica} receives from {promoted}")
                replica.execute(START_APPLIER[flavour])
        self.check_end(promoted)


class UnappliedToo(Unapplied):
    NIGHTLY = True
    TIMEOUT = 300

    def test_mysql_applier_stopped(self):
        self.applier_stopped("mysql")

    def test_mariadb_large_relay_log(self):
        self.large_relay_log("mariadb")

    def test_mysql_large_relay_log(self):
        self.large_relay_log("mysql")

    def large_relay_log(self, flavour, transactions=400, rows=500):
        """The replicas are far behind in applying, and catch up while the primary dies."""
        self.start(flavour, semi_sync=True)
        self.old.execute("CREATE TABLE app.bulk (n INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(100))")
        time.sleep(0.5)
        for replica in self.topology.replicas:
            replica.execute(STOP_APPLIER[flavour])
        values = ",".join(f"('{'x' * 80}')" for _ in range(rows))
        with self.old.connect(60) as connection, connection.cursor() as cursor:
            for _ in range(transactions):
                cursor.execute(f"INSERT INTO app.bulk (t) VALUES {values}")
        for replica in self.topology.replicas:
            replica.execute(START_APPLIER[flavour])
        promoted = self.kill_primary(limit=40)
        self.assertEqual(promoted.value("SELECT COUNT(*) FROM app.bulk", timeout=30), transactions * rows)
        record = self.check_end(promoted)
        self.assertIn("wait_applied", {step["kind"] for step in record["steps"]})


class Delayed(ReplicaTest):
    """A replica is an hour behind by order of the operator: it holds all, and is not promoted without that, and only
    when there is nobody else."""

    NIGHTLY = True

    def test_mariadb_only(self):
        self._only("mariadb")

    def test_mysql_only(self):
        self._only("mysql")

    def test_mysql_one_of_two(self):
        self.start("mysql", 2)
        first, second = self.topology.replicas
        self._delay(first)
        promoted = self.kill_primary()
        self.assertIs(promoted, second)
        record = self.check_end(promoted, apart=[first])
        self.assertIn("delayed", self.reason(record, first))

    def _delay(self, replica):
        replica.execute(replica.flavour.stop_replica, DELAY[replica.flavour.name], replica.flavour.start_replica)
        time.sleep(2)  # of writes that are received and not applied; and until the delay has been seen

    def _only(self, flavour):
        self.start(flavour, 1)
        replica = self.topology.replicas[0]
        self._delay(replica)
        self.assertLess(len(replica.ledger()), len(self.writer.acks()))
        promoted = self.kill_primary(limit=10)
        record = self.check_end(promoted)
        applied = [step for step in record["steps"] if step["kind"] == "wait_applied"]
        self.assertEqual([step["state"] for step in applied], ["done"])
        self.assertIn("without its delay", applied[0]["text"])


class Purged(ReplicaTest):
    """A replica that was cut off for a while needs binary logs that no other one has any more."""

    NIGHTLY = True

    def test_mariadb(self):
        self._purged("mariadb")

    def test_mysql(self):
        self._purged("mysql")

    def _purged(self, flavour):
        self.need_packet_filter()
        self.start(flavour)
        first, *others = self.topology.replicas
        cut = self.lab.cut_off_from(self.old, [first])
        needed = {replica: binary_logs(replica)[-1] for replica in others}
        time.sleep(4)
        for replica in others:
            eventually(lambda r=replica: self._purged_beyond(r, needed[r]), 10, "its binary logs are purged", every=0.2)
        time.sleep(1.2)  # until that has been seen
        fault_at = time.monotonic()
        self.old.kill()
        promoted = self.wait_failover(fault_at, SILENCE_LIMIT)
        # Not before: the kernel still sends what a dead server has written to its sockets.
        cut.stop()
        self.assertIsNot(promoted, first)
        record = self.check_end(promoted, apart=[first])
        self.assertIn(first.address, record["lost"], record)
        print(record["outcome"])

    def _purged_beyond(self, replica, needed):
        """MariaDB keeps a log for a moment after the next one was begun."""
        replica.execute("FLUSH BINARY LOGS")
        replica.execute(f"PURGE BINARY LOGS TO '{binary_logs(replica)[-1]}'")
        return binary_logs(replica)[0] > needed


class RelayLogDiscarded(ReplicaTest):
    """A replica restarts with relay_log_recovery=1 just before the primary dies, and throws away what it had
    received and acknowledged: nobody may pretend that nothing is missing."""

    NIGHTLY = True

    def test_mysql(self):
        self._discarded("mysql", "--relay-log-recovery=1", "--skip-replica-start")

    def test_mariadb(self):
        """MariaDB discards them at any restart under GTID."""
        self._discarded("mariadb", "--skip-slave-start")

    def _discarded(self, flavour, *options):
        self.start(flavour, 2, semi_sync=True)
        first, second = self.topology.replicas
        second.execute(STOP_RECEIVER[flavour])
        first.execute(STOP_APPLIER[flavour])
        before = max(commit.number for commit in self.writer.acks())
        eventually(lambda: max(a.number for a in self.writer.acks()) > before + 100, 20, "only one has these")
        time.sleep(1.2)  # until that has been seen
        first.kill()
        self.old.kill()
        first.start(*options)
        first.wait_started()
        time.sleep(10)
        self.assertEqual(writable_servers(self.topology.servers), [], "nobody is promoted")
        print(self.explain())
        self.old.restart()
        eventually(lambda: self.old.is_writable(), 5, "it goes on as before")
        first.execute(first.flavour.start_replica)
        second.execute(second.flavour.start_replica)
        self.topology.wait_replicating()
        self.stop_writing()
        self.assertLessEqual({commit.number for commit in self.commits()}, self.old.ledger())
