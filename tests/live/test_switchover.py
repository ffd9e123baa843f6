# SPDX-License-Identifier: Apache-2.0
"""Planned changes of a living primary, and failovers by force, while an application writes: not one write is lost."""

import os
import subprocess
import time

import pymysql

from lab import LeaderWatch, active_node, eventually, wait_one_primary, wait_same_data, writable_servers
from lab.case import LiveTest
from lab.flavour import BATON_USER, REPLICATION_PASSWORD, REPLICATION_USER, WRITER_PASSWORD, WRITER_USER
from lab.nodes import secret_file

TIMEOUT = 170

# Seconds without writes that a test accepts on a loaded machine; scripts/bench switchover measures.
OUTAGE_LIMIT = 2.0
LEASE = 2.0


class SwitchoverTest(LiveTest):
    def start(self, flavour, tree=3, *, semi_sync=False, recovery=None, credentials=True, order=None):
        """credentials: by the options, else Baton may read those of the replicas. order: BATON_TEST_INTERRUPT."""
        self.need(flavour)
        self.topology = self.lab.topology(flavour, tree, semi_sync=semi_sync)
        settings = {"lease": {"duration": f"{LEASE:.0f}s"}, "recovery": recovery or {}}
        if credentials:
            password = secret_file(self.lab.folder / "replication.password", REPLICATION_PASSWORD)
            settings["topology"] = {
                "replication_user": REPLICATION_USER, "replication_password_file": str(password)
            }
        else:
            for server in self.topology.servers:
                server.execute(
                    "SET SESSION sql_log_bin = 0, GLOBAL super_read_only = 0",
                    f"GRANT SELECT ON mysql.slave_master_info TO '{BATON_USER}'@'%'",
                )
                if server is not self.topology.primary:
                    server.execute("SET GLOBAL super_read_only = 1")
        self.nodes = self.lab.prepare_nodes(self.lab.backend(), [self.topology.seed], settings=settings)
        if order:
            self.nodes[0].environment = {"BATON_TEST_INTERRUPT": order}
        for node in self.nodes:
            node.restart()
            eventually(self.nodes[0].is_active, 20, "the first one is the active one")
        for node in self.nodes:
            eventually(lambda node=node: node.knows(self.topology.servers), 20, f"{node} knows all servers")
        self.writer = self.lab.writer(self.topology)
        time.sleep(0.7)

    def switch(self, *arguments, node=None, status=0):
        """`baton ARGUMENTS`; returns what it printed."""
        result = (node or self.nodes[-1]).command(*arguments, timeout=60)
        self.assertEqual(result.returncode, status, f"{arguments}: {result.stdout}{result.stderr}")
        return result.stdout + result.stderr

    def wait_written(self, server):
        """Seconds between the last write elsewhere and the first one on this server."""

        def gap():
            acks = self.writer.acks()
            first = next((i for i in range(len(acks) - 1, -1, -1) if acks[i].port != server.port), -1) + 1
            return first > 0 and len(acks) > first + 10 and acks[first].acknowledged - acks[first - 1].acknowledged

        return eventually(gap, 20, f"{server} is written to")

    def check_nothing_lost(self):
        self.writer.stop()
        data = wait_same_data(self.topology.servers)
        lost = [ack.number for ack in self.writer.acks() if ack.number not in data]
        self.assertEqual(lost, [], "acknowledged and lost")

    def last_recovery(self):
        return active_node(self.nodes).json("/api/v1/recoveries")[0]


