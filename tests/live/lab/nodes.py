# SPDX-License-Identifier: Apache-2.0
"""Baton nodes and the HAProxy in front of them."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request

from .flavour import (
    BACKEND_DATABASE,
    BACKEND_PASSWORD,
    BACKEND_USER,
    BATON_PASSWORD,
    BATON_USER,
)
from .paths import ROOT, baton_binary
from .process import Process
from .server import tail


class HttpClient:
    """What answers HTTP at 127.0.0.1:port. Statuses are values; an unreachable peer is the status None."""

    port = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def get(self, path, timeout=3):
        """Returns (status, text)."""
        return self._request(urllib.request.Request(self.url + path), timeout)

    def post(self, path, body=None, timeout=10):
        data = json.dumps(body).encode() if body is not None else b""
        request = urllib.request.Request(
            self.url + path, data=data, method="POST", headers={"Content-Type": "application/json"}
        )
        return self._request(request, timeout)

    def json(self, path, timeout=3):
        """The decoded answer; raises ApiError when it is not 200 or not JSON."""
        status, text = self.get(path, timeout)
        if status != 200:
            raise ApiError(f"GET {self.url}{path}: status {status}: {text[:500]}")
        try:
            return json.loads(text)
        except ValueError as error:
            raise ApiError(f"GET {self.url}{path}: not JSON: {error}: {text[:500]}") from None

    def details(self, path, timeout=3):
        """The Details of an answer in orchestrator's envelope."""
        return self.json(path, timeout)["Details"]

    @staticmethod
    def _request(request, timeout):
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode("utf-8", "replace")
        except (OSError, urllib.error.URLError) as error:
            return None, str(error)
        except Exception as error:  # half an answer, http.client has many names for it
            return None, repr(error)


class ApiError(Exception):
    pass


def node_config(name, port, folder, *, backend_url, backend_password_file, seeds, topology_password_file, settings):
    """The whole configuration as text. settings: further top-level sections, {"lease": {"duration": "3s"}, ...};
    one of a section that is here already is merged into it."""
    config = {
        "node": {"name": name, "advertise": f"http://127.0.0.1:{port}", "data_dir": str(folder)},
        "http": {"listen": f"127.0.0.1:{port}"},
        "backend": {"url": backend_url},
        "topology": {
            "user": BATON_USER,
            "password_file": str(topology_password_file),
            "tls": "off",
            "seeds": list(seeds),
        },
        "discovery": {"poll_interval": "1s"},
        "recovery": {"primary": {"clusters": [".*"]}, "intermediate": {"clusters": [".*"]}},
    }
    if backend_password_file:
        config["backend"]["password_file"] = str(backend_password_file)
    for section, values in (settings or {}).items():
        config.setdefault(section, {}).update(values)
    return _yaml(config)


def _yaml(value, indent=""):
    """JSON is YAML, but people read these files: mappings are written as blocks."""
    text = ""
    for key, item in value.items():
        if isinstance(item, dict):
            text += f"{indent}{key}:\n" + _yaml(item, indent + "  ")
        else:
            text += f"{indent}{key}: {json.dumps(item)}\n"
    return text


def secret_file(path, secret):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secret + "\n")
    return path


