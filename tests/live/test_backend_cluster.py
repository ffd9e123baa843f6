# SPDX-License-Identifier: Apache-2.0
"""Backends of several servers: a node dies, a server of the backend dies, freezes or is cut off from the others.

Each kind is used directly, by each node through another server, and through a HAProxy per node with the sample
configuration and check program of config/. Whatever happens: never are two nodes active at one instant, the lease is
held again soon, all nodes show the same state, and the primary of a managed cluster is still failed over.
"""

import time

from lab import LeaderWatch, active_node, active_nodes, eventually, wait_one_primary
from lab.backends import ActivePassive, Galera, GroupReplication
from lab.case import LiveTest

LEASE = 3.0  # seconds, the default
SLACK = 1.0
BUSY = 1.0  # for two tests on two cores
# For how long a backend may commit nothing after a fault, in docs/backends.md: the time until it agrees that a server
# is gone (5 s by default in both), and the change of the members.
GALERA_STALL = 6.5
GROUP_STALL = 6.5
FAULT = 13.0  # longer than the stall and the lease that is then waited for
PROMOTION = 1.5  # from the fault until the operator's tool acts on an active-passive pair


class ClusterTest(LiveTest):
    """backend_class and options say which one; stall is its time without commits."""

    backend_class = Galera
    options = {}
    stall = 0.0

    def make_backend(self):
        reason = self.backend_class.missing_because()
        if reason:
            self.skipTest(reason)
        self.need("mariadb")
        if self.backend_class is Galera:
            return self.lab.galera(3)
        if self.backend_class is ActivePassive:
            return self.lab.active_passive()
        return self.lab.group_replication(3, **self.options)

    def start(self, access):
        """Three nodes start at once on the empty database."""
        self.backend = self.make_backend()
        self.access = access
        self.topology = self.lab.topology("mariadb", 2)
        seen = self.backend if access == "direct" else self.backend.behind_haproxy()
        self.nodes = self.lab.prepare_nodes(seen, [self.topology.seed])
        self.watch = LeaderWatch(self.nodes)
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.wait_started()
        self.watch.__enter__()
        self.addCleanup(self.watch.__exit__)
        self.active = active_node(self.nodes, 15)
        self.eventually_all_know(self.nodes)
        self.assertIs(active_node(self.nodes), self.active, "the lease stays where it is")

    def eventually_all_know(self, nodes):
        for node in nodes:
            eventually(lambda node=node: node.knows(self.topology.servers), 20, f"{node} shows all servers")

    def server_in_use(self):
        """The one that the active node has its lease on."""
        address = self.active.json("/api/v1/nodes")["self"]["backend_address"]
        for server in self.backend.servers:
            if server.address == address:
                return server
        for server in self.backend.servers:  # behind HAProxy, which sends everybody to the same one
            if any(row["User"] == "batondb" for row in server.rows("SHOW PROCESSLIST")):
                return server
        raise LookupError("no server of the backend has a connection of a node")

    def others(self, server):
        return [other for other in self.backend.servers if other is not server]

    def check_gap(self, since, limit, what):
        gap = self.watch.longest_gap(since, time.monotonic())
        print(f"{self.backend.kind}, {self.access}, {what}: no active node for {gap:.2f} s")
        self.assertLess(gap, limit)

    def through_fault(self, name, begin, end):
        """begin() makes the fault, end() mends it; the lease must be held again after each of both."""
        limit = LEASE + self.stall + SLACK + BUSY
        began = time.monotonic()
        begin()
        time.sleep(FAULT)
        active_node(self.nodes, 5)
        self.check_gap(began, limit, name)
        mended = time.monotonic()
        end()
        time.sleep(LEASE + 2)
        active_node(self.nodes, limit)
        self.check_gap(mended, limit + 1, f"after {name}")

    def check_works(self, nodes=None):
        """No split was seen, all nodes live and have one view, and the work is still done."""
        nodes = nodes or self.nodes
        self.assertEqual(self.watch.violations(), [])
        self.assertEqual([node.process.alive() for node in nodes], [True] * len(nodes))
        eventually(lambda: active_node(nodes).knows(self.topology.servers), 15, "it polls")
        self.topology.primary.kill()
        promoted = wait_one_primary(self.topology.replicas, 25)
        follower = next(server for server in self.topology.replicas if server is not promoted)
        for node in nodes:
            eventually(
                lambda node=node: node.instances()[follower.port]["MasterKey"]["Port"] == promoted.port
                and not node.instances()[promoted.port]["ReadOnly"],
                15, f"{node} shows the new primary",
            )
        self.assertEqual(self.watch.violations(), [])

    # --- the faults ------------------------------------------------------------------------------------------------

    def node_killed(self, access):
        self.start(access)
        fault_at = time.monotonic()
        self.active.kill()
        rest = [node for node in self.nodes if node is not self.active]
        active_node(rest, LEASE + 5)
        time.sleep(1)
        self.check_gap(fault_at, LEASE + SLACK + BUSY, "active node killed")
        self.check_works(rest)

    def server_killed(self, access):
        self.start(access)
        server = self.server_in_use()
        self.through_fault("server killed", server.kill, server.restart)
        self.check_works()

    def server_frozen(self, access):
        self.start(access)
        server = self.server_in_use()
        self.through_fault("server frozen", server.freeze, server.thaw)
        self.check_works()

    def server_in_minority(self, access):
        """It hears its clients, but not the other servers."""
        self.need_packet_filter()
        self.start(access)
        server = self.server_in_use()
        drops = []
        self.through_fault(
            "server in a minority",
            lambda: drops.append(self.lab.drop_group_packets(server, self.others(server))),
            lambda: drops[0].stop(),
        )
        self.check_works()

    def server_cut_off(self, access):
        """It hears nobody."""
        self.need_packet_filter()
        self.start(access)
        server = self.server_in_use()
        drops = []
        self.through_fault(
            "server cut off", lambda: drops.append(self.lab.drop_packets(server)), lambda: drops[0].stop()
        )
        self.check_works()

    def all_servers_killed(self, access):
        """Nobody can act; when the backend is there again, nothing of the state was lost."""
        self.start(access)
        for server in self.backend.servers:
            server.kill()
        time.sleep(LEASE + 1)
        self.assertEqual(active_nodes(self.nodes), [], "no lease can be held without the backend")
        for node in self.nodes:
            self.assertTrue(node.knows(self.topology.servers), f"{node} still shows what it knew")
        self.backend.restart_all()
        back = time.monotonic()
        active_node(self.nodes, LEASE + 5)
        print(f"{self.backend.kind}, {access}, all servers back: active node after {time.monotonic() - back:.2f} s")
        self.check_works()


