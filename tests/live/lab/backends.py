# SPDX-License-Identifier: Apache-2.0
"""Backends of Baton that are several servers: Galera, Group Replication, an active-passive pair.

Each is what docs/backends.md tells to set up. Nodes use one directly, each starting with another server of it, or
through HAProxy with the sample configuration and the check program of config/:

    backend = lab.galera(3)
    nodes = lab.nodes(backend, [topology.seed])                   # or
    nodes = lab.nodes(backend.behind_haproxy(), [topology.seed])
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pymysql

from .flavour import CHECK_PASSWORD, CHECK_USER, FLAVOURS, REPLICATION_PASSWORD, REPLICATION_USER
from .paths import ROOT
from .process import Process
from .server import Server, tail, template

GALERA_LIBRARIES = ("/usr/lib/galera/libgalera_smm.so", "/usr/lib/libgalera_smm.so", "/usr/lib64/libgalera_smm.so")
GROUP_NAME = "5ba70000-0000-4000-8000-00000000ba70"  # of every group; they are told apart by their ports


def _wait(condition, timeout, what):
    deadline = time.monotonic() + timeout
    last = None
    while True:
        try:
            if condition():
                return
        except (pymysql.Error, OSError) as error:
            last = error
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout} s: {what} (last: {last!r})")
        time.sleep(0.05)


class Cluster:
    """Several servers that are one backend."""

    kind = ""
    sample = ""  # HAProxy's configuration, in config/
    requirement = ""  # of the check program

    def __init__(self, lab, disk_mib=None):
        """disk_mib: of each server, for small disks."""
        self.lab = lab
        self.servers = []
        self._disk_mib = disk_mib

    @classmethod
    def missing_because(cls):
        """Empty when it can be run here, else the reason, for the name of a skipped test."""
        raise NotImplementedError

    def __repr__(self):
        return f"{self.kind}({', '.join(server.address for server in self.servers)})"

    def address_for(self, number):
        """All servers, for each node another one first."""
        first = (number - 1) % len(self.servers)
        return ",".join(server.address for server in self.servers[first:] + self.servers[:first])

    def behind_haproxy(self, nodes=3):
        """A HAProxy for each node, all of them with the servers in the same order, and a check beside each server."""
        return Proxied(self.lab, self, nodes)

    def server_at(self, port):
        for server in self.servers:
            if server.port == port:
                return server
        raise LookupError(f"{self} has no server at port {port}")

    def _add(self, server_class, name, flavour, kind, finish=None):
        server = server_class(
            FLAVOURS[flavour], name, self.lab.take_port(), self.lab.folder / f"backend-{name}",
            options={
                "read_only": False, "semi_sync": False, "replica_net_timeout": 60, "extra": [], "disk_mib": self._disk_mib,
            },
        )
        server.group_port = self.lab.take_port()
        server.create(template(server.flavour, kind, finish))
        self.servers.append(server)
        self.lab.adopt(server)
        return server


# --- Galera --------------------------------------------------------------------------------------------------------


def _galera_library():
    return next((path for path in GALERA_LIBRARIES if os.path.exists(path)), None)


class GaleraServer(Server):
    def start(self, *more, env=None):
        # MariaDB looks for the program of the state transfer (wsrep_sst_lab) in the PATH.
        path = f"{pathlib.Path(__file__).resolve().parent}:/usr/sbin:/usr/bin:/sbin:/bin"
        super().start(*more, env={"PATH": path, **(env or {})})

    def restart(self, *more):
        self.start(f"--wsrep-start-position={self.position()}", *more)
        self.wait_synced()

    def position(self):
        """Of a stopped server, also after a kill: "uuid:number", from InnoDB, as MariaDB's service unit gets it."""
        recovery = subprocess.run(
            [str(word) for word in [*self.argv(), "--wsrep-recover"]], capture_output=True, text=True, check=True
        )
        found = re.search(r"Recovered position:? *(\S+)", recovery.stderr + recovery.stdout)
        if not found:
            raise RuntimeError(f"{self} does not tell its position:\n{recovery.stderr[-2000:]}")
        return found[1]

    def status(self, name):
        rows = self.rows(f"SHOW GLOBAL STATUS LIKE 'wsrep_{name}'")
        return rows[0]["Value"] if rows else None

    def wait_synced(self, size=0, timeout=40):
        def synced():
            return self.status("local_state") == "4" and int(self.status("cluster_size")) >= size

        self.wait_started()
        try:
            _wait(synced, timeout, f"{self} is synced")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{tail(self.log, 60)}") from None


