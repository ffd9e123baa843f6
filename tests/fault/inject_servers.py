# SPDX-License-Identifier: Apache-2.0
"""Faults of the backend."""

import contextlib
import subprocess
import threading
import time

import pymysql

from registry import INJECTIONS, fault
from world import boot, fill_disk, free_disk, set_clock  # it also makes the lab known

from lab.flavour import BACKEND_DATABASE, BACKEND_PASSWORD, BACKEND_USER


# --- servers -------------------------------------------------------------------------------------------------------


@fault
def server_kill(world, event):
    server = world.server(event.target)
    server.kill()
    yield
    server.restart()


@fault
def server_restart(world, event):
    server = world.server(event.target)
    server.shut_down()
    yield
    server.restart()


@fault
def server_freeze(world, event):
    server = world.server(event.target)
    server.freeze()
    yield
    server.thaw()


INJECTIONS["server_pause"] = server_freeze


@fault
def server_clock(world, event):
    server = world.server(event.target)
    set_clock(server.clock, int(event.detail))
    moved = server.value("SELECT UNIX_TIMESTAMP()") - time.time()
    if abs(moved - int(event.detail)) > 5:
        raise RuntimeError(f"the clock of {server} moved by {moved:.0f} s and not by {event.detail} s")
    yield
    set_clock(server.clock, 0)


@fault
def disk_full(world, event):
    server = world.server(event.target)
    began = boot()
    fill_disk(server)
    yield
    free_disk(server)
    # A server that found no room looks again after a minute, or goes on without its binary log, or has ended. An operator
    # starts it anew.
    server.kill()
    if world.definition.kind == "group":
        _wait_expelled(world, server)
    try:
        server.restart()
    except RuntimeError as error:
        if "--tc-heuristic-recover" not in str(error):
            raise
        _roll_back_prepared(server)
        server.restart()
    world.unlogged.append((began, boot()))


def _roll_back_prepared(server):
    """MariaDB 10.11 may leave transactions that were prepared when the binary log found no room, and does not start then
    until it is told what to do with them. They were not acknowledged. It does that, and ends."""
    server.start("--tc-heuristic-recover=ROLLBACK")
    deadline = time.monotonic() + 60
    while server.process.alive():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{server} does not end after it has rolled back what was prepared")
        time.sleep(0.05)


def _wait_expelled(world, server):
    """Whoever joins while the group still counts its former self waits for a minute, and then gives up (MySQL 9.7)."""
    others = [other for other in world.servers if other is not server]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(pymysql.Error, OSError):
            if all(len(_members(other)) == len(others) for other in others):
                return
        time.sleep(0.1)
    raise TimeoutError(f"the group still has {server}, which was killed")


@fault
def row_lock(world, event):
    server = world.server(event.target)
    with contextlib.closing(server.connect(timeout=event.length + 20)) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"SELECT * FROM {BACKEND_DATABASE}.baton_lease WHERE anchor = 1 FOR UPDATE")
        yield
        with contextlib.suppress(pymysql.Error, OSError):  # Galera ends it for the sake of another server's commit
            cursor.execute("ROLLBACK")


def _backend_sessions(server):
    return [row["Id"] for row in server.rows("SHOW PROCESSLIST") if row["User"] == BACKEND_USER]


def _kill_sessions(server):
    for number in _backend_sessions(server):
        with contextlib.suppress(pymysql.Error, OSError):  # gone meanwhile
            server.execute(f"KILL CONNECTION {number}")