# --- a short one of each kind, for every change --------------------------------------------------------------------


class GaleraShort(ClusterTest):
    TIMEOUT = 120

    def test_haproxy_node_killed(self):
        self.node_killed("haproxy")


class GroupShort(ClusterTest):
    TIMEOUT = 150
    backend_class = GroupReplication
    options = {"single_primary": True}

    def test_direct_node_killed(self):
        self.node_killed("direct")


# --- all -----------------------------------------------------------------------------------------------------------


class GaleraFaults(ClusterTest):
    NIGHTLY = True
    TIMEOUT = 180
    stall = GALERA_STALL

    def test_direct_node_killed(self):
        self.node_killed("direct")

    def test_haproxy_server_killed(self):
        self.server_killed("haproxy")

    def test_direct_server_killed(self):
        self.server_killed("direct")

    def test_haproxy_server_frozen(self):
        self.server_frozen("haproxy")

    def test_direct_server_frozen(self):
        self.server_frozen("direct")

    def test_haproxy_server_in_minority(self):
        self.server_in_minority("haproxy")

    def test_direct_server_in_minority(self):
        self.server_in_minority("direct")

    def test_direct_server_cut_off(self):
        self.server_cut_off("direct")

    def test_haproxy_all_servers_killed(self):
        self.all_servers_killed("haproxy")


