# SPDX-License-Identifier: Apache-2.0
"""The active Baton node dies, freezes, is stopped or is cut off: another one takes over, and never are there two."""

import time

from lab import LeaderWatch, active_node, eventually, wait_one_primary
from lab.case import LiveTest

TIMEOUT = 120

LEASE = 3.0  # seconds, the default
# A killed node is replaced when its lease has run out; the rest is the interval of looking, and slack for two tests
# on two cores.
TAKEOVER_LIMIT = LEASE + 2.5


class NodeTest(LiveTest):
    def start(self, flavour="mariadb"):
        self.need(flavour)
        self.topology = self.lab.topology(flavour, 2)
        self.backend = self.lab.backend(flavour)
        self.nodes = self.lab.nodes(self.backend, [self.topology.seed])
        self.active = active_node(self.nodes)
        eventually(lambda: self.active.knows(self.topology.servers), 20, "all servers are found")
        # A release counts for those only who have seen the lease held.
        for node in self.others():
            eventually(lambda node=node: node.json("/api/v1/nodes")["self"]["active_name"] == self.active.name, 5,
                       f"{node} knows who is active")

    def others(self):
        return [node for node in self.nodes if node is not self.active]

    def check_works(self, node):
        """The node polls: a change of the topology is seen."""
        port = self.topology.replicas[0].port
        self.topology.replicas[0].execute(self.topology.replicas[0].flavour.stop_replica)
        eventually(
            lambda: node.instances()[port]["Slave_IO_Running"] is False, 10, f"{node} sees that a replica stopped"
        )
        self.topology.replicas[0].execute(self.topology.replicas[0].flavour.start_replica)
        eventually(lambda: node.instances()[port]["Slave_IO_Running"] is True, 10, f"{node} sees it replicate")


class Active(NodeTest):
    def test_mariadb_killed(self):
        self._killed("mariadb")

    def test_mysql_killed(self):
        self._killed("mysql")

    def _killed(self, flavour):
        self.start(flavour)
        with LeaderWatch(self.nodes) as watch:
            fault_at = time.monotonic()
            self.active.kill()
            successor = active_node(self.others(), 10)
            gap = eventually(lambda: watch.gap(fault_at), 5, "the successor says so")
            print(f"active again after {gap:.3f} s")
            self.assertLess(gap, TAKEOVER_LIMIT)
            self.check_works(successor)
            # It comes back as a standby.
            self.active.restart()
            time.sleep(1)
            self.assertFalse(self.active.is_active())
        self.assertEqual(watch.violations(), [])
        self.assertEqual(self.nodes[0].json("/api/audit-recovery"), [], "nothing was recovered")

    def test_mariadb_frozen_longer_than_the_lease(self):
        self.start()
        with LeaderWatch(self.nodes) as watch:
            fault_at = time.monotonic()
            self.active.freeze()
            successor = active_node(self.others(), 10)
            gap = eventually(lambda: watch.gap(fault_at), 5, "an answer after the fault")
            print(f"active again after {gap:.3f} s")
            time.sleep(max(0.0, fault_at + 2 * LEASE - time.monotonic()))
            thawed_at = time.monotonic()
            self.active.thaw()
            time.sleep(2)
            late = [
                answer for answer in watch.answers(self.active) if answer.received > thawed_at and answer.status == 200
            ]
            self.assertEqual(late, [], "a thawed node does not believe that it is still active")
            self.assertTrue(successor.is_active())
        self.assertEqual(watch.violations(), [])
        self.check_works(successor)

    def test_mariadb_frozen_shorter_than_the_lease(self):
        self.start()
        with LeaderWatch(self.nodes) as watch:
            self.active.freeze()
            time.sleep(1.0)
            self.active.thaw()
            time.sleep(LEASE)
            self.assertIs(active_node(self.nodes), self.active, "it keeps the lease")
        self.assertEqual(watch.violations(), [])

    def test_mariadb_stopped(self):
        """SIGTERM: the lease is handed over at once, not waited for."""
        self.start()
        with LeaderWatch(self.nodes, every=0.01) as watch:
            fault_at = time.monotonic()
            took = self.active.shut_down()
            successor = active_node(self.others(), 10)
            gap = eventually(lambda: watch.gap(fault_at + took), 5, "an answer after the stop") + took
        print(f"stopped in {took:.3f} s, active again after {gap:.3f} s")
        self.assertEqual(self.active.process.exit_status(), 0)
        self.assertLess(took, 2.0)
        self.assertLess(gap, 1.5)
        self.assertEqual(watch.violations(), [])
        self.check_works(successor)

    def test_mariadb_cut_off_from_the_backend(self):
        """It cannot renew its lease: it must stop saying that it is active before another one says so."""
        self.need_packet_filter()
        self.start()
        with LeaderWatch(self.nodes) as watch:
            fault_at = time.monotonic()
            cut = self.lab.cut_connection(self.active, self.backend)
            successor = active_node(self.others(), 15)
            gap = eventually(lambda: watch.gap(fault_at), 5, "an answer after the fault")
            print(f"active again after {gap:.3f} s")
            self.assertIsNotNone(self.active.get("/api/lb-check")[0], "it still answers")
            time.sleep(LEASE)
            self.assertTrue(successor.is_active())
            self.assertFalse(self.active.is_active())
            cut.stop()
            time.sleep(3)
            self.assertIs(active_node(self.nodes), successor)
        self.assertEqual(watch.violations(), [])
        self.check_works(successor)

    def test_mariadb_killed_again_and_again(self):
        """Each node in turn; the last one standing serves alone."""
        self.start()
        with LeaderWatch(self.nodes) as watch:
            remaining = list(self.nodes)
            while len(remaining) > 1:
                active = active_node(remaining, 10)
                active.kill()
                remaining.remove(active)
            last = active_node(remaining, 10)
            self.check_works(last)
        self.assertEqual(watch.violations(), [])
        self.assertIs(wait_one_primary(self.topology.servers), self.topology.primary)
