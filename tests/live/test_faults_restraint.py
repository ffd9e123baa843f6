# SPDX-License-Identifier: Apache-2.0
"""What looks like a failure of the primary and is none: nothing may be failed over."""

import contextlib
import threading
import time

import pymysql

from lab import active_node, eventually, writable_servers
from lab.fault_case import FaultTest
from lab.flavour import BATON_USER, WRITER_PASSWORD, WRITER_USER

TIMEOUT = 150


class Restraint(FaultTest):
    def restart_replica(self, flavour):
        """One replica is restarted for maintenance."""
        self.start(flavour)
        replica = self.topology.replicas[0]
        replica.shut_down()
        time.sleep(2)
        replica.restart()
        self.check_nothing_done(6)

    def flip_read_only(self, flavour, statement):
        """Somebody makes the primary read-only: it lives, and is told of; nobody else is promoted."""
        self.start(flavour)
        self.old.execute(statement)
        eventually(lambda: "NoWriteableMasterStructureWarning" in self.findings(self.old), 10, "it is told")
        time.sleep(4)
        self.assertEqual(writable_servers(self.topology.servers), [])
        self.assertEqual(self.recoveries(), [])
        self.old.execute("SET GLOBAL read_only = 0")
        eventually(lambda: self.findings(self.old) in ([], ["NoProblem"]), 10, "it is over")
        self.check_nothing_done(2, gap=3.0)

    def exhaust_connections(self, flavour):
        """All connections of the primary are taken, Baton's too."""
        self.start(flavour)
        with contextlib.ExitStack() as stack:
            # Kept: the one beyond the limit, for administrators, may be Baton's.
            admin = stack.enter_context(self.old.connect(60)).cursor()
            admin.execute("SET GLOBAL max_connections = 30")

            def shut_out():
                hold_all_connections(stack, self.old)
                if not active_node(self.nodes).instances()[self.old.port]["IsLastCheckValid"]:
                    return True
                admin.execute(f"SELECT id FROM information_schema.processlist WHERE user = '{BATON_USER}'")
                for (session,) in admin.fetchall():
                    with contextlib.suppress(pymysql.err.OperationalError):  # ended meanwhile
                        admin.execute(f"KILL {session}")
                return False

            eventually(shut_out, 20, "Baton cannot get in", every=0)
            time.sleep(5)
            self.assertEqual(self.recoveries(), [])
        eventually(lambda: active_node(self.nodes).knows(self.topology.servers), 15, "it is seen again")
        self.check_nothing_done(2)


def hold_all_connections(stack, server):
    """Takes connections until the server refuses more; they are given back when the stack is closed."""
    with contextlib.suppress(pymysql.err.OperationalError):
        while True:
            stack.enter_context(
                pymysql.connect(host="127.0.0.1", port=server.port, user=WRITER_USER, password=WRITER_PASSWORD)
            )


class Harmless(Restraint):
    def test_mariadb_replica_restarts(self):
        self.restart_replica("mariadb")

    def test_mariadb_read_only_flip(self):
        self.flip_read_only("mariadb", "SET GLOBAL read_only = 1")

    def test_mariadb_max_connections(self):
        self.exhaust_connections("mariadb")


class HarmlessToo(Restraint):
    NIGHTLY = True

    def test_mysql_replica_restarts(self):
        self.restart_replica("mysql")

    def test_mysql_read_only_flip(self):
        self.flip_read_only("mysql", "SET GLOBAL super_read_only = 1")

    def test_mysql_max_connections(self):
        self.exhaust_connections("mysql")


class Busy(FaultTest):
    """The primary is slow or blocked by its own users."""

    NIGHTLY = True

    def test_mariadb_long_transaction(self):
        self._long_transaction("mariadb")

    def test_mysql_long_transaction(self):
        self._long_transaction("mysql")

    def _long_transaction(self, flavour):
        """A transaction that has written a lot and stays open, while another session changes a table's columns."""
        self.start(flavour)
        self.old.execute("CREATE TABLE app.big (n INT PRIMARY KEY, t TEXT)")
        with self.old.connect(60) as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN")
            for number in range(200):
                cursor.execute(f"INSERT INTO app.big VALUES ({number}, REPEAT('x', 20000))")
            change = threading.Thread(
                target=lambda: self.old.execute("ALTER TABLE app.big ADD COLUMN c INT", timeout=60), daemon=True
            )
            change.start()
            time.sleep(8)
            cursor.execute("COMMIT")
        change.join(30)
        self.check_nothing_done(3)

    def test_mariadb_global_read_lock(self):
        self._global_read_lock("mariadb")

    def test_mysql_global_read_lock(self):
        self._global_read_lock("mysql")

    def _global_read_lock(self, flavour):
        """A backup holds FLUSH TABLES WITH READ LOCK: all writes wait, and nothing is dead."""
        self.start(flavour)
        with self.old.connect(60) as connection, connection.cursor() as cursor:
            cursor.execute("FLUSH TABLES WITH READ LOCK")
            time.sleep(10)
            self.assertEqual(self.recoveries(), [])
            cursor.execute("UNLOCK TABLES")
        self.check_nothing_done(3, gap=3.0)

    def test_mariadb_heavy_load(self):
        self._heavy_load("mariadb")

    def test_mysql_heavy_load(self):
        self._heavy_load("mysql")

    def _heavy_load(self, flavour):
        """Sessions that burn CPU and sort, more of them than there are cores."""
        self.start(flavour)
        until = time.monotonic() + 12

        def burn():
            with self.old.connect(60) as connection, connection.cursor() as cursor:
                while time.monotonic() < until:
                    cursor.execute(
                        "SELECT COUNT(DISTINCT SHA2(CONCAT(a.n, b.n), 256)) FROM app.ledger a,"
                        " (SELECT n FROM app.ledger LIMIT 100) b"
                    )

        with contextlib.ExitStack() as stack:
            threads = [threading.Thread(target=burn, daemon=True) for _ in range(16)]
            for thread in threads:
                thread.start()
                stack.callback(thread.join, 60)
            while time.monotonic() < until:
                self.assertEqual(self.recoveries(), [])
                time.sleep(0.5)
        self.check_nothing_done(3, gap=5.0)
