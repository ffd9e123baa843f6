# SPDX-License-Identifier: Apache-2.0
"""The work of scripts/demo: see there. Everything it starts is recorded in build/demo/state.json."""

import contextlib
import fcntl
import json
import pathlib
import shutil
import signal
import sys
import time

import pymysql

from lab.flavour import FLAVOURS, REPLICATION_PASSWORD, REPLICATION_USER
from lab.nodes import ApiError, HAProxy, Node, secret_file
from lab.paths import BUILD, baton_binary
from lab.ports import can_bind
from lab.process import Process
from lab.server import Server, template
from lab.topology import Topology, active_nodes, eventually, writable_servers
from lab.writer import Writer, outage, read_acks

HOME = BUILD / "demo"
STATE = HOME / "state.json"
REPLICAS = 3
NODES = 3
BINLOGS = ["--max-binlog-size=16777216", "--binlog-expire-logs-seconds=3600"]


def say(text):
    print(f"==> {text}", flush=True)


def note(text=""):
    print(f"    {text}" if text else "", flush=True)


class Demo:
    """All parts of the demo as objects, rebuilt from the state file by each command."""

    def __init__(self, state):
        self.state = state
        flavour = FLAVOURS[state["flavour"]]
        ports = iter(range(state["base_port"], state["base_port"] + 40))
        proxy_port = next(ports)
        node_ports = [next(ports) for _ in range(NODES)]
        names = ["primary", *(f"replica{number}" for number in range(1, REPLICAS + 1))]
        options = {"semi_sync": False, "replica_net_timeout": 60, "extra": BINLOGS}
        self.servers = [
            Server(flavour, f"db{number}", next(ports), HOME / f"db{number}",
                   options={**options, "read_only": role != "primary"})
            for number, role in enumerate(names, 1)
        ]
        self.backend = Server(FLAVOURS["mariadb"], "backend", next(ports), HOME / "backend",
                              options={**options, "read_only": False})
        self.node_ports = node_ports
        self.proxy_port = proxy_port
        self.nodes = []
        self.proxy = None
        self.writer = Writer(HOME, [server.port for server in self.servers], interval=0.05, detach=True)

    def make_nodes(self):
        """Writes the configuration of the nodes and of HAProxy, the same each time."""
        password = secret_file(HOME / "replication.password", REPLICATION_PASSWORD)
        settings = {
            "topology": {"replication_user": REPLICATION_USER, "replication_password_file": str(password)}
        }
        for number, port in enumerate(self.node_ports, 1):
            name = f"node{number}"
            self.nodes.append(
                Node.create(
                    name, port, HOME / name, backend=self.backend, seeds=[self.servers[0].address], settings=settings
                )
            )
        self.proxy = HAProxy(self.proxy_port, HOME / "haproxy", self.nodes)
        self.proxy.name = "haproxy"
        self.writer.name = "writer"
        for part in self.parts():
            part.detach = True
            record = self.state["processes"].get(part.name)
            part.process = Process.attach(record) if record else None

    def parts(self):
        return [self.backend, *self.servers, *self.nodes, self.proxy, self.writer]

    def save(self):
        for part in self.parts():
            if part.process is not None:
                self.state["processes"][part.name] = part.process.record()
        partial = STATE.with_suffix(".new")
        partial.write_text(json.dumps(self.state, indent=1), "utf-8")
        partial.replace(STATE)

    def ensure(self, part):
        """Starts the part when it does not run; returns whether it did."""
        if part.process is not None and part.process.alive():
            part.process.signal(signal.SIGCONT)
            return False
        part.start()
        self.save()
        return True


def load():
    try:
        demo = Demo(json.loads(STATE.read_text("utf-8")))
    except FileNotFoundError:
        sys.exit("The demo does not run. Start it: scripts/demo")
    demo.make_nodes()
    return demo


def free_block():
    """First port of 40 free ones, the same ones whenever they are free, so that URLs stay the same."""
    for base in range(13000, 20000, 100):
        if all(can_bind(base + offset) for offset in range(40)):
            return base
    sys.exit("No block of 40 free TCP ports between 13000 and 20000 on 127.0.0.1.")


