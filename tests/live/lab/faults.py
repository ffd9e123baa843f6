# SPDX-License-Identifier: Apache-2.0
"""A server that can no longer be reached, as after a cable was pulled: packets are dropped, nothing is refused.

All servers of a lab share the loopback interface, so its own port alone does not cut off a server. What it sends on
connections that it opened itself (as a replica) is told apart by the group id of its process; that also keeps it from
opening new ones. What still comes in on the connections that it has is dropped by their local ports.
Rules carry the pid of the test in a comment; those of a test that was killed are removed by the next one.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading

_COMMENT = "baton-lab-"


def _iptables(*arguments, check=True):
    program = shutil.which("iptables") or "/usr/sbin/iptables"
    return subprocess.run([program, "-w", "10", *arguments], capture_output=True, text=True, check=check)


def _mark():
    return ["-m", "comment", "--comment", f"{_COMMENT}{os.getpid()}", "-j", "DROP"]


def _port_rules(port):
    return [
        ["INPUT", "-i", "lo", "-p", "tcp", "--dport", str(port), *_mark()],
        ["OUTPUT", "-o", "lo", "-p", "tcp", "--sport", str(port), *_mark()],
    ]


def _owner_rule(gid):
    return ["OUTPUT", "-o", "lo", "-p", "tcp", "-m", "owner", "--gid-owner", str(gid), *_mark()]


def _ports_of(pid):
    """Local TCP ports of all sockets of the process."""
    inodes = set()
    for descriptor in os.scandir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):  # closed meanwhile
            inodes.add(os.readlink(descriptor.path))
    ports = set()
    with open("/proc/net/tcp", encoding="ascii") as file:
        for line in file.readlines()[1:]:
            fields = line.split()
            if f"socket:[{fields[9]}]" in inodes:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def _ports_to(local_ports, remote_port):
    """Those of the local ports that have a connection to the remote one."""
    found = set()
    with open("/proc/net/tcp", encoding="ascii") as file:
        for line in file.readlines()[1:]:
            fields = line.split()
            local, remote = (int(fields[index].rpartition(":")[2], 16) for index in (1, 2))
            if local in local_ports and remote == remote_port:
                found.add(local)
    return found


def missing_because():
    """Empty when packets can be dropped here, else the reason, for the name of a skipped test."""
    if os.geteuid() != 0:
        return "dropping packets needs root"
    try:
        probe = _owner_rule(1)
        _iptables("-I", *probe)
        _iptables("-D", *probe)
    except FileNotFoundError:
        return "iptables is not installed (scripts/setup test)"
    except subprocess.CalledProcessError as error:
        return f"iptables is not permitted here: {error.stderr.strip()}"
    return ""


class _Drop:
    def __init__(self):
        self._active = []

    def _add(self, rule):
        _iptables("-I", *rule)
        self._active.append(rule)

    def stop(self):
        while self._active:
            _iptables("-D", *self._active[-1])
            self._active.pop()


class PacketDrop(_Drop):
    """While active, nothing gets to or from the server over TCP, in either direction."""

    def __init__(self, port, gid, pid):
        super().__init__()
        self._port = port
        self._gid = gid
        self._pid = pid

    def start(self):
        for rule in [*_port_rules(self._port), _owner_rule(self._gid)]:
            self._add(rule)
        for port in _ports_of(self._pid) - {self._port}:
            self._add(_port_rules(port)[0])


class GroupDrop(_Drop):
    """While active, nothing gets from a server of a cluster to the others' group ports, nor from them to its own.

    Clients still reach all of them: the server is in a minority and may answer.
    """

    def __init__(self, gid, pid, port, other_ports):
        super().__init__()
        self._gid = gid
        self._pid = pid
        self._port = port
        self._others = other_ports

    def start(self):
        for rule in _port_rules(self._port):
            self._add(rule)
        owner = _owner_rule(self._gid)
        own_ports = _ports_of(self._pid)
        for other in self._others:
            self._add([*owner[:5], "--dport", str(other), *owner[5:]])
            # Answers on connections that it opened itself.
            for port in _ports_to(own_ports, other):
                self._add(["INPUT", "-i", "lo", "-p", "tcp", "--sport", str(other), "--dport", str(port), *_mark()])


class OneWayDrop(_Drop):
    """While active, nothing gets to the server ("in"), or nothing gets away from it ("out")."""

    def __init__(self, direction, port, gid, pid):
        super().__init__()
        self._direction = direction
        self._port = port
        self._gid = gid
        self._pid = pid

    def start(self):
        inward, outward = _port_rules(self._port)
        if self._direction == "out":
            self._add(outward)
            self._add(_owner_rule(self._gid))
            return
        self._add(inward)
        for port in _ports_of(self._pid) - {self._port}:
            self._add(_port_rules(port)[0])


class PeerDrop(_Drop):
    """While active, nothing gets from some processes (gid, pid) to a port, nor back to them; all others reach it.

    What is left to be sent on a connection that its process has closed meanwhile belongs to no group any more: a lost
    acknowledgement would arrive after all. So their connections are cut by their ports, too.
    """

    def __init__(self, port, peers):
        super().__init__()
        self._port = port
        self._peers = peers

    def start(self):
        for gid, pid in self._peers:
            owner = _owner_rule(gid)
            self._add([*owner[:5], "--dport", str(self._port), *owner[5:]])
            for local in _ports_to(_ports_of(pid), self._port):
                for chain, interface, source, target in (
                    ("INPUT", "-i", self._port, local), ("OUTPUT", "-o", local, self._port),
                ):
                    self._add(
                        [chain, interface, "lo", "-p", "tcp", "--sport", str(source), "--dport", str(target), *_mark()]
                    )


class ConnectionDrop(_Drop):
    """While active, nothing gets from the processes of a group to a port; everything else of theirs works."""

    def __init__(self, gid, port):
        super().__init__()
        self._gid = gid
        self._port = port

    def start(self):
        rule = _owner_rule(self._gid)
        self._add([*rule[:5], "--dport", str(self._port), *rule[5:]])


class DeafListener:
    """Whoever connects to the server's port is accepted, as by a program that hangs, and never answered.

    The server itself keeps its port and the connections that it has.
    """

    def __init__(self, port):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        target = str(self._listener.getsockname()[1])
        self._rule = [
            "OUTPUT", "-o", "lo", "-p", "tcp", "--dport", str(port), *_mark()[:-2],
            "-j", "REDIRECT", "--to-ports", target,
        ]
        _iptables("-t", "nat", "-I", *self._rule)
        self._accepted = []
        self._thread = threading.Thread(target=self._accept, daemon=True, name=f"deaf {port}")
        self._thread.start()

    def _accept(self):
        while True:
            try:
                self._accepted.append(self._listener.accept()[0])
            except OSError:
                return  # stop() has closed it

    def stop(self):
        if self._rule:
            _iptables("-t", "nat", "-D", *self._rule)
            self._rule = None
        # close() alone does not end an accept() that waits in another thread.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        for connection in [self._listener, *self._accepted]:
            connection.close()
        self._accepted = []


def no_small_disk():
    """Empty when small file systems can be mounted here, else the reason, for the name of a skipped test."""
    if os.geteuid() != 0:
        return "a small disk needs root"
    with tempfile.TemporaryDirectory() as folder:
        try:
            mount_small_disk(folder, 1)
        except subprocess.CalledProcessError as error:
            return f"mount is not permitted here: {error.stderr.strip()}"
        unmount(folder)
    return ""


def mount_small_disk(folder, mebibytes):
    """Named after the process, as the packet filters are, so that the next lab can remove what a killed one left."""
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}M,mode=0700", f"{_COMMENT}{os.getpid()}", str(folder)],
        capture_output=True, text=True, check=True,
    )


def unmount(folder):
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, text=True, check=True)


def remove_leftovers():
    """Removes rules and mounts of labs whose process is gone. Does nothing where rules cannot be listed."""
    if os.geteuid() != 0:
        return
    with open("/proc/mounts", encoding="utf-8") as mounts:
        for line in mounts.readlines():
            found = re.match(rf"{_COMMENT}(\d+) (\S+) tmpfs", line)
            if found and not os.path.exists(f"/proc/{found[1]}"):
                unmount(found[2])
    for table, chain in (("filter", "INPUT"), ("filter", "OUTPUT"), ("nat", "OUTPUT")):
        try:
            listing = _iptables("-t", table, "-S", chain, check=False)
        except FileNotFoundError:
            return
        for line in listing.stdout.splitlines():
            found = re.search(rf"--comment {_COMMENT}(\d+) ", line)
            if found and not os.path.exists(f"/proc/{found.group(1)}"):
                _iptables("-t", table, "-D", *line.split()[1:], check=False)
