# SPDX-License-Identifier: Apache-2.0
"""Schedules, the reading of evidence, and the gate, without any server."""

import asyncio
import contextlib
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import evidence  # noqa: E402
import gate  # noqa: E402
import schedule  # noqa: E402
from check import Lease, Span  # noqa: E402


class Schedules(unittest.TestCase):
    def test_a_seed_makes_the_same_again_and_another_one_another(self):
        def made(seed, name="galera"):
            return schedule.make(seed, name, {"galera"}, 3.0, 60.0)

        self.assertEqual(made(7), made(7))
        self.assertNotEqual(made(7), made(8))
        self.assertNotEqual(made(7), made(7, "galera+haproxy"))

    def test_every_fault_is_drawn_on_some_backend(self):
        drawn = set()
        for backend in ("single", "galera", "gr", "gr-multi", "active-passive"):
            kinds = schedule.kinds_of(backend)
            for seed in range(60):
                for events in schedule.make(seed, backend, kinds, 3.0, 60.0):
                    drawn.update(event.fault for event in events)
        self.assertEqual(set(schedule.BY_NAME) - drawn, set())

    def test_only_what_applies(self):
        names = {fault.name for fault in schedule.applicable(schedule.kinds_of("gr"))}
        self.assertIn("primary_change", names)
        self.assertNotIn("rivals", names)
        self.assertNotIn("failover_lag", names)
        for events in schedule.make(3, "single", {"single"}, 1.5, 60.0, ["stop", "row_lock"]):
            for event in events:
                self.assertIn(event.fault, ("stop", "row_lock"))
        with self.assertRaises(ValueError):
            schedule.make(3, "single", {"single"}, 1.5, 60.0, ["no_such_fault"])

    def test_faults_of_one_lane_follow_each_other(self):
        for seed in range(50):
            for events in schedule.make(seed, "single", {"single"}, 1.5, 60.0):
                nodes = [e for e in events if e.fault in schedule.BY_NAME and schedule.BY_NAME[e.fault].lane == "node"]
                for before, after in zip(nodes, nodes[1:]):
                    self.assertLess(before.at + before.length, after.at)


