# SPDX-License-Identifier: Apache-2.0
"""The active node loses sight of most servers at once: it asks the others before it recovers anything."""

import time

from lab import LeaderWatch, active_node, eventually, wait_one_primary
from lab.case import LiveTest

TIMEOUT = 120


class Brake(LiveTest):
    def start(self, replicas=1):
        self.need("mariadb")
        self.shop = self.lab.topology("mariadb", replicas)
        self.stock = self.lab.topology("mariadb", replicas)
        self.servers = [*self.shop.servers, *self.stock.servers]
        self.backend = self.lab.backend("mariadb")
        self.nodes = self.lab.nodes(self.backend, [self.shop.seed, self.stock.seed])
        self.active = active_node(self.nodes)
        for node in self.nodes:
            eventually(lambda node=node: node.knows(self.servers), 20, f"{node} knows all servers")
        for node in self.others():
            eventually(lambda node=node: node.json("/api/v1/nodes")["self"]["active_name"] == self.active.name, 5,
                       f"{node} knows who is active")

    def others(self):
        return [node for node in self.nodes if node is not self.active]

    def check_nothing_was_recovered(self, node):
        self.assertEqual(node.json("/api/v1/recoveries"), [])
        for topology in (self.shop, self.stock):
            self.assertIs(wait_one_primary(topology.servers), topology.primary)

    def test_mariadb_active_cut_off_from_all_servers(self):
        self.need_packet_filter()
        self.start()
        with LeaderWatch(self.nodes) as watch:
            fault_at = time.monotonic()
            cuts = [self.lab.cut_connection(self.active, server) for server in self.servers]
            successor = eventually(
                lambda: next((node for node in self.others() if node.is_active()), None), 15, "another node is active"
            )
            print(f"handed over after {time.monotonic() - fault_at:.3f} s")
            eventually(lambda: successor.knows(self.servers), 10, f"{successor} sees all servers")
            time.sleep(3)
            self.assertTrue(successor.is_active())
            self.check_nothing_was_recovered(successor)
            messages = [entry["Message"] for entry in successor.json("/api/audit") if entry["AuditType"] == "hand-over"]
            self.assertEqual(len(messages), 1, messages)
            self.assertIn("vanished from this node's sight", messages[0])
            self.assertRegex(messages[0], "node node[123] reaches")
            for cut in cuts:
                cut.stop()
        self.assertEqual(watch.violations(), [])

    def test_mariadb_most_servers_really_die(self):
        """The others do not reach them either: recovered, with their word as evidence."""
        self.start(2)
        fault_at = time.monotonic()
        for server in (self.shop.replicas[0], self.stock.replicas[0], self.shop.primary, self.stock.primary):
            server.kill()
        for topology in (self.shop, self.stock):
            eventually(topology.replicas[1].is_writable, 10, f"{topology.replicas[1]} is promoted")
        took = time.monotonic() - fault_at
        print(f"both promoted after {took:.3f} s")
        self.assertLess(took, 3)
        self.assertTrue(self.active.is_active(), "it keeps the lease")
        recoveries = self.active.json("/api/v1/recoveries")
        self.assertEqual(len(recoveries), 2)
        evidence = [
            self.active.json(f"/api/v1/recoveries/{recovery['number']}")["evidence"] for recovery in recoveries
        ]
        # The first may have begun while not more than half were dead; not so the second.
        self.assertTrue(any("does not reach" in line for lines in evidence for line in lines), evidence)

    def test_mariadb_probe(self):
        """Each node tells what it sees of a known server, and tries no other address."""
        self.start()
        server = self.shop.replicas[0]
        for node in self.nodes:
            answer = node.json(f"/api/v1/probe/127.0.0.1/{server.port}")
            self.assertTrue(answer["answered"], answer)
            self.assertEqual((answer["server"], answer["failure"], answer["node"]),
                             (f"127.0.0.1:{server.port}", "none", node.name))
            self.assertEqual(node.get(f"/api/v1/probe/127.0.0.1/{self.backend.port}")[0], 404)
        server.kill()
        for node in self.nodes:
            answer = node.json(f"/api/v1/probe/127.0.0.1/{server.port}")
            self.assertFalse(answer["answered"], answer)
            self.assertEqual(answer["failure"], "refused")
