# SPDX-License-Identifier: Apache-2.0
"""Settings for clusters by rules: stored once for all nodes, with versions; and a service that only reports."""

import json
import re
import time
import urllib.request

from lab import Node, active_node, eventually, wait_one_primary
from lab.case import LiveTest

TIMEOUT = 180

# Statements that change a server, by the names both flavours count them under. What a replica applies is counted
# too, but nothing is written while these tests look.
CHANGING = re.compile(
    r"^com_(change_(master|repl)|start_|stop_|slave_|replica_|group_replication|reset|purge|kill|lock|flush|grant|revoke|create|alter"
    r"|drop|rename|truncate|insert|update|delete|replace|load|clone|install|uninstall|shutdown|backup|set_password)", re.I
)


def changes(server):
    """What was changed on the server since it started, and what it is now."""
    counted = {
        row["Variable_name"]: row["Value"] for row in server.rows("SHOW GLOBAL STATUS LIKE 'Com\\_%'")
        if CHANGING.match(row["Variable_name"])
    }
    state = server.replication() or {}
    return counted, server.is_writable(), state.get("source_port"), state.get("applier")


class PolicyTest(LiveTest):
    def timeline(self, node, name, kind=None):
        entries = node.json(f"/api/v1/clusters/{name}/timeline")["entries"]
        return [entry for entry in entries if kind is None or entry["kind"] == kind]

    def explain(self, node, name):
        return node.json(f"/api/v1/clusters/{name}/explain")

    def send(self, node, path, rules, method="POST"):
        request = urllib.request.Request(
            node.url + path, data=json.dumps(rules).encode(), method=method, headers={"Content-Type": "application/json"}
        )
        status, text = node._request(request, 10)
        return status, json.loads(text)

    def one_cluster(self, node):
        clusters = node.json("/api/v1/clusters")
        self.assertEqual(len(clusters), 1, clusters)
        return clusters[0]["id"]


class Shadow(PolicyTest):
    def start(self, flavour):
        self.need(flavour)
        self.topology = self.lab.topology(flavour, 3)
        self.nodes = self.lab.nodes(
            self.lab.backend(), [self.topology.seed], count=2, settings={"detection": {"mode": "shadow"}}
        )
        for node in self.nodes:
            eventually(lambda node=node: node.knows(self.topology.servers), 20, f"{node} knows all servers")
        self.id = self.one_cluster(self.nodes[0])

    def check(self, flavour):
        self.start(flavour)
        behind, *others = self.topology.replicas
        behind.execute("STOP SLAVE IO_THREAD" if flavour == "mariadb" else "STOP REPLICA IO_THREAD")
        self.topology.primary.execute("INSERT INTO app.ledger (n, written_by) VALUES (1, 0)")
        for server in others:
            eventually(lambda server=server: server.ledger() == {1}, 10, f"{server} has the write")
        before = {server: changes(server) for server in self.topology.replicas}

        # A frozen primary would be asked about by a test of its replicas' receivers.
        self.topology.primary.freeze()
        time.sleep(3)
        self.topology.primary.thaw()
        time.sleep(1)
        self.topology.primary.kill()
        told = eventually(
            lambda: self.timeline(active_node(self.nodes), self.id, "shadowed"), 20, "it tells what it would do"
        )[0]
        time.sleep(2)
        for server in self.topology.replicas:
            self.assertEqual(changes(server), before[server], f"{server} was changed")
        self.assertRegex(told["plan"], "promote 127.0.0.1:")
        self.assertIn(told["successor"], [server.address for server in self.topology.replicas])
        self.assertNotEqual(told["successor"], behind.address, "it lacks a write")
        self.assertTrue(told["evidence"])
        self.assertGreater(told["epoch"], 0)
        self.assertEqual(len(self.timeline(self.nodes[0], self.id, "shadowed")), 1, "said once, not at each look")
        for node in self.nodes:
            eventually(lambda node=node: self.timeline(node, self.id, "shadowed"), 5, f"{node} tells the same")
            said = self.explain(node, self.id)
            self.assertEqual(said["mode"], "shadow")
            self.assertFalse(said["would_fail_over_now"])
            self.assertTrue(any("shadow" in blocker.lower() for blocker in said["forecast"]["blockers"]))

        # Not by order, and not when the primary is back: it is the primary still.
        dead = self.topology.primary.address.replace(":", "/")
        self.assertIn("shadow", self.nodes[0].get(f"/api/recover/{dead}", timeout=20)[1])
        self.topology.primary.restart()
        eventually(
            lambda: not self.explain(self.nodes[0], self.id)["findings"]
            or self.explain(self.nodes[0], self.id)["state"] != "critical", 20, "the primary is back",
        )
        for server in self.topology.replicas:
            counted, *now = changes(server)
            self.assertEqual((counted, *now[:1]), (before[server][0], *before[server][1:2]), f"{server} was changed")
        self.assertTrue(self.topology.primary.is_writable())
        self.assertEqual(self.nodes[0].json("/api/v1/recoveries"), [])
        eventually(lambda: self.timeline(self.nodes[0], self.id, "cleared"), 5, "it tells that it is over")

    def test_mariadb(self):
        self.check("mariadb")

    def test_mysql(self):
        self.check("mysql")

    def test_beside_an_active_one(self):
        """The one that only reports names the server that the other one promotes, and follows what happened."""
        self.need("mariadb")
        self.topology = self.lab.topology("mariadb", 2)
        active = self.lab.nodes("sqlite", [self.topology.seed], count=1)[0]
        shadow = Node.create(
            "shadow", self.lab.take_port(), self.lab.folder / "shadow", backend="sqlite", seeds=[self.topology.seed],
            settings={"detection": {"mode": "shadow"}},
        )
        self.lab.adopt(shadow)
        shadow.start()
        shadow.wait_started()
        for node in (active, shadow):
            eventually(lambda node=node: node.knows(self.topology.servers), 20, f"{node} knows all servers")
        ours = self.one_cluster(shadow)
        eventually(lambda: self.explain(shadow, ours)["forecast"]["successor"], 10, "it forecasts")
        self.topology.primary.kill()
        promoted = wait_one_primary(self.topology.replicas)
        eventually(
            lambda: any(entry["successor"] == promoted.address for entry in self.timeline(shadow, ours, "role")), 20,
            "it sees the new primary",
        )
        self.assertEqual(shadow.json("/api/v1/recoveries"), [])
        self.assertTrue(self.timeline(shadow, ours, "detected"))
        eventually(
            lambda: [entry["state"] for entry in active.json("/api/v1/recoveries")] == ["done"], 10, "its recovery ends"
        )


