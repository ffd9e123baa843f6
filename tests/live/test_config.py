# SPDX-License-Identifier: Apache-2.0
"""Bad configurations are refused with file, line and reason; a reload never makes things worse."""

import signal
import subprocess
import time

from lab import active_node, eventually
from lab.case import LiveTest
from lab.paths import baton_binary

TIMEOUT = 90


class Bad(LiveTest):
    def setUp(self):
        super().setUp()
        self.node = self.lab.prepare_nodes("sqlite", ["127.0.0.1:1"], count=1)[0]
        self.text = self.node.config.read_text("utf-8")

    def _run(self, *arguments):
        return subprocess.run(
            [baton_binary(), *arguments], capture_output=True, text=True, timeout=15, check=False
        )

    def _refused(self, text, *words):
        """Both `serve` and `config check` refuse it, and name the line and the words."""
        self.node.config.write_text(text, "utf-8")
        for command in (("config", "check", self.node.config), ("serve", "--config", self.node.config)):
            with self.subTest(command[0]):
                result = self._run(*command)
                self.assertGreater(result.returncode, 0, f"{command} accepted:\n{text}")
                output = result.stdout + result.stderr
                for word in (str(self.node.config), *words):
                    self.assertIn(word, output)

    def test_unknown_key(self):
        line = self.text.count("\n") + 2
        self._refused(self.text + "detection:\n  tiemouts: 3\n", f":{line}", "tiemouts")

    def test_bad_value(self):
        self._refused(self.text.replace('poll_interval: "1s"', 'poll_interval: "sometimes"'), "poll_interval")

    def test_value_out_of_range(self):
        self._refused(self.text + 'lease:\n  duration: "0s"\n', "lease.duration")

    def test_not_yaml(self):
        self._refused(self.text + "node: [\n", "")

    def test_missing_secret_file(self):
        self._refused(
            self.text.replace("topology.password", "no-such-file"), "no-such-file"
        )

    def test_missing_file(self):
        result = self._run("serve", "--config", self.lab.folder / "none.yaml")
        self.assertGreater(result.returncode, 0)
        self.assertIn("none.yaml", result.stdout + result.stderr)

    def test_good_one_is_accepted(self):
        result = self._run("config", "check", self.node.config)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_example_is_accepted(self):
        example = self._run("config", "example")
        self.assertEqual(example.returncode, 0, example.stderr)
        self.assertIn("poll_interval", example.stdout)

    def test_secrets_are_not_shown(self):
        self.node.start()
        self.node.wait_started()
        secret = (self.node.folder / "topology.password").read_text("ascii").strip()
        for path in ("/api/status", "/metrics", "/api/v1/nodes", "/api/health"):
            self.assertNotIn(secret, self.node.get(path)[1])
        self.assertNotIn(secret, self.node.log.read_text("utf-8", "replace"))


class Reload(LiveTest):
    def test_sighup(self):
        topology = self.lab.topology("mariadb", 1)
        nodes = self.lab.nodes("sqlite", [topology.seed], count=1)
        node = nodes[0]
        eventually(lambda: node.knows(topology.servers), 20, "both servers are found")
        good = node.config.read_text("utf-8")

        # A bad file changes nothing, and the log says why.
        node.config.write_text(good.replace('"1s"', '"never"'), "utf-8")
        node.process.signal(signal.SIGHUP)
        eventually(lambda: "poll_interval" in node.log.read_text("utf-8", "replace"), 5, "the log names the key")
        time.sleep(0.5)
        self.assertTrue(node.process.alive())
        self.assertIs(active_node(nodes), node)

        # A good one is taken up: the cluster is not opted in any more.
        node.config.write_text(good.replace('[".*"]', '["^nothing-here$"]'), "utf-8")
        node.process.signal(signal.SIGHUP)
        eventually(
            lambda: node.json("/api/clusters-info")[0]["HasAutomatedMasterRecovery"] is False, 5,
            "the new patterns are in force",
        )