class GroupSinglePrimaryFaults(ClusterTest):
    NIGHTLY = True
    TIMEOUT = 240
    backend_class = GroupReplication
    options = {"single_primary": True}
    stall = GROUP_STALL

    def test_haproxy_node_killed(self):
        self.node_killed("haproxy")

    def test_haproxy_server_killed(self):
        self.server_killed("haproxy")

    def test_direct_server_killed(self):
        self.server_killed("direct")

    def test_haproxy_server_frozen(self):
        self.server_frozen("haproxy")

    def test_direct_server_frozen(self):
        self.server_frozen("direct")

    def test_haproxy_server_in_minority(self):
        self.server_in_minority("haproxy")

    def test_direct_server_in_minority(self):
        self.server_in_minority("direct")

    def test_direct_all_servers_killed(self):
        self.all_servers_killed("direct")


class GroupMultiPrimaryFaults(ClusterTest):
    NIGHTLY = True
    TIMEOUT = 240
    backend_class = GroupReplication
    options = {"single_primary": False}
    stall = GROUP_STALL

    def test_haproxy_node_killed(self):
        self.node_killed("haproxy")

    def test_direct_node_killed(self):
        self.node_killed("direct")

    def test_haproxy_server_killed(self):
        self.server_killed("haproxy")

    def test_direct_server_killed(self):
        self.server_killed("direct")

    def test_haproxy_server_frozen(self):
        self.server_frozen("haproxy")

    def test_direct_server_frozen(self):
        self.server_frozen("direct")

    def test_haproxy_server_in_minority(self):
        self.server_in_minority("haproxy")

    def test_direct_server_in_minority(self):
        self.server_in_minority("direct")


class PairTest(ClusterTest):
    """Two servers that replicate from each other; a tool outside of Baton says which one is active."""

    backend_class = ActivePassive

    def start(self, access):
        super().start(access)
        self.old = self.backend.active
        self.new = self.others(self.old)[0]

    def check_moved(self, since):
        """All nodes use the new server now, and none goes back when the old one is there again, read-only."""
        active_node(self.nodes, LEASE + 5)
        time.sleep(LEASE)
        self.check_gap(since, PROMOTION + LEASE + SLACK + BUSY, "active server replaced")
        self.old.restart()
        eventually(lambda: self.old.source_port() == self.new.port, 15, "the old one replicates from the new one")
        back = time.monotonic()
        time.sleep(LEASE)
        self.check_gap(back, SLACK, "old server back as the passive one")
        self.check_all_use(self.new)
        self.check_works()

    def check_all_use(self, server):
        def connected():
            counts = {
                candidate.name: sum(row["User"] == "batondb" for row in candidate.rows("SHOW PROCESSLIST"))
                for candidate in self.backend.servers
            }
            # Two of each node: one for the lease, one for the rest.
            return counts[server.name] >= 2 * len(self.nodes) and sum(counts.values()) == counts[server.name]

        eventually(connected, 10, f"all connections of all nodes go to {server}")

    def server_killed(self, access):
        self.start(access)
        killed_at = time.monotonic()
        self.old.kill()
        time.sleep(PROMOTION)
        self.backend.fail_over(self.old, self.new)
        self.check_moved(killed_at)

    def server_frozen(self, access):
        """The frozen server is fenced (killed) before the other one is made writable."""
        self.start(access)
        frozen_at = time.monotonic()
        self.old.freeze()
        time.sleep(PROMOTION)
        self.backend.fail_over(self.old, self.new)
        self.check_moved(frozen_at)

    def switched_over(self, access):
        """Planned: nothing dies, the active one becomes read-only, then the other one writable."""
        self.start(access)
        began = time.monotonic()
        self.old.execute("SET GLOBAL read_only = ON")
        self.backend.fail_over(self.old, self.new, kill=False)
        time.sleep(LEASE + 2)
        active_node(self.nodes, LEASE + 5)
        self.check_gap(began, LEASE + SLACK + BUSY, "switched over")
        self.check_all_use(self.new)
        self.check_works()


class PairShort(PairTest):
    TIMEOUT = 120

    def test_haproxy_server_killed(self):
        self.server_killed("haproxy")


