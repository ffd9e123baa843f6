# SPDX-License-Identifier: Apache-2.0
"""The active node dies, or stands still for longer than its lease, before, within and after every step of a recovery.

The node does it to itself, at exactly that place (BATON_TEST_INTERRUPT, see docs/testing.md). Another node takes the
recovery over. Afterwards there is one writable primary, everybody replicates from where he should, nothing
acknowledged is lost, the journal is coherent, and the hooks were run as docs/operations.md promises.

That no step is missed: the plans below say which steps there are. Each run compares its journal with its plan (a step
that the plan does not know fails it), and proves by the journal that it was interrupted where it should be.
"""

import concurrent.futures
import sys
import threading
import time

from lab import Lab, LeaderWatch, active_node, eventually, wait_one_primary, wait_same_data, writable_servers
from lab.hooks import HookLog
from test_primary import PrimaryTest

LEASE = 2.0
SIDE_BY_SIDE = {"mariadb": 3, "mysql": 2}
TWO_TIERS = {"top": {"left": {"left1": {}, "left2": {}}, "right": {}}}

# The steps of each stage: kinds, and for hooks the list. Those of a stage run at the same time.
PRIMARY = (
    ("stop_receiver", "pre_failover"),
    ("promote",),
    ("repoint", "post_primary_failover"),
    ("post_failover",),
)
BEHIND = (PRIMARY[0], ("wait_applied",), *PRIMARY[1:])  # the replicas have not applied what they received
INTERMEDIATE = (
    ("pre_failover",),
    ("repoint",),
    ("post_intermediate_failover",),
    ("post_failover",),
)
# What a recovery has where it is needed, whichever its plan: a relay log that is not applied at the moment, half a
# move to be ended by the successor.
WHERE_NEEDED = {"wait_applied", "start_replication"}

# name of the list -> what the hook calls itself
PRIMARY_HOOKS = {
    "pre_failover": ["pre"], "post_primary_failover": ["moved", "moved2"], "post_failover": ["post"],
}
INTERMEDIATE_HOOKS = {
    "pre_failover": ["pre"], "post_intermediate_failover": ["moved", "moved2"], "post_failover": ["post"],
}

# Points of a stage at which its steps are written and none of them has an outcome.
OPEN = ("journaled", "performing", "step-ended", "hook-ended", "performed")


def before(how, plan):
    """The stage is decided, nothing of it is written; it is written, nothing of it has begun."""
    return [f"{how} {point} {stage[0]}" for stage in plan for point in ("intending", "journaled")]


def within(how, plan, moments):
    """So many milliseconds after the steps of the stage began."""
    return [f"{how} performing {stage[0]} {moment}" for stage in plan for moment in moments]


def after(how, plan):
    """Each step has ended while others of its stage may be under way; all have, and nothing of it is written."""
    return [f"{how} step-ended {step}" for stage in plan for step in stage] + [
        f"{how} performed {stage[0]}" for stage in plan
    ]


def at_the_end(how, plan):
    """A hook has ended well, which is not written; all is done, and the end is not written, or just is."""
    hooks = [step for stage in plan for step in stage if step in {**PRIMARY_HOOKS, **INTERMEDIATE_HOOKS}]
    return [f"{how} hook-ended {hook}" for hook in hooks] + [f"{how} ending 0", f"{how} ended 0"]


def some(how, plan):
    """For the servers that take longer to start."""
    points = ("intending", "journaled", "performing", "performed")
    return [f"{how} {point} {stage[0]} 3" for stage in plan for point in points] + at_the_end(how, plan)


def name_of(step):
    return step["text"].rpartition(" ")[2] if step["kind"] == "hook" else step["kind"]


