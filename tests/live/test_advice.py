# SPDX-License-Identifier: Apache-2.0
"""Advice about settings: it names what is bad, its statements mend it, and a dropped relay log is noticed."""

import subprocess
import time

from lab import active_node, eventually, wait_one_primary
from lab.case import LiveTest
from lab.flavour import BATON_USER, REPLICATION_PASSWORD, REPLICATION_USER
from lab.nodes import secret_file
from lab.paths import baton_binary

TIMEOUT = 180


class AdviceTest(LiveTest):
    def start(self, flavour, tree=2, settings=None, **options):
        self.need(flavour)
        self.topology = self.lab.topology(flavour, tree, **options)
        settings = {"topology": self.account(REPLICATION_USER, REPLICATION_PASSWORD), **(settings or {})}
        self.nodes = self.lab.nodes("sqlite", [self.topology.seed], count=1, settings=settings)
        eventually(lambda: active_node(self.nodes).knows(self.topology.servers), 20, "all servers are found")
        self.cluster = self.topology.seed

    def account(self, user, password):
        secret = secret_file(self.lab.folder / "replication.password", password)
        return {"replication_user": user, "replication_password_file": str(secret)}

    def advice(self):
        return self.nodes[0].json(f"/api/v1/clusters/{self.cluster}/advice")

    def codes(self):
        """{(code, name of the server)}"""
        names = {server.address: server.name for server in self.topology.servers}
        return {(advice["code"], names[advice["server"]]) for advice in self.advice()}

    def mend(self):
        """Does what all advice says, as an operator would who copies the statements."""
        for advice in self.advice():
            server = next(s for s in self.topology.servers if s.address == advice["server"])
            for statement in advice["statements"]:
                try:
                    server.execute(statement)
                except Exception as error:
                    raise AssertionError(f"{advice['code']} of {server}: {statement}: {error}") from error


