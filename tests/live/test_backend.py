# SPDX-License-Identifier: Apache-2.0
"""Baton and its own database: empty at the start, away for a while, an older copy of itself, or none at all."""

import pathlib
import shutil
import subprocess
import threading
import time
import urllib.request

from lab import LeaderWatch, active_node, active_nodes, eventually, wait_one_primary
from lab.case import LiveTest
from lab.flavour import BACKEND_DATABASE

TIMEOUT = 120


class Empty(LiveTest):
    def test_mariadb_three_nodes_at_once(self):
        self._three_nodes("mariadb")

    def test_mysql_three_nodes_at_once(self):
        self._three_nodes("mysql")

    def _three_nodes(self, flavour):
        """All of them create the schema at the same time; none may trip over the others."""
        self.need(flavour)
        topology = self.lab.topology("mariadb", 1)
        nodes = self.lab.prepare_nodes(self.lab.backend(flavour), [topology.seed])

        for node in nodes:
            node.start()

        for node in nodes:
            node.wait_started()
        with LeaderWatch(nodes) as watch:
            active = active_node(nodes, 15)
            for node in nodes:
                eventually(lambda node=node: node.knows(topology.servers), 20, f"{node} shows both servers")
            self.assertIs(active_node(nodes), active, "the lease stays where it is")
        self.assertEqual(watch.violations(), [])
        self.assertEqual([node.process.alive() for node in nodes], [True] * 3)


class Restart(LiveTest):
    def start(self, flavour):
        self.need(flavour)
        self.topology = self.lab.topology("mariadb", 2)
        self.backend = self.lab.backend(flavour)
        self.nodes = self.lab.nodes(self.backend, [self.topology.seed])
        eventually(lambda: active_node(self.nodes).knows(self.topology.servers), 20, "all servers are found")

    def test_mariadb_short(self):
        self._restarted("mariadb", 0.0)

    def test_mariadb_longer_than_the_lease(self):
        self._restarted("mariadb", 8.0)

    def test_mysql_killed(self):
        self._restarted("mysql", 0.0, kill=True)

    def _restarted(self, flavour, pause, kill=False):
        self.start(flavour)
        with LeaderWatch(self.nodes) as watch:
            if kill:
                self.backend.kill()
            else:
                self.backend.shut_down()
            if pause:
                time.sleep(pause)
                self.assertEqual(active_nodes(self.nodes), [], "no lease can be held without the backend")
                for node in self.nodes:
                    status, _ = node.get("/api/clusters-info")
                    self.assertIsNotNone(status, f"{node} still answers")
            self.backend.restart()
            active = active_node(self.nodes, 20)
        self.assertEqual(watch.violations(), [])
        self.assertEqual([node.process.alive() for node in self.nodes], [True] * 3)
        eventually(lambda: active.knows(self.topology.servers), 15, "it polls again")
        # And it can still do its work.
        self.topology.primary.kill()
        wait_one_primary(self.topology.replicas, 25)

    def test_mariadb_away_at_the_start(self):
        """Nodes that start before their backend wait for it."""
        topology = self.lab.topology("mariadb", 1)
        backend = self.lab.backend()
        backend.shut_down()
        nodes = self.lab.prepare_nodes(backend, [topology.seed], count=2)
        for node in nodes:
            node.start()
        time.sleep(2)
        self.assertEqual([node.process.alive() for node in nodes], [True, True])

        backend.restart()

        active = active_node(nodes, 20)
        eventually(lambda: active.knows(topology.servers), 20, "all servers are found")


class EventCount:
    """Counts what a node tells over /api/v1/events."""

    def __init__(self, node):
        self.count = 0
        self._stream = urllib.request.urlopen(f"{node.url}/api/v1/events", timeout=60)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for line in self._stream:
                self.count += line.startswith(b"event:")
        except (OSError, ValueError):
            pass  # the node or the test has ended


class Away(LiveTest):
    def test_mariadb_read_only_from_memory_and_quiet_on_return(self):
        """Everything is still shown, with its age and a reason; nothing is accepted; no storm when it is back."""
        topology = self.lab.topology("mariadb", 2)
        backend = self.lab.backend()
        nodes = self.lab.nodes(backend, [topology.seed])
        for node in nodes:
            eventually(lambda node=node: node.knows(topology.servers), 20, f"{node} shows all servers")
        time.sleep(2)
        events = [EventCount(node) for node in nodes]
        time.sleep(3)
        usual = [counter.count for counter in events]

        backend.kill()
        time.sleep(8)

        for node in nodes:
            me = node.json("/api/v1/nodes")["self"]
            self.assertFalse(me["backend_ok"])
            self.assertTrue(me["backend_error"], "it says why")
            self.assertFalse(me["active"])
            self.assertTrue(me["state_source"].startswith("memory"), me["state_source"])
            self.assertGreater(me["state_age_ms"], 2000, "and how old what it shows is")
            self.assertLess(me["state_age_ms"], 20000)
            self.assertTrue(node.knows(topology.servers), "it shows what it knew")
            self.assertIn("the backend cannot be reached", node.command("nodes").stdout)
            port = topology.primary.port
            status, text = node.get(f"/api/begin-downtime/127.0.0.1/{port}/tester/reason/10m", timeout=10)
            self.assertGreaterEqual(status, 400, text)
            self.assertEqual(node.get("/health/ready")[0], 503)
        during = [counter.count for counter in events]

        backend.restart()

        active_node(nodes, 20)
        for node in nodes:
            eventually(lambda node=node: node.json("/api/v1/nodes")["self"]["state_age_ms"] < 2000, 15, "it is fresh")
        time.sleep(5)
        after = [counter.count for counter in events]
        print(f"events per node: 3 s before {usual}, 8 s without {during}, and 5 s after {after}")
        for before, latest in zip(during, after):
            self.assertLess(latest - before, 60, "no flood of events on return")
        self.assertEqual(nodes[0].json("/api/audit-recovery"), [], "and nothing was recovered")