class InterruptedTest(PrimaryTest):
    def launch(self, flavour, tree, hooks, order):
        """Node 1 is the active one, and carries the order; node 2 and 3 are not to obey it."""
        self.need(flavour)
        self.topology = self.lab.topology(flavour, tree, semi_sync=True)
        self.hooks = HookLog(self.lab.folder)
        recovery = {name: [self.hooks.command(hook) for hook in names] for name, names in hooks.items()}
        self.expected_hooks = hooks
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

    # --- the recoveries ----------------------------------------------------------------------------------------------

    def primary(self, order, flavour):
        self.launch(flavour, 3, PRIMARY_HOOKS, order)
        self.fail_over(order, PRIMARY)

    def behind(self, order, flavour):
        """The replicas have received more than they can apply, until the node is interrupted or has had to wait."""
        self.launch(flavour, 3, PRIMARY_HOOKS, order)
        locks = [replica.connect() for replica in self.topology.replicas]
        for lock in locks:
            lock.cursor().execute("LOCK TABLES app.ledger READ")
        time.sleep(0.2)  # writes that are received and acknowledged

        def let_go():
            end = time.monotonic() + 1.0
            while self.undisturbed() and time.monotonic() < end:
                time.sleep(0.02)
            if "intending wait_applied" in order:
                time.sleep(2 * LEASE)  # the other node has to wait, too
            for lock in locks:
                lock.close()

        releaser = threading.Thread(target=let_go)
        releaser.start()
        try:
            self.fail_over(order, BEHIND)
        finally:
            releaser.join()

    def fail_over(self, order, plan):
        with LeaderWatch(self.nodes) as watch:
            fault_at = time.monotonic()
            self.topology.primary.kill()
            self.await_interruption()
            promoted = self.wait_failover(fault_at, 15 + 2 * LEASE)
            self.thaw()
        self.assertEqual(watch.violations(), [])
        survivors = self.topology.replicas
        self.assertEqual(writable_servers(survivors), [promoted])
        self.assertIs(wait_one_primary(survivors), promoted)
        self.check_data(promoted, may_lose=0)
        self.check_recorded(promoted)
        self.check_journal(order, plan)

    def intermediate(self, order, flavour):
        self.launch(flavour, TWO_TIERS, INTERMEDIATE_HOOKS, order)
        left = self.topology["left"]
        with LeaderWatch(self.nodes) as watch:
            left.kill()
            self.await_interruption()
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
        self.check_journal(order, INTERMEDIATE)

    # --- what they share ---------------------------------------------------------------------------------------------

    def undisturbed(self):
        first = self.nodes[0].process
        return first.alive() and not first.stopped()

    def await_interruption(self):
        def happened():
            if not self.undisturbed():
                return "interrupted"
            recoveries = self.nodes[0].json("/api/v1/recoveries")
            return "ended" if recoveries and recoveries[0]["state"] != "running" else None

        if eventually(happened, 20, "the node is interrupted, or ends the recovery") == "ended":
            time.sleep(0.2)  # the point of that name is reached right after what was just seen
        self.assertFalse(self.undisturbed(), "the recovery ended without the interruption: it has no such step")

    def thaw(self):
        """A stopped node goes on when another one has been active for a while, and must do no harm."""
        first = self.nodes[0]
        active_node([node for node in self.nodes if node.process.alive() and not node.process.stopped()], 15)
        if first.process.alive() and first.process.stopped():
            first.thaw()
            time.sleep(1.5)

    def check_journal(self, order, plan):
        def over(node):
            recoveries = node.json("/api/v1/recoveries")
            self.assertEqual([entry["state"] for entry in recoveries], ["done"], recoveries)
            return recoveries[0]["number"]

        for node in self.nodes:
            if node.process.alive():
                number = eventually(lambda node=node: over(node), 20, f"{node} tells of one recovery, which is done")
                # One look: who knows the end knows how each step ended.
                told = node.json(f"/api/v1/recoveries/{number}")
                self.check_story(told, order, plan)
        self.check_hooks(order, plan, {step["number"]: step["state"] for step in told["steps"]})

    def check_story(self, recovery, order, plan):
        steps = recovery["steps"]
        told = "\n".join(f"{s['number']} {s['epoch']} {s['state']} {s['text']}: {s['outcome']}" for s in steps)
        self.assertEqual([step["number"] for step in steps], list(range(1, len(steps) + 1)), told)
        epochs = [step["epoch"] for step in steps]
        self.assertEqual(epochs, sorted(epochs), "steps of an old epoch never follow a new one's")
        self.assertEqual(set(recovery["hooks"].values()), {"done"}, recovery["hooks"])
        for step in steps:
            self.assertLessEqual(recovery["started_ms"], step["started_ms"], told)
            self.assertLessEqual(step["started_ms"], recovery["ended_ms"], told)
            if step["state"] != "interrupted":
                self.assertLessEqual(step["started_ms"], step["ended_ms"], told)
                self.assertLessEqual(step["ended_ms"], recovery["ended_ms"], told)
        known = [name for stage in plan for name in stage]
        names = [name for name in dict.fromkeys(map(name_of, steps)) if name in known or name not in WHERE_NEEDED]
        self.assertEqual(names, known, f"the whole plan, in its order:\n{told}")

        # Where the first node was interrupted.
        _, point, where, *_ = order.split()
        epoch = int(recovery["id"].split("-")[1])
        places = [number for number, stage in enumerate(plan) if where in stage] or [len(plan) - 1]
        begun = plan[:places[0]] if point == "intending" else plan[:places[0] + 1]
        # One of which nothing was written yet is begun anew by the other node.
        first = [step for step in steps if step["epoch"] == epoch] if begun or recovery["epoch"] != epoch else []
        if begun:
            self.assertEqual(recovery["epoch"] == epoch, point == "ended", "another one carried it to its end")
        self.assertEqual(
            {name_of(step) for step in first} - (WHERE_NEEDED - set(known)),
            {name for stage in begun for name in stage}, told,
        )
        in_it = begun[-1] if point in OPEN else ()
        for step in first:
            if name_of(step) in in_it:
                self.assertEqual(step["state"], "interrupted", told)
            elif begun and name_of(step) in begun[-1] and point != "ended":
                self.assertIn(step["state"], ("done", "interrupted"), told)  # written with what comes next
            else:
                self.assertEqual(step["state"], "done", told)
        for step in steps[len(first):]:
            self.assertEqual(step["state"], "done", told)

    def check_hooks(self, order, plan, states):
        """Each ended well once. It may have been begun once more where its node was interrupted, and says so."""
        how, point, where, *_ = order.split()
        concerned = next((stage for stage in plan if where in stage), ()) if point in OPEN else ()
        # Between its end and the note of it, or frozen beside it, it cannot be known that it has ended. A step beside
        # it may end in just that moment.
        unknowable = point in ("hook-ended", "step-ended") or (how == "stop" and point == "performing")
        for hooks, name in [(hooks, name) for hooks, names in self.expected_hooks.items() for name in names]:
            begun, ended = self.hooks.runs(name, "begin"), self.hooks.runs(name, "end")
            self.assertEqual(len({run.recovery for run in begun}), 1, begun)
            if hooks not in concerned:
                self.assertEqual((len(begun), len(ended)), (1, 1), f"{name} was not interrupted: {begun}")
                self.assertFalse(begun[0].resumed, begun)
                continue
            if not unknowable:
                self.assertEqual(len(ended), 1, f"{name} is never run twice as success: {ended}")
            self.assertIn(len(ended), (1, 2), ended)
            self.assertIn(len(begun), (1, 2), begun)
            if len(ended) == 2:
                self.assertEqual(states[begun[0].step], "interrupted", "what is noted as a success is never run again")
            if len(begun) == 2:
                self.assertEqual([run.resumed for run in begun], [False, True], begun)
                self.assertLess(begun[0].epoch, begun[1].epoch)
                self.assertLess(begun[0].step, begun[1].step)
            elif begun[0].resumed:  # it was to begin, and did not come to it
                self.assertIn(point, ("journaled", "performing", "step-ended"), begun)

    def each(self, recovery, orders, flavour="mariadb"):
        """Each order in a lab of its own, some side by side: most of the time they wait for a lease to end."""
        telling = threading.Lock()

        def outcome(order):
            case = type(self)(self._testMethodName)
            began = time.monotonic()
            case.lab = Lab("test")
            try:
                getattr(case, recovery.__name__)(order, flavour)
            except Exception as error:
                with telling:
                    print(f"{order}:", file=sys.stderr)
                    case.show_logs()
                return error
            finally:
                case.lab.close()
            with telling:
                print(f"{order}: as it should be, after {time.monotonic() - began:.1f} s", flush=True)
            return None

        with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE[flavour]) as pool:
            for order, error in zip(orders, pool.map(outcome, orders)):
                with self.subTest(order=order):
                    if error is not None:
                        raise error


