# SPDX-License-Identifier: Apache-2.0
"""What differs between MariaDB and MySQL 9.x when they are run as small test servers.

`MariaDB` is the one that Debian 12 installs, or with BATON_MARIADB_TREE that of another Debian's tree (scripts/setup
mariadb). `MySQL` is the one of a Debian sid tree (scripts/setup mysql). Servers of a tree are run by the loader of that
tree, so that they need no chroot and see the same files as everybody else.
"""

import functools
import os
import pathlib
import shutil
import subprocess

from .paths import BUILD

REPLICATION_USER, REPLICATION_PASSWORD = "repl", "repl-secret"
BATON_USER, BATON_PASSWORD = "baton", "baton-secret"
WRITER_USER, WRITER_PASSWORD = "app", "app-secret"
BACKEND_USER, BACKEND_PASSWORD, BACKEND_DATABASE = "batondb", "batondb-secret", "baton"
CHECK_USER, CHECK_PASSWORD = "batoncheck", "batoncheck-secret"


class Flavour:
    """Statements and command lines of one kind of server; stateless."""

    name = ""
    label = ""
    missing = ""

    def available(self):
        return not self.missing_because()

    def missing_because(self):
        """Empty when servers of this flavour can be started here, else the reason, for the name of a skipped test."""
        raise NotImplementedError

    @functools.cached_property
    def version(self):
        line = subprocess.run(
            [*self._program(), "--no-defaults", "--version"], capture_output=True, text=True, check=True
        ).stdout
        return line.strip()

    def server_argv(self, datadir, port, *, read_only, semi_sync, replica_net_timeout, extra):
        argv = [
            *self._program(),
            "--no-defaults",  # must be first
            f"--datadir={datadir}",
            "--socket=mysqld.sock",  # relative to datadir: a longer path does not fit into a socket address
            "--pid-file=mysqld.pid",
            "--bind-address=127.0.0.1",
            f"--port={port}",
            f"--server-id={port}",
            "--report-host=127.0.0.1",
            f"--report-port={port}",
            "--log-bin=binlog",
            "--relay-log=relay",
            "--skip-name-resolve",
            # A killed process loses nothing that it has given to the kernel; only a power cut would need more.
            "--innodb-flush-log-at-trx-commit=2",
            "--sync-binlog=0",
            "--innodb-buffer-pool-size=24M",
            "--innodb-use-native-aio=0",
            "--table-open-cache=200",
            "--max-connections=300",
            *self._options(read_only, semi_sync, replica_net_timeout),
            *extra,
        ]
        if os.geteuid() == 0:
            argv.append("--user=root")
        return argv

    def accounts(self):
        """Statements that make the accounts of a topology server, the same on each."""
        return [
            f"CREATE USER '{REPLICATION_USER}'@'%' IDENTIFIED BY '{REPLICATION_PASSWORD}'",
            f"GRANT REPLICATION SLAVE ON *.* TO '{REPLICATION_USER}'@'%'",
            f"CREATE USER '{BATON_USER}'@'%' IDENTIFIED BY '{BATON_PASSWORD}'",
            *(f"{grant} TO '{BATON_USER}'@'%'" for grant in self.baton_grants),
            "CREATE DATABASE app",
            "CREATE TABLE app.ledger (n BIGINT UNSIGNED NOT NULL PRIMARY KEY, written_by INT UNSIGNED NOT NULL)",
            f"CREATE USER '{WRITER_USER}'@'%' IDENTIFIED BY '{WRITER_PASSWORD}'",
            f"GRANT SELECT, INSERT ON app.* TO '{WRITER_USER}'@'%'",
        ]

    def backend_accounts(self):
        """What an operator does for Baton's backend: an empty database and an account that owns it, nothing else."""
        return [
            f"CREATE DATABASE {BACKEND_DATABASE}",
            f"CREATE USER '{BACKEND_USER}'@'%' IDENTIFIED BY '{BACKEND_PASSWORD}'",
            f"GRANT ALL ON {BACKEND_DATABASE}.* TO '{BACKEND_USER}'@'%'",
        ]

    def cluster_accounts(self):
        """The same on each server of a backend that has several: they replicate, and a check program looks at them."""
        return [
            *self.backend_accounts(),
            f"CREATE USER '{REPLICATION_USER}'@'%' IDENTIFIED BY '{REPLICATION_PASSWORD}'",
            f"GRANT REPLICATION SLAVE ON *.* TO '{REPLICATION_USER}'@'%'",
            f"CREATE USER '{CHECK_USER}'@'%' IDENTIFIED BY '{CHECK_PASSWORD}'",
            *(f"{grant} TO '{CHECK_USER}'@'%'" for grant in self.check_grants),
        ]


