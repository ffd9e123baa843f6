# SPDX-License-Identifier: Apache-2.0
"""Hooks of a recovery whose node dies, stops or freezes while they run: what docs/operations.md says of them."""

import time

from lab import active_node, eventually, wait_one_primary
from lab.hooks import HookLog
from test_primary import PrimaryTest

TIMEOUT = 150
LEASE = 2.0


class HookTest(PrimaryTest):
    def launch(self, hooks):
        self.hooks = HookLog(self.lab.folder)
        lists = {name: [self.hooks.command(*words) for words in commands] for name, commands in hooks.items()}
        self.start("mariadb", settings={"recovery": {"hooks": lists}, "lease": {"duration": f"{LEASE:.0f}s"}})
        self.active = active_node(self.nodes)
        self.others = [node for node in self.nodes if node is not self.active]

    def fail_while(self, name, fault):
        """The primary dies; fault() hits while the hook of that name runs. Returns the new primary."""
        self.topology.primary.kill()
        eventually(lambda: self.hooks.runs(name, "begin"), 15, f"{name} runs", every=0.005)
        time.sleep(0.1)
        fault()
        promoted = wait_one_primary(self.topology.replicas, 25)

        def over(node):
            recoveries = node.json("/api/v1/recoveries")
            self.assertEqual([entry["state"] for entry in recoveries], ["done"])
            return recoveries[0]["number"]

        successor = active_node(self.others, 10)
        number = eventually(lambda: over(successor), 25, "the recovery is carried to its end")
        self.recovery = successor.json(f"/api/v1/recoveries/{number}")
        return promoted

    def check_run_again(self, name):
        """Begun twice, the second time as a resumption; ended once."""
        begun = self.hooks.runs(name, "begin")
        self.assertEqual([run.resumed for run in begun], [False, True], begun)
        self.assertEqual(len({run.recovery for run in begun}), 1)
        self.assertLess(begun[0].epoch, begun[1].epoch)
        self.assertLess(begun[0].step, begun[1].step)
        self.assertEqual([run.pid for run in self.hooks.runs(name, "end")], [begun[1].pid], "one success")
        steps = {step["number"]: step for step in self.recovery["steps"]}
        for run in begun:
            self.assertEqual(steps[run.step]["kind"], "hook", "BATON_STEP is the number of its step")
            self.assertEqual(steps[run.step]["epoch"], run.epoch)

    def check_run_once(self, name):
        self.assertEqual([run.resumed for run in self.hooks.runs(name)], [False, False], self.hooks.runs(name))


class Interrupted(HookTest):
    def test_mariadb_active_killed_while_a_hook_before_runs(self):
        self.launch({"pre_failover": [("first",), ("second", 1.5), ("third",)], "post_failover": [("last",)]})

        self.fail_while("second", self.active.kill)

        self.check_run_once("first")
        self.check_run_again("second")
        self.check_run_once("third")
        self.check_run_once("last")

    def test_mariadb_active_killed_while_a_hook_afterwards_runs(self):
        self.launch({"pre_failover": [("first",)], "post_primary_failover": [("second", 1.5)],
                     "post_failover": [("last",)]})

        self.fail_while("second", self.active.kill)

        self.check_run_once("first")
        self.check_run_again("second")
        self.check_run_once("last")

    def test_mariadb_active_stopped_while_a_hook_runs(self):
        """SIGTERM: the hook is ended too, and does not keep the node from handing over."""
        self.launch({"pre_failover": [("first",), ("second", 3)]})
        took = []

        self.fail_while("second", lambda: took.append(self.active.shut_down()))

        self.assertLess(took[0], 2.0, "it does not wait for the hook")
        self.check_run_once("first")
        self.check_run_again("second")

    def test_mariadb_active_frozen_while_a_hook_runs(self):
        """A frozen node cannot end its hook, nor note that it ended: it is run again, and is told so."""
        self.launch({"pre_failover": [("first",), ("second", 1.0)]})

        self.fail_while("second", self.active.freeze)
        self.active.thaw()
        time.sleep(2)

        self.check_run_once("first")
        begun = self.hooks.runs("second", "begin")
        self.assertEqual([run.resumed for run in begun], [False, True], begun)
        self.assertLess(begun[0].epoch, begun[1].epoch)
        hooks = [step for step in self.recovery["steps"] if step["kind"] == "hook" and step["state"] == "done"]
        self.assertEqual(len(hooks), 1, "one success in the journal")
