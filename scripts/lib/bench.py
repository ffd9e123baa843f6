# SPDX-License-Identifier: Apache-2.0
"""The work of scripts/bench: see there."""

import argparse
import json
import os
import pathlib
import re
import statistics
import sys
import time

from bench_nodes import election, load
from bench_report import Report, require
from lab import (
    Lab,
    active_node,
    eventually,
    faults,
    outage,
    wait_one_primary,
    wait_same_data,
    writable_servers,
)
from lab.flavour import FLAVOURS, REPLICATION_PASSWORD, REPLICATION_USER
from lab.nodes import ApiError, secret_file
from lab.paths import BUILD
from lab.process import Process
from lab.server import tail

TWO_TIERS = {"top": {"left": {"left1": {}, "left2": {}}, "right": {}}}


# --- failover ------------------------------------------------------------------------------------------------------


class Fault:
    """Ways in which a primary fails: fail() at the given lab and topology."""

    NEEDS_PACKET_FILTER = ("drop", "drop-in", "drop-out", "partition", "deaf")

    def __init__(self, kind):
        self.kind = kind

    def fail(self, lab, topology):
        old = topology.primary
        {
            "kill": old.kill,
            "stop": lambda: old.process.signal(15),
            "freeze": old.freeze,
            "drop": lambda: lab.drop_packets(old),
            "drop-in": lambda: lab.drop_one_way(old, "in"),
            "drop-out": lambda: lab.drop_one_way(old, "out"),
            # Replicas do not reach it; Baton and the clients do.
            "partition": lambda: lab.cut_off_from(old, topology.replicas),
            # Connections break, new ones are accepted and never answered.
            "deaf": lambda: (lab.listen_deaf(old.port), old.kill()),
        }[self.kind]()


FAULTS = ["kill", "stop", "freeze", "drop", "drop-in", "drop-out", "partition", "deaf"]


def failover(options, report):
    require(FLAVOURS[options.flavour].missing_because())
    if options.fault in Fault.NEEDS_PACKET_FILTER:
        require(faults.missing_because())
    outages, settled = [], []
    for run in range(1, options.runs + 1):
        with Lab("bench") as lab:
            topology = lab.topology(
                options.flavour, TWO_TIERS if options.tiers == 2 else 3, semi_sync=options.semi_sync
            )
            nodes = lab.nodes(lab.backend(), [topology.seed])
            eventually(lambda: active_node(nodes).knows(topology.servers), 30, "all servers are found")
            writer = lab.writer(topology)
            # The fault comes at any moment of the polling interval.
            time.sleep(1.0 + (run * 0.37) % 1.0)
            old = topology.primary
            fault_at = time.monotonic()
            Fault(options.fault).fail(lab, topology)
            if options.with_active_node:
                active_node(nodes).kill()
            try:
                seconds = eventually(
                    lambda: outage(writer.acks(), fault_at, old.port), 60, "another server accepts writes"
                )
                following = follow_time(topology, old, fault_at)
            except AssertionError as error:
                for node in nodes:
                    print(f"--- {node}\n{tail(node.log, 60)}", file=sys.stderr)
                sys.exit(f"run {run}: {error}")
            time.sleep(0.3)
            writer.stop()
            survivors = [server for server in topology.servers if server is not old]
            data = wait_same_data(survivors)
            acks = writer.acks()
            lost = sum(ack.number not in data for ack in acks)
            # The old primary's last acknowledgement: where clients still reach it, writes go on for a while.
            last = max(ack.acknowledged for ack in acks if ack.port == old.port)
            still = max(0.0, last - fault_at)
            outages.append(seconds)
            settled.append(following)
            report.line(
                bench="failover", flavour=options.flavour, fault=options.fault, tiers=options.tiers,
                semi_sync=options.semi_sync, run=run, outage_s=seconds, still_written_s=still,
                all_follow_s=following,
                acknowledged=len(acks), lost=lost, writable=len(writable_servers(survivors)),
            )
    context = {
        "flavour": options.flavour, "fault": options.fault, "tiers": options.tiers, "semi_sync": options.semi_sync,
        "with_active_node": options.with_active_node,
    }
    report.summary("failover outage", "s", outages, **context)
    report.summary("failover until all follow", "s", settled, **context)


def follow_time(topology, old, fault_at):
    survivors = [server for server in topology.servers if server is not old]
    if len(topology.servers) == 4:
        wait_one_primary(survivors, 60)
    else:

        def one_tree():
            writable = writable_servers(survivors)
            by_port = {server.port: server for server in survivors}
            return len(writable) == 1 and all(
                server is writable[0] or server.source_port() in by_port for server in survivors
            )

        eventually(one_tree, 60, "all survivors replicate from survivors")
    return time.monotonic() - fault_at


# --- switchover ----------------------------------------------------------------------------------------------------


