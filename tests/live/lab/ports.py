# SPDX-License-Identifier: Apache-2.0
"""Free TCP ports on 127.0.0.1 that two labs on one machine never share.

A port is not free because nobody listens on it now: a server that was killed wants the same one again later. So each
lab owns blocks of ports for its lifetime, by an exclusive lock on a file per block. The range lies below the one the
kernel takes local ports of outgoing connections from (32768 and up), so that those cannot get in the way.
"""

import fcntl
import os
import pathlib
import socket
import tempfile

BLOCK = 40
DEFAULT_RANGE = "20000-31999"


class NoPorts(Exception):
    """Every block of the range is taken."""


class PortPool:
    def __init__(self):
        low, high = os.environ.get("BATON_LAB_PORTS", DEFAULT_RANGE).split("-")
        self._blocks = range(int(low), int(high) - BLOCK + 2, BLOCK)
        self._locks = []
        self._free = []

    def take(self):
        """Returns a port on which nothing listens now and which no other lab uses."""
        while True:
            if not self._free:
                self._take_block()
            port = self._free.pop(0)
            if can_bind(port):
                return port

    def close(self):
        for lock in self._locks:
            os.close(lock)
        self._locks = []
        self._free = []

    def _take_block(self):
        folder = pathlib.Path(tempfile.gettempdir()) / "baton-lab-ports"
        folder.mkdir(exist_ok=True)
        try:
            folder.chmod(0o1777)
        except PermissionError:
            pass  # somebody else made it, with the same mode
        for first in self._blocks:
            lock = os.open(folder / str(first), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            self._locks.append(lock)
            self._free.extend(range(first, first + BLOCK))
            return
        raise NoPorts(f"no block of ports is free in {self._blocks}; another range: BATON_LAB_PORTS=LOW-HIGH")


def can_bind(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
