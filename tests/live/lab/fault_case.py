# SPDX-License-Identifier: Apache-2.0
"""Base of the fault tests: a topology under watch, and what must hold after any fault.

* no acknowledged write is missing on any survivor; with asynchronous replication at most those of the last moments,
  and the record of the recovery says so
* no two servers took writes, or were writable, at one time, but for what docs/guarantees.md leaves open, which the
  test names and bounds
* all others are read-only and replicate
* the record tells the right cause, successor and steps
* nothing is done where nothing was due
"""

import time

from .case import LiveTest
from .commit_watch import both_writable, returns
from .topology import active_node, eventually, wait_same_data, writable_servers
from .writer import outage

DEAD = ("DeadMaster", "DeadMasterAndSomeReplicas")

# Seconds without writes that a test accepts; what they really are measures scripts/bench. Two tests share two cores.
KILL_LIMIT = 4.0
SILENCE_LIMIT = 12.0
# "Writable for up to 0.25 s" of the guarantees, on a machine that has other things to do.
EXPOSED = 1.5
LONGEST_EVENTS = 3  # asynchronous: writes that were acknowledged within the milliseconds before the fault


class FaultTest(LiveTest):
    def start(self, flavour, tree=3, *, settings=None, watched=True, nodes=3, **options):
        """Servers, nodes that know them, a writer and the watch. options: as of Lab.prepare_topology()."""
        self.need(flavour)
        self.topology = self.make_topology(flavour, tree, **options)
        self.old = self.topology.primary
        self.nodes = self.make_nodes(settings, nodes)
        eventually(lambda: active_node(self.nodes).knows(self.topology.servers), 20, "all servers are found")
        self.semi_sync = bool(options.get("semi_sync"))
        self.writer = self.lab.writer(self.topology)
        self.watch = self.lab.watch_commits(self.topology.servers) if watched else None
        time.sleep(1.0)  # a second of writes before the fault

    def make_nodes(self, settings, count):
        return self.lab.nodes(self.lab.backend(), [self.topology.seed], count, settings=settings)

    def make_topology(self, flavour, tree, **options):
        return self.lab.topology(flavour, tree, **options)

    # --- a failover was due ------------------------------------------------------------------------------------------

    def wait_failover(self, fault_at, limit, patience=40):
        """Waits until another server takes writes; returns it."""
        seconds = eventually(
            lambda: outage(self.writer.acks(), fault_at, self.old.port), patience, "another server takes writes",
            every=0.05,
        )
        port = next(a.port for a in self.writer.acks() if a.port != self.old.port and a.acknowledged > fault_at)
        promoted = next(server for server in self.topology.servers if server.port == port)
        print(f"outage {seconds:.3f} s, new primary {promoted.name}")
        self.assertLess(seconds, limit, "the application could not write for too long")
        return promoted

    def check_end(self, promoted, *, may_lose=None, exposed=0.0, isolated=False, apart=(), rejoined=False, codes=DEAD):
        """The state that every failover must end in, and what happened on the way.

        may_lose: acknowledged writes that may be missing; default: none with semi-sync, else a few.
        exposed: seconds for which the old primary may have taken writes again, when it came back writable.
        isolated: it stayed reachable for clients, and therefore writable (docs/guarantees.md).
        apart: servers that do not follow the new primary, for reasons that the test knows.
        rejoined: the old primary replicates again.
        codes: what the failure may be called, by orchestrator's names.
        """
        if may_lose is None:
            may_lose = 0 if self.semi_sync else LONGEST_EVENTS
        eventually(
            lambda: sum(ack.port == promoted.port for ack in self.writer.acks()) > 20, 10, "the new one takes writes"
        )
        alive = [server for server in self.topology.servers if server.process.alive()]
        away = [promoted, *apart, *([] if rejoined else [self.old])]
        followers = [server for server in alive if server not in away]
        for server in followers:
            eventually(
                lambda server=server: server.source_port() == promoted.port, 20, f"{server} follows {promoted}"
            )
        self.check_read_only([server for server in alive if server is not promoted])
        self.stop_writing()
        data = wait_same_data([promoted, *followers])
        self.check_one_writable(promoted, exposed, isolated)
        record = self.check_record(promoted, codes)
        self.check_losses(promoted, data, may_lose, exposed, record)
        return record

    def stop_writing(self):
        self.writer.stop()
        self.watch.stop()

    def commits(self):
        return sorted([*self.writer.acks(), *self.watch.commits()], key=lambda commit: commit.acknowledged)

    def check_read_only(self, servers, within=10):
        for server in servers:
            eventually(lambda server=server: fully_read_only(server), within, f"{server} is read-only")

    def check_one_writable(self, promoted, exposed=0.0, isolated=False):
        for found in returns(self.commits()):
            self.assertEqual(found.port, self.old.port, f"two servers took writes at one time: {found}")
            print(f"the old primary took {found.count} writes again, within {found.seconds:.3f} s")
            if not isolated:
                self.assertLess(found.seconds, exposed, f"it took writes beside the new one: {found}")
        excused = {self.old.port} if isolated or exposed else ()
        self.assertEqual(both_writable(self.watch.writable_spans(), excused), [], "two servers were writable at once")
        if exposed and not isolated:
            since = min(c.acknowledged for c in self.commits() if c.port == promoted.port)
            spans = [s for s in self.watch.writable_spans() if s.port == self.old.port and s.until > since]
            seconds = sum(span.until - max(span.since, since) for span in spans)
            print(f"the old primary was writable for {seconds:.3f} s beside the new one")
            self.assertLess(seconds, exposed)

    def check_losses(self, promoted, data, may_lose, exposed, record):
        commits = self.commits()
        changed = min(c.acknowledged for c in commits if c.port == promoted.port)
        missing = [c for c in commits if c.number not in data]
        self.assertEqual({c.port for c in missing} - {self.old.port}, set(), "only the old primary can lose writes")
        late = [c for c in missing if c.sent > changed]
        lost = [c.number for c in missing if c.sent <= changed]
        if lost:
            print(f"{len(lost)} acknowledged writes are lost; the record says: {record['loss']}")
        self.assertLessEqual(len(lost), may_lose, f"acknowledged and lost: {lost} of {len(commits)}")
        self.assertFalse(lost and record["loss"].startswith("none"), f"lost {lost}, and the record says: {record}")
        if not exposed:
            self.assertEqual(late, [], "the old primary took writes after its replacement")

    def check_record(self, promoted, codes=DEAD):
        """Every node tells of the one recovery of the old primary, and of the same successor; returns it."""
        for node in self.nodes:
            if node.process.alive():
                eventually(lambda node=node: self._audited(node, promoted, codes), 20, f"{node} tells of the recovery")
        records = [r for r in self.recoveries() if r["failed"] == self.old.address and r["kind"] == "dead primary"]
        self.assertEqual(len(records), 1, records)
        record = records[0]
        self.assertEqual(record["state"], "done", record)
        self.assertIn(record["code"], codes)
        self.assertEqual(record["successor"], promoted.address)
        self.assertTrue(record["evidence"], "what it rests on")
        self.assertEqual([c["id"] for c in record["candidates"] if c["rank"] == 1], [promoted.address], record)
        for candidate in record["candidates"]:
            self.assertTrue(candidate["reason"], f"why this place: {candidate}")
        if self.semi_sync:
            self.assertTrue(record["loss"].startswith("none"), record["loss"])
        else:
            self.assertIn("asynchronous", record["loss"])
        steps = record["steps"]
        self.assertEqual([step["number"] for step in steps], sorted(step["number"] for step in steps))
        self.assertEqual(
            {step["target"] for step in steps if step["kind"] == "promote" and step["state"] == "done"},
            {promoted.address}, "the one promotion",
        )
        self.assertEqual([step for step in steps if step["state"] == "intended"], [], "each step has an outcome")
        epochs = [step["epoch"] for step in steps]
        self.assertEqual(epochs, sorted(epochs), "steps of an old epoch never follow a new one's")
        return record

    def _audited(self, node, promoted, codes):
        entries = [
            entry for entry in node.json("/api/audit-recovery")
            if entry["AnalysisEntry"]["AnalyzedInstanceKey"]["Port"] == self.old.port
            and entry["AnalysisEntry"]["Analysis"] in codes
        ]
        self.assertEqual(len(entries), 1, f"one recovery of {self.old}: {entries}")
        self.assertTrue(entries[0]["IsSuccessful"] and entries[0]["RecoveryEndTimestamp"], entries[0])
        self.assertEqual(entries[0]["SuccessorKey"]["Port"], promoted.port)
        return True

    def recoveries(self):
        """All recoveries with their steps, newest first, as the active node tells them."""
        node = active_node(self.nodes)
        return [node.json(f"/api/v1/recoveries/{entry['number']}") for entry in node.json("/api/v1/recoveries")]

    def reason(self, record, server):
        """Why the server has its place among the candidates."""
        return next(c["reason"] for c in record["candidates"] if c["id"] == server.address)

    def check_stays_demoted(self, promoted, within, seconds=2):
        """The old primary is reachable again: it is made read-only, and nobody else becomes writable."""
        eventually(lambda: fully_read_only(self.old), within, f"{self.old} is made read-only")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.assertEqual(writable_servers(self.topology.servers), [promoted])
            time.sleep(0.1)

    # --- nothing was due ---------------------------------------------------------------------------------------------

    def check_nothing_done(self, seconds, *, gap=2.0, followers=None, same_within=20):
        """For so long the primary stays what it is and takes writes, and no recovery begins."""
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            self.assertEqual(self.recoveries(), [])
            time.sleep(0.25)
        self.assertEqual(writable_servers(self.topology.servers), [self.old])
        for server in self.topology.replicas if followers is None else followers:
            eventually(lambda s=server: s.source_port() == self.old.port, 20, f"{server} replicates as before")
        self.stop_writing()
        commits = self.commits()
        self.assertEqual({commit.port for commit in commits}, {self.old.port})
        if gap is not None:
            moments = [began, *(c.acknowledged for c in commits if c.acknowledged > began)]
            longest = max(after - before for before, after in zip(moments, moments[1:]))
            self.assertLess(longest, gap, "writes stood still")
        self.assertLessEqual({c.number for c in commits}, wait_same_data(self.topology.servers, same_within))

    def findings(self, server):
        """Analysis codes that the active node has of the server now."""
        return [
            entry["Analysis"] for entry in active_node(self.nodes).details("/api/replication-analysis")
            if entry["AnalyzedInstanceKey"]["Port"] == server.port
        ]

    def explain(self):
        """Text of everything that the active node says about the cluster."""
        node = active_node(self.nodes)
        cluster = node.json("/api/v1/clusters")
        name = (cluster["clusters"] if isinstance(cluster, dict) else cluster)[0]["name"]
        return node.command("explain", name).stdout


def fully_read_only(server):
    columns = "@@global.read_only AS ro" + (
        ", @@global.super_read_only AS sro" if server.flavour.name == "mysql" else ", 1 AS sro"
    )
    row = server.rows(f"SELECT {columns}")[0]
    return bool(row["ro"]) and bool(row["sro"])