class Short(InterruptedTest):
    """For every change: the two places that matter most."""

    TIMEOUT = 150

    def test_mariadb_killed_when_the_promotion_is_journaled(self):
        self.primary("kill journaled promote", "mariadb")

    def test_mariadb_stopped_when_the_promotion_is_journaled(self):
        self.primary("stop journaled promote", "mariadb")

    def test_mariadb_killed_while_the_replicas_of_an_intermediate_move(self):
        self.intermediate("kill performing repoint 2", "mariadb")


class Primary(InterruptedTest):
    NIGHTLY = True
    TIMEOUT = 900

    def test_mariadb_killed_before_each_step(self):
        self.each(self.primary, before("kill", PRIMARY))

    def test_mariadb_killed_within_each_step(self):
        self.each(self.primary, within("kill", PRIMARY, (1, 4)))

    def test_mariadb_killed_after_each_step(self):
        self.each(self.primary, after("kill", PRIMARY))

    def test_mariadb_killed_at_the_end(self):
        self.each(self.primary, at_the_end("kill", PRIMARY))

    def test_mariadb_stopped_before_each_step(self):
        self.each(self.primary, before("stop", PRIMARY))

    def test_mariadb_stopped_within_each_step(self):
        self.each(self.primary, within("stop", PRIMARY, (2,)))

    def test_mariadb_stopped_after_each_step(self):
        self.each(self.primary, after("stop", PRIMARY))

    def test_mariadb_stopped_at_the_end(self):
        self.each(self.primary, at_the_end("stop", PRIMARY))

    def test_mysql_killed_around_each_step(self):
        self.each(self.primary, some("kill", PRIMARY), "mysql")

    def test_mysql_stopped_around_each_step(self):
        self.each(self.primary, some("stop", PRIMARY), "mysql")


