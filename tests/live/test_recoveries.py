# SPDX-License-Identifier: Apache-2.0
"""Recoveries beyond a dead primary and a plain dead intermediate source, on real servers."""

import json
import signal
import time

from lab import active_node, eventually, wait_same_data, writable_servers
from lab.case import LiveTest

TIMEOUT = 150

WEST = "SELECT IF(@@port IN ({ports}), 'west', 'east')"


class RecoveryTest(LiveTest):
    def start(self, flavour, tree, *, settings=None, ready=None, **options):
        """Servers, changed by ready(topology) before a node sees them, and one node."""
        self.need(flavour)
        self.topology = self.lab.topology(flavour, tree, **options)
        if ready is not None:
            ready(self.topology)
        self.watch(settings)

    def watch(self, settings=None):
        if callable(settings):
            settings = settings(self.topology)
        self.nodes = self.lab.nodes("sqlite", [self.topology.seed], 1, settings=settings)
        eventually(lambda: active_node(self.nodes).knows(self.topology.servers), 20, "all servers are found")
        time.sleep(1.5)  # errant transactions and labels are known then

    def write(self, server, *numbers):
        server.execute(*(f"INSERT INTO app.ledger VALUES ({number}, {server.port})" for number in numbers))

    def follows(self, server, source, within=30):
        eventually(lambda: server.source_port() == source.port, within, f"{server} follows {source}")

    def recovery(self, failed, state="done", within=30):
        """The newest recovery of the server, when it has ended like that."""
        node = active_node(self.nodes)

        def ended():
            found = [r for r in node.json("/api/v1/recoveries") if r["failed"] == failed.address and r["ended_ms"]]
            return node.json(f"/api/v1/recoveries/{found[0]['number']}") if found else None

        record = eventually(ended, within, f"a recovery of {failed} has ended")
        self.assertEqual(record["state"], state, record)
        return record

    def blocked(self, server):
        """The reason for which nothing is done about the server; None when there is none."""
        for entry in active_node(self.nodes).json("/api/blocked-recoveries"):
            if entry["FailedInstanceKey"]["Port"] == server.port:
                return entry
        return None

    def explained(self):
        node = active_node(self.nodes)
        cluster = node.json("/api/v1/clusters")[0]["id"]
        return json.dumps(node.json(f"/api/v1/clusters/{cluster}/explain"))


class Errant(RecoveryTest):
    """The best candidate has a transaction of its own, and nobody has written anything else: neither the primary nor
    the other replicas have a position to compare it with."""

    def test_mysql_nothing_was_written(self):
        self._nothing_was_written("mysql", "SET GLOBAL super_read_only = 0")

    def test_mariadb_nothing_was_written(self):
        # In its own domain, so that it goes on replicating.
        self._nothing_was_written("mariadb", "SET SESSION gtid_domain_id = 7")

    def _nothing_was_written(self, flavour, before):
        self.start(flavour, 3)
        primary, first, *others = self.topology.servers
        executed = "@@global.gtid_executed" if flavour == "mysql" else "@@global.gtid_binlog_pos"
        self.assertEqual(primary.value(f"SELECT {executed}"), "", "it has written nothing")
        first.execute(before, "CREATE DATABASE errant")
        if flavour == "mysql":
            first.execute("SET GLOBAL super_read_only = 1")
        eventually(lambda: "errant" in self.explained(), 10, "it is told")

        primary.kill()

        promoted = eventually(
            lambda: next((s for s in [first, *others] if s.is_writable()), None), 20, "another one takes writes"
        )
        record = self.recovery(primary)
        self.assertIsNot(promoted, first)
        reason = next(c["reason"] for c in record["candidates"] if c["id"] == first.address)
        self.assertIn("it has errant transactions", reason)
        for server in (first, *others):
            if server is not promoted:
                self.follows(server, promoted)
        self.write(promoted, 1, 2)
        wait_same_data([first, *others])
        self.assertEqual(writable_servers([first, *others]), [promoted])


def close_ring(topology):
    """The primary follows its first replica, too."""
    active, passive = topology["active"], topology["passive"]
    active.execute(active.flavour.replicate_from(passive.port), active.flavour.start_replica)
    eventually(lambda: active.source_port() == passive.port, 20, "the ring is closed")


PAIR = {"active": {"passive": {"below": {}}, "beside": {}}}