class Statements(AdviceTest):
    """Each is executed as it is given; then all advice is gone."""

    def test_mysql(self):
        self.start("mysql", settings={"advice": {"ignore": ["heartbeat_long"]}})
        primary, bad, other = self.topology.servers
        bad.execute(
            "STOP REPLICA",
            "CHANGE REPLICATION SOURCE TO SOURCE_CONNECT_RETRY=60, SOURCE_RETRY_COUNT=10",
            "SET GLOBAL binlog_format='MIXED'",
            "SET GLOBAL replica_preserve_commit_order=OFF",
            "SET GLOBAL sync_binlog=0",
            "SET GLOBAL super_read_only=0",
            "START REPLICA",
        )
        other.execute("SET GLOBAL read_only=0", "SET GLOBAL innodb_flush_log_at_trx_commit=2")
        primary.execute(
            "SET GLOBAL binlog_expire_logs_seconds=3600",
            "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'",
            "SET GLOBAL rpl_semi_sync_source_timeout=500",
            "SET GLOBAL rpl_semi_sync_source_wait_for_replica_count=2",
            "SET GLOBAL rpl_semi_sync_source_enabled=1",
        )

        expected = {
            ("replica_net_timeout_long", "replica1"),
            ("connect_retry_long", "replica1"),
            ("retry_count_low", "replica1"),
            ("binlog_format_not_row", "replica1"),
            ("commit_order_not_kept", "replica1"),
            ("super_read_only_off", "replica1"),
            ("semi_sync_replica_off", "replica1"),
            ("semi_sync_source_missing", "replica1"),
            ("replica_net_timeout_long", "replica2"),
            ("read_only_off", "replica2"),
            ("semi_sync_replica_off", "replica2"),
            ("semi_sync_source_missing", "replica2"),
            ("binlog_expires_soon", "primary"),
            ("semi_sync_timeout_short", "primary"),
            ("semi_sync_wait_count_high", "primary"),
        }
        expected |= {("not_durable", server.name) for server in self.topology.servers if not self.durable(server)}
        eventually(lambda: self.codes() == expected or self.fail(self.codes() ^ expected), 25, "all is named")
        told = subprocess.run(
            [baton_binary(), "explain", self.cluster, "--url", self.nodes[0].url],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        ).stdout
        self.assertIn("settings:\n", told)
        self.assertIn("SET PERSIST replica_net_timeout = 10;", told)

        self.mend()

        # Two acknowledgers are there by now; what was advised for one was right for the moment.
        eventually(lambda: not self.codes() or self.fail(self.codes()), 25, "all advice is gone")
        self.topology.wait_replicating()
        status = bad.rows("SHOW REPLICA STATUS")[0]
        self.assertEqual((status["Connect_Retry"], status["Source_Retry_Count"]), (1, 86400))

        # The options of the lab's command line win over it at a restart.
        kept = bad.value(
            "SELECT VARIABLE_VALUE FROM performance_schema.persisted_variables"
            " WHERE VARIABLE_NAME='replica_net_timeout'"
        )
        self.assertEqual(kept, "10")

    def test_mariadb(self):
        self.start("mariadb")
        primary, bad, other = self.topology.servers
        bad.execute(
            "STOP SLAVE",
            "CHANGE MASTER TO MASTER_CONNECT_RETRY=60, MASTER_HEARTBEAT_PERIOD=0",
            "SET GLOBAL gtid_strict_mode=0",
            "SET GLOBAL binlog_format='MIXED'",
            "SET GLOBAL read_only=0",
            "START SLAVE",
        )
        other.execute("STOP SLAVE", "CHANGE MASTER TO MASTER_USE_GTID=no", "START SLAVE")
        # Before 10.6 it counts whole days, and a day is long enough.
        hours = bool(primary.rows("SHOW VARIABLES LIKE 'binlog_expire_logs_seconds'"))
        primary.execute(
            f"SET GLOBAL expire_logs_days={0.5 if hours else 1}",
            "SET GLOBAL rpl_semi_sync_master_timeout=500",
            "SET GLOBAL rpl_semi_sync_master_enabled=1",
        )

        expected = {
            ("replica_net_timeout_long", "replica1"),
            ("connect_retry_long", "replica1"),
            ("heartbeat_long", "replica1"),
            ("gtid_strict_off", "replica1"),
            ("binlog_format_not_row", "replica1"),
            ("read_only_off", "replica1"),
            ("semi_sync_replica_off", "replica1"),
            ("replica_net_timeout_long", "replica2"),
            ("heartbeat_long", "replica2"),
            ("gtid_positioning_off", "replica2"),
            ("semi_sync_replica_off", "replica2"),
            ("semi_sync_timeout_short", "primary"),
        }
        if hours:
            expected.add(("binlog_expires_soon", "primary"))
        # The servers of the lab do not sync their binary logs.
        expected |= {("not_durable", server.name) for server in self.topology.servers if not self.durable(server)}
        eventually(lambda: self.codes() == expected or self.fail(self.codes() ^ expected), 25, "all is named")
        tag = f"/api/tag/127.0.0.1/{bad.port}?tag=advice.ignore%3Dread_only_off,gtid_strict_off"
        self.assertEqual(self.nodes[0].get(tag)[0], 200)
        unwanted = {("read_only_off", "replica1"), ("gtid_strict_off", "replica1")}
        eventually(lambda: self.codes() == expected - unwanted, 5, "what a tag names is left out")
        self.assertEqual(self.nodes[0].get(f"/api/untag/127.0.0.1/{bad.port}?tag=advice.ignore")[0], 200)
        eventually(lambda: self.codes() == expected, 5, "and is there again")

        self.mend()

        eventually(lambda: not self.codes() or self.fail(self.codes()), 25, "all advice is gone")
        self.topology.wait_replicating()

    @staticmethod
    def durable(server):
        return server.value("SELECT @@sync_binlog = 1 AND @@innodb_flush_log_at_trx_commit = 1") == 1


class ReplicationUser(AdviceTest):
    """Another account than that of the replicas, which the primary has not, or not with the right to replicate."""

    def check(self, flavour):
        self.need(flavour)
        self.topology = self.lab.topology(flavour, 1)
        primary = self.topology.primary
        primary.execute(f"GRANT SELECT (User, Host, Repl_slave_priv) ON mysql.user TO '{BATON_USER}'@'%'")
        settings = {"topology": self.account("comeback", "secret")}
        self.nodes = self.lab.nodes("sqlite", [self.topology.seed], count=1, settings=settings)
        eventually(lambda: active_node(self.nodes).knows(self.topology.servers), 20, "all servers are found")
        self.cluster = self.topology.seed

        def says(words):
            told = [advice for advice in self.advice() if advice["code"] == "replication_user_missing"]
            return told and words in told[0]["sentence"] and told[0]["server"] == primary.address and told[0]["statements"]

        eventually(lambda: says("does not exist here"), 25, "the account is missed")
        primary.execute("CREATE USER 'comeback'@'%' IDENTIFIED BY 'secret'")
        grant = eventually(lambda: says("has not been granted REPLICATION SLAVE"), 25, "its right is missed")
        self.assertEqual(grant, ["GRANT REPLICATION SLAVE ON *.* TO 'comeback'@'%'"])
        primary.execute(grant[0])
        eventually(lambda: not self.codes() & {("replication_user_missing", "primary")}, 25, "all is well")

    def test_mysql(self):
        self.check("mysql")

    def test_mariadb(self):
        self.check("mariadb")


