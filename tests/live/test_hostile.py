# SPDX-License-Identifier: Apache-2.0
"""Servers and clients that mean harm, or have gone mad: nothing crashes, nothing is let in, the others are served."""

import contextlib
import os
import pathlib
import random
import resource
import socket
import socketserver
import struct
import threading
import time

from lab import active_node, eventually, wait_one_primary
from lab.case import LiveTest

TIMEOUT = 180

POISON = "<script>alert(1)</script>'\"`;$(touch /tmp/pwned)\\\0\n%s%n\xff"


class MadServer(socketserver.ThreadingTCPServer):
    """Accepts connections as a MySQL server would, and then behaves as `manner` says."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, manner):
        self.manner = manner
        self.connections = 0
        super().__init__(("127.0.0.1", 0), _Session)
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.server_address[1]}"


class _Session(socketserver.BaseRequestHandler):
    def handle(self):
        self.server.connections += 1
        with contextlib.suppress(OSError, EOFError):
            getattr(self, self.server.manner)()

    # --- the wire, as far as needed ---

    def packet(self, number, payload):
        self.request.sendall(struct.pack("<I", len(payload))[:3] + bytes([number]) + payload)

    def read(self, count):
        data = b""
        while len(data) < count:
            piece = self.request.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def read_packet(self):
        header = self.read(4)
        return self.read(int.from_bytes(header[:3], "little"))

    def greet(self, version=b"10.11.6-MariaDB"):
        capabilities = 0x0001 | 0x0004 | 0x0008 | 0x0200 | 0x2000 | 0x8000 | 0x00020000 | 0x00080000
        self.packet(0, b"\x0a" + version + b"\0" + struct.pack("<I", 7) + b"A" * 8 + b"\0"
                    + struct.pack("<H", capabilities & 0xFFFF) + b"\x21" + struct.pack("<H", 2)
                    + struct.pack("<H", capabilities >> 16) + b"\x15" + b"\0" * 10 + b"B" * 12 + b"\0"
                    + b"mysql_native_password\0")
        self.read_packet()
        self.ok(2)

    def ok(self, number=1):
        self.packet(number, b"\x00\x00\x00\x02\x00\x00\x00")

    def result(self, columns, rows):
        number = 1
        self.packet(number, bytes([len(columns)]))
        for name in columns:
            number += 1
            text = name.encode("utf-8", "surrogateescape")[:200]
            self.packet(number, b"\x03def\x00\x00\x00" + bytes([len(text)]) + text + b"\x00\x0c\x21\x00\xff\xff\x00\x00\xfd\x00\x00\x00\x00\x00")
        number += 1
        self.packet(number, b"\xfe\x00\x00\x02\x00")
        for row in rows:
            number = (number + 1) % 256
            payload = b""
            for value in row:
                text = value.encode("utf-8", "surrogateescape")[:200]
                payload += bytes([len(text)]) + text
            self.packet(number, payload)
        self.packet((number + 1) % 256, b"\xfe\x00\x00\x02\x00")

    def commands(self):
        while True:
            yield self.read_packet()

    # --- manners ---

    def never(self):
        time.sleep(600)

    def garbage(self):
        self.request.sendall(random.Random(7).randbytes(4096))

    def half_a_greeting(self):
        self.request.sendall(b"\x4a\x00\x00\x00\x0a10.11.6-Mar")

    def huge_greeting(self):
        self.request.sendall(b"\xff\xff\xff\x00" + b"\x0a" + b"9" * 200)
        for _ in range(2000):
            self.request.sendall(b"9" * 8192)

    def hangs_up(self):
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def poisoned_error(self):
        self.greet()
        for _ in self.commands():
            self.packet(1, b"\xff\x51\x04#HY000" + POISON.encode("utf-8", "surrogateescape"))

    def wrong_columns(self):
        self.greet(b"10.11.6-MariaDB-<b>&'\"")
        for _ in self.commands():
            self.result([POISON, "", "Master_Host"], [[POISON, "", POISON]] * 3)

    def only_ok(self):
        self.greet()
        for _ in self.commands():
            self.ok()

    def endless_rows(self):
        self.greet()
        for _ in self.commands():
            self.result(["a"], (["x" * 200] for _ in range(2_000_000)))

    def endless_packet(self):
        self.greet()
        for _ in self.commands():
            self.request.sendall(b"\xff\xff\xff\x01\x01")
            for _ in range(100_000):
                self.request.sendall(b"\0" * 8192)

    def half_an_answer(self):
        self.greet()
        for _ in self.commands():
            self.request.sendall(b"\x01\x00\x00\x01\x05\x20\x00\x00\x02\x03def")
            time.sleep(600)


MANNERS = [name for name in vars(_Session) if not name.startswith("_") and name not in
           ("handle", "packet", "read", "read_packet", "greet", "ok", "result", "commands")]


def resident_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    raise LookupError("no VmRSS")


class MadServers(LiveTest):
    def test_healthy_ones_are_observed_and_recovered(self):
        topology = self.lab.topology("mariadb", 2)
        mad = [MadServer(manner) for manner in MANNERS]
        for server in mad:
            self.addCleanup(server.shutdown)
        nodes = self.lab.nodes(
            self.lab.backend(), [topology.seed, *(server.address for server in mad)], count=1,
            settings={"discovery": {"poll_interval": "250ms"}},
        )
        node = nodes[0]

        def healthy_known():
            instances = node.instances()
            return all(instances.get(s.port, {}).get("IsLastCheckValid") for s in topology.servers)

        eventually(healthy_known, 20, "the healthy topology is found")
        for server in mad:
            eventually(lambda server=server: server.connections > 0, 20, f"{server.manner} was tried")
        time.sleep(5)
        self.assertTrue(node.process.alive())
        self.assertTrue(healthy_known())
        self.assertLess(resident_mib(node.process.pid), 400)
        self.assertFalse(os.path.exists("/tmp/pwned"))
        for path in ("/api/all-instances", "/api/clusters-info", "/api/v1/clusters", "/api/audit", "/api/problems"):
            node.json(path)

        topology.primary.kill()

        wait_one_primary(topology.replicas)


class Http(LiveTest):
    def test_random_bytes_and_idle_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 10_000
        if hard < wanted + 500:
            self.skipTest(f"only {hard} open files are allowed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, wanted + 500), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        topology = self.lab.topology("mariadb", 1)
        nodes = self.lab.nodes(self.lab.backend(), [topology.seed], count=1)
        node = active_node(nodes)
        eventually(lambda: node.knows(topology.servers), 15, "the topology is found")

        source = random.Random(1)
        for length in (1, 7, 100, 5000, 70_000):
            for start in (b"", b"GET /", b"GET / HTTP/1.1\r\nHost: ", b"POST /api/x HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", node.port), 5) as client:
                    client.sendall(start + source.randbytes(length))
        idle = []
        self.addCleanup(lambda: [client.close() for client in idle])
        for number in range(wanted):
            with contextlib.suppress(OSError):
                idle.append(socket.create_connection(("127.0.0.1", node.port), 5))
            if number % 1000 == 0:
                self.assertEqual(node.get("/api/health", timeout=5)[0], 200, f"with {number} idle connections")

        self.assertTrue(node.process.alive())
        self.assertEqual(node.get("/api/health", timeout=5)[0], 200, "with all idle connections")
        self.assertTrue(node.knows(topology.servers))
        self.assertTrue(node.is_active(timeout=3))