@fault
def kill_sessions(world, event):
    server = world.server(event.target)
    over = threading.Event()

    def again():
        while not over.is_set():
            with contextlib.suppress(pymysql.Error, OSError):
                _kill_sessions(server)
            over.wait(0.15)

    thread = threading.Thread(target=again, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join(10)


@fault
def max_connections(world, event):
    """Others take all connections that there are, and the nodes lose theirs."""
    server = world.server(event.target)
    taken = []
    # The one connection that an administrator has beyond the limit is kept: there is no second one.
    with contextlib.closing(server.connect(timeout=10)) as administrator, administrator.cursor() as cursor:
        cursor.execute("SELECT @@global.max_connections")
        before = cursor.fetchone()[0]
        cursor.execute("SET GLOBAL max_connections = 12")
        try:
            deadline = time.monotonic() + 2
            while time.monotonic() < deadline and len(taken) < 40:
                try:
                    taken.append(pymysql.connect(
                        host="127.0.0.1", port=server.port, user=BACKEND_USER, password=BACKEND_PASSWORD,
                        connect_timeout=1, read_timeout=1,
                    ))
                except (pymysql.Error, OSError):
                    if not _end_others(cursor, {connection.thread_id() for connection in taken}):
                        break
            yield
        finally:
            cursor.execute(f"SET GLOBAL max_connections = {before}")
            for connection in taken:
                with contextlib.suppress(pymysql.Error, OSError):
                    connection.close()


def _end_others(cursor, mine):
    """Ends the sessions of nodes; returns how many there were."""
    cursor.execute("SHOW PROCESSLIST")
    others = [row[0] for row in cursor.fetchall() if row[1] == BACKEND_USER and row[0] not in mine]
    for number in others:
        with contextlib.suppress(pymysql.Error):  # gone meanwhile
            cursor.execute(f"KILL CONNECTION {number}")
    return len(others)


@fault
def read_only(world, event):
    server = world.server(event.target)
    if not server.value(server.flavour.writable):
        return
    server.execute("SET GLOBAL read_only = ON")
    yield
    server.execute("SET GLOBAL read_only = OFF")


# --- clusters ------------------------------------------------------------------------------------------------------


@fault
def member_kill(world, event):
    server = world.server(event.target)
    server.kill()
    yield
    server.restart()


@fault
def member_freeze(world, event):
    server = world.server(event.target)
    server.freeze()
    yield
    server.thaw()
    _rejoin(world, server)


@fault
def minority(world, event):
    server = world.server(event.target)
    others = [other for other in world.servers if other is not server]
    filter_ = world.lab.drop_group_packets(server, others)
    yield
    filter_.stop()
    _rejoin(world, server)


def _rejoin(world, server):
    """Galera's members come back by themselves. One that left a group says so after a while, or the group does."""
    if world.definition.kind == "galera":
        server.wait_synced(size=len(world.servers), timeout=60)
        return
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(pymysql.Error, OSError):
            state = server.state_and_role()[0]
            if state in ("ERROR", "OFFLINE"):
                server.execute("STOP GROUP_REPLICATION", timeout=60)
                server.join()
                return
            if state == "ONLINE" and _members_online(world) == len(world.servers):
                return
        time.sleep(0.2)
    raise TimeoutError(f"{server} did not come back to its group")


def _members_online(world):
    """The least that any member counts."""
    return min(_members(server).count("ONLINE") for server in world.servers)


def _members(server):
    """States of all that this one counts."""
    rows = server.rows("SELECT member_state AS state FROM performance_schema.replication_group_members")
    return [row["state"] for row in rows]


@fault
def rivals(world, event):
    """The lease row is written on all servers at once, so that certification refuses many of the nodes' commits."""
    over = threading.Event()
    written = []

    def write(server):
        try:
            with contextlib.closing(server.connect(timeout=10)) as connection, connection.cursor() as cursor:
                while not over.is_set():
                    with contextlib.suppress(pymysql.OperationalError, pymysql.InternalError):
                        cursor.execute(
                            f"UPDATE {BACKEND_DATABASE}.baton_lease SET counter = counter + 1 WHERE anchor = 1"
                        )
                        written.append(1)
                    over.wait(0.01)
        except (pymysql.Error, OSError):
            pass  # the server has another fault meanwhile

    threads = [threading.Thread(target=write, args=(server,), daemon=True) for server in world.servers]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for thread in threads:
        thread.join(15)


@fault
def primary_change(world, event):
    server = world.server(event.target)
    state, role = server.state_and_role()
    if state != "ONLINE" or role == "PRIMARY":
        return
    uuid = server.value("SELECT @@server_uuid")
    server.execute(f"SELECT group_replication_set_as_primary('{uuid}')", timeout=60)
    yield


# --- active and passive --------------------------------------------------------------------------------------------


def _pair(world):
    active = world.cluster.active
    return active, next(server for server in world.servers if server is not active)


@fault
def failover(world, event):
    old, new = _pair(world)
    old.kill()
    yield
    world.cluster.fail_over(old, new)
    world.keep_binary_logs(old)
    old.restart()
    if not _replicates(old, new, 3):
        _rebuild(world, old, new)  # its last changes had not got across


def _replicates(server, source, limit):
    deadline = time.monotonic() + limit
    while server.source_port() != source.port:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@fault
def failover_lag(world, event):
    """The passive server is behind when the active one dies: its last changes, a grab among them, never happened."""
    old, new = _pair(world)
    new.execute("STOP SLAVE")
    # The lease changes hands, so that the row that is lost names another holder and a higher epoch.
    world.node("holder").post("/api/v1/handover", timeout=3)
    yield
    old.kill()
    new.execute("SET GLOBAL read_only = OFF")
    world.keep_binary_logs(old)
    old.restart()
    _rebuild(world, old, new)


def _rebuild(world, old, new):
    """The old server becomes a copy of the new one, as an operator makes it after a failover that lost changes."""
    dump = subprocess.run(
        ["mariadb-dump", "--no-defaults", f"--socket={new.datadir}/mysqld.sock", "--user=root", "--single-transaction",
         "--gtid", "--master-data=1", "--add-drop-database", "--databases", BACKEND_DATABASE, "probe"],
        capture_output=True, check=True, timeout=30,
    ).stdout
    old.execute("STOP SLAVE", "RESET SLAVE ALL")
    old.execute("RESET MASTER")
    subprocess.run(
        ["mariadb", "--no-defaults", f"--socket={old.datadir}/mysqld.sock", "--user=root",
         "--init-command=SET SESSION sql_log_bin=0"],
        input=dump, capture_output=True, check=True, timeout=30,
    )
    new.execute("STOP SLAVE", "RESET SLAVE ALL")
    old.execute(old.flavour.replicate_from(new.port), old.flavour.start_replica)
    for attempt in range(50):  # the nodes write meanwhile, and it must not lie behind what is in the binary log
        try:
            new.execute(f"SET GLOBAL gtid_slave_pos = '{new.value('SELECT @@gtid_binlog_pos')}'")
            break
        except pymysql.Error:
            if attempt == 49:
                raise
    new.execute(new.flavour.replicate_from(old.port), new.flavour.start_replica)
    if not _replicates(old, new, 20):
        raise TimeoutError(f"{old} does not replicate from {new}: {old.replication()}")


@fault
def switchover(world, event):
    old, new = _pair(world)
    old.execute("SET GLOBAL read_only = ON")
    yield
    world.cluster.fail_over(old, new, kill=False)


@fault
def flapping(world, event):
    """Something between the nodes and the pair cannot make up its mind; the passive server is read-only."""
    over = threading.Event()

    def flap():
        turn = 0
        while not over.is_set():
            for server in world.servers:
                names = [name for name in world.gate.ports if name.endswith(f"/{server.name}")]
                world.gate.aim(names, world.servers[turn % 2].port)
            turn += 1
            over.wait(0.4)

    thread = threading.Thread(target=flap, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join(10)
    for server in world.servers:
        world.gate.aim([name for name in world.gate.ports if name.endswith(f"/{server.name}")], server.port)


@fault
def split(world, event):
    """Both servers are writable, neither hears the other, and one node is on another side than the rest."""
    active, passive = _pair(world)
    for server in world.servers:
        server.execute("STOP SLAVE")
    lone = world.node("other")
    began = boot()
    names = [name for name in world.gate.ports if name.startswith(f"{lone.name}/")]
    rest = [name for name in world.gate.ports if name not in names]
    world.gate.aim(names, passive.port)
    world.gate.aim(rest, active.port)
    passive.execute("SET GLOBAL read_only = OFF")
    yield
    passive.execute("SET GLOBAL read_only = ON")
    passive.kill()
    for server in world.servers:
        world.gate.aim([name for name in world.gate.ports if name.endswith(f"/{server.name}")], server.port)
    world.keep_binary_logs(passive)
    passive.restart()
    _rebuild(world, passive, active)
    # The lease that was held on the lost side is trusted to its end.
    world.splits.append((began, boot() + world.duration))