class CoPrimary(RecoveryTest):
    def test_mysql_active_dies(self):
        self._active_dies("mysql")

    def test_mariadb_active_dies(self):
        self._active_dies("mariadb")

    def test_mysql_one_of_two_writable_dies(self):
        self._active_dies("mysql", both=True)

    def test_mysql_passive_dies(self):
        self._passive_dies("mysql")

    def test_mariadb_passive_dies(self):
        self._passive_dies("mariadb")

    def _active_dies(self, flavour, both=False):
        def ready(topology):
            close_ring(topology)
            if both:
                topology["passive"].execute("SET GLOBAL read_only=0")

        self.start(flavour, PAIR, ready=ready)
        active, passive, below, beside = (self.topology[n] for n in ("active", "passive", "below", "beside"))
        self.write(active, 1, 2, 3)
        if both:
            self.write(passive, 11, 12)
        wait_same_data(self.topology.servers)

        active.kill()

        eventually(lambda: passive.is_writable(), 20, "the other one takes writes")
        self.follows(beside, passive)
        self.follows(below, passive)
        record = self.recovery(active)
        self.assertEqual(record["successor"], passive.address)
        self.assertTrue(all(candidate["reason"] for candidate in record["candidates"]), record["candidates"])
        eventually(lambda: passive.replication() is None, 10, "it has forgotten the dead one")
        self.write(passive, 4)
        wait_same_data([passive, below, beside])

        active.restart()
        eventually(lambda: not active.is_writable(), 20, "the old one is kept from writes")
        self.assertEqual(writable_servers(self.topology.servers), [passive])

    def _passive_dies(self, flavour):
        self.start(flavour, PAIR, ready=close_ring)
        active, passive, below, beside = (self.topology[n] for n in ("active", "passive", "below", "beside"))
        self.write(active, 1)

        passive.kill()

        eventually(lambda: below.source_port() in (active.port, beside.port), 30, "its replica is moved")
        record = self.recovery(passive)
        self.assertEqual(record["kind"], "dead intermediate source")
        self.write(active, 2)
        wait_same_data([active, below, beside])
        self.assertEqual(writable_servers([active, below, beside]), [active])
        self.assertEqual(int(active.replication()["source_port"]), passive.port, "it waits for its partner")


class Intermediate(RecoveryTest):
    """Its replicas are in a data centre where nobody else is."""

    TREE = {"top": {"far": {"far1": {}, "far2": {}, "far3": {}}}}

    def test_mysql(self):
        self._local_source("mysql")

    def test_mariadb(self):
        self._local_source("mariadb")

    def _local_source(self, flavour):
        def settings(topology):
            ports = ",".join(str(server.port) for server in topology.servers if server.name != "top")
            return {"discovery": {"poll_interval": "1s", "data_center_query": WEST.format(ports=ports)}}

        self.start(flavour, self.TREE, settings=settings)
        top, far = self.topology["top"], self.topology["far"]
        left = [self.topology[name] for name in ("far1", "far2", "far3")]
        self.write(top, 1)

        far.kill()

        record = self.recovery(far)
        local = next(server for server in left if server.address == record["successor"])
        self.follows(local, top)
        for server in left:
            if server is not local:
                self.follows(server, local)
        self.assertIn("local source", json.dumps(record["steps"]) + json.dumps(record["candidates"]) + record["summary"])
        self.write(top, 2)
        wait_same_data([top, *left])
        self.assertEqual(writable_servers([top, *left]), [top])

    def test_mysql_stopped_by_an_operator_stays_stopped(self):
        def ready(topology):
            topology["far2"].execute("STOP REPLICA")
            topology["far3"].execute("STOP REPLICA SQL_THREAD")

        self.start("mysql", self.TREE, ready=ready)
        self._stopped_stay_stopped()

    def test_mariadb_stopped_by_an_operator_stays_stopped(self):
        def ready(topology):
            topology["far2"].execute("STOP SLAVE")
            topology["far3"].execute("STOP SLAVE SQL_THREAD")

        self.start("mariadb", self.TREE, ready=ready)
        self._stopped_stay_stopped()

    def _stopped_stay_stopped(self):
        top, far = self.topology["top"], self.topology["far"]
        self.write(top, 1)

        far.kill()

        self.follows(self.topology["far1"], top)
        record = self.recovery(far)
        self.assertEqual(record["lost"], [], record)
        states = {name: self.topology[name].replication() for name in ("far2", "far3")}
        for name, state in states.items():
            self.assertEqual(int(state["source_port"]), top.port, name)
            self.assertEqual(state["applier"], "No", name)
        self.assertEqual(states["far2"]["receiver"], "No")
        self.assertEqual(states["far3"]["receiver"], "Yes")
        for name in ("far2", "far3"):
            server = self.topology[name]
            server.execute(server.flavour.start_replica)
        wait_same_data([top, *(self.topology[name] for name in ("far1", "far2", "far3"))])