class Stored(PolicyTest):
    def setUp(self):
        super().setUp()
        self.topology = self.lab.topology("mariadb", 2)
        self.nodes = self.lab.nodes(self.lab.backend(), [self.topology.seed], count=2)
        self.active = active_node(self.nodes)
        self.standby = [node for node in self.nodes if node is not self.active][0]
        eventually(lambda: self.active.knows(self.topology.servers), 20, "all servers are found")
        eventually(lambda: self.standby.knows(self.topology.servers), 20, "the standby knows them too")
        self.id = self.one_cluster(self.active)

    def versions(self, node):
        return [entry["version"] for entry in node.json("/api/v1/policy/history")]

    def test_set_conflict_and_rollback(self):
        quick = [{"name": "quick", "match": {"clusters": ["*"]}, "set": {"lagging": "5s"}}]
        slow = [{"name": "slow", "match": {"clusters": ["*"]}, "set": {"wait_before_acting": "3s"}}]
        status, answer = self.send(self.active, "/api/v1/policy/validate", [{"match": {}, "set": {"laging": "x"}}])
        self.assertEqual(status, 200)
        self.assertEqual([fault["path"] for fault in answer["faults"]], ["rules[0].match", "rules[0].set.laging"])
        status, answer = self.send(self.active, "/api/v1/policy/document?expected=0", [{"match": {}, "set": {}}])
        self.assertEqual(status, 400, answer)

        # Through the node that is not active; both tell it then, and the version is wrong for the next one.
        status, answer = self.send(self.standby, "/api/v1/policy/document?expected=0&comment=first", quick, "PUT")
        self.assertEqual((status, answer["Details"]), (200, 1), answer)
        self.assertEqual(self.versions(self.standby), [1], "who set it sees it at once")
        for node in self.nodes:
            status, answer = self.send(node, "/api/v1/policy/document?expected=0", slow)
            self.assertEqual(status, 409, answer)
            self.assertIn("version 1 holds", answer["Message"])
        status, answer = self.send(self.standby, "/api/v1/policy/dry-run", slow)
        self.assertEqual(status, 200, answer)
        self.assertEqual({change["key"] for change in answer["clusters"][0]["settings"]}, {"lagging", "wait_before_acting"})

        file = self.lab.folder / "policy.yaml"
        file.write_text("- name: slow\n  match: {clusters: ['*']}\n  set:\n    wait_before_acting: 3s\n", "utf-8")
        for arguments, words in (
            (("validate", str(file)), ["1 rules"]),
            (("diff", str(file)), ["+", "wait_before_acting", "-", "lagging"]),
            (("dry-run", str(file)), ["wait_before_acting", "3s", "rule 1 (slow)"]),
            (("set", str(file), "--comment", "slower"), ["Version 2"]),
            (("show",), ["version 2", "slower", "wait_before_acting = 3s"]),
            (("history",), ["slower", "first"]),
        ):
            result = self.standby.command("policy", *arguments)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            for word in words:
                self.assertIn(word, result.stdout, arguments)
        file.write_text("- match: {clusters: ['(']}\n  set: {lagging: 5}\n", "utf-8")
        result = self.standby.command("policy", "set", str(file))
        self.assertEqual(result.returncode, 1)
        for word in ("rules[0].match.clusters", "rules[0].set.lagging", "unit"):
            self.assertIn(word, result.stderr)

        for node in self.nodes:
            own = self.explain(node, self.id)["policy"]
            self.assertEqual((own["version"], own["source"]), (2, "stored"))
            self.assertEqual(own["settings"], [
                {"key": "wait_before_acting", "value": "3s", "configured": "0s", "set_by": "rule 1 (slow)"}
            ])
        status, answer = self.send(self.active, "/api/v1/policy/rollback?to=1&expected=1", None)
        self.assertEqual(status, 409, answer)
        status, answer = self.send(self.active, "/api/v1/policy/rollback?to=1&expected=2", None)
        self.assertEqual((status, answer["Details"]), (200, 3), answer)
        eventually(lambda: self.explain(self.standby, self.id)["policy"]["settings"][0]["key"] == "lagging", 5, "it is back")
        told = [entry["rule"] for entry in self.timeline(self.standby, self.id, "policy")]
        self.assertEqual(set(told), {f"policy version {n}" for n in (1, 2, 3)})

        self.assertTrue(self.explain(self.active, self.id)["settings"], "the lab's servers are not durable")
        status, answer = self.send(
            self.active, "/api/v1/policy/document?expected=3",
            [{"name": "quiet", "match": {"clusters": ["*"]}, "set": {"advice": {"ignore": ["no_such"]}}}],
        )
        self.assertEqual(status, 400, answer)
        quiet = [{"name": "quiet", "match": {"clusters": ["*"]}, "set": {"advice": {"ignore": ["*"]}}}]
        self.assertEqual(self.send(self.active, "/api/v1/policy/document?expected=3", quiet)[0], 200)
        for node in self.nodes:
            eventually(lambda node=node: not self.explain(node, self.id)["settings"], 5, f"{node} gives no advice here")

    def test_wait_is_counted_down_and_outlives_the_node(self):
        rules = [{"name": "slow", "match": {"clusters": ["*"]}, "set": {"wait_before_acting": "4s"}}]
        self.assertEqual(self.send(self.active, "/api/v1/policy/document?expected=0", rules)[0], 200)
        eventually(lambda: self.versions(self.standby) == [1], 5, "the standby knows the policy")
        self.active.kill()
        eventually(self.standby.is_active, 20, "the other node takes over")
        eventually(lambda: self.standby.knows(self.topology.servers), 20, "it sees all servers itself")

        killed = time.monotonic()
        self.topology.primary.kill()
        waiting = eventually(
            lambda: [f for f in self.explain(self.standby, self.id)["findings"] if f["refusal_kind"] == "waiting"], 5,
            "it says that it waits",
        )[0]
        self.assertGreater(waiting["waits_ms"], 500)
        promoted = wait_one_primary(self.topology.replicas, 20)
        took = time.monotonic() - killed
        self.assertGreater(took, 3.5, "it waited")
        self.assertLess(took, 9.0)
        recovery = eventually(lambda: self.timeline(self.standby, self.id, "done"), 20, "the recovery ended")[0]
        self.assertEqual(recovery["successor"], promoted.address)
        self.assertTrue(recovery["steps"])
        kinds = [entry["kind"] for entry in self.timeline(self.standby, self.id)]
        for kind in ("detected", "waiting", "taken", "role", "done"):
            self.assertEqual(kinds.count(kind) >= 1, True, f"{kind} in {kinds}")
        self.assertEqual(kinds.count("waiting"), 1, kinds)
        result = self.standby.command("timeline", self.id)
        self.assertEqual(result.returncode, 0, result.stderr)
        for word in ("waiting", "taken", promoted.address, "epoch"):
            self.assertIn(word, result.stdout)
