# SPDX-License-Identifier: Apache-2.0
"""The active node dies, or stands still for longer than its lease, before, within and after every stage of a recovery.

The node does it to itself, at exactly that place (BATON_TEST_INTERRUPT, see docs/testing.md), so that no stage is
missed: each test goes through the stages until there is one that the recovery does not have any more. Another node
takes the recovery over. Afterwards there is one writable primary, everybody replicates from where he should, nothing
acknowledged is lost, the journal is coherent, and the hooks were run as docs/operations.md promises.
"""

import time

from lab import Lab, LeaderWatch, active_node, eventually, wait_one_primary, wait_same_data, writable_servers
from lab.hooks import HookLog
from test_primary import PrimaryTest

LEASE = 2.0
STAGES_LIMIT = 9
TWO_TIERS = {"top": {"left": {"left1": {}, "left2": {}}, "right": {}}}

# name of the list -> what the hook calls itself
PRIMARY_HOOKS = {
    "pre_failover": ["pre"], "post_primary_failover": ["moved", "moved2"], "post_failover": ["post"],
}
INTERMEDIATE_HOOKS = {
    "pre_failover": ["pre"], "post_intermediate_failover": ["moved", "moved2"], "post_failover": ["post"],
}


class InterruptedTest(PrimaryTest):
    def launch(self, flavour, tree, hooks, order):
        """Node 1 is the active one, and carries the order; node 2 and 3 are not to obey it."""
        self.need(flavour)
        self.topology = self.lab.topology(flavour, tree, semi_sync=True)
        self.hooks = HookLog(self.lab.folder)
        recovery = {name: [self.hooks.command(hook) for hook in names] for name, names in hooks.items()}
        self.expected_hooks = [hook for names in hooks.values() for hook in names]
        settings = {"recovery": {"hooks": recovery}, "lease": {"duration": f"{LEASE:.0f}s"}}
        self.nodes = self.lab.prepare_nodes(self.lab.backend(), [self.topology.seed], settings=settings)
        first = self.nodes[0]
        first.environment = {"BATON_TEST_INTERRUPT": order}
        first.restart()
        eventually(lambda: first.is_active(), 20, "node 1 is active")
        for node in self.nodes[1:]:
            node.restart()
        for node in self.nodes:
            eventually(lambda node=node: node.knows(self.topology.servers), 20, f"{node} knows all servers")
        self.writer = self.lab.writer(self.topology)
        time.sleep(1.3)  # each server has been seen with writes on it

    # --- the two recoveries ------------------------------------------------------------------------------------------

    def primary(self, order, flavour="mariadb"):
        """True when the order was carried out."""
        self.launch(flavour, 3, PRIMARY_HOOKS, order)
        with LeaderWatch(self.nodes) as watch:
            fault_at = time.monotonic()
            self.topology.primary.kill()
            interrupted = self.await_interruption(order)
            promoted = self.wait_failover(fault_at, 15 + 2 * LEASE)
            self.thaw()
        self.assertEqual(watch.violations(), [])
        survivors = self.topology.replicas
        self.assertEqual(writable_servers(survivors), [promoted])
        self.assertIs(wait_one_primary(survivors), promoted)
        self.check_data(promoted, may_lose=0)
        self.check_recorded(promoted)
        self.check_journal(order)
        return interrupted

    def intermediate(self, order, flavour="mariadb"):
        self.launch(flavour, TWO_TIERS, INTERMEDIATE_HOOKS, order)
        left = self.topology["left"]
        with LeaderWatch(self.nodes) as watch:
            left.kill()
            interrupted = self.await_interruption(order)
            survivors = [server for server in self.topology.servers if server is not left]
            homes = {self.topology["top"].port, self.topology["right"].port}
            for name in ("left1", "left2"):
                eventually(
                    lambda name=name: self.topology[name].source_port() in homes | {self.topology["left1"].port,
                                                                                   self.topology["left2"].port},
                    20, f"{name} is moved",
                )
            self.thaw()
        self.assertEqual(watch.violations(), [])
        self.assertEqual(writable_servers(survivors), [self.topology.primary])
        self.assertEqual(self.topology["right"].source_port(), self.topology["top"].port)
        moved = {name: self.topology[name].source_port() for name in ("left1", "left2")}
        self.assertTrue(homes & set(moved.values()), f"no ring, and none below the dead one: {moved}")
        self.writer.stop()
        acknowledged = {ack.number for ack in self.writer.acks()}
        self.assertLessEqual(acknowledged, wait_same_data(survivors))
        self.check_journal(order)
        return interrupted

    # --- what both share ---------------------------------------------------------------------------------------------

    def await_interruption(self, order):
        """False when the recovery ended without it: it has no such stage."""
        first = self.nodes[0].process

        def happened():
            if not first.alive() or first.stopped():
                return "interrupted"
            recoveries = self.nodes[0].json("/api/v1/recoveries")
            return "ended" if recoveries and recoveries[0]["state"] != "running" else None

        interrupted = eventually(happened, 20, "the node is interrupted, or ends the recovery") == "interrupted"
        if not interrupted:
            time.sleep(0.2)  # "ended" is reached right after what was just seen
            interrupted = not first.alive() or first.stopped()
        print(f"{order}: {'interrupted' if interrupted else 'no such stage'}", flush=True)
        return interrupted

    def thaw(self):
        """A stopped node goes on when another one has been active for a while, and must do no harm."""
        first = self.nodes[0]
        active_node([node for node in self.nodes if node.process.alive() and not node.process.stopped()], 15)
        if first.process.alive() and first.process.stopped():
            first.thaw()
            time.sleep(1.5)

    def check_journal(self, order):
        living = [node for node in self.nodes if node.process.alive()]

        def over(node):
            recoveries = node.json("/api/v1/recoveries")
            self.assertEqual([entry["state"] for entry in recoveries], ["done"], recoveries)
            return recoveries[0]["number"]

        for node in living:
            number = eventually(lambda node=node: over(node), 20, f"{node} tells of one recovery, which is done")
            recovery = node.json(f"/api/v1/recoveries/{number}")
            steps = recovery["steps"]
            self.assertEqual(len({step["number"] for step in steps}), len(steps), "no number twice")
            epochs = [step["epoch"] for step in steps]
            self.assertEqual(epochs, sorted(epochs), "steps of an old epoch never follow a new one's")
            self.assertEqual(set(recovery["hooks"].values()), {"done"}, recovery["hooks"])
            if "ended" in order.split():
                continue  # outcomes of the last stage follow the end, and nobody was left to write them
            eventually(
                lambda node=node, number=number: self.all_steps_ended(node, number), 10,
                f"{node} tells how each step of the node that carried it to the end has ended",
            )
        self.check_hooks(order)

    @staticmethod
    def all_steps_ended(node, number):
        """Of those that the last node began: what an interrupted one had begun may have no outcome for ever."""
        recovery = node.json(f"/api/v1/recoveries/{number}")
        return all(step["state"] != "intended" for step in recovery["steps"] if step["epoch"] == recovery["epoch"])

    def check_hooks(self, order):
        """Each ended well once. It may have been begun once more where its node was interrupted, and says so."""
        how, point, *_ = order.split()
        # Between its end and the note of it, or frozen beside it, it cannot be known that it has ended.
        unknowable = point == "hook-ended" or (how == "stop" and point == "performing")
        for name in self.expected_hooks:
            begun, ended = self.hooks.runs(name, "begin"), self.hooks.runs(name, "end")
            self.assertEqual(len({run.recovery for run in begun}), 1, begun)
            if not unknowable:
                self.assertEqual(len(ended), 1, f"{name} is never run twice as success: {ended}")
            self.assertIn(len(ended), (1, 2), ended)
            self.assertIn(len(begun), (1, 2), begun)
            if len(begun) == 2:
                self.assertEqual([run.resumed for run in begun], [False, True], begun)
            elif begun[0].resumed:  # it was to begin, and did not come to it
                self.assertIn(point, ("journaled", "performing"), begun)
            if len(begun) == 2:
                self.assertLess(begun[0].epoch, begun[1].epoch)
                self.assertLess(begun[0].step, begun[1].step)

    def each(self, recovery, orders, flavour="mariadb"):
        """Goes through `orders` ("kill journaled {stage}") for stage 1, 2, ... until one is not carried out."""
        reached = 0
        for stage in range(1, STAGES_LIMIT):
            carried_out = []
            for order in orders:
                with self.subTest(order=order, stage=stage):
                    self.lab.close()
                    self.lab = Lab("test")
                    try:
                        carried_out.append(recovery(order.format(stage=stage), flavour))
                    except Exception:
                        self.show_logs()
                        raise
            if not any(carried_out):
                break
            reached = stage
        self.assertGreaterEqual(reached, 3, "hooks before, the work, hooks after: fewer were not the whole recovery")
        self.assertLess(reached, STAGES_LIMIT - 1, "there may be more stages")

    def once(self, recovery, *orders):
        for order in orders:
            with self.subTest(order=order):
                self.lab.close()
                self.lab = Lab("test")
                try:
                    self.assertTrue(recovery(order), "the place was reached")
                except Exception:
                    self.show_logs()
                    raise


