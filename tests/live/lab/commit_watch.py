# SPDX-License-Identifier: Apache-2.0
"""Watches all servers of a topology all the time, and proves afterwards that no two of them took writes at one time.

Runs as its own process, one thread per server, so that a server that hangs delays no look at the others:

    python3 -m lab.commit_watch LOG EVERY PORT...

Each look asks for read_only and tries a marked insert as an application would: over TCP, with an account that
read_only holds off. Its lines in LOG (times are CLOCK_MONOTONIC seconds, one clock for all processes):

    flags PORT SENT RECEIVED READ_ONLY SUPER_READ_ONLY      an answer
    commit NUMBER PORT SENT ACKNOWLEDGED                    the insert was acknowledged
    denied PORT SENT RECEIVED ERROR                         it was answered with this error
    silent PORT SENT GAVE_UP                                no connection or no answer
"""

import pathlib
import sys
import threading
import time
import typing

import pymysql

from .flavour import WRITER_PASSWORD, WRITER_USER
from .process import Process
from .writer import Ack

PATIENCE = 1.0  # seconds for a connection or an answer
FIRST_NUMBER = 10**12  # above all numbers of the writer
PER_SERVER = 10**8


class Flags(typing.NamedTuple):
    port: int
    sent: float
    received: float
    read_only: bool
    super_read_only: bool


class Writable(typing.NamedTuple):
    """A server was certainly not read-only from `since` to `until`."""

    port: int
    since: float
    until: float


class Return(typing.NamedTuple):
    """A server acknowledged writes again after another one had: `count` of them, from `since` to `until`."""

    port: int
    other: int
    since: float
    until: float
    count: int

    @property
    def seconds(self):
        return self.until - self.since


class CommitWatch:
    """The process as the lab sees it, and what follows from its log."""

    def __init__(self, folder, ports, every=0.02):
        self.log = folder / "watched"
        self._ports = list(ports)
        self._every = every
        self._output = folder / "watch.log"
        self.process = None

    def start(self):
        self.log.touch()
        self.process = Process.spawn(
            "watch",
            [sys.executable, "-m", "lab.commit_watch", self.log, self._every, *self._ports],
            self._output,
            cwd=pathlib.Path(__file__).resolve().parents[1],
        )

    def stop(self):
        self.process.terminate(5)

    def records(self):
        """(kind, fields) of all complete lines."""
        with open(self.log, encoding="ascii") as file:
            for line in file:
                if line.endswith("\n"):
                    kind, *fields = line.split()
                    yield kind, fields

    def commits(self):
        return [
            Ack(int(number), int(port), float(sent), float(acknowledged))
            for kind, (number, port, sent, acknowledged) in self._of("commit")
        ]

    def flags(self):
        return [
            Flags(int(port), float(sent), float(received), read_only == "1", super_read_only == "1")
            for kind, (port, sent, received, read_only, super_read_only) in self._of("flags")
        ]

    def denials(self, port):
        """Error numbers with which the server refused marked writes, and how often each."""
        counts = {}
        for _, fields in self._of("denied"):
            if int(fields[0]) == port:
                counts[int(fields[3])] = counts.get(int(fields[3]), 0) + 1
        return counts

    def _of(self, wanted):
        return ((kind, fields) for kind, fields in self.records() if kind == wanted)

    def writable_spans(self):
        """What the flags prove: between two answers "not read-only" without any other outcome between them."""
        spans, open_spans = [], {}

        def end(port):
            span = open_spans.pop(port, None)
            if span is not None and span.until > span.since:
                spans.append(span)

        for kind, fields in self.records():
            if kind == "flags" and fields[3] == "0" and fields[4] == "0":
                port, sent, received = int(fields[0]), float(fields[1]), float(fields[2])
                since = open_spans[port].since if port in open_spans else received
                open_spans[port] = Writable(port, since, max(sent, since))
            elif kind in ("flags", "silent"):
                end(int(fields[0]))
        for port in list(open_spans):
            end(port)
        return sorted(spans, key=lambda span: span.since)