class Behind(InterruptedTest):
    """Of a dead primary whose replicas have still to apply what they received."""

    NIGHTLY = True
    TIMEOUT = 900

    ORDERS = (
        "kill intending wait_applied", "kill journaled wait_applied", "kill performing wait_applied 3",
        "kill performed wait_applied", "kill intending promote",
        "stop journaled wait_applied", "stop performing wait_applied 3", "stop performed wait_applied",
    )

    def test_mariadb(self):
        self.each(self.behind, self.ORDERS)

    def test_mysql(self):
        self.each(self.behind, self.ORDERS, "mysql")


class Intermediate(InterruptedTest):
    NIGHTLY = True
    TIMEOUT = 900

    def test_mariadb_killed_before_each_step(self):
        self.each(self.intermediate, before("kill", INTERMEDIATE))

    def test_mariadb_killed_within_each_step(self):
        self.each(self.intermediate, within("kill", INTERMEDIATE, (1, 4)))

    def test_mariadb_killed_after_each_step(self):
        self.each(self.intermediate, after("kill", INTERMEDIATE))

    def test_mariadb_killed_at_the_end(self):
        self.each(self.intermediate, at_the_end("kill", INTERMEDIATE))

    def test_mariadb_stopped_before_each_step(self):
        self.each(self.intermediate, before("stop", INTERMEDIATE))

    def test_mariadb_stopped_within_each_step(self):
        self.each(self.intermediate, within("stop", INTERMEDIATE, (2,)))

    def test_mariadb_stopped_after_each_step(self):
        self.each(self.intermediate, after("stop", INTERMEDIATE))

    def test_mariadb_stopped_at_the_end(self):
        self.each(self.intermediate, at_the_end("stop", INTERMEDIATE))

    def test_mysql_killed_around_each_step(self):
        self.each(self.intermediate, some("kill", INTERMEDIATE), "mysql")

    def test_mysql_stopped_around_each_step(self):
        self.each(self.intermediate, some("stop", INTERMEDIATE), "mysql")
