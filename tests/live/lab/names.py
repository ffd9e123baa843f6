# SPDX-License-Identifier: Apache-2.0
"""A name server that can be slow, or silent, and processes that ask it and nobody else."""

import pathlib
import socket
import struct
import threading



class NameServer:
    """Answers every question for an address with 127.0.0.1, after `delay` seconds; never, when that is None."""

    def __init__(self, address):
        self.address = address
        self.delay = 0.0
        self.questions = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        self._thread = threading.Thread(target=self._serve, daemon=True, name="name server")
        self._thread.start()

    def stop(self):
        self._socket.close()

    def _serve(self):
        while True:
            try:
                question, client = self._socket.recvfrom(512)
            except OSError:
                return  # stop() has closed it
            self.questions += 1
            if self.delay is not None:
                threading.Timer(self.delay, self._answer, (question, client)).start()

    def _answer(self, question, client):
        end = question.index(b"\0", 12) + 5
        asks_for_ipv4 = question[end - 4 : end - 2] == b"\0\1"
        header = question[:2] + struct.pack(">HHHHH", 0x8180, 1, int(asks_for_ipv4), 0, 0)
        record = b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 0, 4) + socket.inet_aton("127.0.0.1")
        try:
            self._socket.sendto(header + question[12:end] + (record if asks_for_ipv4 else b""), client)
        except OSError:
            pass  # stopped meanwhile


def with_files(argv, files):
    """argv in a mount namespace of its own, in which files {path: replacement} are others'. The pid stays the same."""
    mounts = " && ".join(f"mount --bind '{replacement}' '{path}'" for path, replacement in files.items())
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", f'{mounts} && exec "$@"', "sh", *argv]


def use_name_server(process_owner, folder, name_server):
    """Makes a node ask only this name server, from its next start on."""
    folder = pathlib.Path(folder)
    resolver, hosts = folder / "resolv.conf", folder / "hosts"
    resolver.write_text(f"nameserver {name_server.address}\noptions timeout:5 attempts:1\n", "ascii")
    hosts.write_text("127.0.0.1 localhost\n", "ascii")
    process_owner.wrap = lambda argv: with_files(
        argv, {"/etc/resolv.conf": resolver, "/etc/hosts": hosts}
    )


def use_hosts(process_owner, folder, names):
    """Makes a server find these names at 127.0.0.1 without asking anybody, from its next start on."""
    hosts = pathlib.Path(folder) / f"hosts-{process_owner.name}"
    hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in ["localhost", *names]), "ascii")
    process_owner.wrap = lambda argv: with_files(argv, {"/etc/hosts": hosts})