class Galera(Cluster):
    """MariaDB with Galera 4. provider_options: those of docs/backends.md."""

    kind = "galera"
    sample = "haproxy-galera.cfg"
    requirement = "galera"

    # A server that died is given up after 2 s instead of 5, so that commits go on before the lease has run out.
    FAST = "evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT2S"

    def __init__(self, lab, count=3, provider_options=FAST, disk_mib=None):
        super().__init__(lab, disk_mib)
        for number in range(1, count + 1):
            server = self._add(GaleraServer, f"db{number}", "mariadb", "galera", _galera_template)
            server.transfer_ports = [lab.take_port(), lab.take_port()]
        everybody = ",".join(f"127.0.0.1:{server.group_port}" for server in self.servers)
        for server in self.servers:
            server.options["extra"] = galera_options(
                server.name, everybody, server.group_port, *server.transfer_ports, provider_options
            )

    @classmethod
    def missing_because(cls):
        reason = FLAVOURS["mariadb"].missing_because()
        if not reason and _galera_library() is None:
            reason = "galera-4 is not installed (scripts/setup test)"
        return reason

    def start(self):
        """One after another, which takes less time than sorting out who joins whom."""
        for number, server in enumerate(self.servers, 1):
            if number == 1:
                server.start("--wsrep-new-cluster")
            else:
                server.start()
            server.wait_synced(size=number)


    def restart_all(self):
        """After all of them died: the one that got furthest begins a new cluster, as an operator makes it do."""
        first = max(self.servers, key=lambda server: int(server.position().rpartition(":")[2]))
        state = first.datadir / "grastate.dat"
        state.write_text(state.read_text("ascii").replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1"), "ascii")
        first.restart("--wsrep-new-cluster")
        for server in self.servers:
            if server is not first:
                server.restart()


def galera_options(name, everybody, group_port, ist_port, sst_port, more=""):
    provider = [
        f"gmcast.listen_addr=tcp://127.0.0.1:{group_port}",
        f"ist.recv_addr=127.0.0.1:{ist_port}",
        "gcache.size=16M",
        more,
    ]
    return [
        "--wsrep-on=ON",
        f"--wsrep-provider={_galera_library()}",
        f"--wsrep-cluster-address=gcomm://{everybody}",
        f"--wsrep-node-name={name}",
        f"--wsrep-node-address=127.0.0.1:{group_port}",
        "--wsrep-sst-method=lab",
        f"--wsrep-sst-receive-address=127.0.0.1:{sst_port}",
        f"--wsrep-provider-options={';'.join(filter(None, provider))}",
        "--innodb-autoinc-lock-mode=2",
    ]


def _galera_template(folder, datadir):
    """Runs the data directory once as a cluster of one: all its copies then have the same position in one history."""
    from .ports import PortPool

    pool = PortPool()
    try:
        options = {"read_only": False, "semi_sync": False, "replica_net_timeout": 60}
        server = GaleraServer(FLAVOURS["mariadb"], "template", pool.take(), folder, options=options)
        server.options["extra"] = galera_options("template", "", *(pool.take() for _ in range(3)))
        server.start("--wsrep-new-cluster")
        try:
            server.wait_synced()
            server.shut_down()
        finally:
            server.kill()
    finally:
        pool.close()
    (datadir / "galera.cache").unlink(missing_ok=True)
    (datadir / "gvwstate.dat").unlink(missing_ok=True)


# --- Group Replication ---------------------------------------------------------------------------------------------


class GroupServer(Server):
    def join(self, bootstrap=False):
        self.wait_started()
        if bootstrap:
            self.execute(
                "SET GLOBAL group_replication_bootstrap_group = ON",
                "START GROUP_REPLICATION",
                "SET GLOBAL group_replication_bootstrap_group = OFF",
                timeout=60,
            )
        else:
            self.execute("START GROUP_REPLICATION", timeout=60)
        self.wait_online()

    def restart(self):
        self.start()
        self.join()

    def state_and_role(self):
        """As it sees itself: ("ONLINE", "PRIMARY")."""
        rows = self.rows(
            "SELECT member_state AS state, member_role AS role FROM performance_schema.replication_group_members"
            " WHERE member_id = @@server_uuid"
        )
        return (rows[0]["state"], rows[0]["role"]) if rows else ("OFFLINE", "")

    def wait_online(self, timeout=60):
        try:
            _wait(lambda: self.state_and_role()[0] == "ONLINE", timeout, f"{self} is online")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{tail(self.log, 60)}") from None


class GroupReplication(Cluster):
    """MySQL 9 with Group Replication. settings: {"member_expel_timeout": 0, ...} beyond those of docs/backends.md."""

    sample = "haproxy-group-replication.cfg"
    requirement = "group"

    def __init__(self, lab, count=3, single_primary=True, settings=None, template_kind="cluster", disk_mib=None):
        super().__init__(lab, disk_mib)
        self.single_primary = single_primary
        self.kind = "group replication, " + ("single-primary" if single_primary else "multi-primary")
        for number in range(1, count + 1):
            self._add(GroupServer, f"db{number}", "mysql", template_kind)
        values = {
            "group_name": GROUP_NAME,
            "group_seeds": ",".join(f"127.0.0.1:{server.group_port}" for server in self.servers),
            "ip_allowlist": "127.0.0.1/32",
            "start_on_boot": "OFF",
            "bootstrap_group": "OFF",
            "recovery_get_public_key": "ON",
            # What docs/backends.md recommends: the default of 5 s keeps a group without its primary for 21 s.
            "member_expel_timeout": 0,
            "unreachable_majority_timeout": 5,
            "single_primary_mode": "ON" if single_primary else "OFF",
            "enforce_update_everywhere_checks": "OFF" if single_primary else "ON",
            **(settings or {}),
        }
        for server in self.servers:
            # The group makes its primaries writable. One that is up and not yet in it must not take writes.
            server.options["read_only"] = True
            server.options["extra"] = [
                "--plugin-load-add=group_replication.so",
                f"--loose-group-replication-local-address=127.0.0.1:{server.group_port}",
                *(f"--loose-group-replication-{name.replace('_', '-')}={value}" for name, value in values.items()),
            ]

    @classmethod
    def missing_because(cls):
        return FLAVOURS["mysql"].missing_because()

    def start(self):
        for server in self.servers:
            server.start()
        for number, server in enumerate(self.servers):
            server.wait_started()
            server.execute(
                f"CHANGE REPLICATION SOURCE TO SOURCE_USER='{REPLICATION_USER}',"
                f" SOURCE_PASSWORD='{REPLICATION_PASSWORD}' FOR CHANNEL 'group_replication_recovery'"
            )
            server.join(bootstrap=number == 0)

    def restart_all(self):
        """After all of them died: the one that got furthest begins the group anew."""
        for server in self.servers:
            server.start()
        for server in self.servers:
            server.wait_started()
        positions = {server: server.value("SELECT @@gtid_executed") for server in self.servers}
        first = next(
            server for server in self.servers
            if all(server.value(f"SELECT GTID_SUBSET('{other}', '{positions[server]}')") for other in positions.values())
        )
        first.join(bootstrap=True)
        for server in self.servers:
            if server is not first:
                server.join()

    def primaries(self):
        found = []
        for server in self.servers:
            try:
                if server.state_and_role() == ("ONLINE", "PRIMARY") and server.is_writable():
                    found.append(server)
            except (pymysql.Error, OSError):
                pass  # down: none
        return found


# --- active and passive --------------------------------------------------------------------------------------------


class ActivePassive(Cluster):
    """Two MariaDB servers, each a replica of the other; the passive one is read-only.

    Which one is active is decided by whoever calls fail_over(), as the operator's tool does outside the lab.
    """

    kind = "active-passive"
    sample = "haproxy-active-passive.cfg"
    requirement = "writable"

    def __init__(self, lab):
        super().__init__(lab)
        for number in (1, 2):
            self._add(Server, f"db{number}", "mariadb", "cluster")
        # A server comes up read-only: after a crash it must not believe that it is still the active one.
        for server in self.servers:
            server.options["read_only"] = True
            server.options["extra"] = ["--slave-net-timeout=4"]

    @classmethod
    def missing_because(cls):
        return FLAVOURS["mariadb"].missing_because()

    def start(self):
        for server in self.servers:
            server.start()
        for server, source in (self.servers, reversed(self.servers)):
            source.wait_started()
            server.wait_started()
            server.execute(server.flavour.replicate_from(source.port), server.flavour.start_replica)
        self.servers[0].execute("SET GLOBAL read_only = OFF")
        for server, source in (self.servers, reversed(self.servers)):
            _wait(lambda server=server, source=source: server.source_port() == source.port, 30,
                  f"{server} replicates from {source}")

    def restart_all(self):
        """After both died: the first one is made the active one again."""
        for server in self.servers:
            server.restart()
        self.servers[0].execute("SET GLOBAL read_only = OFF")

    @property
    def active(self):
        writable = []
        for server in self.servers:
            try:
                if server.is_writable():
                    writable.append(server)
            except (pymysql.Error, OSError):
                pass  # down or frozen
        if len(writable) != 1:
            raise LookupError(f"writable: {writable}")
        return writable[0]

    def fail_over(self, old, new, kill=True):
        """The order that docs/backends.md asks for: the old one is dead, or read-only, before the new one has applied
        what it received, and that before it is writable."""
        if kill:
            old.kill()
        else:
            position = old.value("SELECT @@gtid_binlog_pos")
            _wait(lambda: new.value("SELECT @@gtid_slave_pos") == position, 20, f"{new} has all that {old} has")
        _wait(
            lambda: new.value("SELECT @@gtid_slave_pos") == new.rows("SHOW SLAVE STATUS")[0]["Gtid_IO_Pos"],
            20, f"{new} has applied what it received",
        )
        new.execute("SET GLOBAL read_only = OFF")


# --- HAProxy and the checks ----------------------------------------------------------------------------------------


class CheckProgram:
    """config/baton-backend-check beside one server."""

    PROGRAM = ROOT / "config/baton-backend-check"

    def __init__(self, lab, cluster, server):
        self.name = f"check of {server.name}"
        self.port = lab.take_port()
        self.log = server.folder / "check.log"
        password = server.folder / "check.password"
        password.write_text(CHECK_PASSWORD + "\n", "ascii")
        self.process = Process.spawn(
            self.name,
            [sys.executable, self.PROGRAM, "--require", cluster.requirement, "--listen", f"127.0.0.1:{self.port}",
             "--server", server.address, "--user", CHECK_USER, "--password-file", password],
            self.log,
        )

    def answer(self):
        """(status, text)"""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=3) as answer:
                return answer.status, answer.read().decode().strip()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode().strip()
        except OSError as error:
            return None, str(error)


