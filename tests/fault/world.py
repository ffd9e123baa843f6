# SPDX-License-Identifier: Apache-2.0
"""What a run of the fault suite works on: a backend, nodes with a gate before each, a small topology to act on."""

import contextlib
import functools
import hashlib
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

import pymysql

import evidence

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "live"))

from lab import Lab, Node, faults  # noqa: E402
from lab.backends import ActivePassive, Galera, GroupReplication  # noqa: E402
from lab.flavour import BACKEND_DATABASE, BACKEND_PASSWORD, BACKEND_USER, FLAVOURS  # noqa: E402
from lab.paths import BUILD, baton_binary  # noqa: E402
from lab.process import Process  # noqa: E402


class Backend:
    """How a backend is called, what it is made of, and the duration of the lease on it."""

    def __init__(self, name, duration, make, missing, kind):
        self.name = name
        self.duration = duration
        self.make = make  # of a Lab and the MiB of each server's disk, None for a large one
        self.missing_because = missing
        self.kind = kind  # "single", "galera", "group" or "pair"


BACKENDS = {
    backend.name: backend
    for backend in (
        Backend("single", 1.5, None, FLAVOURS["mariadb"].missing_because, "single"),
        Backend("mysql", 1.5, None, FLAVOURS["mysql"].missing_because, "single"),
        Backend("galera", 3.0, lambda lab, disk: lab.galera(3, disk_mib=disk), Galera.missing_because, "galera"),
        Backend("gr", 3.0, lambda lab, disk: lab.group_replication(3, single_primary=True, disk_mib=disk),
                GroupReplication.missing_because, "group"),
        Backend("gr-multi", 3.0, lambda lab, disk: lab.group_replication(3, single_primary=False, disk_mib=disk),
                GroupReplication.missing_because, "group"),
        Backend("active-passive", 2.0, lambda lab, _: lab.active_passive(), ActivePassive.missing_because, "pair"),
    )
}


@functools.cache
def clock_library():
    """wall_clock.c as a library that can be preloaded; None where there is no compiler."""
    source = HERE / "wall_clock.c"
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    folder = BUILD / "lab"
    folder.mkdir(parents=True, exist_ok=True)
    ready = folder / f"wall_clock-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}.so"
    if not ready.exists():
        fresh = ready.with_suffix(f".{os.getpid()}")
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", fresh, source], check=True)
        fresh.replace(ready)
    return ready


class Single:
    """One server, with the face of a lab.backends.Cluster; not started."""

    kind = "single"

    def __init__(self, lab, flavour, disk_mib):
        self.servers = [lab._server(flavour, "db1", "backend", disk_mib=disk_mib)]


class FaultNode(Node):
    """A node under a wall clock of its own that can be moved, if it is to be moved at all."""

    def start(self):
        self.clock = self.folder / "wall-clock"
        self.stop_order = self.folder / "stop-order"
        environment = clock_environment(self.clock) if self.fake_time else {}
        environment["BATON_TEST_STOP"] = str(self.stop_order)
        self.process = Process.spawn(
            self.name, [baton_binary(), "serve", "--config", self.config], self.log,
            gid=self.gid, cwd=self.folder, env=environment,
        )

    fake_time = False  # until the world says otherwise

    def set_clock(self, seconds):
        set_clock(self.clock, seconds)


def clock_environment(file):
    """Of a process whose wall clock set_clock(file, ...) moves."""
    set_clock(file, 0)
    return {"LD_PRELOAD": str(clock_library()), "BATON_WALL_CLOCK": str(file)}


def set_clock(file, seconds):
    """Written in place, as the process has the file mapped."""
    with open(file, "r+b" if file.exists() else "w+b", buffering=0) as opened:
        opened.write(struct.pack("=q", seconds))


class Gate:
    """The process of gate.py, and its orders."""

    def __init__(self, lab, links):
        """links: (name, target port); ports[name] is where the gate listens for it."""
        self.name = "gate"
        self.log = lab.folder / "gate.log"
        self.ports = {name: lab.take_port() for name, _ in links}
        self.targets = dict(links)
        control = lab.take_port()
        self.process = Process.spawn(
            self.name,
            [sys.executable, "-B", HERE / "gate.py", control,
             *(f"{self.ports[name]}:{target}:{name}" for name, target in links)],
            self.log,
        )
        lab.adopt(self)
        self._lock = threading.Lock()
        self._next = 0
        deadline = time.monotonic() + 20
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", control), timeout=5)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        self._lines = self._socket.makefile("r", encoding="ascii")

    def order(self, message):
        with self._lock:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
            return json.loads(self._lines.readline())

    def add(self, mode, names, **more):
        with self._lock:
            self._next += 1
            number = self._next
        self.order({"add": number, "mode": mode, "names": names, **more})
        return number

    def remove(self, number):
        """How often the rule was hit."""
        return self.order({"remove": number})["hits"]

    def aim(self, names, target):
        self.order({"aim": [self.ports[name] for name in names], "target": target})


