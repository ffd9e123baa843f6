# SPDX-License-Identifier: Apache-2.0
"""Clients: HAProxy in front of the nodes, and the unmodified script of the predecessor."""

import os
import subprocess
import time

from lab import active_node, eventually, wait_one_primary
from lab.case import LiveTest

TIMEOUT = 120


class Proxy(LiveTest):
    def test_follows_the_active_node(self):
        topology = self.lab.topology("mariadb", 1)
        nodes = self.lab.nodes(self.lab.backend(), [topology.seed])
        proxy = self.lab.haproxy(nodes)
        eventually(lambda: proxy.get("/api/leader-check")[0] == 200, 10, "it sends requests to the active node")

        active = active_node(nodes)
        active.kill()

        # Reads are served all the time: while nobody is active, by any node that lives.
        until = time.monotonic() + 4
        statuses = []
        while time.monotonic() < until:
            statuses.append(proxy.get("/api/lb-check", timeout=2)[0])
            time.sleep(0.1)
        self.assertGreater(statuses.count(200), 0.8 * len(statuses), statuses)
        eventually(lambda: proxy.get("/api/leader-check")[0] == 200, 10, "it follows to the next active node")


class Commands(LiveTest):
    """What somebody reads and types when a primary is dead and nothing happens."""

    def test_a_blocked_recovery(self):
        topology = self.lab.topology("mariadb", 2)
        node = self.lab.nodes("sqlite", [topology.seed], count=1)[0]
        eventually(lambda: node.knows(topology.servers), 20, "all servers are found")

        def baton(*arguments):
            result = node.command(*arguments)
            self.assertEqual(result.returncode, 0, f"{arguments}: {result.stdout}{result.stderr}")
            return result.stdout

        def says(*words):
            return all(word in baton("explain", topology.seed) for word in words)

        eventually(lambda: says("would be promoted", "settings:"), 10, "it tells who would be promoted")
        self.assertNotIn("what blocks it", baton("explain", topology.seed))
        baton("automatic", "off")
        eventually(
            lambda: says("if the primary died now: nothing would be done by itself; by order", "baton automatic on"), 5,
            "it tells what blocks it, and the remedy",
        )
        topology.primary.kill()
        eventually(
            lambda: says("state: critical", "no recovery: Recoveries are disabled", "as things are: nothing"), 10,
            "it tells that nothing is done",
        )
        self.assertNotIn("[mysqld]", baton("explain", topology.seed), "settings are not what one looks for now")
        self.assertIn("[mysqld]", baton("explain", "--settings", topology.seed))
        baton("automatic", "on")
        wait_one_primary(topology.replicas)
        eventually(lambda: "1 " in baton("recoveries") and "done" in baton("recoveries"), 10, "the recovery ended")
        eventually(lambda: says("what blocks it", "baton acknowledge"), 5, "a second one would wait")
        baton("acknowledge", topology.seed, "--comment", "seen")
        eventually(lambda: "what blocks it" not in baton("explain", topology.seed), 5, "no more")
        self.assertRegex(baton("timeline", topology.seed), r"[0-9.]{4,} +done +recovery 1 after [0-9]+ ms: ")
        self.assertEqual(node.command("automatic", "perhaps").returncode, 1)


class OrchestratorClient(LiveTest):
    """Runs where $ORCHESTRATOR_CLIENT names the script; it is not part of this repository."""

    def setUp(self):
        self.script = os.environ.get("ORCHESTRATOR_CLIENT")
        if not self.script:
            self.skipTest("ORCHESTRATOR_CLIENT does not name the orchestrator-client script")
        super().setUp()

    def test_commands(self):
        topology = self.lab.topology("mariadb", {"top": {"left": {"leaf": {}}, "right": {}}})
        nodes = self.lab.nodes(self.lab.backend(), [topology["leaf"].address])
        eventually(lambda: active_node(nodes).knows(topology.servers), 20, "all servers are found")
        environment = {**os.environ, "ORCHESTRATOR_API": " ".join(f"{node.url}/api" for node in nodes)}
        top, left = topology["top"].address, topology["left"].address

        def run(*arguments, status=0):
            result = subprocess.run(
                ["bash", self.script, *arguments], capture_output=True, text=True, timeout=40, env=environment,
                check=False,
            )
            self.assertEqual(result.returncode, status, f"{arguments}: {result.stdout}{result.stderr}")
            return result.stdout.strip()

        everyone = sorted(server.address for server in topology.servers)
        cluster = run("-c", "clusters")
        self.assertEqual(cluster, top)
        self.assertEqual(sorted(run("-c", "all-instances").split()), everyone)
        self.assertEqual(run("-c", "which-master", "-i", left), top)
        self.assertEqual(run("-c", "which-replicas", "-i", left), topology["leaf"].address)
        self.assertEqual(run("-c", "which-cluster", "-i", left), cluster)
        self.assertEqual(run("-c", "which-cluster-master", "-i", left), top)
        drawn = run("-c", "topology", "-i", top)
        table = run("-c", "topology-tabulated", "-i", top)
        for address in everyone:
            self.assertIn(address, drawn)
            self.assertIn(address, table)
        self.assertIn("|", table)
        self.assertEqual(run("-c", "replication-analysis"), "")
        self.assertEqual(run("-c", "discover", "-i", left), left)
        self.assertEqual(
            run("-c", "begin-downtime", "-i", left, "--duration=5m", "--owner=tester", "--reason=look"), left
        )
        self.assertTrue(
            eventually(lambda: active_node(nodes).instances()[topology["left"].port]["IsDowntimed"], 5, "downtimed")
        )
        self.assertEqual(run("-c", "end-downtime", "-i", left), left)

        # A dead primary, recovered by hand or by itself: whoever is first.
        topology.primary.kill()
        eventually(lambda: "DeadMaster" in run("-c", "replication-analysis")
                   or active_node(nodes).json("/api/audit-recovery"), 15, "the analysis tells")
        result = subprocess.run(
            ["bash", self.script, "-c", "recover", "-i", top], capture_output=True, text=True, timeout=60,
            env=environment, check=False,
        )
        eventually(lambda: active_node(nodes).json("/api/audit-recovery"), 15, result.stdout + result.stderr)
