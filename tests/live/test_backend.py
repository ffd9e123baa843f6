# SPDX-License-Identifier: Apache-2.0
"""Baton and its own database: empty at the start, away for a while, or none at all."""

import time

from lab import LeaderWatch, active_node, active_nodes, eventually, wait_one_primary
from lab.case import LiveTest

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
