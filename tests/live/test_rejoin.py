# SPDX-License-Identifier: Apache-2.0
"""A replaced primary comes back: by itself when it is clean, by a copy of another server when it is not."""

import time

from lab import active_node, eventually, wait_one_primary, wait_same_data, writable_servers
from lab.flavour import BATON_USER
from test_switchover import SwitchoverTest

TIMEOUT = 170


class RejoinTest(SwitchoverTest):
    def replace(self):
        """Kills the primary when everybody has everything; returns its successor."""
        self.writer.stop()
        wait_same_data(self.topology.servers)
        self.topology.primary.kill()
        return wait_one_primary(self.topology.replicas, 30)

    def diverge(self):
        """It comes back with a transaction that nobody else has, and is examined."""
        old = self.topology.primary
        old.start("--skip-networking")
        old.wait_started()
        old.execute("INSERT INTO app.ledger VALUES (4000000001, 1)")
        old.shut_down()
        old.restart()
        eventually(lambda: not old.is_writable(), 20, f"{old} is made read-only")
        return eventually(
            lambda: next(
                f for f in self.explain()["findings"] if f["subject"] == old.address and f["vetoes"]
            ), 20, "the finding tells what can be done"
        )

    def explain(self):
        return active_node(self.nodes).json(f"/api/v1/clusters/{self.topology['replica1'].address}/explain")

    def check_whole(self, primary, timeout=40):
        self.assertIs(wait_one_primary(self.topology.servers, timeout), primary)
        wait_same_data(self.topology.servers)
        # A replica as any other: nothing is left to be said of it.
        eventually(
            lambda: not [f for f in self.explain()["findings"] if f["subject"] == self.topology.primary.address],
            10, "it is deposed no more",
        )


class Clean(RejoinTest):
    def test_mariadb(self):
        self._returns("mariadb")

    def test_mysql(self):
        self._returns("mysql")

    def test_mysql_with_credentials_of_the_replicas(self):
        self._returns("mysql", credentials=False)

    def _returns(self, flavour, **options):
        self.start(flavour, 2, **options)
        promoted = self.replace()

        self.topology.primary.restart()

        self.check_whole(promoted)
        # And it is as good as any other: it can be the primary again.
        print(self.switch("switchover", promoted.address, "--to", self.topology.primary.address))
        self.assertIs(wait_one_primary(self.topology.servers), self.topology.primary)

    def test_not_by_itself_when_that_is_switched_off(self):
        self.start("mariadb", 2, recovery={"rejoin_clean": False})
        promoted = self.replace()
        old = self.topology.primary
        old.restart()
        eventually(lambda: not old.is_writable(), 20, "it is made read-only")
        time.sleep(2)
        self.assertIsNone(old.replication())

        print(self.switch("rejoin", old.address))

        self.check_whole(promoted)

    def test_tells_when_nobody_knows_with_which_user(self):
        self.start("mariadb", 2, credentials=True)
        for node in self.nodes:
            text = node.config.read_text("utf-8")
            lines = [line for line in text.splitlines() if "replication_" not in line]
            node.config.write_text("\n".join(lines) + "\n", encoding="utf-8")
            node.shut_down()
            node.restart()
        active_node(self.nodes, 20)
        self.replace()
        self.topology.primary.restart()

        def told():
            recoveries = active_node(self.nodes).json("/api/v1/recoveries")
            return [r for r in recoveries if r["state"] == "failed" and "replication_user" in r["summary"]]

        eventually(told, 30, "the record names the option that is missing")


class Diverged(RejoinTest):
    def test_by_the_clone_plugin(self):
        self.start("mysql", 2)
        promoted = self.replace()
        old = self.topology.primary
        finding = self.diverge()
        print(finding["vetoes"])
        self.assertIn("extra transactions", finding["vetoes"][0])
        self.assertIn(f"baton rejoin {old.address} --clone", finding["vetoes"][0])
        refused = self.switch("rejoin", old.address, status=1)
        self.assertIn("--clone", refused)
        for server in self.topology.servers:
            read_only = server.value("SELECT @@global.super_read_only")
            server.execute(
                "SET SESSION sql_log_bin = 0, GLOBAL super_read_only = 0",
                f"GRANT CLONE_ADMIN, BACKUP_ADMIN ON *.* TO '{BATON_USER}'@'%'",
                f"GRANT INSERT ON mysql.plugin TO '{BATON_USER}'@'%'",
                "INSTALL PLUGIN clone SONAME 'mysql_clone.so'",
                f"SET GLOBAL super_read_only = {int(read_only)}",
            )

        print(self.switch("rejoin", old.address, "--clone"))

        # Nobody supervises the servers of this lab, so it has to be started by hand.
        eventually(lambda: not old.process.alive(), 60, "it stops when it has the data")
        old.restart()
        self.check_whole(promoted, 60)
        self.assertNotIn(4000000001, old.ledger())
        self.assertEqual(writable_servers(self.topology.servers), [promoted])

    def test_by_a_program_of_the_operator(self):
        """Which here takes the row out and sets the position: a stand-in for a restored backup."""
        script = self.lab.folder / "reclone"
        self.start("mariadb", 2, recovery={"hooks": {"reclone": [str(script)]}})
        promoted = self.replace()
        old = self.topology.primary
        script.write_text(
            "#!/bin/sh\nset -e\n"
            "position=$(mariadb --no-defaults -u root -S "
            f"$(dirname {old.datadir})/../replica2/data/mysqld.sock -BNe 'SELECT @@global.gtid_slave_pos')\n"
            f"mariadb --no-defaults -u root -S {old.datadir}/mysqld.sock -e \"SET sql_log_bin=0;"
            " DELETE FROM app.ledger WHERE n=4000000001; RESET MASTER;"
            " SET GLOBAL gtid_slave_pos='$position'\"\n"
            "echo copied from $BATON_DONOR_HOST:$BATON_DONOR_PORT to $BATON_FAILED_HOST:$BATON_FAILED_PORT\n",
            encoding="ascii",
        )
        script.chmod(0o755)
        self.diverge()

        print(self.switch("rejoin", old.address, "--hook"))

        self.check_whole(promoted)
