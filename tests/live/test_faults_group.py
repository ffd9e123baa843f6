# SPDX-License-Identifier: Apache-2.0
"""One of two co-primaries dies; a member of a group dies."""

import time

from lab import active_node, backends, eventually, writable_servers
from lab.fault_case import EXPOSED, KILL_LIMIT, SILENCE_LIMIT, FaultTest

TIMEOUT = 180

CO_PRIMARY = ("DeadCoMaster", "DeadCoMasterAndSomeReplicas")


class CoPrimary(FaultTest):
    """Two servers that replicate from each other, one of them read-only, and a replica of the active one."""

    NIGHTLY = True

    def make_topology(self, flavour, tree, **options):
        topology = super().make_topology(flavour, {"active": {"passive": {}, "leaf": {}}}, **options)
        active, passive = topology["active"], topology["passive"]
        active.execute(active.flavour.replicate_from(passive.port), active.flavour.start_replica)
        eventually(lambda: active.source_port() == passive.port, 20, "each replicates from the other")
        return topology

    def test_mariadb_kill(self):
        self._active_dies("mariadb", lambda: self.old.kill(), KILL_LIMIT)

    def test_mysql_kill(self):
        self._active_dies("mysql", lambda: self.old.kill(), KILL_LIMIT)

    def test_mariadb_freeze(self):
        self._active_dies("mariadb", lambda: self.old.freeze(), SILENCE_LIMIT)

    def test_mysql_freeze(self):
        self._active_dies("mysql", lambda: self.old.freeze(), SILENCE_LIMIT)

    def _active_dies(self, flavour, fail, limit):
        self.start(flavour)
        fault_at = time.monotonic()
        fail()
        promoted = self.wait_failover(fault_at, limit)
        self.assertIs(promoted, self.topology["passive"])
        if self.old.process.alive():
            self.old.thaw()
            self.check_stays_demoted(promoted, within=10)
        self.check_end(promoted, codes=CO_PRIMARY, exposed=EXPOSED)

    def test_mariadb_passive_dies(self):
        self._passive_dies("mariadb")

    def test_mysql_passive_dies(self):
        self._passive_dies("mysql")

    def _passive_dies(self, flavour):
        """The active one goes on, and its own replica too."""
        self.start(flavour)
        self.topology["passive"].kill()
        time.sleep(6)
        alive = [self.old, self.topology["leaf"]]
        self.assertEqual(writable_servers(alive), [self.old])
        self.assertEqual([r for r in self.recoveries() if r["state"] == "done" and r["successor"]], [])
        self.stop_writing()
        commits = self.commits()
        self.assertEqual({commit.port for commit in commits}, {self.old.port})
        numbers = {commit.number for commit in commits}
        eventually(lambda: numbers <= self.topology["leaf"].ledger(), 10, "the replica has everything")


class GroupMember(FaultTest):
    """Three members with one primary, and two replicas of the second member."""

    NIGHTLY = True

    def make_topology(self, flavour, tree, **options):
        reason = backends.GroupReplication.missing_because()
        if reason:
            self.skipTest(reason)
        return self.lab.managed_group()

    def test_mysql_secondary_dies(self):
        """Its replicas go on below another member."""
        self.start("mysql")
        second = self.topology["db2"]
        second.kill()
        self._check_moved(second)
        self.assertEqual(writable_servers(self._alive()), [self.old])
        self._check_data()

    def test_mysql_primary_dies(self):
        """The group chooses another primary by itself: nobody else may be promoted, and nothing is moved for it."""
        self.start("mysql")
        self.old.kill()
        members = [self.topology["db2"], self.topology["db3"]]
        eventually(lambda: len(writable_servers(members)) == 1, 30, "the group has a primary")
        time.sleep(6)
        self.assertEqual(len(writable_servers(self._alive())), 1)
        self.assertIn(writable_servers(self._alive())[0], members)
        for replica in (self.topology["replica1"], self.topology["replica2"]):
            self.assertEqual(replica.source_port(), self.topology["db2"].port)
        self._check_data()

    def _alive(self):
        return [server for server in self.topology.servers if server.process.alive()]

    def _check_moved(self, second):
        others = {server.port for server in (self.topology["db1"], self.topology["db3"])}
        for name in ("replica1", "replica2"):
            eventually(lambda name=name: self.topology[name].source_port() in others, 30, f"{name} is moved")
        record = next(r for r in self.recoveries() if r["failed"] == second.address)
        eventually(lambda: active_node(self.nodes).json(f"/api/v1/recoveries/{record['number']}")["state"] == "done",
                   10, "the recovery ends")
        self.assertEqual(record["code"], "DeadReplicationGroupMemberWithReplicas", record)

    def _check_data(self):
        time.sleep(1)
        self.stop_writing()
        numbers = {commit.number for commit in self.commits()}
        for server in self._alive():
            eventually(lambda server=server: numbers <= server.ledger(), 20, f"{server} has all writes")
