# SPDX-License-Identifier: Apache-2.0
"""A lab: servers, nodes and faults of one test, and the promise that nothing of it is left behind."""

import atexit
import concurrent.futures
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import threading
import time

import pymysql

from . import backends, faults
from .commit_watch import CommitWatch
from .flavour import FLAVOURS
from .nodes import HAProxy, Node
from .ports import PortPool
from .server import Server, template
from .writer import Writer

_open_labs = set()


def _close_all():
    for lab in list(_open_labs):
        lab.close()


atexit.register(_close_all)


def _close_all_at_the_end():
    """Also when the process is asked to end. SIGKILL is answered by the kernel (see process.py)."""
    if threading.current_thread() is not threading.main_thread():
        return  # whoever runs labs in threads closes them himself
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _on_signal)


def _on_signal(number, _frame):
    _close_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def eventually(condition, timeout, what, every=0.02):
    """Waits until condition() is true and returns its value. A server or node that is down counts as "not yet"."""
    deadline = time.monotonic() + timeout
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except (pymysql.Error, OSError, LookupError, AssertionError) as error:
            last = error
        except Exception as error:
            if type(error).__name__ != "ApiError":
                raise
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what} (last: {last!r})")
        time.sleep(every)


class Lab:
    """Owns everything it starts. Use as a context manager, or call close()."""

    def __init__(self, name="lab"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"baton-{name}-"))
        self._ports = PortPool()
        self._members = []
        self._drops = []
        if not _open_labs:
            _close_all_at_the_end()
        _open_labs.add(self)
        faults.remove_leftovers()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends all processes, removes packet filters and files. Safe to repeat."""
        for drop in self._drops:
            drop.stop()
        self._drops = []
        for member in self._members:
            if member.process is not None:
                member.process.signal(signal.SIGKILL)
        for member in self._members:
            if member.process is not None:
                member.process.kill()
            if isinstance(member, Server):
                member.remove_disk()
        self._members = []
        self._ports.close()
        if os.environ.get("BATON_LAB_KEEP"):
            print(f"kept: {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        _open_labs.discard(self)

    def logs(self):
        """(name, path) of everything that writes one."""
        return [(getattr(member, "name", type(member).__name__), member.log)
                for member in self._members if not isinstance(member, (Writer, CommitWatch))]

    def take_port(self):
        return self._ports.take()

    def adopt(self, member):
        """Ends member.process with the lab, and counts member.log among the logs."""
        self._members.append(member)

    # --- servers ---------------------------------------------------------------------------------------------------

    def _server(self, flavour, name, kind, **options):
        options = {"read_only": False, "semi_sync": False, "replica_net_timeout": 60, "extra": [], **options}
        port = self._ports.take()
        folder = self.folder / name
        if folder.exists():  # two topologies of one shape
            folder = self.folder / f"{name}-{port}"
        server = Server(FLAVOURS[flavour], name, port, folder, options=options)
        server.create(template(server.flavour, kind))
        self._members.append(server)
        return server

    def backend(self, flavour="mariadb", name="backend"):
        """A running server with an empty database for Baton."""
        server = self._server(flavour, name, "backend")
        server.start()
        server.wait_started()
        return server

    def galera(self, count=3, **options):
        """A running backends.Galera, with an empty database for Baton."""
        return self._cluster(backends.Galera(self, count, **options))

    def group_replication(self, count=3, **options):
        """A running backends.GroupReplication."""
        return self._cluster(backends.GroupReplication(self, count, **options))

    def managed_group(self, count=3, replicas=2):
        """A topology to manage: a group, and asynchronous replicas of its second member."""
        group = self._cluster(backends.GroupReplication(self, count, template_kind="topology"))
        links = [(server, None) for server in group.servers]
        for number in range(1, replicas + 1):
            links.append((self._server("mysql", f"replica{number}", "topology", read_only=True), group.servers[1]))
            links[-1][0].start()
        topology = Topology(links)
        topology.wait_started()
        return topology

    def active_passive(self):
        """A running backends.ActivePassive."""
        return self._cluster(backends.ActivePassive(self))

    def _cluster(self, cluster):
        cluster.start()
        return cluster

    def topology(self, flavour="mariadb", tree=3, **options):
        """A running topology that replicates; options as of prepare_topology()."""
        topology = self.prepare_topology(flavour, tree, **options)
        topology.wait_started()
        return topology

    def prepare_topology(
        self, flavour, tree, *, semi_sync=False, replica_net_timeout=60, extra=(), disk_mib=None
    ):
        """Starts the servers of a topology without waiting for them; see Topology.wait_started().

        tree: a number of replicas, or {"name": {"name": {...}}} for deeper ones, with one key at the top.
        extra: more options of all servers. disk_mib: name -> size of the disk of that server, for small ones.
        """
        if isinstance(tree, int):
            tree = {"primary": {f"replica{number}": {} for number in range(1, tree + 1)}}
        options = {"semi_sync": semi_sync, "replica_net_timeout": replica_net_timeout, "extra": list(extra)}
        links = []

        def add(name, below, source):
            disk = (disk_mib or {}).get(name)
            server = self._server(
                flavour, name, "topology", read_only=source is not None, disk_mib=disk, **options
            )
            links.append((server, source))
            server.start()
            for child, grandchildren in below.items():
                add(child, grandchildren, server)

        for name, below in tree.items():
            add(name, below, None)
        return Topology(links)

    def watch_commits(self, servers, every=0.02):
        """A running CommitWatch of these servers."""
        watch = CommitWatch(self.folder, [server.port for server in servers], every)
        self._members.append(watch)
        watch.start()
        eventually(lambda: len(watch.commits()) > 2, 20, "the watch sees a server that takes writes")
        return watch

    def writer(self, topology, interval=0.005):
        folder = self.folder / f"writer-{topology.primary.port}"
        folder.mkdir(exist_ok=True)  # a second one goes on in the log of the first
        writer = Writer(folder, [server.port for server in topology.servers], interval)
        self._members.append(writer)
        writer.start()
        eventually(lambda: len(writer.acks()) > 5, 20, "the writer writes")
        return writer

    # --- nodes -----------------------------------------------------------------------------------------------------

    def prepare_nodes(self, backend, seeds, count=3, settings=None):
        """Nodes that are not started yet. backend: what backend() and its like return, or "sqlite"."""
        nodes = []
        for number in range(1, count + 1):
            name = f"node{number}"
            node = Node.create(
                name,
                self._ports.take(),
                self.folder / name,
                backend=backend if backend == "sqlite" else backend.address_for(number),
                seeds=seeds,
                settings=settings,
            )
            self._members.append(node)
            nodes.append(node)
        return nodes

    def nodes(self, backend, seeds, count=3, settings=None):
        """Running nodes, one of them active."""
        nodes = self.prepare_nodes(backend, seeds, count, settings)
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_started()
        active_node(nodes, timeout=20)
        return nodes

    def haproxy(self, nodes):
        proxy = HAProxy(self._ports.take(), self.folder / "haproxy", nodes)
        self._members.append(proxy)
        proxy.start()
        proxy.wait_started()
        return proxy

    # --- faults ----------------------------------------------------------------------------------------------------

    def drop_packets(self, server):
        """Cuts the server off until stop() of the returned object, at the latest until the lab is closed."""
        drop = faults.PacketDrop(server.port, server.gid, server.process.pid)
        self._drops.append(drop)
        drop.start()
        return drop

    def drop_group_packets(self, server, others):
        """Cuts a server of a cluster off from the others of it, but not from its clients."""
        drop = faults.GroupDrop(
            server.gid, server.process.pid, server.group_port, [other.group_port for other in others]
        )
        self._drops.append(drop)
        drop.start()
        return drop

    def drop_one_way(self, server, direction):
        """Nothing gets to the server ("in") or nothing gets away from it ("out"), until stop()."""
        return self._drop(faults.OneWayDrop(direction, server.port, server.gid, server.process.pid))

    def cut_off_from(self, server, peers):
        """Nothing gets from these servers and nodes to the server, nor back, until stop(). Others reach it."""
        return self._drop(faults.PeerDrop(server.port, [(peer.gid, peer.process.pid) for peer in peers]))

    def listen_deaf(self, port):
        """New connections to the port are accepted and never answered, until stop()."""
        return self._drop(faults.DeafListener(port), start=False)

    def _drop(self, drop, start=True):
        self._drops.append(drop)
        if start:
            drop.start()
        return drop

    def cut_connection(self, node, server):
        """Drops what a node sends to a server, until stop() of the returned object."""
        drop = faults.ConnectionDrop(node.gid, server.port)
        self._drops.append(drop)
        drop.start()
        return drop


class Topology:
    def __init__(self, links):
        self._links = links
        self.servers = [server for server, _ in links]

    def __getitem__(self, name):
        for server in self.servers:
            if server.name == name:
                return server
        raise KeyError(name)

    @property
    def primary(self):
        """The one it started with."""
        return self.servers[0]

    @property
    def replicas(self):
        return self.servers[1:]

    @property
    def seed(self):
        return self.primary.address

    def wait_started(self):
        with concurrent.futures.ThreadPoolExecutor(len(self.servers)) as pool:
            list(pool.map(self._attach, self._links))
        self.wait_replicating()

    @staticmethod
    def _attach(link):
        server, source = link
        server.wait_started()
        if source is not None:
            server.execute(server.flavour.replicate_from(source.port), server.flavour.start_replica)

    def wait_replicating(self, timeout=30):
        for server, source in self._links:
            if source is not None:
                eventually(
                    lambda server=server, source=source: server.source_port() == source.port,
                    timeout,
                    f"{server} replicates from {source}: {_replication_or_error(server)}",
                )


def _replication_or_error(server):
    try:
        return server.replication()
    except (pymysql.Error, OSError) as error:
        return error


# --- what must hold ------------------------------------------------------------------------------------------------


def active_nodes(nodes):
    return [node for node in nodes if node.process.alive() and node.is_active()]


def active_node(nodes, timeout=10):
    """The one active node; fails when there is none within the time, and at once when there are two."""

    def look():
        active = active_nodes(nodes)
        if len(active) > 1:
            # Two answers are not one instant: only what still holds when asked again is a split.
            active = active_nodes(nodes)
            if len(active) > 1:
                raise RuntimeError(f"two active nodes: {active}")
        return active[0] if active else None

    return eventually(look, timeout, "one node is active")


def writable_servers(servers):
    found = []
    for server in servers:
        try:
            if server.is_writable():
                found.append(server)
        except (pymysql.Error, OSError):
            pass  # down: not writable
    return found


def wait_one_primary(servers, timeout=20):
    """Waits until exactly one of the servers is writable and all others replicate from it; returns it."""

    def look():
        writable = writable_servers(servers)
        if len(writable) != 1:
            raise AssertionError(f"writable: {writable}")
        primary = writable[0]
        wrong = {
            server.name: server.replication()
            for server in servers
            if server is not primary and server.source_port() != primary.port
        }
        if wrong:
            raise AssertionError(f"not replicating from {primary}: {wrong}")
        return primary

    return eventually(look, timeout, "one writable server, the others replicate from it")


def wait_same_data(servers, timeout=20):
    """Waits until all servers hold the same ledger; returns it."""

    def look():
        ledgers = [server.ledger() for server in servers]
        if any(ledger != ledgers[0] for ledger in ledgers):
            raise AssertionError(f"rows per server: {[len(ledger) for ledger in ledgers]}")
        return ledgers[0] or None

    return eventually(look, timeout, "all servers hold the same data", every=0.1)