class MariaDB(Flavour):
    name = "mariadb"
    label = "MariaDB"

    # The least that Baton can do its work with on MariaDB 10.5 and later; docs/testing.md explains each.
    baton_grants = (
        "GRANT PROCESS, RELOAD, BINLOG MONITOR, SLAVE MONITOR, REPLICATION MASTER ADMIN, REPLICATION SLAVE ADMIN,"
        " READ_ONLY ADMIN, CONNECTION ADMIN ON *.*",
    )
    check_grants = ()

    @property
    def tree(self):
        """None: the installed one."""
        named = os.environ.get("BATON_MARIADB_TREE")
        return pathlib.Path(named) if named else None

    def missing_because(self):
        if self.tree is not None:
            return "" if (self.tree / ".complete").exists() else f"{self.tree} is not there (scripts/setup mariadb)"
        for program in ("mariadbd", "mariadb-install-db"):
            if not _which(program):
                return f"{program} is not installed (scripts/setup demo)"
        return ""

    def _program(self):
        return [_which("mariadbd")] if self.tree is None else _of_tree(self.tree, "mariadbd")

    def _files(self):
        if self.tree is None:
            return []
        return [
            f"--basedir={self.tree}/usr",
            f"--lc-messages-dir={self._scripts()}",
            f"--character-sets-dir={self._scripts()}/charsets",
        ]

    def _scripts(self):
        """Renamed in MariaDB 11."""
        share = self.tree / "usr/share"
        return next(folder for folder in (share / "mariadb", share / "mysql") if any(folder.glob("*_system_tables.sql")))

    def initialise(self, datadir, log):
        if self.tree is not None:
            self._bootstrap(datadir, log)
            return
        argv = [
            _which("mariadb-install-db"),
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            f"--datadir={datadir}",
            "--innodb-log-file-size=8M",
        ]
        if os.geteuid() == 0:
            argv.append("--user=root")
        subprocess.run(argv, stdout=log, stderr=log, check=True)

    def _bootstrap(self, datadir, log):
        """What mariadb-install-db does; that one is a script for a server which is installed."""
        names = ("system_tables", "performance_tables", "system_tables_data", "sys_schema")
        scripts = [next(self._scripts().glob(f"m*_{name}.sql"), None) for name in names]
        statements = "CREATE DATABASE IF NOT EXISTS mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n" + "".join(
            script.read_text() for script in scripts if script
        )
        (pathlib.Path(datadir) / "mysql").mkdir(parents=True, exist_ok=True)
        argv = [
            *self._program(),
            "--no-defaults",
            *self._files(),
            "--bootstrap",
            f"--datadir={datadir}",
            "--innodb-log-file-size=8M",
            "--max-allowed-packet=8M",
            "--net-buffer-length=16K",
        ]
        if os.geteuid() == 0:
            argv.append("--user=root")
        subprocess.run(argv, input=statements.encode(), stdout=log, stderr=log, check=True)

    def _options(self, read_only, semi_sync, replica_net_timeout):
        options = [
            *self._files(),
            "--innodb-log-file-size=8M",
            "--performance-schema=OFF",
            "--binlog-format=ROW",
            "--gtid-strict-mode=ON",
            "--log-slave-updates=ON",
            f"--slave-net-timeout={replica_net_timeout}",
            f"--read-only={int(read_only)}",
        ]
        if semi_sync:
            options += [
                # On a replica it would make the applier wait for replicas that it has not.
                f"--rpl-semi-sync-master-enabled={'OFF' if read_only else 'ON'}",
                "--rpl-semi-sync-slave-enabled=ON",
                "--rpl-semi-sync-master-wait-point=AFTER_SYNC",
                "--rpl-semi-sync-master-timeout=60000",
            ]
        return options

    start_replica = "START SLAVE"
    stop_replica = "STOP SLAVE"
    reset_binary_logs = "RESET MASTER"
    writable = "SELECT @@global.read_only = 0"
    gtid_position = "SELECT @@global.gtid_current_pos"

    def replicate_from(self, port, host="127.0.0.1"):
        return (
            f"CHANGE MASTER TO MASTER_HOST='{host}', MASTER_PORT={port}, MASTER_USER='{REPLICATION_USER}',"
            f" MASTER_PASSWORD='{REPLICATION_PASSWORD}', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos"
        )

    show_replica = "SHOW SLAVE STATUS"
    columns = {
        "source_host": "Master_Host",
        "source_port": "Master_Port",
        "receiver": "Slave_IO_Running",
        "applier": "Slave_SQL_Running",
        "lag": "Seconds_Behind_Master",
        "receiver_error": "Last_IO_Error",
        "applier_error": "Last_SQL_Error",
    }


