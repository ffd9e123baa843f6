# SPDX-License-Identifier: Apache-2.0
"""A TCP gate between the nodes and their backend, which knows the statements of the lease.

    python3 gate.py CONTROL-PORT LISTEN-PORT:TARGET-PORT:NAME...

NAME is "node1/db2". The control port takes one JSON object a line and answers each with one line:

    {"add": ID, "mode": "drop", "names": ["node1/"], "kinds": ["renew"], "times": 1, "delay": 0.5}
    {"remove": ID}                        the answer has how many statements or connections the rule has hit
    {"aim": [PORT], "target": PORT}       connections to these ports go to another server from now on

Modes. drop: nothing passes in either direction, nothing is refused, and what was held back passes afterwards. reset: all
connections are reset, new ones too. slow: everything takes `delay` seconds longer in each direction. The others wait for
`times` statements of the kinds. lose: it is executed, and the answer kept back. late: it is passed on after `delay`
seconds, also when the client has given up. after_grab: it is passed on after a grab of somebody else was answered, or
after `delay`. half: half of it is passed on, the rest never. half_answer: the same with its answer.
"""

import asyncio
import contextlib
import json
import socket
import struct
import sys
import time

KINDS = (
    (b"UPDATE baton_lease SET counter=counter+1, released=1", "release"),
    (b"BEGIN; UPDATE baton_lease", "fenced"),
    (b"UPDATE baton_lease SET holder=", "grab"),
    (b"UPDATE baton_lease SET counter=counter+1 WHERE", "renew"),
    (b"SELECT epoch, holder, counter, duration_ms", "look"),
    (b"UPDATE baton_node", "beat"),
)
QUERY = 3  # COM_QUERY


def kind_of(packet):
    """packet: with its header of four bytes."""
    if len(packet) < 6 or packet[3] != 0 or packet[4] != QUERY:
        return None
    text = bytes(packet[5:120])
    return next((kind for mark, kind in KINDS if mark in text), "other")


class Rule:
    def __init__(self, spec):
        self.mode = spec["mode"]
        self.names = spec.get("names", [""])
        self.kinds = spec.get("kinds", [])
        self.left = spec.get("times", 1)
        self.delay = spec.get("delay", 0.0)
        self.hits = 0
        self.ended = asyncio.Event()

    def covers(self, name):
        return any(name.startswith(prefix) for prefix in self.names)

    def take(self, name, kind):
        """Whether this statement is one that it waits for."""
        if self.left <= 0 or kind not in self.kinds or not self.covers(name):
            return False
        self.left -= 1
        self.hits += 1
        return True


