# SPDX-License-Identifier: Apache-2.0
"""The part of scripts/bench that measures what becomes of the active node."""

import json
import os
import sys
import threading
import time

from bench_report import require
from lab import Lab, active_node, active_nodes, backends, eventually, writable_servers
from lab.flavour import FLAVOURS
from lab.process import Process
from lab.server import tail

# --- election ------------------------------------------------------------------------------------------------------


def make_backend(lab, options):
    kinds = {
        "single": (FLAVOURS[options.flavour], lambda: lab.backend(options.flavour)),
        "galera": (backends.Galera, lab.galera),
        "gr": (backends.GroupReplication, lab.group_replication),
        "gr-multi": (backends.GroupReplication, lambda: lab.group_replication(single_primary=False)),
        "active-passive": (backends.ActivePassive, lab.active_passive),
    }
    kind, make = kinds[options.backend]
    require(kind.missing_because())
    return make()


def election(options, report):
    faults_asked = options.fault or ["kill"]
    name = options.flavour if options.backend == "single" else options.backend
    with Lab("bench") as lab:
        backend = make_backend(lab, options)
        if options.haproxy:
            name += " behind HAProxy"
            backend = backend.behind_haproxy()
        nodes = lab.nodes(backend, [])
        for fault in faults_asked:
            gaps = []
            for run in range(1, options.runs + 1):
                gap, successor = lose_active_node(nodes, fault, run)
                gaps.append(gap)
                report.line(
                    bench="election", backend=name, fault=fault, run=run, gap_s=gap, successor=successor.name
                )
            report.summary("election", "s", gaps, backend=name, fault=fault)


def lose_active_node(nodes, fault, run):
    """(seconds until another node is active, that node). All nodes stand by again afterwards."""
    active = active_node(nodes, 15)
    others = [node for node in nodes if node is not active]
    for node in others:
        # A lease that was given back is taken at once only by who has seen it held.
        eventually(lambda node=node: node.json("/api/v1/nodes")["self"]["active_name"] == active.name, 15,
                   f"{node} knows who is active")
    wanted = None
    time.sleep(1.0 + (run * 0.17) % 0.5)  # at any moment between two renewals
    fault_at = time.monotonic()
    if fault == "kill":
        active.kill()
    elif fault == "freeze":
        active.freeze()
    elif fault == "stop":
        active.process.signal(15)
    else:
        wanted = others[run % len(others)]
        asked = HandOver(active, wanted.name)
    successor = eventually(lambda: active_nodes(others), 60, "another node is active", every=0.003)[0]
    gap = time.monotonic() - fault_at
    if fault == "freeze":
        active.thaw()
        eventually(lambda: len(active_nodes(nodes)) == 1, 10, "one node is active")
    elif fault in ("kill", "stop"):
        active.process.wait(10)
        active.restart()
    else:
        status, text = asked.answer()
        if status != 200 or successor is not wanted:
            sys.exit(f"handed over to {successor} instead of {wanted}: {status} {text}")
    return gap, successor


class HandOver:
    """The request under way, so that the gap is not measured by its answer."""

    def __init__(self, node, to):
        self._result = None
        self._thread = threading.Thread(target=self._ask, args=(node, f"/api/v1/handover?to={to}"))
        self._thread.start()

    def _ask(self, node, path):
        self._result = node.post(path, timeout=10)

    def answer(self):
        self._thread.join()
        return self._result


# --- load ----------------------------------------------------------------------------------------------------------

BURN = "while True: pass"
WRITE = """
import os, sys
block = os.urandom(1 << 20)
while True:
    with open(sys.argv[1], "wb") as file:
        for _ in range(64):
            file.write(block)
            file.flush()
            os.fsync(file.fileno())
"""


class Load:
    """Processes at the same priority as everybody's: most burn CPU, three write to the disk of the lab."""

    WRITERS = 3

    def __init__(self, lab, count):
        self.name = "load"
        self.log = lab.folder / "load.log"
        for number in range(count):
            if number < self.WRITERS:
                argv = [sys.executable, "-c", WRITE, lab.folder / f"written{number}"]
            else:
                argv = [sys.executable, "-c", BURN]
            lab.adopt(LoadMember(f"load{number}", argv, self.log))


class LoadMember:
    def __init__(self, name, argv, log):
        self.name = name
        self.log = log
        self.process = Process.spawn(name, argv, log)


def load(options, report):
    """No hand-over and no recovery may come of the load alone."""
    with Lab("bench") as lab:
        topology = lab.topology("mariadb", 3)
        nodes = lab.nodes(lab.backend(), [topology.seed])
        active = active_node(nodes)
        eventually(lambda: active.knows(topology.servers), 30, "all servers are found")
        lab.writer(topology, interval=0.05)
        epoch = active.json("/api/v1/nodes")["self"]["epoch"]
        Load(lab, options.load)
        ends = None
        changes, least_left, highest_load, unanswered, looks = [], None, 0.0, 0, 0
        while ends is None or time.monotonic() < ends:
            highest_load = max(highest_load, os.getloadavg()[0])
            if ends is None and os.getloadavg()[0] >= options.load * 0.9:
                ends = time.monotonic() + options.minutes * 60
                print(f"load {os.getloadavg()[0]:.1f}: measured from now on", file=sys.stderr, flush=True)
            for node in nodes:
                status, text = node.get("/api/v1/nodes", timeout=20)
                looks += 1
                if status != 200:
                    unanswered += 1
                    continue
                me = json.loads(text)["self"]
                if me["active"]:
                    left = me["lease_left_ms"]
                    least_left = left if least_left is None else min(least_left, left)
                if me["epoch"] != epoch:
                    changes.append((node.name, me["epoch"]))
                    epoch = me["epoch"]
            time.sleep(0.2)
        recoveries = nodes[0].json("/api/v1/recoveries", timeout=20)
        same = active_node(nodes, 30) is active
        report.line(
            bench="load", minutes=options.minutes, load_wanted=options.load, load_highest=highest_load,
            load_at_end=os.getloadavg()[0], cores=os.cpu_count(), epoch_changes=len(changes),
            recoveries=len(recoveries), same_active=same, least_lease_left_ms=least_left, looks=looks,
            unanswered=unanswered, writable=len(writable_servers(topology.servers)),
        )
        if changes or recoveries or not same:
            for node in nodes:
                print(f"--- {node}\n{tail(node.log, 80)}", file=sys.stderr)
            sys.exit(f"false: epochs {changes}, recoveries {recoveries}")
