# SPDX-License-Identifier: Apache-2.0
"""A primary that is sick and not dead: the finding says what it is, and nobody is failed over where none was due."""

import contextlib
import os
import subprocess
import threading
import time

import pymysql

from lab import active_node, eventually, faults, writable_servers
from lab.fault_case import SILENCE_LIMIT, FaultTest
from lab.flavour import BATON_USER, WRITER_PASSWORD, WRITER_USER

TIMEOUT = 240
DISK_MIB = 24

QUICK = {"detection": {"hanging_after": "3s", "lock_pile_up": "5", "read_only_after": "3s"}}


class SickTest(FaultTest):
    def sickness(self, server=None):
        """What the page says of the server now, by title."""
        server = server or self.old
        node = active_node(self.nodes)
        found = {}
        for cluster in node.json("/api/v1/clusters"):
            for finding in node.json(f"/api/v1/clusters/{cluster['name']}")["findings"]:
                if finding["subject"] == server.address:
                    found[finding["title"]] = finding
        return found

    def wait_for(self, title, within, *, state=None, evidence="", veto=""):
        def look():
            finding = self.sickness().get(title)
            if finding is None or (state and finding["state"] != state):
                return None
            return finding if evidence in " ".join(finding["evidence"]) else None

        began = time.monotonic()
        finding = eventually(look, within, f"'{title}' is found: {self.sickness()}", every=0.1)
        print(f"{title} after {time.monotonic() - began:.1f} s: {finding['evidence']} | {finding['vetoes']}")
        self.assertIn(veto, " ".join(finding["vetoes"]))
        return finding

    def wait_well(self, within=15):
        eventually(lambda: not self.sickness(), within, f"all is well again: {self.sickness()}", every=0.1)

    def seen(self):
        return active_node(self.nodes).instances()[self.old.port]["IsLastCheckValid"]


def hold_connections(stack, server):
    """Takes connections until the server refuses more; they are given back when the stack is closed."""
    with contextlib.suppress(pymysql.err.OperationalError):
        while True:
            stack.enter_context(
                pymysql.connect(host="127.0.0.1", port=server.port, user=WRITER_USER, password=WRITER_PASSWORD)
            )


class States(SickTest):
    """One cluster goes through all of them, since each is over without a trace."""

    NIGHTLY = True

    def test_mariadb(self):
        self.admin_port = self.lab.take_port()
        self._states("mariadb", [f"--extra-port={self.admin_port}", "--extra-max-connections=5"])

    def test_mysql(self):
        self.admin_port = self.lab.take_port()
        self._states("mysql", ["--admin-address=127.0.0.1", f"--admin-port={self.admin_port}"])

    def _states(self, flavour, options):
        reason = faults.no_small_disk()
        if reason:
            self.skipTest(reason)
        self.options = options
        self.start(flavour, 2, settings=QUICK, watched=False, nodes=1)
        self.writer.stop()
        for state in (self.lock_pile_up, self.read_only, self.out_of_connections, self.disk_full):
            with self.subTest(state.__name__):
                state()
                self.assertEqual(self.recoveries(), [])

    def make_topology(self, flavour, tree, **options):
        """The primary has its binary logs on a disk of their own, and another way in for administrators."""
        topology = super().make_topology(flavour, tree, **options)
        primary = topology.primary
        if flavour == "mysql":
            primary.execute(f"GRANT SERVICE_CONNECTION_ADMIN ON *.* TO '{BATON_USER}'@'%'")
        primary.shut_down()
        self.disk = self.lab.folder / "binary-logs"
        self.disk.mkdir()
        faults.mount_small_disk(self.disk, DISK_MIB)
        self.addCleanup(lambda: subprocess.run(["umount", "-l", str(self.disk)], check=False, capture_output=True))
        self.disk.chmod(0o777)
        primary.start(f"--log-bin={self.disk}/binlog", *self.options)
        primary.wait_started()
        topology.wait_replicating()
        return topology

    def lock_pile_up(self):
        threads = []
        with self.old.connect() as holder, holder.cursor() as cursor:
            cursor.execute("LOCK TABLES app.ledger WRITE")
            for number in range(6):
                threads.append(threading.Thread(target=self._insert, args=(1_000_000 + number,)))
                threads[-1].start()
            self.wait_for(
                "primary lock pile-up", 20, state="warning", evidence="waiting for a metadata lock",
                veto="only one session keeps the others waiting",
            )
        for thread in threads:
            thread.join(10)
        self.wait_well()

    def _insert(self, number):
        self.old.execute(f"INSERT INTO app.ledger VALUES ({number}, 9)", timeout=60)

    def read_only(self):
        self.old.execute("SET GLOBAL read_only = 1")
        self.wait_for("no writable primary", 15, state="warning", evidence="read_only is on")
        self.assertEqual(writable_servers(self.topology.servers), [])
        self.old.execute("SET GLOBAL read_only = 0")
        self.wait_well()

    def out_of_connections(self):
        limit = self.old.value("SELECT @@global.max_connections")
        self.old.execute("SET GLOBAL max_connections = 25")
        with contextlib.ExitStack() as stack:
            hold_connections(stack, self.old)
            with contextlib.suppress(pymysql.err.OperationalError):  # one more that is turned away
                pymysql.connect(host="127.0.0.1", port=self.old.port, user=WRITER_USER, password=WRITER_PASSWORD)
            self.wait_for(
                "primary out of connections", 25, state="warning", evidence="a connection that it has kept",
                veto="raise max_connections",
            )
            self.assertTrue(self.seen(), "over the connection that it has")

            # Without that one: where only administrators are let in.
            def shut_out():
                with self.old.connect() as root, root.cursor() as cursor:  # has a place of its own, and only one
                    cursor.execute(f"SELECT id FROM information_schema.processlist WHERE user = '{BATON_USER}'")
                    for (session,) in cursor.fetchall():
                        with contextlib.suppress(pymysql.err.OperationalError):  # ended meanwhile
                            cursor.execute(f"KILL {session}")
                hold_connections(stack, self.old)
                return _connections_to(self.admin_port)

            eventually(shut_out, 20, "Baton comes in by the other port")
            eventually(self.seen, 5, "and sees the server")
            self.assertIn("primary out of connections", self.sickness())
        self.old.execute(f"SET GLOBAL max_connections = {limit}")
        self.wait_well(40)

    def disk_full(self):
        with open(self.disk / "ballast", "wb") as ballast:
            free = os.statvfs(self.disk).f_bavail * os.statvfs(self.disk).f_bsize
            ballast.write(b"\0" * (free - 100_000))
        threads = [
            threading.Thread(target=self._fill, args=(2_000_000 + 100_000 * number,), daemon=True) for number in range(3)
        ]
        for thread in threads:
            thread.start()
        finding = self.wait_for(
            "primary disk full", 40, state="critical", evidence="waiting for space on the disk",
            veto="detection.replace_hanging is off",
        )
        self.assertEqual(finding["code"], "NoProblem")
        time.sleep(6)
        self.assertTrue(self.seen(), "all but the end of the binary log is seen")
        # A question that hangs is not repeated each second.
        hanging = [
            row for row in self.old.rows("SHOW PROCESSLIST")
            if row["User"] == BATON_USER and "STATUS" in (row["Info"] or "")
        ]
        self.assertLessEqual(len(hanging), 2, hanging)

    def _fill(self, first):
        with contextlib.suppress(pymysql.Error, OSError):  # the test ends before the disk has room again
            for number in range(first, first + 50_000):
                with self.old.connect(300) as connection, connection.cursor() as cursor:
                    cursor.execute(f"INSERT INTO app.ledger VALUES ({number}, 9)")