class PairFaults(PairTest):
    NIGHTLY = True
    TIMEOUT = 180

    def test_haproxy_node_killed(self):
        self.node_killed("haproxy")

    def test_direct_node_killed(self):
        self.node_killed("direct")

    def test_direct_server_killed(self):
        self.server_killed("direct")

    def test_haproxy_server_frozen(self):
        self.server_frozen("haproxy")

    def test_direct_server_frozen(self):
        self.server_frozen("direct")

    def test_haproxy_switched_over(self):
        self.switched_over("haproxy")

    def test_direct_switched_over(self):
        self.switched_over("direct")

    def test_direct_all_servers_killed(self):
        self.all_servers_killed("direct")


class Checks(LiveTest):
    """What config/baton-backend-check says of a server in each state."""

    NIGHTLY = True
    TIMEOUT = 240

    def answers(self, proxied, wanted, what):
        eventually(lambda: [check.answer()[0] for check in proxied.checks] == wanted, 20, what)

    def test_galera(self):
        if Galera.missing_because():
            self.skipTest(Galera.missing_because())
        self.need_packet_filter()
        backend = self.lab.galera(3)
        proxied = backend.behind_haproxy(1)
        self.answers(proxied, [200, 200, 200], "all are synced")
        first, second, third = backend.servers
        second.execute("SET GLOBAL read_only = ON")
        self.answers(proxied, [200, 503, 200], "a read-only server is no backend")
        second.execute("SET GLOBAL read_only = OFF")
        third.execute("SET GLOBAL wsrep_desync = ON")
        self.answers(proxied, [200, 200, 503], "nor one that may lag behind")
        third.execute("SET GLOBAL wsrep_desync = OFF")
        drop = self.lab.drop_group_packets(first, [second, third])
        self.answers(proxied, [503, 200, 200], "nor one outside the primary component")
        self.assertIn("non-Primary", proxied.checks[0].answer()[1])
        drop.stop()
        self.answers(proxied, [200, 200, 200], "all are synced again")
        first.freeze()
        time.sleep(0.2)  # the check may repeat an answer that is younger
        began = time.monotonic()
        self.assertEqual(proxied.checks[0].answer()[0], 503)
        self.assertLess(time.monotonic() - began, 1.0, "a frozen server is a no, not a silence")

    def test_group_replication(self):
        self.need("mysql")
        self.need_packet_filter()
        backend = self.lab.group_replication(3)
        proxied = backend.behind_haproxy(1)
        self.answers(proxied, [200, 503, 503], "only the primary")
        first, second, third = backend.servers
        drop = self.lab.drop_group_packets(first, [second, third])
        eventually(lambda: "majority" in proxied.checks[0].answer()[1] or "state" in proxied.checks[0].answer()[1],
                   20, "the old primary is in a minority")
        eventually(lambda: sorted(check.answer()[0] for check in proxied.checks) == [200, 503, 503]
                   and proxied.checks[0].answer()[0] == 503, 30, "the majority has a new primary")
        drop.stop()

    def test_pair(self):
        backend = self.lab.active_passive()
        proxied = backend.behind_haproxy(1)
        self.answers(proxied, [200, 503], "only the active one")
        backend.servers[0].kill()
        self.answers(proxied, [503, 503], "the passive one waits to be made writable")


class Split(LiveTest):
    """Both servers of a pair take writes, and nothing replicates between them."""

    NIGHTLY = True
    TIMEOUT = 120

    def test_nodes_that_ask_each_other_stay_with_one(self):
        self.need_packet_filter()
        topology = self.lab.topology("mariadb", 1)
        backend = self.lab.active_passive()
        nodes = self.lab.nodes(backend, [topology.seed], settings={"lease": {"peer_check": True}})
        active = active_node(nodes)
        time.sleep(2)  # all know each other
        first, second = backend.servers
        others = [node for node in nodes if node is not active]

        with LeaderWatch(nodes) as watch:
            for server in (first, second):
                server.execute("STOP ALL SLAVES")
            second.execute("SET GLOBAL read_only = 0")
            self.lab.cut_connection(others[0], first)
            time.sleep(10)
            self.assertEqual(active_node(nodes), active)
            active.kill()
            active_node(others, 15)
        self.assertEqual(watch.violations(), [])