class GroupMember(RecoveryTest):
    """A group with replicas outside: when the member that they follow dies, they follow the group's primary."""

    def test_member_dies(self):
        self._dies(1)

    def test_primary_member_dies(self):
        self._dies(0)

    def _dies(self, number):
        self.need("mysql")
        self.topology = self.lab.managed_group()
        members, replicas = self.topology.servers[:3], self.topology.servers[3:]
        if number != 1:
            for replica in replicas:
                replica.execute(
                    "STOP REPLICA", replica.flavour.replicate_from(members[number].port), "START REPLICA"
                )
                self.follows(replica, members[number])
        self.watch()

        members[number].kill()

        living = [member for member in members if member is not members[number]]
        primary = eventually(
            lambda: next((m for m in living if m.is_writable()), None), 30, "the group has a primary"
        )
        for replica in replicas:
            eventually(
                lambda replica=replica: replica.source_port() in {m.port for m in living}, 40, f"{replica} is moved"
            )
        record = self.recovery(members[number])
        self.assertEqual(record["code"], "DeadReplicationGroupMemberWithReplicas")
        self.assertNotIn("promote", {step["kind"] for step in record["steps"]}, "nobody is promoted")
        if number == 1:
            for replica in replicas:
                self.follows(replica, primary)
        self.write(primary, 1)
        wait_same_data([*living, *replicas])


class SemiSync(RecoveryTest):
    SETTINGS = {
        "recovery": {"semi_sync": {"repair": True, "least_wait": 1}},
        "policies": {"rules": [{"match": {"clusters": ["*"]}, "set": {"semi_sync": {"locked_after": "2s"}}}]},
    }

    def test_mysql_gets_another_acknowledger(self):
        self._another("mysql")

    def test_mariadb_gets_another_acknowledger(self):
        self._another("mariadb")

    def _another(self, flavour):
        self.start(flavour, 3, semi_sync=True, ready=self._only_the_first, settings=self.SETTINGS)
        primary, first, *others = self.topology.servers
        writer = self.lab.writer(self.topology)

        first.kill()
        killed = time.monotonic()

        if flavour == "mariadb":
            # Its source does not take a connection for an acknowledgement of what the replica has already: what hangs
            # goes on after rpl_semi_sync_master_timeout.
            self.recovery(primary)
            self.assertEqual([self.acknowledges(server) for server in others], [True, False], "one was missing")
            return
        eventually(
            lambda: any(ack.port == primary.port and ack.acknowledged > killed + 0.5 for ack in writer.acks()),
            40, "commits go on",
        )
        writer.stop()
        record = self.recovery(primary)
        self.assertEqual(record["code"], "LockedSemiSyncMaster")
        self.assertEqual([self.acknowledges(server) for server in others], [True, False], "one was missing")
        self.assertEqual(writable_servers([primary, *others]), [primary])

    def test_mysql_waits_for_fewer_when_the_policy_allows_it(self):
        def ready(topology):
            topology.primary.execute("SET GLOBAL rpl_semi_sync_source_wait_for_replica_count=2")

        self.start("mysql", 2, semi_sync=True, ready=ready, settings=self.SETTINGS)
        primary, first, _ = self.topology.servers
        writer = self.lab.writer(self.topology)

        first.kill()
        killed = time.monotonic()

        eventually(
            lambda: any(ack.port == primary.port and ack.acknowledged > killed + 0.5 for ack in writer.acks()),
            40, "commits go on",
        )
        writer.stop()
        record = self.recovery(primary)
        self.assertEqual(primary.value("SELECT @@rpl_semi_sync_source_wait_for_replica_count"), 1)
        self.assertIn("on 1 instead of 2 replicas", record["loss"])

    def test_mysql_off_by_default(self):
        policies = {"policies": self.SETTINGS["policies"]}
        self.start("mysql", 2, semi_sync=True, ready=self._only_the_first, settings=policies)
        primary, first, other = self.topology.servers
        writer = self.lab.writer(self.topology)

        first.kill()

        entry = eventually(lambda: self.blocked(primary), 40, "it is said why nothing is done")
        self.assertIn("recovery.semi_sync.repair is off", json.dumps(entry) + self.explained())
        self.assertFalse(self.acknowledges(other))
        writer.stop()

    def _only_the_first(self, topology):
        for server in topology.replicas[1:]:
            name = "replica" if server.flavour.name == "mysql" else "slave"
            word = "REPLICA" if server.flavour.name == "mysql" else "SLAVE"
            server.execute(
                f"SET GLOBAL rpl_semi_sync_{name}_enabled=0", f"STOP {word} IO_THREAD", f"START {word} IO_THREAD"
            )
            self.follows(server, topology.primary)

    @staticmethod
    def acknowledges(server):
        name = "replica" if server.flavour.name == "mysql" else "slave"
        rows = server.rows(f"SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_{name}_status'")
        return bool(rows) and rows[0]["Value"] == "ON"


