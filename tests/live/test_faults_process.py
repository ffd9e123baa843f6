# SPDX-License-Identifier: Apache-2.0
"""The process of the primary dies, hangs, or comes back, while an application writes."""

import time

from lab import eventually, wait_one_primary, wait_same_data
from lab.fault_case import EXPOSED, KILL_LIMIT, SILENCE_LIMIT, FaultTest, fully_read_only
from lab.flavour import REPLICATION_PASSWORD, REPLICATION_USER
from lab.nodes import secret_file

TIMEOUT = 150


class Ends(FaultTest):
    def kill(self, flavour, **options):
        self.start(flavour, **options)
        fault_at = time.monotonic()
        self.old.kill()
        promoted = self.wait_failover(fault_at, KILL_LIMIT)
        self.check_end(promoted)

    def restart_at_once(self, flavour):
        """Killed, and started again at once by its supervisor, writable as it is configured."""
        self.start(flavour)
        fault_at = time.monotonic()
        self.old.kill()
        self.old.start()
        promoted = self.wait_failover(fault_at, KILL_LIMIT)
        self.old.wait_started()
        self.check_stays_demoted(promoted, within=10)
        self.check_end(promoted, exposed=EXPOSED)

    def shut_down(self, flavour):
        """SIGTERM: the server says good-bye to its replicas and takes its time to end."""
        self.start(flavour)
        fault_at = time.monotonic()
        self.old.process.signal(15)
        promoted = self.wait_failover(fault_at, KILL_LIMIT)
        self.assertTrue(self.old.process.wait(30), "it ends")
        self.check_end(promoted)


class Dies(Ends):
    def test_mysql_killed(self):
        self.kill("mysql", semi_sync=True)

    def test_mariadb_restarts_at_once(self):
        self.restart_at_once("mariadb")

    def test_mysql_shut_down(self):
        self.shut_down("mysql")


class DiesToo(Ends):
    NIGHTLY = True

    def test_mariadb_killed(self):
        self.kill("mariadb")

    def test_mysql_killed_asynchronous(self):
        self.kill("mysql")

    def test_mysql_restarts_at_once(self):
        self.restart_at_once("mysql")

    def test_mariadb_shut_down(self):
        self.shut_down("mariadb")


class Freeze(FaultTest):
    """SIGSTOP, and SIGCONT after the failover: it goes on in the middle of what it was doing."""

    NIGHTLY = True

    def test_mariadb(self):
        self._freeze("mariadb")

    def test_mysql(self):
        self._freeze("mysql")

    def test_mariadb_semi_sync(self):
        self._freeze("mariadb", semi_sync=True)

    def _freeze(self, flavour, **options):
        self.start(flavour, **options)
        fault_at = time.monotonic()
        self.old.freeze()
        promoted = self.wait_failover(fault_at, SILENCE_LIMIT)
        time.sleep(2)
        self.old.thaw()
        self.check_stays_demoted(promoted, within=10)
        self.check_end(promoted, exposed=EXPOSED)


class AcceptsNeverAnswers(FaultTest):
    """The connections break, and new ones are accepted and never answered: a hung program, a proxy without a target."""

    NIGHTLY = True

    def test_mariadb(self):
        self._deaf("mariadb")

    def test_mysql(self):
        self._deaf("mysql")

    def _deaf(self, flavour):
        self.need_packet_filter()
        self.start(flavour)
        fault_at = time.monotonic()
        self.lab.listen_deaf(self.old.port)
        self.old.kill()
        promoted = self.wait_failover(fault_at, SILENCE_LIMIT)
        self.check_end(promoted)


class Returns(FaultTest):
    """The old primary comes back after the failover, writable as it is configured."""

    NIGHTLY = True
    TIMEOUT = 240

    def test_mariadb_after_60_s(self):
        self._returns("mariadb", 60)

    def test_mysql_after_60_s(self):
        self._returns("mysql", 60)

    def test_mariadb_with_extra_transactions(self):
        self._extra("mariadb")

    def test_mysql_with_extra_transactions(self):
        self._extra("mysql")

    def _returns(self, flavour, seconds):
        self.start(flavour)
        fault_at = time.monotonic()
        self.old.kill()
        promoted = self.wait_failover(fault_at, KILL_LIMIT)
        time.sleep(seconds)
        self.old.restart()
        self.check_stays_demoted(promoted, within=10)
        self.check_end(promoted, exposed=EXPOSED)

    def _extra(self, flavour):
        """It has transactions that nobody received: it must never replicate again as if nothing was."""
        self.start(flavour)
        for replica in self.topology.replicas:
            replica.freeze()  # what is written now, reaches nobody
        before = max(commit.number for commit in self.writer.acks())
        eventually(lambda: max(a.number for a in self.writer.acks()) > before + 5, 10, "writes that only it has")
        fault_at = time.monotonic()
        self.old.kill()
        for replica in self.topology.replicas:
            replica.thaw()
        promoted = self.wait_failover(fault_at, SILENCE_LIMIT)
        self.old.restart()
        self.check_stays_demoted(promoted, within=10)

        def told():
            record = next(r for r in self.recoveries() if r["kind"] == "containment of a deposed primary")
            self.assertEqual(record["state"], "done", record)
            self.assertIn("extra transactions", record["outcome"])
            return record

        print(eventually(told, 10, "the extra transactions are told")["outcome"])
        self.check_end(promoted, may_lose=500, exposed=EXPOSED)
        self.assertTrue(fully_read_only(self.old))
        self.assertIsNone(self.old.source_port(), "it does not follow: it has what the others have not")


class Rejoins(FaultTest):
    """The old primary comes back and has nothing that the new one lacks: it becomes its replica."""

    NIGHTLY = True

    def test_mariadb_writable(self):
        self._rejoins("mariadb")

    def test_mariadb_read_only(self):
        self._rejoins("mariadb", "--read-only=1")

    def test_mysql_writable(self):
        self._rejoins("mysql")

    def test_mysql_read_only(self):
        self._rejoins("mysql", "--super-read-only=ON")

    def _rejoins(self, flavour, *options):
        # The watch would write to it as soon as it is there. MariaDB tells nobody the password of a channel.
        password = secret_file(self.lab.folder / "replication.password", REPLICATION_PASSWORD)
        account = {"replication_user": REPLICATION_USER, "replication_password_file": str(password)}
        self.start(flavour, watched=False, settings={"topology": account})
        self.writer.stop()
        time.sleep(0.5)
        wait_same_data(self.topology.servers)
        self.old.kill()
        promoted = wait_one_primary(self.topology.replicas)
        self.writer = self.lab.writer(self.topology)
        # While it looks for a primary it would take the old one.
        eventually(
            lambda: any(ack.port == promoted.port for ack in self.writer.acks()), 10,
            "the application writes to the new primary",
        )
        self.old.start(*options)
        self.old.wait_started()
        eventually(lambda: self.old.source_port() == promoted.port, 30, "it replicates from the new primary")
        self.watch = self.lab.watch_commits(self.topology.servers)
        time.sleep(1)
        self.check_end(promoted, rejoined=True)