class OlderCopy(LiveTest):
    """The backend is restored from a dump that is older than what the nodes have seen."""

    def start(self):
        if not shutil.which("mariadb-dump") or not shutil.which("mariadb"):
            self.skipTest("no mariadb-dump")
        self.topology = self.lab.topology("mariadb", 2)
        self.backend = self.lab.backend()
        self.nodes = self.lab.nodes(self.backend, [self.topology.seed])
        eventually(lambda: active_node(self.nodes).knows(self.topology.servers), 20, "all servers are found")
        time.sleep(2)
        self.dump = pathlib.Path(self.lab.folder) / "dump.sql"
        with open(self.dump, "wb") as file:
            self._client("mariadb-dump", BACKEND_DATABASE, stdout=file)
        for _ in range(3):  # the epoch rises beyond that of the dump
            self._hand_over()
        self.epoch = active_node(self.nodes).json("/api/v1/nodes")["self"]["epoch"]
        self.topology.primary.kill()
        self.promoted = wait_one_primary(self.topology.replicas, 25)
        eventually(
            lambda: [r["state"] for r in active_node(self.nodes).json("/api/v1/recoveries")] == ["done"], 15,
            "the failover is recorded",
        )

    def _client(self, program, *arguments, **options):
        subprocess.run(
            [program, "--no-defaults", "--user=root", f"--socket={self.backend.datadir}/mysqld.sock", *arguments],
            check=True, timeout=60, cwd="/", **options,
        )

    def _hand_over(self):
        active = active_node(self.nodes, 15)
        others = [node for node in self.nodes if node is not active]
        for node in others:
            eventually(
                lambda node=node: node.json("/api/v1/nodes")["self"]["active_name"] == active.name, 10, "all know it"
            )
        done = active.command("handover", "--to", others[0].name)
        self.assertEqual(done.returncode, 0, done.stderr)

    def restore(self):
        """As the program does it: each table is dropped, made anew and filled."""
        with open(self.dump, "rb") as file:
            self._client("mariadb", BACKEND_DATABASE, stdin=file)

    def check_noticed(self, words):
        text = "".join(node.log.read_text("utf-8") for node in self.nodes)
        self.assertTrue(any(word in text for word in words), f"none of the logs says one of {words}")

    def check_safe(self):
        """One node is active, in an epoch above all that were seen, and the world is shown as it is now."""
        active = active_node(self.nodes, 25)
        self.assertGreater(active.json("/api/v1/nodes")["self"]["epoch"], self.epoch)
        survivors = self.topology.replicas

        def shown(node):
            instances = node.instances()
            for server in survivors:
                self.assertEqual(instances[server.port]["ReadOnly"], server is not self.promoted)
            return True

        for node in self.nodes:
            eventually(lambda node=node: shown(node), 25, f"{node} shows what is, and not what was in the dump")
        time.sleep(2)
        self.assertIs(wait_one_primary(survivors), self.promoted, "nothing was done on the word of the dump")
        self.assertEqual([node.process.alive() for node in self.nodes], [True] * 3)

    def test_mariadb_restored_while_the_nodes_run(self):
        self.start()
        with LeaderWatch(self.nodes) as watch:
            self.restore()
            time.sleep(4)
            self.check_safe()
        self.assertEqual(watch.violations(), [])
        self.check_noticed(["another or an older copy", "lost commits", "has lost changes"])

    def test_mariadb_restored_while_the_nodes_are_stopped(self):
        self.start()
        for node in self.nodes:
            node.shut_down()
        self.restore()
        with LeaderWatch(self.nodes) as watch:
            for node in self.nodes:
                node.restart()
            self.check_safe()
        self.assertEqual(watch.violations(), [])
        self.check_noticed(["lost commits", "older"])


class Embedded(LiveTest):
    def test_sqlite_single_node(self):
        """No backend server: one node with SQLite does all of it, and remembers it."""
        topology = self.lab.topology("mariadb", 2)
        nodes = self.lab.nodes("sqlite", [topology.seed], count=1)
        node = nodes[0]
        eventually(lambda: node.knows(topology.servers), 20, "all servers are found")

        topology.primary.kill()

        promoted = wait_one_primary(topology.replicas, 20)
        eventually(
            lambda: [entry["SuccessorKey"]["Port"] for entry in node.json("/api/audit-recovery")] == [promoted.port],
            10, "the recovery is recorded",
        )
        node.shut_down()
        node.restart()
        eventually(lambda: node.is_active(2), 10, "it is active again")
        entries = node.json("/api/audit-recovery")
        self.assertEqual([entry["SuccessorKey"]["Port"] for entry in entries], [promoted.port])