class MySQL(Flavour):
    name = "mysql"
    label = "MySQL 9"

    # The least that Baton can do its work with on MySQL 8.0 and later; docs/testing.md explains each.
    baton_grants = (
        "GRANT PROCESS, RELOAD, REPLICATION CLIENT, REPLICATION SLAVE ON *.*",
        "GRANT REPLICATION_SLAVE_ADMIN, SYSTEM_VARIABLES_ADMIN, CONNECTION_ADMIN ON *.*",
        "GRANT SELECT ON performance_schema.*",
    )
    check_grants = ("GRANT SELECT ON performance_schema.replication_group_members",)

    @property
    def tree(self):
        return pathlib.Path(os.environ.get("BATON_MYSQL_TREE", BUILD / "mysql-sid"))

    def missing_because(self):
        if (self.tree / "usr/sbin/mysqld").exists() and (self.tree / ".complete").exists():
            return ""
        return f"MySQL 9 is not unpacked in {self.tree} (scripts/setup mysql, as root)"

    def _program(self):
        return _of_tree(self.tree, "mysqld")

    def _files(self):
        tree = self.tree
        return [
            f"--basedir={tree}/usr",
            f"--plugin-dir={tree}/usr/lib/mysql/plugin",
            f"--lc-messages-dir={tree}/usr/share/mysql",
            f"--character-sets-dir={tree}/usr/share/mysql/charsets",
            "--secure-file-priv=NULL",  # the default names a folder of the installed package
        ]

    def initialise(self, datadir, log):
        argv = [
            *self._program(),
            "--no-defaults",
            *self._files(),
            "--initialize-insecure",
            f"--datadir={datadir}",
            "--innodb-redo-log-capacity=32M",
            "--innodb-use-native-aio=0",
        ]
        if os.geteuid() == 0:
            argv.append("--user=root")
        subprocess.run(argv, stdout=log, stderr=log, check=True)

    def _options(self, read_only, semi_sync, replica_net_timeout):
        options = [
            *self._files(),
            "--innodb-redo-log-capacity=8M",
            "--performance-schema-instrument=%=OFF",
            "--mysqlx=OFF",
            "--gtid-mode=ON",
            "--enforce-gtid-consistency=ON",
            "--log-replica-updates=ON",
            f"--replica-net-timeout={replica_net_timeout}",
            f"--super-read-only={'ON' if read_only else 'OFF'}",
            f"--read-only={'ON' if read_only else 'OFF'}",
        ]
        if semi_sync:
            options += [
                "--plugin-load-add=semisync_source.so",
                "--plugin-load-add=semisync_replica.so",
                f"--loose-rpl-semi-sync-source-enabled={'OFF' if read_only else 'ON'}",
                "--loose-rpl-semi-sync-replica-enabled=ON",
                "--loose-rpl-semi-sync-source-timeout=60000",
            ]
        return options

    start_replica = "START REPLICA"
    stop_replica = "STOP REPLICA"
    reset_binary_logs = "RESET BINARY LOGS AND GTIDS"
    writable = "SELECT @@global.read_only = 0"
    gtid_position = "SELECT @@global.gtid_executed"

    def replicate_from(self, port, host="127.0.0.1"):
        # The default of 10 attempts gives a replica up for good while a test has its source down.
        return (
            f"CHANGE REPLICATION SOURCE TO SOURCE_HOST='{host}', SOURCE_PORT={port},"
            f" SOURCE_USER='{REPLICATION_USER}', SOURCE_PASSWORD='{REPLICATION_PASSWORD}', SOURCE_CONNECT_RETRY=1,"
            " SOURCE_RETRY_COUNT=86400, SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1"
        )

    show_replica = "SHOW REPLICA STATUS"
    columns = {
        "source_host": "Source_Host",
        "source_port": "Source_Port",
        "receiver": "Replica_IO_Running",
        "applier": "Replica_SQL_Running",
        "lag": "Seconds_Behind_Source",
        "receiver_error": "Last_IO_Error",
        "applier_error": "Last_SQL_Error",
    }


def _of_tree(tree, program):
    loader = tree / "lib64/ld-linux-x86-64.so.2"
    if not loader.exists():
        # Before Debian 12 it is a link from the root of the tree.
        loader = next((tree / "lib/x86_64-linux-gnu").glob("ld-*.so"))
    return [
        loader,
        "--library-path",
        f"{tree}/usr/lib/x86_64-linux-gnu:{tree}/lib/x86_64-linux-gnu",
        tree / "usr/sbin" / program,
    ]


def _which(program):
    # /usr/sbin is not in the PATH of an ordinary user.
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/bin")


FLAVOURS = {flavour.name: flavour for flavour in (MariaDB(), MySQL())}