# --- commands ------------------------------------------------------------------------------------------------------


def start(flavour):
    HOME.mkdir(parents=True, exist_ok=True)
    fresh = not STATE.exists()
    if fresh:
        demo = Demo({"flavour": flavour, "base_port": free_block(), "processes": {}})
        demo.make_nodes()
        demo.save()
    else:
        demo = load()
        if demo.state["flavour"] != flavour:
            note(f"it runs with {demo.state['flavour']} already; for {flavour} stop it first")
    try:
        bring_up(demo, fresh)
    except BaseException:
        if fresh:
            stop()  # a half-started demo helps nobody; the end of the log is in the message of the error
        raise
    show_help(demo)


def bring_up(demo, fresh):
    began = time.monotonic()
    kind = demo.servers[0].flavour.label
    say(f"database servers: a backend, and {kind} with one primary and {REPLICAS} replicas")
    for server in [demo.backend, *demo.servers]:
        if not server.datadir.exists():
            server.create(template(server.flavour, "backend" if server is demo.backend else "topology"))
    started = [server for server in [demo.backend, *demo.servers] if demo.ensure(server)]
    if fresh:
        primary, *replicas = demo.servers
        Topology([(primary, None), *((replica, primary) for replica in replicas)]).wait_started()
    for server in started:
        server.wait_started()
    note(f"{len(started)} started in {time.monotonic() - began:.1f} s")

    began = time.monotonic()
    say("Baton: three nodes, and HAProxy in front")
    nodes = [node for node in demo.nodes if demo.ensure(node)]
    for node in nodes:
        node.wait_started()
    eventually(lambda: active_nodes(demo.nodes), 20, "one node is active")
    if demo.ensure(demo.proxy):
        demo.proxy.wait_started()
    if demo.ensure(demo.writer):
        eventually(lambda: recent_acks(demo, 5), 20, "the write load writes")
    eventually(lambda: known_servers(demo) >= len(demo.servers), 30, "Baton has discovered all servers")
    note(f"{len(nodes)} nodes started in {time.monotonic() - began:.1f} s; all servers discovered from one of them")


def known_servers(demo):
    try:
        return len(demo.nodes[0].json("/api/all-instances"))
    except ApiError:
        return 0


def recent_acks(demo, seconds):
    now = time.monotonic()
    return [ack for ack in read_acks(demo.writer.log) if ack.acknowledged > now - seconds]


def show_help(demo):
    url = demo.proxy.url
    baton = baton_binary()
    note()
    say(f"The page: {url}/")
    note("nodes:    " + "  ".join(f"{node.name} {node.url}/" for node in demo.nodes))
    note("servers:  " + "  ".join(f"{server.name} {server.address}" for server in demo.servers))
    note()
    say("What to try")
    note("scripts/demo kill-primary   kill -9 the primary: another one takes writes, the rest follow it")
    note("scripts/demo kill-active    kill -9 the active Baton node: another one takes over")
    note("scripts/demo start          bring back what was killed (an old primary comes back read-only)")
    note("scripts/demo status         who is what now")
    note("scripts/demo stop           end it, leave nothing behind")
    note()
    note(f"{baton} topology {demo.servers[0].address} --url {url}")
    note(f"{baton} explain {demo.servers[0].address} --url {url}")
    note(f"{baton} recoveries --url {url}")
    note(f"curl -s {url}/api/replication-analysis | jq")
    note(f"curl -sN {url}/api/v1/events")


def describe(server):
    if server.process is None or not server.process.alive():
        return "not running"
    try:
        state = server.replication()
        role = "WRITABLE" if server.is_writable() else "read-only"
    except (pymysql.Error, OSError) as error:
        return f"does not answer ({error})"
    if state is None:
        return f"{role}, replicates from nobody"
    threads = f"receiver {state['receiver']}, applier {state['applier']}"
    return f"{role}, replicates from port {state['source_port']} ({threads}, lag {state['lag']} s)"