class Short(InterruptedTest):
    """For every change: the two places that matter most."""

    TIMEOUT = 150

    def test_mariadb_killed_when_the_promotion_is_journaled(self):
        self.assertTrue(self.primary("kill journaled 2"))

    def test_mariadb_stopped_when_the_promotion_is_journaled(self):
        self.assertTrue(self.primary("stop journaled 2"))

    def test_mariadb_killed_while_the_replicas_of_an_intermediate_move(self):
        self.assertTrue(self.intermediate("kill performing 2 2"))


class Primary(InterruptedTest):
    NIGHTLY = True
    TIMEOUT = 900

    def test_mariadb_killed_before_each_stage(self):
        self.each(self.primary, ["kill intending {stage}", "kill journaled {stage}"])

    def test_mariadb_killed_within_each_stage(self):
        self.each(self.primary, ["kill performing {stage} 1", "kill performing {stage} 4"])

    def test_mariadb_killed_after_each_stage(self):
        self.each(self.primary, ["kill performed {stage}"])

    def test_mariadb_killed_at_the_end(self):
        self.once(self.primary, "kill hook-ended 0", "kill ending 0", "kill ended 0")

    def test_mariadb_stopped_before_each_stage(self):
        self.each(self.primary, ["stop intending {stage}", "stop journaled {stage}"])

    def test_mariadb_stopped_within_each_stage(self):
        self.each(self.primary, ["stop performing {stage} 2"])

    def test_mariadb_stopped_after_each_stage(self):
        self.each(self.primary, ["stop performed {stage}"])

    def test_mariadb_stopped_at_the_end(self):
        self.once(self.primary, "stop hook-ended 0", "stop ending 0", "stop ended 0")

    def test_mysql_killed_around_each_stage(self):
        self.each(self.primary, ["kill journaled {stage}", "kill performed {stage}"], "mysql")


class Intermediate(InterruptedTest):
    NIGHTLY = True
    TIMEOUT = 900

    def test_mariadb_killed_before_each_stage(self):
        self.each(self.intermediate, ["kill intending {stage}", "kill journaled {stage}"])

    def test_mariadb_killed_within_each_stage(self):
        self.each(self.intermediate, ["kill performing {stage} 1", "kill performing {stage} 4"])

    def test_mariadb_killed_after_each_stage(self):
        self.each(self.intermediate, ["kill performed {stage}"])

    def test_mariadb_killed_at_the_end(self):
        self.once(self.intermediate, "kill hook-ended 0", "kill ending 0", "kill ended 0")

    def test_mariadb_stopped_before_each_stage(self):
        self.each(self.intermediate, ["stop intending {stage}", "stop journaled {stage}"])

    def test_mariadb_stopped_within_each_stage(self):
        self.each(self.intermediate, ["stop performing {stage} 2"])

    def test_mariadb_stopped_after_each_stage(self):
        self.each(self.intermediate, ["stop performed {stage}"])

    def test_mariadb_stopped_at_the_end(self):
        self.once(self.intermediate, "stop hook-ended 0", "stop ending 0", "stop ended 0")