def both_writable(spans, excused=()):
    """Pairs of servers that were writable at one instant. excused: ports that the guarantees leave out."""
    found = []
    for number, first in enumerate(spans):
        for second in spans[number + 1 :]:
            if first.port != second.port and second.since < first.until and first.since < second.until:
                if first.port not in excused and second.port not in excused:
                    found.append((first, second))
    return found


def returns(commits):
    """Proofs that two servers took writes at one time: the first one acknowledged some after the second one had.

    A commit happens somewhere between being sent and being acknowledged; only what holds for every such moment counts.
    With one change of the primary the true order is: all commits of the old one, then all of the new one.
    """
    by_port = {}
    for commit in commits:
        by_port.setdefault(commit.port, []).append(commit)
    first_of = {port: min(c.acknowledged for c in theirs) for port, theirs in by_port.items()}
    found = []
    for port, own in by_port.items():
        for other, theirs in by_port.items():
            later = [c.acknowledged for c in theirs if c.sent > first_of[port]]
            if other == port or not later or first_of[other] < first_of[port]:
                continue
            again = [c for c in own if c.sent > min(later)]
            if again:
                found.append(
                    Return(port, other, min(c.sent for c in again), max(c.acknowledged for c in again), len(again))
                )
    return found


# --- the process ---------------------------------------------------------------------------------------------------


class _Log:
    def __init__(self, path):
        self._file = open(path, "a", encoding="ascii")
        self._lock = threading.Lock()

    def line(self, kind, *fields):
        text = " ".join(f"{field:.6f}" if isinstance(field, float) else str(int(field)) for field in fields)
        with self._lock:
            self._file.write(f"{kind} {text}\n")
            self._file.flush()


class _Look:
    def __init__(self, log, port, every):
        self._log = log
        self._port = port
        self._every = every
        self._number = FIRST_NUMBER + port * PER_SERVER
        self._connection = None
        self._question = "SELECT @@global.read_only, @@global.super_read_only"

    def run(self):
        while True:
            sent = time.monotonic()
            try:
                self._look()
            except (pymysql.Error, OSError):
                self._log.line("silent", self._port, sent, time.monotonic())
                self._drop()
            time.sleep(self._every)

    def _look(self):
        if self._connection is None:
            self._connection = pymysql.connect(
                host="127.0.0.1", port=self._port, user=WRITER_USER, password=WRITER_PASSWORD,
                connect_timeout=PATIENCE, read_timeout=PATIENCE, write_timeout=PATIENCE, autocommit=True,
            )
        with self._connection.cursor() as cursor:
            sent = time.monotonic()
            row = self._flags(cursor)
            self._log.line("flags", self._port, sent, time.monotonic(), *row)
            self._number += 1
            sent = time.monotonic()
            try:
                cursor.execute(f"INSERT INTO app.ledger (n, written_by) VALUES ({self._number}, {self._port})")
            except pymysql.Error as error:
                number = error.args[0] if error.args else 0
                if 2000 <= number < 3000 or number == 0:
                    raise
                self._log.line("denied", self._port, sent, time.monotonic(), number)
            else:
                self._log.line("commit", self._number, self._port, sent, time.monotonic())

    def _flags(self, cursor):
        try:
            cursor.execute(self._question)
        except pymysql.Error as error:
            if error.args[0] != 1193:  # no such variable: MariaDB
                raise
            self._question = "SELECT @@global.read_only, 0"
            cursor.execute(self._question)
        return cursor.fetchone()

    def _drop(self):
        if self._connection is not None:
            try:
                self._connection.close()
            except (pymysql.Error, OSError):
                pass  # it was broken; closing it can only say so again
            self._connection = None


def main():
    path, every, *ports = sys.argv[1:]
    log = _Log(path)
    threads = [
        threading.Thread(target=_Look(log, int(port), float(every)).run, daemon=True, name=f"watch {port}")
        for port in ports
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