def status():
    demo = load()
    say(f"servers ({demo.servers[0].flavour.label})")
    for server in demo.servers:
        note(f"{server.name}  {server.address}  {describe(server)}")
    say("Baton")
    for node in demo.nodes:
        if node.process is None or not node.process.alive():
            what = "not running"
        else:
            what = "active" if node.is_active() else "standby"
        note(f"{node.name}  {node.url}/  {what}")
    proxy = demo.proxy.process is not None and demo.proxy.process.alive()
    note(f"HAProxy  {demo.proxy.url}/  {'running' if proxy else 'not running'}")
    say("write load")
    recent = recent_acks(demo, 5)
    if recent:
        ports = sorted({ack.port for ack in recent})
        note(f"{len(recent) / 5:.0f} writes/s into port {', '.join(map(str, ports))}")
    else:
        note("no write was acknowledged in the last 5 s")


def kill_primary():
    demo = load()
    writable = writable_servers(demo.servers)
    if len(writable) != 1:
        sys.exit(f"There is no single primary to kill now (writable: {writable or 'none'}). See scripts/demo status.")
    primary = writable[0]
    if sum(server.process.alive() for server in demo.servers) < 2:
        sys.exit("No replica is left. Bring the others back first: scripts/demo start")
    say(f"kill -9 of {primary.name} ({primary.address})")
    killed_at = time.monotonic()
    primary.kill()
    others = [server for server in demo.servers if server is not primary and server.process.alive()]
    try:
        promoted = eventually(lambda: writable_servers(others), 30, "another server became writable")[0]
        seconds = eventually(
            lambda: outage(read_acks(demo.writer.log), killed_at, primary.port), 30, "the write load goes on"
        )
        note(f"{promoted.name} ({promoted.address}) is the new primary; writes stood still for {seconds:.2f} s")
        for server in others:
            if server is not promoted:
                eventually(
                    lambda server=server: server.source_port() == promoted.port, 30, f"{server.name} follows"
                )
        note(f"the others replicate from it, {time.monotonic() - killed_at:.2f} s after the kill")
    except AssertionError as error:
        sys.exit(f"{error}\nWhy: {baton_binary()} explain {primary.address} --url {demo.proxy.url}")
    note(f"steps: {baton_binary()} recoveries --url {demo.proxy.url}")
    note(f"bring {primary.name} back: scripts/demo start")


def kill_active():
    demo = load()
    active = active_nodes(demo.nodes)
    if not active:
        sys.exit("No node is active now. See scripts/demo status.")
    node = active[0]
    others = [other for other in demo.nodes if other is not node and other.process.alive()]
    if not others:
        sys.exit("No other node is left. Bring them back first: scripts/demo start")
    say(f"kill -9 of {node.name} ({node.url})")
    killed_at = time.monotonic()
    node.kill()
    try:
        successor = eventually(lambda: active_nodes(others), 30, "another node became active")[0]
    except AssertionError as error:
        sys.exit(str(error))
    note(f"{successor.name} ({successor.url}) is active after {time.monotonic() - killed_at:.2f} s")
    note(f"bring {node.name} back: scripts/demo start")


def stop():
    with contextlib.suppress(FileNotFoundError):
        # From the records alone: also when what made them has changed since.
        processes = [
            Process.attach(record) for record in json.loads(STATE.read_text("utf-8"))["processes"].values()
        ]
        running = [process for process in processes if process.alive()]
        say(f"stopping {len(running)} processes")
        # Their data goes away with them, so nothing is gained by an orderly end.
        for process in running:
            process.signal(signal.SIGKILL)
        for process in running:
            process.kill()
    shutil.rmtree(HOME, ignore_errors=True)
    if HOME.exists():
        sys.exit(f"could not remove {HOME}")
    note("nothing is left")


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # "scripts/demo status | head" is not an error
    command, *arguments = sys.argv[1:]
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / ".demo.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two commands at a time would lose each other's records
        action = {
            "start": start,
            "status": status,
            "kill-primary": kill_primary,
            "kill-active": kill_active,
            "stop": stop,
        }[command]
        try:
            action(*arguments)
        except (AssertionError, OSError, RuntimeError, pymysql.Error) as error:
            sys.exit(f"error: {error}")
    if command == "stop":
        pathlib.Path(lock.name).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