class DroppedRelayLog(AdviceTest):
    """A replica has received much and applied nothing of it; it is restarted with relay_log_recovery."""

    ROWS = 200

    def receive_without_applying(self, replica):
        replica.execute("STOP REPLICA SQL_THREAD")
        before = self.received(replica)
        self.topology.primary.execute(*[f"INSERT INTO app.ledger VALUES ({900000 + n}, 1)" for n in range(self.ROWS)])
        eventually(
            lambda: self.topology.primary.value(
                f"SELECT GTID_SUBSET(@@global.gtid_executed, '{self.received(replica)}')"
            ),
            10,
            f"{replica} has received all",
        )
        self.assertNotEqual(self.received(replica), before)
        time.sleep(2.5)  # the node looks every second

    @staticmethod
    def received(replica):
        status = replica.rows("SHOW REPLICA STATUS")[0]
        sets = [status["Executed_Gtid_Set"], status["Retrieved_Gtid_Set"]]
        return ",".join(text.replace("\n", "") for text in sets if text)

    def drop(self, replica, *more):
        replica.kill()
        replica.start("--relay-log-recovery=ON", *more)
        replica.wait_started()

    def recoveries(self):
        return self.nodes[0].json("/api/v1/recoveries")

    def test_another_has_it(self):
        self.start("mysql", semi_sync=True)
        primary, dropping, other = self.topology.servers
        self.receive_without_applying(dropping)
        self.drop(dropping, "--skip-replica-start")
        eventually(lambda: ("received_lost", "replica1") in self.codes(), 10, "the loss is noticed")
        # Long enough for the primary to be seen after the restart: what the replica had acknowledged before, and was
        # not seen to have, would be there.
        time.sleep(3)

        primary.kill()

        eventually(lambda: int(dropping.replication()["source_port"]) == other.port, 40, "it follows the other")
        dropping.execute("START REPLICA")  # it did not run before, so nobody else starts it
        self.assertIs(wait_one_primary([dropping, other], 20), other)
        self.assertEqual(len([n for n in other.ledger() if n >= 900000]), self.ROWS)
        eventually(
            lambda: len([n for n in dropping.ledger() if n >= 900000]) == self.ROWS, 20, "the other gets all again"
        )
        eventually(lambda: self.recoveries()[0]["state"] == "done", 10, "the recovery has ended")
        record = self.nodes[0].json(f"/api/v1/recoveries/{self.recoveries()[0]['id']}")
        self.assertNotIn("had received", record["loss"])

    def test_nobody_has_it(self):
        self.start("mysql")
        dropping = self.fail_with_the_only_copy_dropped()

        eventually(lambda: self.recoveries()[0]["state"] == "done", 40, "the failover goes on")
        record = self.nodes[0].json(f"/api/v1/recoveries/{self.recoveries()[0]['id']}")
        self.assertIn(f"{self.ROWS} transactions that {dropping.address} had received", record["loss"])

    def test_nobody_has_it_under_semi_sync(self):
        self.start("mysql", semi_sync=True)
        dropping = self.fail_with_the_only_copy_dropped()

        said = f"{dropping.address} had received {self.ROWS} transactions"
        eventually(lambda: said in self.explained(), 40, "the recovery is refused")
        self.assertIn("recovery.require_all_acknowledgers", self.explained())
        self.assertFalse([server for server in self.topology.replicas if server.is_writable()])

    def test_nobody_has_it_and_the_policy_accepts_it(self):
        self.start("mysql", semi_sync=True, settings={"recovery": {"require_all_acknowledgers": False}})
        dropping = self.fail_with_the_only_copy_dropped()

        eventually(lambda: self.recoveries()[0]["state"] == "done", 40, "the failover goes on")
        record = self.nodes[0].json(f"/api/v1/recoveries/{self.recoveries()[0]['id']}")
        self.assertIn(f"{self.ROWS} transactions that {dropping.address} had received", record["loss"])
        self.assertIn("Acknowledged transactions may be lost", record["loss"])

    def explained(self):
        return str(self.nodes[0].json(f"/api/v1/clusters/{self.cluster}/explain"))

    def fail_with_the_only_copy_dropped(self):
        primary, dropping, other = self.topology.servers
        other.execute("STOP REPLICA IO_THREAD")
        self.receive_without_applying(dropping)
        dropping.kill()
        primary.kill()
        # Its receiver fails to connect: the primary is seen to be dead.
        dropping.start("--relay-log-recovery=ON")
        dropping.wait_started()
        return dropping