class BackendProxy:
    """HAProxy with a sample of config/, for one node."""

    def __init__(self, lab, cluster, checks, number):
        self.name = f"haproxy{number}"
        self.port = lab.take_port()
        folder = lab.folder / self.name
        folder.mkdir()
        self.log = folder / "haproxy.log"
        config = folder / "haproxy.cfg"
        self.admin = folder / "admin"
        config.write_text(self._text(ROOT / "config" / cluster.sample, cluster.servers, checks), "utf-8")
        program = shutil.which("haproxy") or "/usr/sbin/haproxy"
        self.process = Process.spawn(self.name, [program, "-db", "-f", config], self.log)

    def _text(self, sample, servers, checks):
        text, binds = re.subn(r"(?m)^(\s+bind )\S+", rf"\g<1>127.0.0.1:{self.port}", sample.read_text("utf-8"))
        lines, used = [], 0
        for line in text.splitlines():
            found = re.match(r"(\s+server \S+ )\S+ check port \d+(.*)", line)
            if found:
                lines.append(f"{found[1]}{servers[used].address} check port {checks[used].port}{found[2]}")
                used += 1
            else:
                lines.append(line)
        if binds != 1 or used != len(servers):
            raise ValueError(f"{sample} is not for {len(servers)} servers behind one address")
        return "\n".join(lines) + "\n"


class Proxied:
    """A backend as the nodes see it that have a HAProxy of their own in front of it."""

    def __init__(self, lab, cluster, nodes):
        self.checks = [CheckProgram(lab, cluster, server) for server in cluster.servers]
        for check in self.checks:
            lab.adopt(check)
        for check in self.checks:
            _wait(lambda check=check: check.answer()[0] is not None, 20, f"{check.name} answers")
        self.proxies = [BackendProxy(lab, cluster, self.checks, number) for number in range(1, nodes + 1)]
        for proxy in self.proxies:
            lab.adopt(proxy)

    def address_for(self, number):
        return f"127.0.0.1:{self.proxies[number - 1].port}"
