# SPDX-License-Identifier: Apache-2.0
"""An application that writes: the measure of an outage, and the witness of lost writes.

Runs as its own process, so that neither the lab nor the test slows it down:

    python3 -m lab.writer LOG INTERVAL PORT...

It inserts rising numbers into the writable one of the servers, found by trying all of them at the same time, and
appends one line per acknowledged insert to LOG: the number, the port, and the monotonic times (seconds) at which the
statement was sent and acknowledged. CLOCK_MONOTONIC is one clock for all processes of a machine.
"""

import os
import pathlib
import signal
import sys
import threading
import time
import typing

import pymysql

from .flavour import WRITER_PASSWORD, WRITER_USER
from .process import Process

PATIENCE = 0.2  # seconds for a connection or an answer
LOG_LIMIT = 8_000_000  # bytes; about 200,000 writes
RETRY = 0.01  # seconds between two attempts on a server that is not the writable one


class Ack(typing.NamedTuple):
    number: int
    port: int
    sent: float
    acknowledged: float


class Writer:
    """The writer process as the lab sees it."""

    def __init__(self, folder, ports, interval=0.005, detach=False):
        self.log = folder / "acknowledged"
        self._ports = list(ports)
        self._interval = interval
        self._output = folder / "writer.log"
        self._detach = detach
        self.process = None

    def start(self):
        self.log.touch()
        self.process = Process.spawn(
            "writer",
            [sys.executable, "-m", "lab.writer", self.log, self._interval, *self._ports],
            self._output,
            detach=self._detach,
            cwd=pathlib.Path(__file__).resolve().parents[1],
        )

    def stop(self):
        self.process.terminate(5)

    def acks(self):
        return read_acks(self.log)


def read_acks(path):
    acks = []
    with open(path, encoding="ascii") as file:
        for line in file:
            if line.endswith("\n"):  # the last one may be half written
                number, port, sent, acknowledged = line.split()
                acks.append(Ack(int(number), int(port), float(sent), float(acknowledged)))
    return acks


def outage(acks, fault_at, old_port):
    """Seconds from the fault to the first write that another server acknowledged; None when there was none."""
    after = [ack.acknowledged for ack in acks if ack.port != old_port and ack.acknowledged > fault_at]
    return min(after) - fault_at if after else None


class _Application:
    def __init__(self, log, interval, ports, last_number):
        self._log = log
        self._interval = interval
        self._ports = ports
        self._lock = threading.Lock()
        self._next = last_number
        self._searching = threading.Event()
        self._found = threading.Event()
        self._current = None
        self._stopped = threading.Event()

    def run(self):
        signal.signal(signal.SIGTERM, lambda *_: self._stopped.set())
        signal.signal(signal.SIGINT, lambda *_: self._stopped.set())
        for port in self._ports:
            threading.Thread(target=self._seek, args=(port,), daemon=True).start()
        while not self._stopped.is_set():
            if self._current is None:
                self._found.clear()
                self._searching.set()
                self._found.wait(0.5)
                continue
            connection, port = self._current
            try:
                self._insert(connection, port)
            except (pymysql.Error, OSError):
                self._current = None
                _close(connection)
                continue
            self._stopped.wait(self._interval)

    def _insert(self, connection, port):
        with self._lock:
            self._next += 1
            number = self._next
        sent = time.monotonic()
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO app.ledger (n, written_by) VALUES ({number}, {port})")
        acknowledged = time.monotonic()
        with self._lock:
            self._log.write(f"{number} {port} {sent:.6f} {acknowledged:.6f}\n")
            self._log.flush()
            if self._log.tell() > LOG_LIMIT:  # of use to the demo, which may run for days
                os.replace(self._log.name, f"{self._log.name}.old")
                self._log = open(self._log.name, "w", encoding="ascii")

    def _seek(self, port):
        """Tries one server while nobody has found the writable one."""
        connection = None
        while True:
            self._searching.wait()
            try:
                if connection is None:
                    connection = pymysql.connect(
                        host="127.0.0.1",
                        port=port,
                        user=WRITER_USER,
                        password=WRITER_PASSWORD,
                        connect_timeout=PATIENCE,
                        read_timeout=PATIENCE,
                        write_timeout=PATIENCE,
                        autocommit=True,
                    )
                with connection.cursor() as cursor:
                    cursor.execute("SELECT @@global.read_only")
                    writable = cursor.fetchone()[0] == 0
                if writable:
                    self._insert(connection, port)
                    with self._lock:
                        if self._searching.is_set():
                            self._searching.clear()
                            self._current = (connection, port)
                            connection = None
                            self._found.set()
                    continue
            except (pymysql.Error, OSError):
                if connection is not None:
                    _close(connection)
                    connection = None
            time.sleep(RETRY)


def _close(connection):
    try:
        connection.close()
    except (pymysql.Error, OSError):
        pass  # it was broken; closing it can only say so again


def main():
    log, interval, *ports = sys.argv[1:]
    # After a restart the numbers go on, with a gap for inserts that were done but not acknowledged.
    earlier = max((ack.number for ack in read_acks(log)), default=-1000) + 1000
    with open(log, "a", encoding="ascii") as file:
        _Application(file, float(interval), [int(port) for port in ports], earlier).run()


if __name__ == "__main__":
    main()