class Planned(SwitchoverTest):
    def test_there_and_back_on_mariadb(self):
        self._there_and_back("mariadb")

    def test_there_and_back_on_mysql(self):
        self._there_and_back("mysql")

    def test_there_and_back_on_mysql_with_semi_sync(self):
        self._there_and_back("mysql", semi_sync=True)

    def test_with_credentials_of_the_replicas(self):
        self._there_and_back("mysql", credentials=False)

    def _there_and_back(self, flavour, **options):
        self.start(flavour, **options)
        old, new = self.topology.primary, self.topology["replica2"]

        print(self.switch("switchover", old.address, "--to", new.address, "--dry-run"))
        self.assertEqual(writable_servers(self.topology.servers), [old])
        for server in (new, old):
            print(self.switch("switchover", old.address, "--to", server.address))
            seconds = self.wait_written(server)
            print(f"outage {seconds * 1000:.0f} ms")
            self.assertLess(seconds, OUTAGE_LIMIT)
            # The old primary follows, too, and stays read-only.
            self.assertIs(wait_one_primary(self.topology.servers), server)
            record = self.last_recovery()
            self.assertEqual((record["state"], record["kind"]), ("done", "switchover"), record)
        self.check_nothing_lost()

    def test_is_taken_back_when_the_candidate_cannot_catch_up(self):
        self.start("mysql", recovery={"drain_limit": "1s", "switchover": {"outage_limit": "1s"}})
        old, candidate = self.topology.primary, self.topology["replica1"]
        with candidate.connect() as connection, connection.cursor() as cursor:
            cursor.execute("LOCK TABLES app.ledger READ")  # its applier waits

            told = self.switch("switchover", old.address, "--to", candidate.address, status=1)

            print(told)
            self.assertIn("is writable, as before", told)
        self.assertEqual(writable_servers(self.topology.servers), [old])
        written = len(self.writer.acks())
        eventually(lambda: len(self.writer.acks()) > written + 10, 10, "it is written to as before")
        self.assertIs(wait_one_primary(self.topology.servers), old)
        self.check_nothing_lost()

    def test_open_transactions_end_or_are_ended(self):
        self.start("mysql", recovery={"switchover": {"grace": "2s"}})
        old, new = self.topology.primary, self.topology["replica1"]
        forgotten = pymysql.connect(
            host="127.0.0.1", port=old.port, user=WRITER_USER, password=WRITER_PASSWORD, connect_timeout=5
        )
        with forgotten.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("INSERT INTO app.ledger VALUES (4000000000, 1)")
            time.sleep(1.2)

            print(self.switch("switchover", old.address, "--to", new.address))

        self.assertLess(self.wait_written(new), OUTAGE_LIMIT)
        self.assertIs(wait_one_primary(self.topology.servers), new)
        self.writer.stop()
        self.assertNotIn(4000000000, wait_same_data(self.topology.servers))
        with self.assertRaises((pymysql.Error, OSError)):
            forgotten.commit()

    def test_what_cannot_be_is_refused_and_changes_nothing(self):
        self.start("mariadb", 2)
        old, broken = self.topology.primary, self.topology["replica1"]
        broken.execute("STOP SLAVE SQL_THREAD")
        eventually(
            lambda: "does not replicate" in self.nodes[0].command(
                "switchover", old.address, "--to", broken.address, "--dry-run").stdout, 10, "it is seen")

        told = self.switch("switchover", old.address, "--to", broken.address, status=1)

        self.assertIn("does not replicate", told)
        self.assertEqual(writable_servers(self.topology.servers), [old])


class ActiveNodeDies(SwitchoverTest):
    """At each point between the freeze and the end; the next active node goes on or takes it back."""

    def test_frozen_and_not_written_down(self):
        self._killed("kill performed 3")

    def test_before_the_promotion(self):
        self._killed("kill journaled 4")

    def test_within_the_promotion(self):
        self._killed("kill performing 4 3")

    def test_promoted_and_not_written_down(self):
        self._killed("kill performed 4")

    def test_stands_still_before_the_promotion(self):
        self._killed("stop journaled 4")

    def _killed(self, order):
        self.start("mariadb", order=order)
        old, new = self.topology.primary, self.topology["replica1"]
        asked = self.nodes[1]
        with LeaderWatch(self.nodes) as watch:
            asked.command("switchover", old.address, "--to", new.address, timeout=60)
            first = self.nodes[0].process
            eventually(lambda: not first.alive() or first.stopped(), 20, "the active node is interrupted")
            eventually(
                lambda: asked.json("/api/v1/recoveries")[0]["state"] != "running", 30, "the switchover ends"
            )
            if first.alive():
                self.nodes[0].thaw()
        self.assertEqual(watch.violations(), [])

        primary = wait_one_primary(self.topology.servers, 30)

        self.assertIn(primary, (old, new))
        written = len(self.writer.acks())
        eventually(lambda: len(self.writer.acks()) > written + 10, 10, "it is written to")
        seconds = max(b.acknowledged - a.acknowledged for a, b in zip(self.writer.acks(), self.writer.acks()[1:]))
        print(f"{order}: {primary.name}, longest pause {seconds:.3f} s")
        self.check_nothing_lost()


