# SPDX-License-Identifier: Apache-2.0
"""One database server of a lab, from a prepared data directory."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pymysql
import pymysql.cursors

from .faults import mount_small_disk, unmount
from .paths import BUILD
from .process import Process

START_LIMIT = 90  # seconds; generous, for machines that build something at the same time


class Server:
    """A server that may be down, frozen or cut off: reading methods raise pymysql.Error then."""

    def __init__(self, flavour, name, port, folder, *, options):
        self.flavour = flavour
        self.name = name
        self.port = port
        self.folder = pathlib.Path(folder)
        self.datadir = self.folder / "data"
        self.log = self.folder / "server.log"
        self.options = options
        self.process = None
        self.detach = False
        self.wrap = list  # of the command line; see names.py

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def address_for(self, _number):
        """What the node of that number has in its backend.url."""
        return self.address

    @property
    def gid(self):
        """Group id of the process: unique per server, because the port is."""
        return self.port

    def __repr__(self):
        return f"{self.name}({self.flavour.label} {self.address})"

    # --- life ------------------------------------------------------------------------------------------------------

    def create(self, template):
        self.datadir.mkdir(parents=True, exist_ok=True)
        if self.options.get("disk_mib"):
            mount_small_disk(self.datadir, self.options["disk_mib"])
        subprocess.run(
            ["cp", "-r", "--sparse=always", "--reflink=auto", f"{template}/.", str(self.datadir)], check=True
        )
        (self.datadir / "auto.cnf").unlink(missing_ok=True)  # each server makes its own UUID

    def start(self, *more, env=None):
        """Starts the process, with more options, without waiting for it; see wait_started()."""
        argv = self.wrap([*self.argv(), *more])
        self.process = Process.spawn(
            f"{self.name} ({self.flavour.label})", argv, self.log, gid=self.gid, detach=self.detach, env=env
        )

    def argv(self):
        options = {key: value for key, value in self.options.items() if key != "disk_mib"}
        return self.flavour.server_argv(self.datadir, self.port, **options)

    def remove_disk(self):
        """Gives back the small disk, if it has one. Only when its process is gone."""
        if self.options.get("disk_mib") and self.datadir.is_mount():
            unmount(self.datadir)

    def wait_started(self):
        deadline = time.monotonic() + START_LIMIT
        while True:
            try:
                with self.connect() as connection:
                    connection.ping(reconnect=False)
                return
            except (pymysql.Error, OSError):
                if not self.process.alive():
                    raise RuntimeError(f"{self} ended while starting:\n{tail(self.log)}") from None
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{self} does not accept connections:\n{tail(self.log)}") from None
                time.sleep(0.02)

    def restart(self):
        self.start()
        self.wait_started()

    def kill(self):
        self.process.kill()

    def freeze(self):
        """SIGSTOP: the kernel still accepts connections for it, and nothing answers."""
        self.process.signal(signal.SIGSTOP)

    def thaw(self):
        self.process.signal(signal.SIGCONT)

    def shut_down(self):
        return self.process.terminate(30)

    # --- talking to it -----------------------------------------------------------------------------------------------

    def connect(self, timeout=5):
        """As root over the socket file, which no packet filter touches."""
        connection = pymysql.Connection(
            user="root", connect_timeout=timeout, read_timeout=timeout, autocommit=True, defer_connect=True
        )
        connection.connect(_unix_socket(self.datadir / "mysqld.sock", timeout))
        connection.host_info = "socket"
        return connection

    def rows(self, sql, timeout=5):
        with self.connect(timeout) as connection, connection.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def value(self, sql, timeout=5):
        with self.connect(timeout) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            row = cursor.fetchone()
            return row[0] if row else None

    def execute(self, *statements, timeout=20):
        with self.connect(timeout) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def replication(self):
        """The replication channel in words that are the same for both flavours; None on a primary."""
        rows = self.rows(self.flavour.show_replica)
        if not rows:
            return None
        return {key: rows[0][column] for key, column in self.flavour.columns.items()}

    def source_port(self):
        """Port of the source that both threads run for; None when this server does not replicate."""
        state = self.replication()
        if state is None or state["receiver"] != "Yes" or state["applier"] != "Yes":
            return None
        return int(state["source_port"])

    def is_writable(self):
        return bool(self.value(self.flavour.writable))

    def ledger(self):
        """The numbers that the writers put here."""
        return {row["n"] for row in self.rows("SELECT n FROM app.ledger", timeout=20)}


def template(flavour, kind, finish=None):
    """The data directory that servers start from: made once per version, kind and text of the accounts.

    kind: "topology", "backend" (one server), "cluster" (one of several), or another name for a "cluster" on which
    finish(folder, datadir) was called before it was used for the first time.
    """
    texts = {"topology": flavour.accounts, "backend": flavour.backend_accounts}
    statements = texts.get(kind, flavour.cluster_accounts)()
    key = hashlib.sha256("\n".join([flavour.version, *statements]).encode()).hexdigest()[:12]
    home = BUILD / "lab"
    home.mkdir(parents=True, exist_ok=True)
    # Of a tree: several versions may be tested beside each other.
    name = flavour.name if not flavour.tree else f"{flavour.name}-of-{flavour.tree.name}"
    ready = home / f"template-{name}-{kind}-{key}"
    with open(home / f".template-{name}-{kind}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if ready.exists():
            return ready
        with tempfile.TemporaryDirectory(dir=home) as folder, open(f"{folder}/log", "ab") as log:
            datadir = pathlib.Path(folder) / "data"
            try:
                flavour.initialise(datadir, log)
                _fill(flavour, folder, statements)
                if finish is not None:
                    finish(pathlib.Path(folder), datadir)
            except (subprocess.CalledProcessError, RuntimeError, pymysql.Error) as error:
                raise RuntimeError(f"no {flavour.label} data directory: {error}\n{tail(log.name)}") from error
            for leftover in ("auto.cnf", "mysqld.pid", "mysqld.sock", "mysqld.sock.lock"):
                (datadir / leftover).unlink(missing_ok=True)
            # Built by older versions of this file or of the server.
            for old in home.glob(f"template-{name}-{kind}-*"):
                shutil.rmtree(old)
            datadir.rename(ready)
    return ready


def _fill(flavour, folder, statements):
    options = {"read_only": False, "semi_sync": False, "replica_net_timeout": 60, "extra": ["--skip-networking"]}
    server = Server(flavour, "template", 1, folder, options=options)
    server.start()
    try:
        server.wait_started()
        # The binary log stays empty: otherwise every server would have its own transaction for each account.
        server.execute("SET SESSION sql_log_bin = 0", *statements)
        server.execute(flavour.reset_binary_logs)
        server.shut_down()
    finally:
        server.kill()


def _unix_socket(path, timeout):
    """Connects to a socket file whose path may be longer than the 107 bytes of an address."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(timeout)
    folder = -1
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
        client.connect(f"/proc/self/fd/{folder}/{path.name}")
        client.settimeout(None)
        return client
    except OSError:
        client.close()
        raise
    finally:
        if folder >= 0:
            os.close(folder)


def tail(path, lines=25):
    with contextlib.suppress(FileNotFoundError):
        return "\n".join(pathlib.Path(path).read_text("utf-8", "replace").splitlines()[-lines:])
    return f"(no {path})"