class Logs(unittest.TestCase):
    def test_spans(self):
        told = [("a", 5, 10.0, 13.0), ("a", 5, 11.0, 14.0), ("a", 0, 12.0, 0.0), ("a", 6, 20.0, 23.0)]
        self.assertEqual(
            evidence.spans_of("node1", told), [Span("node1", "a", 5, 10.0, 12.0), Span("node1", "a", 6, 20.0, 23.0)]
        )

    def test_a_span_ends_with_its_time_and_with_its_process(self):
        told = [("a", 5, 10.0, 13.0), ("b", 7, 20.0, 23.0)]
        self.assertEqual(
            evidence.spans_of("node1", told, [21.5]), [Span("node1", "a", 5, 10.0, 13.0), Span("node1", "b", 7, 20.0, 21.5)]
        )

    def test_a_lapse_between_two_renewals_is_a_gap(self):
        told = [("a", 5, 10.0, 13.0), ("a", 5, 15.0, 16.0)]
        self.assertEqual(
            evidence.spans_of("node1", told), [Span("node1", "a", 5, 10.0, 13.0), Span("node1", "a", 5, 15.0, 16.0)]
        )

    def test_lines_of_a_node(self):
        lines = [
            "2026-01-01T00:00:00.000Z debug trace: lease holder=n-1 epoch=5 from=10000000000 until=13000000000",
            "2026-01-01T00:00:00.000Z info something else",
            "2026-01-01T00:00:00.000Z debug trace: act server=h:1 connection=7 asked=11000000000 sql=SET GLOBAL a = b",
            "2026-01-01T00:00:00.000Z debug trace: write holder=n-1 epoch=5 seq=3 sent=11000000000 answered=11500000000"
            " result=written",
        ]
        spans, acts, writes = evidence.read_node("node1", lines, boot_ahead=1.0)
        self.assertEqual(spans, [Span("node1", "n-1", 5, 10.0, 13.0)])
        self.assertEqual((acts[0].asked, acts[0].sql), (12.0, "SET GLOBAL a = b"))
        self.assertEqual((writes[0].seq, writes[0].result), (3, "written"))

    def test_binary_log(self):
        text = """
BEGIN
/*!*/;
### UPDATE `baton`.`baton_lease`
### WHERE
###   @1=1
###   @2='node1-a'
###   @3=4
###   @4=9
###   @5=3000
###   @6=0
###   @7=0
###   @8=0
### SET
###   @1=1
###   @2='node1-a'
###   @3=5
###   @4=10
###   @5=3000
###   @6=1
###   @7=0
###   @8=0
### INSERT INTO `baton`.`baton_document`
### SET
###   @1='recovery'
###   @2='r1'
###   @3=0
###   @4=1
###   @5=5
###   @6=5497558138881
###   @7=0
###   @8='{"holder":"node1-a","epoch":5,"cluster_id":"c","state":"running","text":"it\\x27s \\x5c\\x5c \\x5c" \\\\""}'
COMMIT/*!*/;
BEGIN
### INSERT INTO `probe`.`probe`
### SET
###   @1='x'
COMMIT/*!*/;
BEGIN
### DELETE FROM `baton`.`baton_document`
### WHERE
###   @1='recovery'
ROLLBACK/*!*/;
"""
        commits = evidence.parse_binary_logs(text.splitlines())
        self.assertEqual(len(commits), 1)
        self.assertEqual(commits[0].lease, Lease("node1-a", 5, True))
        self.assertEqual(commits[0].documents[0].seq, (5 << 40) + 1)
        (key, recovery), = commits[0].recoveries
        self.assertEqual((key, recovery.holder, recovery.running), ("r1", "node1-a", True))

    def test_general_log(self):
        lines = [
            "/usr/sbin/mariadbd, Version: 10.11.6-MariaDB (x). started with:",
            "251126  1:02:03\t     7 Query\tSTOP SLAVE",
            "\t\t     8 Query\tSELECT 1",
            "/usr/sbin/mariadbd, Version: 10.11.6-MariaDB (x). started with:",
            "\t\t     7 Quit\t",
            "\t\t     7 Query\tSTART SLAVE",
        ]
        found = evidence.read_general_log("h:1", lines)
        self.assertEqual([(e.life, e.connection, e.sql) for e in found],
                         [(0, 7, "STOP SLAVE"), (0, 8, "SELECT 1"), (1, 7, "START SLAVE")])


def query(text):
    payload = b"\x03" + text.encode()
    return len(payload).to_bytes(3, "little") + b"\0" + payload


RENEW = query("UPDATE baton_lease SET counter=counter+1 WHERE anchor=1 AND epoch=5")
RELEASE = query("UPDATE baton_lease SET counter=counter+1, released=1 WHERE anchor=1")
GRAB = query("UPDATE baton_lease SET holder='a', epoch=6")
OTHER = query("SELECT 1")