class ByForce(SwitchoverTest):
    def test_a_living_primary_is_frozen_first_and_follows_afterwards(self):
        self.start("mysql")
        old, new = self.topology.primary, self.topology["replica2"]
        self.assertIn("--force", self.switch("failover", old.address, status=1))

        print(self.switch("failover", old.address, "--force", "--to", new.address))

        self.assertLess(self.wait_written(new), OUTAGE_LIMIT)
        # It was deposed, is read-only and clean, and so it comes back by itself.
        self.assertIs(wait_one_primary(self.topology.servers, 30), new)
        self.check_nothing_lost()

    def test_a_primary_that_cannot_be_reached(self):
        self.need_packet_filter()
        self.start("mariadb")
        old = self.topology.primary
        active = active_node(self.nodes)
        active.post("/api/disable-global-recoveries")
        old.freeze()
        time.sleep(0.5)

        print(self.switch("failover", old.address, "--force"))

        record = active.json(f"/api/v1/recoveries/{self.last_recovery()['id']}")
        self.assertIn("not reached", record["fencing"])
        promoted = wait_one_primary(self.topology.replicas)
        old.thaw()
        active.post("/api/enable-global-recoveries")
        eventually(lambda: not old.is_writable(), 20, "the old one is made read-only")
        self.assertEqual(writable_servers(self.topology.servers), [promoted])


class OrchestratorClient(SwitchoverTest):
    """The unmodified script; $ORCHESTRATOR_CLIENT names it."""

    def setUp(self):
        self.script = os.environ.get("ORCHESTRATOR_CLIENT")
        if not self.script:
            self.skipTest("ORCHESTRATOR_CLIENT does not name the orchestrator-client script")
        super().setUp()

    def test_takeovers(self):
        self.start("mariadb")
        environment = {**os.environ, "ORCHESTRATOR_API": " ".join(f"{node.url}/api" for node in self.nodes)}
        servers = self.topology.servers

        def run(*arguments):
            result = subprocess.run(
                ["bash", self.script, *arguments], capture_output=True, text=True, timeout=60, env=environment,
                check=False,
            )
            self.assertEqual(result.returncode, 0, f"{arguments}: {result.stdout}{result.stderr}")
            return result.stdout.strip()

        primary, one, two, three = servers
        told = run("-c", "graceful-master-takeover-auto", "-a", primary.address, "-d", one.address)
        self.assertEqual(told, one.address)
        self.assertIs(wait_one_primary(servers), one)
        self.assertEqual(
            run("-c", "graceful-master-takeover", "-a", primary.address, "-d", two.address), two.address
        )
        # The old one is left stopped.
        state = eventually(one.replication, 10, "it points to the new primary")
        self.assertEqual((int(state["source_port"]), state["receiver"], state["applier"]), (two.port, "No", "No"))
        one.execute(one.flavour.start_replica)
        self.assertIs(wait_one_primary(servers), two)
        self.assertEqual(
            run("-c", "force-master-takeover", "-a", primary.address, "-d", three.address), three.address
        )
        self.assertIs(wait_one_primary(servers, 30), three)
        told = run("-c", "force-master-failover", "-a", primary.address)
        promoted = wait_one_primary(servers, 30)
        self.assertEqual(told, promoted.address)
        self.assertIsNot(promoted, three)
        self.check_nothing_lost()