def switchover(options, report):
    require(FLAVOURS[options.flavour].missing_because())
    outages, settled = [], []
    with Lab("bench") as lab:
        topology = lab.topology(options.flavour, 3, semi_sync=options.semi_sync)
        password = secret_file(lab.folder / "replication.password", REPLICATION_PASSWORD)
        nodes = lab.nodes(lab.backend(), [topology.seed], settings={"topology": {
            "replication_user": REPLICATION_USER, "replication_password_file": str(password)}})
        eventually(lambda: active_node(nodes).knows(topology.servers), 30, "all servers are found")
        writer = lab.writer(topology)
        old, others = topology.primary, topology.replicas
        for run in range(1, options.runs + 1):
            # The order comes at any moment of the polling interval.
            time.sleep(1.0 + (run * 0.37) % 1.0)
            new = others[run % len(others)]
            asked_at = time.monotonic()
            result = active_node(nodes).command("switchover", old.address, "--to", new.address, timeout=60)
            if result.returncode != 0:
                sys.exit(f"run {run}: {result.stdout}{result.stderr}")
            wait_one_primary(topology.servers, 60)
            following = time.monotonic() - asked_at
            eventually(lambda: writer.acks()[-1].port == new.port, 10, "the new one is written to")
            acks = writer.acks()
            first = min(ack.acknowledged for ack in acks if ack.port == new.port and ack.acknowledged > asked_at)
            seconds = first - max(ack.acknowledged for ack in acks if ack.acknowledged < first)
            outages.append(seconds)
            settled.append(following)
            report.line(
                bench="switchover", flavour=options.flavour, semi_sync=options.semi_sync, run=run,
                outage_s=seconds, all_follow_s=following,
            )
            others = [server for server in topology.servers if server is not new]
            old = new
        writer.stop()
        data = wait_same_data(topology.servers)
        lost = sum(ack.number not in data for ack in writer.acks())
        report.line(bench="switchover", flavour=options.flavour, acknowledged=len(writer.acks()), lost=lost)
    context = {"flavour": options.flavour, "semi_sync": options.semi_sync}
    report.summary("switchover outage", "s", outages, **context)
    report.summary("switchover until all follow", "s", settled, **context)


# --- poll ----------------------------------------------------------------------------------------------------------


class Farm:
    """Simulated servers, as many as wanted, in one process: tests/bench/fake_mysql_farm, which tells its contract."""

    def __init__(self, options, case, folder, port):
        program = pathlib.Path(os.environ.get("BATON_FARM", BUILD / "release/tests/bench/fake_mysql_farm"))
        if not program.exists():
            sys.exit(f"{program} is not built")
        self.name = "fake_mysql_farm"
        self.log = folder / "farm.log"
        self.stats_file = folder / "farm.json"
        self.process = Process.spawn(
            self.name,
            [program, "--servers", options.servers, "--cluster-size", options.cluster_size,
             "--dead", case.dead, "--dead-as", options.dead_as, "--busy", case.busy, "--port", port, "--stats", self.stats_file],
            self.log,
        )

    def wait_seeds(self):
        def ready():
            lines = self.log.read_text("utf-8", "replace").splitlines()
            if not self.process.alive():
                sys.exit(f"the farm ended:\n{tail(self.log)}")
            return lines[: lines.index("READY")] if "READY" in lines else None

        return [line for line in eventually(ready, 60, "the farm listens") if re.fullmatch(r"[\d.]+:\d+", line)]

    def stats(self):
        return json.loads(self.stats_file.read_text("utf-8"))


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no VmRSS of {pid}")


def metrics(node):
    """Samples by name and labels; those of single servers, clusters and findings added up by name."""
    status, text = node.get("/metrics", timeout=20)
    if status != 200:
        raise ApiError(f"/metrics: status {status}: {text[:200]}")
    values = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            if '="' in name and not name.startswith("baton_loop_delay"):
                name = name.partition("{")[0]
            values[name] = values.get(name, 0) + float(value)
    return values


class Case:
    def __init__(self, name, servers):
        self.name = name
        self.busy = servers if name == "busy" else 0
        self.dead = servers // 2 if name == "dead" else 0


CASES = ("idle", "busy", "dead")


def poll(options, report):
    measured = {}
    for name in options.case or CASES:
        for run in range(1, options.runs + 1):
            values = poll_once(options, Case(name, options.servers))
            measured.setdefault(name, []).append(values)
            report.line(
                bench="poll", case=name, run=run, servers=options.servers, **values,
                cores=os.cpu_count(), load=os.getloadavg()[0],
            )
    columns = list(next(iter(measured.values()))[0])
    print(f"medians of {options.runs} runs with {options.servers} servers", file=sys.stderr)
    print(f"{'':26}" + "".join(f"{name:>12}" for name in measured), file=sys.stderr)
    for column in columns:
        medians = [statistics.median(values[column] for values in runs) for runs in measured.values()]
        print(f"{column:26}" + "".join(f"{median:12.2f}" for median in medians), file=sys.stderr)