class Link:
    """One connection of a node to a server."""

    def __init__(self, gate, name, port, client, server):
        self.gate = gate
        self.name = name
        self.port = port
        self.client_reader, self.client = client
        self.server_reader, self.server = server
        self.client_gone = False
        self.keep_answers = False
        self.half_answer = False
        self.last_kind = None

    async def run(self):
        up = asyncio.create_task(self._up())
        down = asyncio.create_task(self._down())
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            if up.done() and self.client_gone and not down.done():
                # What was passed on is executed although nobody waits for the answer any more.
                await asyncio.wait({down}, timeout=0.05)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            self._close(self.client)
            self._close(self.server)

    def abort(self):
        for writer in (self.client, self.server):
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            writer.transport.abort()

    @staticmethod
    def _close(writer):
        with contextlib.suppress(OSError, RuntimeError):
            writer.close()

    async def _up(self):
        buffered = bytearray()
        try:
            while True:
                data = await self.client_reader.read(65536)
                if not data:
                    self.client_gone = True
                    return
                buffered += data
                while len(buffered) >= 4:
                    size = 4 + int.from_bytes(buffered[:3], "little")
                    if len(buffered) < size:
                        break
                    packet = bytes(buffered[:size])
                    del buffered[:size]
                    await self._pass_up(packet)
        except OSError:
            self.client_gone = True

    async def _pass_up(self, packet):
        kind = kind_of(packet)
        await self.gate.pause(self.name)
        if kind is not None:
            self.last_kind = kind
            self.half_answer = False
            for rule in list(self.gate.rules.values()):
                if rule.mode in STATEMENT_MODES and rule.take(self.name, kind):
                    self.gate.tell(f"{self.name}: {rule.mode} {kind}")
                    await STATEMENT_MODES[rule.mode](self, rule, packet)
                    return
        await self._send(packet)

    async def _send(self, packet):
        self.server.write(packet)
        await self.server.drain()

    async def _lose(self, _rule, packet):
        self.keep_answers = True
        await self._send(packet)

    async def _late(self, rule, packet):
        await asyncio.sleep(rule.delay)
        await self._send(packet)
        self.gate.tell(f"{self.name}: late {self.last_kind} is passed on")
        await asyncio.sleep(0.5)  # also when the client has gone: until it is executed

    async def _after_grab(self, rule, packet):
        grabs = self.gate.grabs
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.gate.wait_grab(grabs, self.name), rule.delay)
        await self._send(packet)
        self.gate.tell(f"{self.name}: {self.last_kind} is passed on after another's grab")
        await asyncio.sleep(0.5)

    async def _half(self, _rule, packet):
        await self._send(packet[: len(packet) // 2])
        await self.client_reader.read(1)  # until the client gives up
        await asyncio.sleep(1.0)
        self.abort()

    async def _half_answer(self, _rule, packet):
        self.half_answer = True
        await self._send(packet)

    async def _down(self):
        with contextlib.suppress(OSError):
            while True:
                data = await self.server_reader.read(65536)
                if not data:
                    return
                await self.gate.pause(self.name)
                if self.last_kind == "grab":
                    self.gate.grab_answered(self.name)
                if self.keep_answers:
                    continue
                if self.half_answer:
                    data = data[: max(1, len(data) // 2)]
                    self.keep_answers = True
                self.client.write(data)
                await self.client.drain()


STATEMENT_MODES = {
    "lose": Link._lose,
    "late": Link._late,
    "after_grab": Link._after_grab,
    "half": Link._half,
    "half_answer": Link._half_answer,
}


class Gate:
    def __init__(self):
        self.rules = {}
        self.links = set()
        self.grabs = 0
        self._last_grab = ""
        self._grab = asyncio.Event()
        self.aims = {}  # listening port -> target port

    @staticmethod
    def tell(text):
        print(f"{time.clock_gettime(time.CLOCK_MONOTONIC):.6f} {text}", flush=True)

    async def pause(self, name):
        """Holds what passes while a rule says so."""
        slow = 0.0
        for rule in list(self.rules.values()):
            if rule.mode == "drop" and rule.covers(name):
                rule.hits += 1
                await rule.ended.wait()
            elif rule.mode == "slow" and rule.covers(name):
                rule.hits += 1
                slow = max(slow, rule.delay)
        if slow:
            await asyncio.sleep(slow)

    def grab_answered(self, name):
        self.grabs += 1
        self._last_grab = name
        self._grab.set()
        self._grab = asyncio.Event()

    async def wait_grab(self, before, name):
        while self.grabs == before or self._last_grab.partition("/")[0] == name.partition("/")[0]:
            await self._grab.wait()

    def refuses(self, name):
        for rule in self.rules.values():
            if rule.mode == "reset" and rule.covers(name):
                rule.hits += 1
                return True
        return False

    async def serve(self, name, port, reader, writer):
        link = None
        try:
            if self.refuses(name):
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                writer.transport.abort()
                return
            await self.pause(name)
            try:
                server = await asyncio.open_connection("127.0.0.1", self.aims[port])
            except OSError:
                writer.transport.abort()
                return
            for end in (writer, server[1]):
                end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(self, name, port, (reader, writer), server)
            self.links.add(link)
            await link.run()
        finally:
            self.links.discard(link)

    def add(self, number, spec):
        rule = Rule(spec)
        self.rules[number] = rule
        if rule.mode == "reset":
            for link in list(self.links):
                if rule.covers(link.name):
                    rule.hits += 1
                    link.abort()
        return {"ok": True}

    def remove(self, number):
        rule = self.rules.pop(number, None)
        if rule is None:
            return {"hits": 0}
        rule.ended.set()
        return {"hits": rule.hits}

    def aim(self, ports, target):
        """Leads listening ports to another server, and cuts the connections that they have."""
        for port in ports:
            self.aims[port] = target
        for link in list(self.links):
            if link.port in ports:
                link.abort()
        return {"ok": True}

    async def control(self, reader, writer):
        while line := await reader.readline():
            order = json.loads(line)
            if "add" in order:
                answer = self.add(order["add"], order)
            elif "aim" in order:
                answer = self.aim(order["aim"], order["target"])
            else:
                answer = self.remove(order["remove"])
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()


async def main(arguments):
    gate = Gate()
    servers = [await asyncio.start_server(gate.control, "127.0.0.1", int(arguments[0]))]
    for text in arguments[1:]:
        port, target, name = text.split(":")
        gate.aims[int(port)] = int(target)
        servers.append(
            await asyncio.start_server(
                lambda r, w, name=name, port=int(port): gate.serve(name, port, r, w), "127.0.0.1", int(port)
            )
        )
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