class Gated:
    """The backend as the nodes see it: through the gate."""

    def __init__(self, world):
        self._world = world

    def address_for(self, number):
        names = self._world.links_of(number)
        return ",".join(f"127.0.0.1:{self._world.gate.ports[name]}" for name in names)


class World:
    """Context manager. Everything in it belongs to a Lab and ends with that."""

    def __init__(self, backend, *, haproxy=False, topology=True, fake_time=False, disk_limit=None, node_count=3):
        self.definition = BACKENDS[backend]
        self.duration = self.definition.duration
        self.haproxy = haproxy
        self.node_count = node_count
        self.fake_time = fake_time
        self.disk_limit = disk_limit  # MiB, of each server
        self.deaths = []  # (node, boot time in seconds) of the ends of processes
        self._want_topology = topology
        self.lab = None
        self.kept = {}  # commits of binary logs that were thrown away

    def __enter__(self):
        self.lab = Lab("fault")
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.lab is not None:
            self.lab.close()

    def _start(self):
        lab = self.lab
        if self.definition.kind == "single":
            self.cluster = Single(lab, "mysql" if self.definition.name == "mysql" else "mariadb", self.disk_limit)
            if self.fake_time:
                self._move_clocks_of(self.cluster.servers[0])
            self.cluster.servers[0].restart()
        else:
            self.cluster = self.definition.make(lab, self.disk_limit)
        self.servers = self.cluster.servers
        self.topology = lab.topology("mariadb", 2) if self._want_topology else None
        seen = self.cluster.behind_haproxy(self.node_count) if self.haproxy else self.cluster
        self.proxy_ports = [proxy.port for proxy in seen.proxies] if self.haproxy else []
        links = []
        for number in range(1, self.node_count + 1):
            if self.haproxy:
                links.append((f"node{number}/proxy", int(seen.address_for(number).rpartition(":")[2])))
            else:
                links += [(f"node{number}/{server.name}", server.port) for server in self.servers]
        self.gate = Gate(lab, links)
        settings = {
            "lease": {"duration": f"{self.duration:g}s"},
            "log": {"level": "debug"},
            "backend": {"tls": "off"},
            # The primary of the managed cluster dies more often than one that is healthy does.
            "recovery": {"anti_flapping_window": "0s", "budget": 1000},
        }
        seeds = [self.topology.seed] if self.topology else []
        self.nodes = []
        for number in range(1, self.node_count + 1):
            self.nodes.append(self._node(f"node{number}", number, seeds, settings))
        self.twin = self._node("twin", 2, seeds, settings, name="node2")
        self.prepare_probe()
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.wait_started()

    def _node(self, folder, number, seeds, settings, name=None):
        node = FaultNode.create(
            name or folder, self.lab.take_port(), self.lab.folder / folder,
            backend=Gated(self).address_for(number), seeds=seeds, settings=settings,
        )
        node.name = folder
        node.number = number
        node.fake_time = self.fake_time
        self.lab.adopt(node)
        return node

    def _move_clocks_of(self, server):
        plain_start = server.start
        server.clock = server.folder / "wall-clock"

        def start(*more, env=None):
            plain_start(*more, env={**clock_environment(server.clock), **(env or {})})

        server.start = start

    # --- names -----------------------------------------------------------------------------------------------------

    def links_of(self, number):
        """Names of the links of a node, in the order of its addresses."""
        if self.haproxy:
            return [f"node{number}/proxy"]
        count = len(self.servers)
        return [f"node{number}/{self.servers[(number - 1 + i) % count].name}" for i in range(count)]

    def node(self, name):
        """By name, or "holder" / "other" as it is now; falls back to the first."""
        if name in ("holder", "other"):
            active = [node for node in self.nodes if node.process.alive() and node.is_active(0.3)]
            holder = active[0] if active else self.nodes[0]
            if name == "holder":
                return holder
            return next(node for node in self.nodes if node is not holder)
        return next(node for node in self.nodes if node.name == name)

    def server(self, name):
        """By name, or "used": the one that the active node has its lease on."""
        if name == "used":
            holder = self.node("holder")
            with contextlib.suppress(Exception):
                address = holder.json("/api/v1/nodes", timeout=1)["self"]["backend_address"]
                port = int(address.rpartition(":")[2])
                for link, gate_port in self.gate.ports.items():
                    if gate_port == port and not self.haproxy:
                        return next(server for server in self.servers if server.name == link.partition("/")[2])
            return self.writable_server() or self.servers[0]
        return next(server for server in self.servers if server.name == name)

    def writable_server(self):
        for server in self.servers:
            try:
                if server.process.alive() and server.value(server.flavour.writable, timeout=0.5):
                    return server
            except (pymysql.Error, OSError):
                pass
        return None

    # --- the backend's health --------------------------------------------------------------------------------------

    def prepare_probe(self):
        server = self.writable_server()
        server.execute(
            "CREATE DATABASE IF NOT EXISTS probe",
            "CREATE TABLE IF NOT EXISTS probe.probe (server VARCHAR(20) NOT NULL PRIMARY KEY, n BIGINT NOT NULL)",
        )
        for each in self.servers:
            server.execute(f"REPLACE INTO probe.probe VALUES ('{each.name}', 0)")

    def commits(self, limit=0.5):
        """Whether a small write on the (or each writable) server commits within the limit, and through each proxy."""
        tried = 0
        for server in self.servers:
            try:
                if self.definition.kind in ("pair", "group") and not server.value(server.flavour.writable, timeout=limit):
                    continue
                tried += 1
                began = time.monotonic()
                with server.connect(limit) as connection, connection.cursor() as cursor:
                    cursor.execute(f"UPDATE probe.probe SET n = n + 1 WHERE server = '{server.name}'")
                if time.monotonic() - began > limit:
                    return False
            except (pymysql.Error, OSError):
                return False
        return tried > 0 and all(self._commits_through(port, limit) for port in self.proxy_ports)

    @staticmethod
    def _commits_through(port, limit):
        """A proxy that still takes a server for dead is a backend that is not there yet."""
        try:
            with pymysql.connect(
                host="127.0.0.1", port=port, user=BACKEND_USER, password=BACKEND_PASSWORD, database=BACKEND_DATABASE,
                connect_timeout=1, read_timeout=limit, write_timeout=limit, autocommit=True,
            ) as connection, connection.cursor() as cursor:
                cursor.execute("UPDATE baton_node SET beat = beat WHERE token = ''")
                cursor.execute("SELECT @@global.read_only")
                return cursor.fetchone()[0] == 0
        except (pymysql.Error, OSError):
            return False

    def wait_commits(self, timeout):
        """Boot time at which the backend was seen to commit again."""
        deadline = time.monotonic() + timeout
        while not self.commits():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the backend commits nothing for {timeout} s after the faults were mended")
            time.sleep(0.03)
        return boot()

    # --- binary logs ------------------------------------------------------------------------------------------------

    def keep_binary_logs(self, server):
        """Before they are thrown away, as another history of the backend."""
        files = sorted(server.datadir.glob("binlog.0*"))
        self.kept[f"{server.name} before {boot():.0f}"] = evidence.read_binary_logs(self.log_reader(server), files)

    def histories(self):
        """Name -> commits: of each server, and of those that were thrown away."""
        found = dict(self.kept)
        for server in self.servers:
            files = sorted(server.datadir.glob("binlog.0*"))
            found[server.name] = evidence.read_binary_logs(self.log_reader(server), files)
        return found

    @staticmethod
    def log_reader(server):
        if server.flavour.name == "mariadb":
            return ["mariadb-binlog"]
        tree = server.flavour.tree
        return [tree / "lib64/ld-linux-x86-64.so.2", "--library-path", tree / "usr/lib/x86_64-linux-gnu",
                tree / "usr/bin/mysqlbinlog"]

    # --- packet filter ---------------------------------------------------------------------------------------------

    def cut(self, ports, answers_only=False):
        drop = PortDrop(ports, answers_only)
        self.lab._drops.append(drop)
        drop.start()
        return drop


class PortDrop(faults._Drop):
    """While active, nothing gets to or from these ports; or only nothing from them."""

    def __init__(self, ports, answers_only):
        super().__init__()
        self._ports = ports
        self._answers_only = answers_only

    def start(self):
        for port in self._ports:
            to, back = faults._port_rules(port)
            if not self._answers_only:
                self._add(to)
            self._add(back)


def fill_disk(server):
    """Until nothing more goes into it."""
    with open(server.datadir / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 20, 1 << 9):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size) == size:
                    pass


def free_disk(server):
    (server.datadir / "filler").unlink(missing_ok=True)


def boot():
    return time.clock_gettime(time.CLOCK_BOOTTIME)
