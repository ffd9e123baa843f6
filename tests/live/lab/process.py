# SPDX-License-Identifier: Apache-2.0
"""Processes of a lab: started in their own session, ended by pid, never left behind.

A process that belongs to a test dies with it, also when the test is killed by SIGKILL: the kernel is asked for that
(PR_SET_PDEATHSIG, through setpriv). One that belongs to the demo is meant to outlive the script, and is found again
by pid and start time, so that a recycled pid is never hit.
"""

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import threading
import time


class _Spawner:
    """One thread that starts all processes: the death signal comes when the *thread* that forked ends."""

    def __init__(self):
        self._jobs = queue.Queue()
        self._thread = None
        self._lock = threading.Lock()

    def popen(self, *args, **kwargs):
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="spawner", daemon=True)
                self._thread.start()
        answer = queue.Queue()
        self._jobs.put((answer, args, kwargs))
        result = answer.get()
        if isinstance(result, BaseException):
            raise result
        return result

    def _run(self):
        while True:
            answer, args, kwargs = self._jobs.get()
            try:
                answer.put(subprocess.Popen(*args, **kwargs))
            except BaseException as error:  # handed to the caller, who raises it
                answer.put(error)


_spawner = _Spawner()


def _start_time(pid):
    """Start of the process in clock ticks since boot, or None when there is no such process or only its zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


class Process:
    def __init__(self, name, pid, started, popen=None):
        self.name = name
        self.pid = pid
        self._started = started
        self._popen = popen

    @classmethod
    def spawn(cls, name, argv, log, *, gid=None, detach=False, cwd=None, env=None):
        """Starts argv; output is appended to the file `log`.

        gid: run under this group id (as root only), so that a packet filter can tell its packets from others'.
        detach: outlive this Python process.
        """
        wrap = []
        if gid is not None and os.geteuid() == 0:
            wrap += ["--regid", str(gid), "--clear-groups"]
        if not detach:
            wrap += ["--pdeathsig", "KILL"]
        if wrap:
            argv = [shutil.which("setpriv") or "/usr/bin/setpriv", *wrap, "--", *map(str, argv)]
        with open(log, "ab") as output:
            popen = _spawner.popen(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=cwd,
                env={**os.environ, **(env or {})},
            )
        return cls(name, popen.pid, _start_time(popen.pid), popen)

    @classmethod
    def attach(cls, record):
        """The process that `record()` described, whether it still lives or not."""
        return cls(record["name"], record["pid"], record["started"])

    def record(self):
        return {"name": self.name, "pid": self.pid, "started": self._started}

    def alive(self):
        if self._popen is not None:
            return self._popen.poll() is None
        return self._started is not None and _start_time(self.pid) == self._started

    def stopped(self):
        """By SIGSTOP."""
        try:
            with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as file:
                return file.read().rpartition(")")[2].split()[0] == "T"
        except (FileNotFoundError, ProcessLookupError):
            return False

    def exit_status(self):
        """Of an own process that ended; negative: the signal that ended it. None while it runs."""
        return self._popen.poll() if self._popen is not None else None

    def signal(self, number):
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, timeout):
        """Waits until the process is gone; returns whether it is."""
        deadline = time.monotonic() + timeout
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def kill(self):
        """SIGKILL, and back only when the pid is gone, so that its ports and files can be used again."""
        self.signal(signal.SIGKILL)
        if not self.wait(20):
            raise TimeoutError(f"{self.name} (pid {self.pid}) does not die")

    def terminate(self, timeout=15):
        """SIGTERM, SIGKILL when that takes longer than `timeout` seconds; returns the seconds it took."""
        began = time.monotonic()
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        if not self.wait(timeout):
            self.kill()
        return time.monotonic() - began