class ReadOnlyPrimary(RecoveryTest):
    def test_mysql(self):
        self._made_writable("mysql")

    def test_mariadb(self):
        self._made_writable("mariadb")

    def _made_writable(self, flavour):
        self.start(
            flavour, 2,
            settings={"recovery": {"make_primary_writable": True, "make_writable_after": "2s"}},
        )
        primary = self.topology.primary

        primary.execute("SET GLOBAL read_only=1")

        eventually(lambda: primary.is_writable(), 20, "it is made writable")
        self.recovery(primary)

        # Somebody wants it so: once is enough.
        primary.execute("SET GLOBAL read_only=1")
        entry = eventually(lambda: self.blocked(primary), 20, "it is said why it stays read-only")
        self.assertIn("somebody wants it read-only", json.dumps(entry) + self.explained())
        self.assertFalse(primary.is_writable())

    def test_mysql_off_by_default(self):
        self.start("mysql", 1)
        primary = self.topology.primary
        primary.execute("SET GLOBAL read_only=1")
        time.sleep(8)
        self.assertFalse(primary.is_writable())
        self.assertIn("recovery.make_primary_writable is off", json.dumps(self.blocked(primary)) + self.explained())


class LeftStopped(RecoveryTest):
    """A replica hangs in the middle of a recovery that fails: its receiver is started when it answers again."""

    def test_mysql(self):
        self._restarted("mysql")

    def test_mariadb(self):
        self._restarted("mariadb")

    def _restarted(self, flavour):
        def settings(topology):
            process = topology.replicas[1].process.pid
            return {
                "recovery": {
                    "step_limit": "1s",
                    # It runs while the receivers are being stopped, and then forbids the recovery.
                    "hooks": {"pre_failover": [f"sleep 1; kill -STOP {process}; exit 1"]},
                }
            }

        self.start(flavour, 2, settings=settings)
        primary, _, hanging = self.topology.servers
        primary.kill()
        self.recovery(primary, state="failed", within=60)
        self.assertEqual(writable_servers(self.topology.replicas[:1]), [])

        hanging.process.signal(signal.SIGCONT)
        if hanging.replication()["receiver"] == "No":
            eventually(lambda: hanging.replication()["receiver"] != "No", 30, "its receiver is started")
        primary.restart()
        self.follows(hanging, primary, within=60)


class Delayed(RecoveryTest):
    """The only replica lags on purpose: its delay is ended, and nothing that it has received is lost."""

    def test_mysql(self):
        self._promoted("mysql")

    def test_mariadb(self):
        self._promoted("mariadb")

    def _promoted(self, flavour):
        def ready(topology):
            replica = topology.replicas[0]
            if flavour == "mysql":
                replica.execute(
                    "STOP REPLICA SQL_THREAD", "CHANGE REPLICATION SOURCE TO SOURCE_DELAY=600", "START REPLICA"
                )
            else:
                replica.execute("STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY=600", "START SLAVE")
            eventually(lambda: replica.source_port() == topology.primary.port, 20, "it replicates")

        self.start(flavour, 1, ready=ready)
        primary, replica = self.topology.servers
        self.write(primary, *range(1, 21))
        time.sleep(1)
        self.assertEqual(replica.ledger(), set())

        primary.kill()

        eventually(lambda: replica.is_writable(), 40, "it takes over")
        self.assertEqual(replica.ledger(), set(range(1, 21)), "nothing received is lost")
        record = self.recovery(primary)
        self.assertIn("without its delay", json.dumps(record["steps"]))