class Gates(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.got = []  # what reached the server

        async def serve(reader, writer):
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    self.got.append(data)
                    writer.write(b"answer")
                    await writer.drain()
            writer.close()

        self.server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.gate = gate.Gate()
        self.gate.tell = lambda _text: None
        self.doors = {}
        for name in ("node1/db1", "node2/db1"):
            door = await asyncio.start_server(
                lambda r, w, name=name: self.gate.serve(name, 1, r, w), "127.0.0.1", 0
            )
            self.doors[name] = door
        self.gate.aims[1] = self.server.sockets[0].getsockname()[1]

    async def asyncTearDown(self):
        for link in list(self.gate.links):
            link.abort()
        for server in (self.server, *self.doors.values()):
            server.close()

    async def connect(self, name="node1/db1"):
        return await asyncio.open_connection("127.0.0.1", self.doors[name].sockets[0].getsockname()[1])

    async def ask(self, connection, packet, limit=0.3):
        """The answer, b"" at the end of the connection, None when there is none in time."""
        reader, writer = connection
        writer.write(packet)
        try:
            return await asyncio.wait_for(reader.read(100), limit)
        except asyncio.TimeoutError:
            return None
        except OSError:
            return b""

    async def until_got(self, data):
        for _ in range(300):
            if data in b"".join(self.got):
                return
            await asyncio.sleep(0.01)
        self.fail(f"{data!r} never reached the server, only {self.got}")

    def test_kinds(self):
        kinds = [gate.kind_of(packet) for packet in (RENEW, RELEASE, GRAB, OTHER, b"\1\0\0\1x", b"\1\0\0\0\1")]
        self.assertEqual(kinds, ["renew", "release", "grab", "other", None, None])
        self.assertEqual(gate.kind_of(query("BEGIN; UPDATE baton_lease SET counter=counter+1, doc_seq=3")), "fenced")

    async def test_lose_executes_one_and_keeps_the_answer_back(self):
        self.gate.add(1, {"mode": "lose", "kinds": ["renew"]})
        connection = await self.connect()
        self.assertEqual(await self.ask(connection, OTHER), b"answer")
        self.assertIsNone(await self.ask(connection, RENEW))
        await self.until_got(RENEW)
        self.assertEqual(await self.ask(await self.connect(), RENEW), b"answer")
        self.assertEqual(self.gate.remove(1), {"hits": 1})

    async def test_late_is_executed_after_the_client_gave_up(self):
        self.gate.add(1, {"mode": "late", "kinds": ["release"], "delay": 0.4})
        connection = await self.connect()
        self.assertIsNone(await self.ask(connection, RELEASE, 0.1))
        connection[1].close()
        self.assertEqual(self.got, [])
        await self.until_got(RELEASE)

    async def test_after_grab_waits_for_anothers(self):
        self.gate.add(1, {"mode": "after_grab", "kinds": ["grab"], "delay": 9, "names": ["node1/"]})
        first, second = await self.connect(), await self.connect("node2/db1")
        self.assertIsNone(await self.ask(first, GRAB, 0.1))
        self.assertEqual(self.got, [])
        theirs = GRAB.replace(b"'a'", b"'b'")
        self.assertEqual(await self.ask(second, theirs), b"answer")
        await self.until_got(GRAB)
        self.assertEqual(self.got, [theirs, GRAB])

    async def test_half_of_a_statement_and_of_an_answer(self):
        self.gate.add(1, {"mode": "half", "kinds": ["renew"]})
        await self.ask(await self.connect(), RENEW)  # this server answers anything
        self.assertEqual(self.got, [RENEW[: len(RENEW) // 2]])
        self.gate.add(2, {"mode": "half_answer", "kinds": ["grab"]})
        self.assertEqual(await self.ask(await self.connect(), GRAB), b"ans")

    async def test_drop_holds_and_then_lets_pass(self):
        connection = await self.connect()
        self.assertEqual(await self.ask(connection, OTHER), b"answer")
        self.gate.add(1, {"mode": "drop", "names": ["node1/"]})
        self.assertIsNone(await self.ask(connection, RENEW, 0.1))
        self.assertEqual(await self.ask(await self.connect("node2/db1"), OTHER), b"answer")
        self.gate.remove(1)
        self.assertEqual(await asyncio.wait_for(connection[0].read(100), 1), b"answer")

    async def test_reset_and_another_aim(self):
        connection = await self.connect()
        self.assertEqual(await self.ask(connection, OTHER), b"answer")
        self.gate.add(1, {"mode": "reset"})
        self.assertEqual(await self.ask(connection, OTHER), b"")
        self.assertEqual(await self.ask(await self.connect(), OTHER), b"")
        self.gate.remove(1)
        connection = await self.connect()
        self.assertEqual(await self.ask(connection, OTHER), b"answer")
        self.gate.aim([1], 1)  # nobody listens there
        self.assertEqual(await self.ask(connection, OTHER), b"")


if __name__ == "__main__":
    unittest.main()
