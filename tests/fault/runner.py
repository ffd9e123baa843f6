# SPDX-License-Identifier: Apache-2.0
"""One run: a seed's schedule against a backend, and what the evidence says of it."""

import contextlib
import shutil
import threading
import time
import traceback
import typing

import pymysql

import check
import evidence
import schedule
import inject_nodes  # noqa: F401
import inject_servers  # noqa: F401
from registry import INJECTIONS
from world import BACKENDS, World, boot, clock_library

from lab import eventually
from lab import faults as packet_faults
from lab.paths import BUILD

PATIENCE = 90.0  # seconds in which a mended backend must commit again
RECOVERY = 40.0  # seconds in which the managed cluster must have one primary again, after the last round
DISK = 384  # MiB, of a server that runs out of it


class Result(typing.NamedTuple):
    violations: list
    took: list  # seconds from the last fault of each round until somebody held the lease
    done: dict  # fault -> how often it was done
    hits: dict  # fault -> how many statements or connections it has hit
    counts: dict  # of what was looked at


def abilities():
    have = []
    if not packet_faults.missing_because():
        have += ["filter", "disk"]  # both need root
    if clock_library() is not None:
        have.append("clock")
    return have


class Run:
    def __init__(self, seed, backend, *, haproxy=False, seconds=30.0, only=(), topology=True, say=print):
        self.seed = seed
        self.backend = backend
        self.haproxy = haproxy
        self.name = backend + ("+haproxy" if haproxy else "")
        self._say = say
        self.told = []
        definition = BACKENDS[backend]
        kinds = schedule.kinds_of(backend)
        only = list(only)
        rounds = schedule.make(seed, self.name, kinds, definition.duration, seconds, only)
        # What cannot be done here is left out of the schedule, so that all else is the same everywhere.
        self.impossible = {fault.name for fault in schedule.FAULTS if fault.needs and fault.needs not in abilities()}
        if haproxy:
            # The proxy decides where a node goes; these lead it elsewhere by its own addresses.
            self.impossible |= {"flapping", "split"}
        self.rounds = [[event for event in events if event.fault not in self.impossible] for events in rounds]
        planned = {event.fault for events in self.rounds for event in events}
        self.world = World(
            backend, haproxy=haproxy, topology=topology,
            fake_time=bool(planned & {"clock", "server_clock"}),
            disk_limit=DISK if "disk_full" in planned else None,
        )
        self.done, self.hits, self.settled, self.errors = {}, {}, [], []

    def say(self, text):
        self.told.append(text)
        self._say(text)

    def run(self):
        with self.world as world:
            world.splits, world.old_primary, world.losses, world.unlogged, world.stops = [], None, [], [], []
            self._prepare()
            self._wait_active(20)
            self._wait_known()
            over = threading.Event()
            traffic = threading.Thread(target=self._traffic, args=(over,), daemon=True)
            traffic.start()
            for number, events in enumerate(self.rounds):
                self._round(number, events)
            time.sleep(world.duration)
            over.set()
            traffic.join(10)
            self._end_topology()
            result = self._judge()
            if result.violations:
                self._keep(result)
            return result

    # --- doing -----------------------------------------------------------------------------------------------------

    def _prepare(self):
        world = self.world
        world.lives = {}
        if world.topology:
            for server in world.topology.servers:
                world.lives[server.address] = [0.0]
                server.options["extra"] = [
                    *server.options["extra"], "--general-log=ON", f"--general-log-file={server.folder}/general.log",
                ]
                server.execute(
                    f"SET GLOBAL general_log_file = '{server.folder}/general.log'", "SET GLOBAL general_log = ON"
                )

    def _round(self, number, events):
        began = time.monotonic()
        lanes = {}
        for event in events:
            lane = schedule.BY_NAME[event.fault].lane if event.fault in schedule.BY_NAME else "work"
            lanes.setdefault(lane, []).append(event)
        threads = [
            threading.Thread(target=self._lane, args=(number, began, lane), daemon=True) for lane in lanes.values()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        try:
            since = self.world.wait_commits(PATIENCE)
        except TimeoutError as error:
            self.errors.append(f"round {number}: {error}")
            return
        self.settled.append(check.Settled(number, since))
        # Longer than the lease may take: what is measured is read from the logs.
        self._wait_active(3 * self.world.duration + 5)
        self._rejoin_primary()
        time.sleep(0.3)

    def _lane(self, number, began, events):
        for event in events:
            time.sleep(max(0.0, began + event.at - time.monotonic()))
            try:
                self._inject(number, event)
            except Exception as error:
                self.errors.append(f"round {number}: {event}: {error!r}\n{traceback.format_exc()}")

    def _inject(self, number, event):
        started = boot()
        steps = INJECTIONS[event.fault](self.world, event)
        try:
            next(steps)
        except StopIteration:
            self.say(f"    {started:.3f} round {number}: {event}: not done")
            return
        self.say(f"    {started:.3f} round {number}: {event}")
        time.sleep(event.length)
        hit = None
        try:
            next(steps)
        except StopIteration as end:
            hit = end.value
        self.done[event.fault] = self.done.get(event.fault, 0) + 1
        if hit is not None:
            self.hits[event.fault] = self.hits.get(event.fault, 0) + hit
        if event.fault in ("failover", "failover_lag"):
            # Until everybody that saw what was lost has grabbed again.
            self.world.losses.append((started, boot() + 2 * self.world.duration + 1))
        self.say(f"    {boot():.3f} round {number}: {event.fault} is over")

    def _wait_active(self, timeout):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if any(node.process.alive() and node.is_active(0.5) for node in self.world.nodes):
                return
            time.sleep(0.05)

    def _traffic(self, over):
        """Something to write, all the time: people who set tags, each at another node."""
        server = self.world.topology.servers[1] if self.world.topology else None
        number = 0
        while server is not None and not over.wait(0.1):
            node = self.world.nodes[number % len(self.world.nodes)]
            number += 1
            node.get(f"/api/tag/127.0.0.1/{server.port}/fault/{number}", timeout=0.5)

    def _keep(self, result):
        """Logs of a run that violated something."""
        folder = BUILD / "fault" / f"{self.name}-{self.seed}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for log in self.world.lab.folder.glob("*/*.log"):
            shutil.copy(log, folder / f"{log.parent.name}-{log.name}")
        shutil.copy(self.world.gate.log, folder)
        (folder / "violations").write_text("\n".join([*self.told, *result.violations]) + "\n", "utf-8")
        self.say(f"  logs: {folder}")

    def _wait_known(self):
        """A primary that dies before anybody has seen its replicas is nobody's to replace."""
        if self.world.topology is not None:
            for node in self.world.nodes:
                eventually(lambda node=node: node.knows(self.world.topology.servers), 30, f"{node} shows all servers")

    # --- the managed cluster ---------------------------------------------------------------------------------------

    def _writable(self):
        found = []
        for server in self.world.topology.servers:
            with contextlib.suppress(pymysql.Error, OSError):
                if server.process.alive() and server.is_writable():
                    found.append(server)
        return found

    def _rejoin_primary(self):
        """A primary that was killed and has been replaced is started again, as a replica."""
        world = self.world
        old = world.old_primary
        if old is None:
            return
        writable = self._writable()
        if len(writable) != 1:
            return
        new = writable[0]
        world.lives[old.address].append(boot())
        old.options["read_only"] = True
        old.restart()
        with contextlib.suppress(pymysql.Error):
            old.execute("STOP SLAVE")
        old.execute(old.flavour.replicate_from(new.port), old.flavour.start_replica)
        world.old_primary = None

    def _end_topology(self):
        if self.world.topology is None:
            return
        deadline = time.monotonic() + RECOVERY
        while time.monotonic() < deadline:
            writable = self._writable()
            if len(writable) == 1:
                return
            time.sleep(0.2)
        self.errors.append(f"the managed cluster has no single primary {RECOVERY:.0f} s after the last fault: {writable}")

    # --- judging ---------------------------------------------------------------------------------------------------

    def _judge(self):
        world = self.world
        everybody = [*world.nodes, world.twin]
        violations = list(self.errors)
        for node in world.nodes:
            if not node.process.alive():
                violations.append(f"{node.name} has ended by itself, with status {node.process.exit_status()}")
        end = boot()
        for node in everybody:
            if node.process is not None:
                node.process.kill()
        spans, acts, writes = [], [], []
        ahead = boot() - time.clock_gettime(time.CLOCK_MONOTONIC)
        for node in everybody:
            if not node.log.exists():
                continue
            deaths = sorted([*(at for name, at in world.deaths if name == node.name), end])
            lines = evidence.lines_of(node.log)
            more = evidence.read_node(node.name, lines, deaths, ahead)
            for whole, part in zip((spans, acts, writes), more):
                whole.extend(part)
            violations += [f"{node.name}: {line}" for line in lines if "internal check failed" in line]
        histories = world.histories()
        executed = []
        if world.topology:
            for server in world.topology.servers:
                log = server.folder / "general.log"
                executed += evidence.read_general_log(server.address, evidence.lines_of(log))
        limit = world.duration + 1.0
        violations += check.overlapping_epochs(spans, world.splits)
        violations += check.epochs_with_two_holders(spans, [*world.splits, *world.losses])
        violations += check.acts_outside(acts, spans)
        out_of_order, matched = check.acts_after_higher(executed, acts, world.lives, spans)
        violations += out_of_order
        past = [evidence.after_stop(node.log, stop, ahead) for node in everybody for stop in world.stops
                if stop.node == node.name]
        violations += check.done_after_stop([each for each in past if each], executed, acts, world.lives)
        late, took = check.not_held_again(self.settled, spans, limit)
        violations += late
        for name, commits in histories.items():
            violations += check.history_violations(name, commits)
            violations += check.journal_violations(name, commits)
        violations += check.lost_writes(writes, histories, [*world.splits, *world.losses, *world.unlogged])
        if world.splits:
            violations += self._split_unreported(everybody)
        counts = {
            "overlaps in splits": len(check.overlapping_epochs(spans)) if world.splits else 0,
            "epochs": len({(span.epoch, span.holder) for span in spans}),
            "acts": len(acts),
            "executed acts": matched,
            "writes": len(writes),
            "stopped acts and writes": sum(each is not None for each in past),
            "rolled back in silence": sum(write.result == "unconfirmed" for write in writes),
            "transactions": sum(map(len, histories.values())),
            "recoveries": len({key for commits in histories.values() for commit in commits
                               for key, _ in commit.recoveries}),
        }
        if not spans or not counts["transactions"]:
            violations.append(f"there is no evidence: {counts}")
        return Result(violations, took, self.done, self.hits, counts)

    def _split_unreported(self, nodes):
        """A split cannot be prevented, but it must be told."""
        marks = ("which does not follow from what was seen before", "answers in place of")
        for node in nodes:
            if node.log.exists() and any(mark in line for line in evidence.lines_of(node.log) for mark in marks):
                return []
        return ["the backend was split, and no node says that it saw that"]


