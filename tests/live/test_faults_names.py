# SPDX-License-Identifier: Apache-2.0
"""The name service is slow, or silent: nothing is failed over for that, and a real failure still is."""

import time

from lab import active_node, eventually, faults
from lab.fault_case import FaultTest
from lab.names import NameServer, use_hosts, use_name_server

TIMEOUT = 180
NIGHTLY = True


class Names(FaultTest):
    """Servers are known by names, which only the nodes ask the name server for."""

    def start(self, flavour):
        self.need(flavour)
        reason = faults.no_small_disk()  # the same right to mount
        if reason:
            self.skipTest(reason)
        self.names = NameServer(f"127.53.{self.lab.take_port() % 250}.{time.monotonic_ns() % 250 + 1}")
        self.addCleanup(self.names.stop)
        super().start(flavour)

    def make_topology(self, flavour, tree, **options):
        hosts = ["primary.lab", "replica1.lab", "replica2.lab"]
        topology = self.lab.prepare_topology(flavour, 2, **options)
        for server, host in zip(topology.servers, hosts):
            server.wait_started()
            server.kill()
            use_hosts(server, self.lab.folder, hosts)
            server.start(f"--report-host={host}")
        for server in topology.servers:
            server.wait_started()
        for replica in topology.replicas:
            replica.execute(
                replica.flavour.replicate_from(topology.primary.port, hosts[0]), replica.flavour.start_replica
            )
        topology.wait_replicating()
        return topology

    def make_nodes(self, settings, count):
        nodes = self.lab.prepare_nodes(
            self.lab.backend(), [f"primary.lab:{self.topology.primary.port}"], count, settings
        )
        for node in nodes:
            use_name_server(node, node.folder, self.names)
            node.start()
        for node in nodes:
            node.wait_started()
        active_node(nodes, 20)
        return nodes

    def test_mariadb_slow(self):
        self._nothing_is_done("mariadb", 3.0)

    def test_mysql_silent(self):
        self._nothing_is_done("mysql", None)

    def _nothing_is_done(self, flavour, delay):
        self.start(flavour)
        self.names.delay = delay
        asked = self.names.questions
        # New connections are needed, too.
        for session in self.old.rows("SELECT id FROM information_schema.processlist WHERE user = 'baton'"):
            self.old.execute(f"KILL {session['id']}")
        time.sleep(10)
        self.assertGreater(self.names.questions, asked, "the name was asked for")
        self.assertEqual(self.recoveries(), [])
        self.names.delay = 0.0
        eventually(lambda: active_node(self.nodes).knows(self.topology.servers), 20, "all is seen again")
        self.check_nothing_done(2)

    def test_mariadb_primary_dies_meanwhile(self):
        self.start("mariadb")
        self.names.delay = 0.5
        fault_at = time.monotonic()
        self.old.kill()
        promoted = self.wait_failover(fault_at, 15)
        self.assertIn(promoted, self.topology.replicas)
        self.stop_writing()
        data = promoted.ledger()
        lost = [c.number for c in self.commits() if c.number not in data]
        self.assertLessEqual(len(lost), 3)
