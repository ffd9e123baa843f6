# SPDX-License-Identifier: Apache-2.0
"""A whole topology is found from one of its servers, and every node shows it."""

import json

from lab import active_node, eventually
from lab.case import LiveTest

TIMEOUT = 120

TREE = {"top": {"left": {"left1": {}, "left2": {}}, "right": {}}}


class TwoTiers(LiveTest):
    def test_mariadb_from_the_primary(self):
        self._discovers("mariadb", "top")

    def test_mariadb_from_a_leaf(self):
        self._discovers("mariadb", "left2")

    def test_mysql_from_a_leaf(self):
        self._discovers("mysql", "left2")

    def _discovers(self, flavour, seed):
        self.need(flavour)
        topology = self.lab.topology(flavour, TREE)
        backend = self.lab.backend()

        nodes = self.lab.nodes(backend, [topology[seed].address])

        active = active_node(nodes)
        eventually(lambda: active.knows(topology.servers), 15, "all five servers are found")
        instances = active.instances()
        sources = {name: instances[topology[name].port]["MasterKey"]["Port"] for name in
                   ("top", "left", "right", "left1", "left2")}
        left, top = topology["left"].port, topology["top"].port
        self.assertEqual(sources, {"top": 0, "left": top, "right": top, "left1": left, "left2": left})
        self.assertEqual(
            {name: instances[topology[name].port]["ReplicationDepth"] for name in ("top", "left", "left1")},
            {"top": 0, "left": 1, "left1": 2},
        )
        self.assertEqual(
            {name: instances[topology[name].port]["ReadOnly"] for name in ("top", "left", "left1")},
            {"top": False, "left": True, "left1": True},
        )
        self.assertTrue(all(instance["IsLastCheckValid"] for instance in instances.values()))

        clusters = active.json("/api/clusters-info")
        self.assertEqual([cluster["CountInstances"] for cluster in clusters], [5])
        name = clusters[0]["ClusterName"]
        self.assertEqual(len(active.json(f"/api/cluster/{name}")), 5)
        self.assertEqual(
            sorted(key["Key"]["Port"] for key in active.json(f"/api/instance-replicas/127.0.0.1/{left}")),
            sorted([topology["left1"].port, topology["left2"].port]),
        )
        # Standby nodes do not poll, and show the same.
        for node in nodes:
            eventually(lambda node=node: node.knows(topology.servers), 4, f"{node} shows what the active node found")
        self._nothing_is_wrong(active)
        self._commands_work(nodes, topology, name)

    def _nothing_is_wrong(self, node):
        problems = [
            (entry["AnalyzedInstanceKey"]["Port"], entry["Analysis"])
            for entry in node.details("/api/replication-analysis")
            if entry["Analysis"] != "NoProblem"
        ]
        self.assertEqual(problems, [])

    def _commands_work(self, nodes, topology, cluster):
        """The client commands, asked of every node in turn."""
        for node in nodes:
            text = node.command("topology", cluster)
            self.assertEqual(text.returncode, 0, text.stderr)
            for server in topology.servers:
                self.assertIn(server.address, text.stdout)
        clusters = nodes[0].command("clusters", "--json")
        self.assertEqual(clusters.returncode, 0, clusters.stderr)
        self.assertIn(cluster, json.dumps(json.loads(clusters.stdout)))
        explain = nodes[1].command("explain", cluster)
        self.assertEqual(explain.returncode, 0, explain.stderr)
        listed = nodes[2].command("nodes", "--json")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        for node in nodes:
            self.assertIn(node.name, listed.stdout)
        unknown = nodes[0].command("topology", "no-such-cluster")
        self.assertNotEqual(unknown.returncode, 0)
        self.assertTrue(unknown.stderr.strip(), "says why")


class Changes(LiveTest):
    """What happens while Baton runs is seen, without being asked for."""

    def test_new_replica_is_found(self):
        topology = self.lab.topology("mariadb", 1)
        nodes = self.lab.nodes(self.lab.backend(), [topology.seed], count=1)
        eventually(lambda: nodes[0].knows(topology.servers), 15, "the first two are found")

        another = self.lab.topology("mariadb", {"late": {}}).primary
        another.execute("SET GLOBAL read_only = 1", another.flavour.replicate_from(topology.primary.port),
                        another.flavour.start_replica)

        eventually(lambda: nodes[0].knows([*topology.servers, another]), 15, "the new replica is found")

    def test_two_clusters_stay_apart(self):
        first, second = self.lab.topology("mariadb", 1), self.lab.topology("mariadb", 1)
        nodes = self.lab.nodes(self.lab.backend(), [first.seed, second.seed], count=1)

        eventually(lambda: nodes[0].knows([*first.servers, *second.servers]), 15, "both clusters are found")

        self.assertEqual([cluster["CountInstances"] for cluster in nodes[0].json("/api/clusters-info")], [2, 2])
        self.assertEqual(len({i["ClusterName"] for i in nodes[0].instances().values()}), 2)

    def test_discover_by_api_on_a_standby(self):
        topology = self.lab.topology("mariadb", 2)
        nodes = self.lab.nodes(self.lab.backend(), [])
        standby = [node for node in nodes if node is not active_node(nodes)][0]

        status, text = standby.get(f"/api/discover/127.0.0.1/{topology.replicas[1].port}", timeout=10)

        self.assertEqual(status, 200, text)
        self.assertEqual(json.loads(text)["Code"], "OK")
        for node in nodes:
            eventually(lambda node=node: node.knows(topology.servers), 15, f"{node} shows all three")
