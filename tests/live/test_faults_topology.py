# SPDX-License-Identifier: Apache-2.0
"""Servers inside of a topology die, and many topologies at once."""

import time

from lab import active_node, eventually, outage, wait_one_primary, writable_servers
from lab.commit_watch import returns
from lab.fault_case import DEAD, FaultTest, fully_read_only

TIMEOUT = 180

TWO_TIERS = {"top": {"left": {"left1": {}, "left2": {}}, "right": {}}}


class Intermediate(FaultTest):
    """The replicas of a dead intermediate source go on below a sibling of it or its own source; writes go on."""

    NIGHTLY = True

    def test_mysql_kill(self):
        self._one("mysql", lambda left: left.kill())

    def test_mysql_shut_down(self):
        self._one("mysql", lambda left: left.shut_down())

    def test_mariadb_freeze(self):
        self._one("mariadb", lambda left: left.freeze(), returns=lambda left: left.thaw())

    def test_mysql_freeze(self):
        self._one("mysql", lambda left: left.freeze(), returns=lambda left: left.thaw())

    def test_mariadb_drop(self):
        self.need_packet_filter()
        drops = []
        self._one(
            "mariadb", lambda left: drops.append(self.lab.drop_packets(left)), returns=lambda left: drops[0].stop()
        )

    def test_mariadb_semi_sync_kill(self):
        self._one("mariadb", lambda left: left.kill(), semi_sync=True)

    def _one(self, flavour, fault, returns=None, **options):
        self.start(flavour, TWO_TIERS, **options)
        left = self.topology["left"]
        homes = {self.topology["top"].port, self.topology["right"].port}
        fault(left)
        for name in ("left1", "left2"):
            eventually(lambda name=name: self.topology[name].source_port() in homes, 30, f"{name} is moved")
        record = eventually(lambda: self._ended(left), 10, "the recovery has ended")
        self.assertEqual(record["state"], "done", record)
        self.assertTrue(record["code"].startswith("DeadIntermediateMaster"), record["code"])
        self.assertEqual(record["lost"], [], record)
        if returns is not None:
            returns(left)
            time.sleep(3)
            self.assertTrue(fully_read_only(left))
            eventually(lambda: left.source_port() == self.old.port, 20, "it replicates as before")
        self.check_writes_went_on([s for s in self.topology.servers if s is not left or returns is not None])

    def _ended(self, left):
        found = [r for r in self.recoveries() if r["kind"] == "dead intermediate source"]
        self.assertEqual([r["failed"] for r in found], [left.address])
        return found[0] if found[0]["ended_ms"] else None

    def check_writes_went_on(self, servers):
        self.assertEqual(writable_servers(servers), [self.old])
        self.stop_writing()
        commits = self.commits()
        self.assertEqual({commit.port for commit in commits}, {self.old.port})
        moments = [commit.acknowledged for commit in commits]
        self.assertLess(max(b - a for a, b in zip(moments, moments[1:])), 2.0, "writes stood still")
        for server in servers:
            eventually(
                lambda server=server: {c.number for c in commits} <= server.ledger(), 20, f"{server} has all writes"
            )


class TwentyAtOnce(FaultTest):
    """Twenty primaries die within a second: all are replaced, each once, by the right one."""

    NIGHTLY = True
    TIMEOUT = 280

    def test_mariadb(self):
        self._all_at_once(["mariadb"] * 20)

    def test_mariadb_and_mysql(self):
        self._all_at_once(["mariadb"] * 16 + ["mysql"] * 4)

    def _all_at_once(self, flavours):
        for flavour in set(flavours):
            self.need(flavour)
        topologies = [self.lab.prepare_topology(flavour, 2) for flavour in flavours]
        for topology in topologies:
            topology.wait_started()
        servers = [server for topology in topologies for server in topology.servers]
        self.nodes = self.lab.nodes(self.lab.backend(), [topology.seed for topology in topologies])
        eventually(lambda: active_node(self.nodes).knows(servers), 40, "all servers are found")
        writers = [self.lab.writer(topology, interval=0.1) for topology in topologies]
        watch = self.lab.watch_commits(servers, every=0.25)
        time.sleep(2)

        fault_at = time.monotonic()
        for topology in topologies:
            topology.primary.process.signal(9)
        for topology in topologies:
            topology.primary.kill()

        outages = []
        for topology, writer in zip(topologies, writers):
            goes_on = f"writes of {topology.seed} go on"
            outages.append(
                eventually(lambda t=topology, w=writer: outage(w.acks(), fault_at, t.primary.port), 60, goes_on)
            )
        promoted = [wait_one_primary(topology.replicas, 30) for topology in topologies]
        outages.sort()
        print(f"outages: median {outages[len(outages) // 2]:.3f} s, longest {outages[-1]:.3f} s")
        self.assertLess(outages[-1], 20)
        time.sleep(2)
        for writer in writers:
            writer.stop()
        watch.stop()
        records = [
            active_node(self.nodes).json(f"/api/v1/recoveries/{entry['number']}")
            for entry in active_node(self.nodes).json("/api/v1/recoveries")
        ]
        for topology, writer, primary in zip(topologies, writers, promoted):
            ports = {server.port for server in topology.servers}
            commits = [*writer.acks(), *(c for c in watch.commits() if c.port in ports)]
            self.assertEqual(returns(commits), [])
            data = primary.ledger()
            lost = [c.number for c in commits if c.number not in data]
            self.assertLessEqual(len(lost), 3, f"{topology.seed}: acknowledged and lost")
            own = [r for r in records if r["failed"] == topology.primary.address]
            self.assertEqual(len(own), 1, own)
            self.assertEqual((own[0]["state"], own[0]["successor"]), ("done", primary.address))
            self.assertIn(own[0]["code"], DEAD)