def _connections_to(port):
    """Established TCP connections to the local port."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        return sum(
            int(line.split()[1].rpartition(":")[2], 16) == port and line.split()[3] == "01"
            for line in file.readlines()[1:]
        )


class CutOff(SickTest):
    """Replicas do not reach the primary; Baton and the clients do. (With semi-synchronous replication: see
    test_faults_network.ReplicationOnly.)"""

    def test_mariadb_asynchronous(self):
        """It serves its clients: to replace it would lose what they were told is safe."""
        self.need_packet_filter()
        self.start("mariadb", 2, watched=False, nodes=1)
        cut = self.lab.cut_off_from(self.old, self.topology.replicas)
        finding = self.wait_for(
            "primary cut off from its replicas", 20, state="critical", evidence="this service reaches it",
            veto="none of its replicas has received",
        )
        self.assertEqual(finding["code"], "AllMasterReplicasNotReplicating")
        time.sleep(4)
        self.assertEqual(self.recoveries(), [])
        self.assertEqual(writable_servers(self.topology.servers), [self.old])
        cut.stop()
        for replica in self.topology.replicas:
            eventually(lambda r=replica: r.source_port() == self.old.port, 20, f"{replica} replicates again")
        self.wait_well(20)


class Blocked(SickTest):
    NIGHTLY = True

    def test_mysql_semi_sync(self):
        """Commits wait for replicas that are not connected."""
        self.start("mysql", 2, semi_sync=True, watched=False, nodes=1, settings=QUICK)
        for replica in self.topology.replicas:
            replica.execute("STOP REPLICA IO_THREAD")
        self.wait_for(
            "locked semi-sync primary", 30, state="critical",
            evidence="waiting for a semi-synchronous replica",
        )
        self.assertEqual([r for r in self.recoveries() if r["kind"] == "dead primary"], [])
        for replica in self.topology.replicas:
            replica.execute("START REPLICA IO_THREAD")
        self.wait_well(20)


class Deaf(SickTest):
    def test_mariadb(self):
        """The port accepts connections, and nobody answers: as dead as a frozen one."""
        self.start("mariadb", watched=False, nodes=1)
        self.old.kill()
        fault_at = time.monotonic()
        self.lab.listen_deaf(self.old.port)
        promoted = self.wait_failover(fault_at, SILENCE_LIMIT)
        print(f"replaced by {promoted.name}: {self.recoveries()[0]['evidence']}")