def poll_once(options, case):
    with Lab("bench") as lab:
        farm = Farm(options, case, lab.folder, lab.take_port())
        lab.adopt(farm)
        seeds = farm.wait_seeds()
        backend = lab.backend()
        node = lab.nodes(backend, seeds, count=1)[0]
        alive = options.servers - case.dead

        def all_polled():
            return metrics(node)["baton_server_up"] >= alive

        began = time.monotonic()
        eventually(all_polled, 120, f"{alive} servers are polled", every=0.5)
        discovered = time.monotonic() - began
        time.sleep(options.settle)  # past the first burst of writes

        def sample():
            return {
                "at": time.monotonic(),
                "cpu": cpu_seconds(node.process.pid),
                "backend_cpu": cpu_seconds(backend.process.pid),
                "farm": farm.stats(),
                "metrics": metrics(node),
                "questions": int(backend.rows("SHOW GLOBAL STATUS LIKE 'Questions'")[0]["Value"]),
            }

        before = sample()
        time.sleep(options.seconds)
        after = sample()
        seconds = after["at"] - before["at"]
        farm_delta = {key: after["farm"][key] - before["farm"][key] for key in after["farm"]}
        if after["farm"]["unknown"]:
            sys.exit(f"the farm did not understand {after['farm']['unknown']} statements; teach it")
        polls = farm_delta["polls"]
        if polls == 0:
            sys.exit(f"nothing was polled\n{tail(node.log, 40)}")
        cpu = after["cpu"] - before["cpu"]
        delays = {
            name: after["metrics"][name] - before["metrics"][name]
            for name in after["metrics"] if name.startswith("baton_loop_delay")
        }
        return {
            "cpu_us_per_poll": cpu / polls * 1e6,
            "backend_cpu_us_per_poll": (after["backend_cpu"] - before["backend_cpu"]) / polls * 1e6,
            # The sample itself asks twice (connect, SHOW), once in each of the two.
            "backend_statements_per_s": (after["questions"] - before["questions"] - 2) / seconds,
            "resident_mib": resident_mib(node.process.pid),
            "cpu_percent": 100 * cpu / seconds,
            "polls_per_s": polls / seconds,
            "statements_per_poll": farm_delta["statements"] / polls,
            "connects_per_s": farm_delta["connections"] / seconds,
            "discovered_s": discovered,
            "snapshots_per_s": (after["metrics"]["baton_snapshots_total"]
                                - before["metrics"]["baton_snapshots_total"]) / seconds,
            "loop_delay_mean_ms": 1e3 * delays["baton_loop_delay_seconds_sum"]
                                  / max(1, delays["baton_loop_delay_seconds_count"]),
            "loop_delays_over_10ms_per_min": 60 / seconds * (
                delays["baton_loop_delay_seconds_count"] - delays['baton_loop_delay_seconds_bucket{le="0.01"}']),
            # Of the last minute: of this measurement alone when it takes so long.
            "loop_delay_longest_ms": 1e3 * after["metrics"]["baton_loop_lag_seconds"],
        }


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, kinds in (("failover", FAULTS), ("election", ["kill", "freeze", "stop", "handover"])):
        command = commands.add_parser(name)
        if name == "failover":
            command.add_argument("--fault", choices=kinds, default="kill")
        else:
            command.add_argument("--fault", choices=kinds, action="append")
        command.add_argument("--runs", type=int, default=20)
        command.add_argument("--flavour", choices=sorted(FLAVOURS), default="mariadb")
        command.add_argument("--json")
        if name == "failover":
            command.add_argument("--tiers", type=int, choices=[1, 2], default=1)
            command.add_argument("--semi-sync", action="store_true")
            command.add_argument("--with-active-node", action="store_true")
        else:
            command.add_argument(
                "--backend", choices=["single", "galera", "gr", "gr-multi", "active-passive"], default="single"
            )
            command.add_argument("--haproxy", action="store_true")
    command = commands.add_parser("switchover")
    command.add_argument("--runs", type=int, default=20)
    command.add_argument("--flavour", choices=sorted(FLAVOURS), default="mariadb")
    command.add_argument("--semi-sync", action="store_true")
    command.add_argument("--json")
    command = commands.add_parser("poll")
    command.add_argument("--servers", type=int, default=1000)
    command.add_argument("--cluster-size", type=int, default=5)
    command.add_argument("--case", choices=CASES, action="append")
    command.add_argument("--dead-as", choices=["refuse", "blackhole"], default="blackhole")
    command.add_argument("--runs", type=int, default=3)
    command.add_argument("--settle", type=int, default=10)
    command.add_argument("--seconds", type=int, default=30)
    command.add_argument("--json")
    command = commands.add_parser("load")
    command.add_argument("--load", type=int, default=30)
    command.add_argument("--minutes", type=float, default=10)
    command.add_argument("--json")
    options = parser.parse_args()
    if options.command == "election" and options.haproxy and options.backend == "single":
        parser.error("--haproxy is for backends of several servers")
    work = {"failover": failover, "switchover": switchover, "election": election, "poll": poll, "load": load}
    work[options.command](options, Report(options.json))


if __name__ == "__main__":
    main()