class Node(HttpClient):
    """One `baton serve`."""

    def __init__(self, name, port, folder, config):
        self.name = name
        self.port = port
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = self.folder / "baton.yaml"
        self.config.write_text(config, encoding="utf-8")
        self.log = self.folder / "baton.log"
        self.process = None
        self.detach = False
        self.wrap = list  # of the command line; see names.py
        self.environment = {}  # beyond the test's own, from the next start on

    @classmethod
    def create(cls, name, port, folder, *, backend, seeds, settings=None):
        """backend: a Server, addresses "host:port,host:port", or "sqlite" for the embedded one."""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        topology_password = secret_file(folder / "topology.password", BATON_PASSWORD)
        if backend == "sqlite":
            url, password = f"sqlite:{folder}/baton.sqlite", None
        else:
            address = backend if isinstance(backend, str) else backend.address
            url = f"mysql://{BACKEND_USER}@{address}/{BACKEND_DATABASE}"
            password = secret_file(folder / "backend.password", BACKEND_PASSWORD)
        config = node_config(
            name,
            port,
            folder,
            backend_url=url,
            backend_password_file=password,
            seeds=seeds,
            topology_password_file=topology_password,
            settings=settings,
        )
        return cls(name, port, folder, config)

    def __repr__(self):
        return f"{self.name}({self.url})"

    @property
    def gid(self):
        """Group id of the process, for the packet filter: unique, because the port is."""
        return self.port

    def start(self):
        binary = baton_binary()
        if not binary.exists():
            raise FileNotFoundError(f"{binary} is not built (scripts/build release baton)")
        self.process = Process.spawn(
            self.name, self.wrap([binary, "serve", "--config", self.config]), self.log,
            gid=self.gid, detach=self.detach, cwd=self.folder, env=self.environment,
        )

    def wait_started(self, timeout=20):
        deadline = time.monotonic() + timeout
        while self.get("/api/lb-check", timeout=1)[0] != 200:
            if not self.process.alive():
                raise RuntimeError(f"{self} ended while starting:\n{tail(self.log)}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self} does not answer /api/lb-check:\n{tail(self.log)}")
            time.sleep(0.02)

    def restart(self):
        self.start()
        self.wait_started()

    def instances(self):
        """Port -> what the API says of the server, for all that it knows."""
        found = {}
        for instance in self.json("/api/all-instances"):
            port = instance["Key"]["Port"]
            if port in found:
                raise AssertionError(f"{instance['Key']} is listed twice")
            found[port] = instance
        return found

    def knows(self, servers):
        """Whether it shows all of these servers, checked and valid, and no others."""
        instances = self.instances()
        return sorted(instances) == sorted(server.port for server in servers) and all(
            instance["IsLastCheckValid"] for instance in instances.values()
        )

    def is_active(self, timeout=0.5):
        return self.get("/api/leader-check", timeout)[0] == 200

    def kill(self):
        self.process.kill()

    def freeze(self):
        self.process.signal(signal.SIGSTOP)

    def thaw(self):
        self.process.signal(signal.SIGCONT)

    def shut_down(self):
        """SIGTERM; returns the seconds until the process was gone."""
        return self.process.terminate(15)

    def command(self, *arguments, timeout=20):
        """Runs `baton ARGUMENTS --url ...` and returns the CompletedProcess."""
        return subprocess.run(
            [baton_binary(), *arguments, "--url", self.url],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


class HAProxy(HttpClient):
    """HAProxy with the sample configuration of config/, on this lab's addresses."""

    SAMPLE = ROOT / "config/haproxy.cfg"

    def __init__(self, port, folder, nodes):
        self.port = port
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "haproxy.log"
        self.config = self.folder / "haproxy.cfg"
        self.process = None
        self.detach = False
        self._write(nodes)

    def _write(self, nodes):
        text = self.SAMPLE.read_text("utf-8")
        text, binds = re.subn(r"(?m)^(\s+bind )\S+", rf"\g<1>127.0.0.1:{self.port}", text)
        lines, servers = [], 0
        for line in text.splitlines():
            found = re.match(r"(\s+server )(\S+) \S+(.*)", line)
            if not found:
                lines.append(line)
                continue
            node = nodes[servers % len(nodes)]
            lines.append(f"{found[1]}{found[2]} 127.0.0.1:{node.port}{found[3]}")
            servers += 1
        if binds != 1 or servers == 0 or servers % len(nodes) != 0:
            raise ValueError(f"{self.SAMPLE} is not for {len(nodes)} nodes behind one address")
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def start(self):
        program = shutil.which("haproxy") or "/usr/sbin/haproxy"
        self.process = Process.spawn("haproxy", [program, "-db", "-f", self.config], self.log, detach=self.detach)

    def wait_started(self, timeout=10):
        deadline = time.monotonic() + timeout
        while self.get("/api/lb-check", timeout=1)[0] is None:
            if not self.process.alive():
                raise RuntimeError(f"HAProxy ended while starting:\n{tail(self.log)}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"HAProxy does not answer:\n{tail(self.log)}")
            time.sleep(0.05)
