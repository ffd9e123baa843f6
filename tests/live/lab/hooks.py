# SPDX-License-Identifier: Apache-2.0
"""Hooks that write down when they were run, for whom and how they ended."""

import pathlib
import typing


class Run(typing.NamedTuple):
    event: str  # "begin", "end"
    name: str
    recovery: str
    step: int
    epoch: int
    resumed: bool
    node: str
    pid: int


SCRIPT = """#!/bin/sh
# NAME SECONDS EXIT
note() {{
    echo "$1 $2 $BATON_RECOVERY_ID $BATON_STEP $BATON_EPOCH $BATON_RESUMED $ORC_ORCHESTRATOR_HOST $$" >>{log}
}}
note begin "$1"
sleep "$2"
note end "$1"
exit "${{3:-0}}"
"""


class HookLog:
    """command() gives what to write into a list of hooks; runs() what came of it."""

    def __init__(self, folder):
        self._log = pathlib.Path(folder) / "hooks.log"
        self._script = pathlib.Path(folder) / "hook"
        self._script.write_text(SCRIPT.format(log=self._log), "ascii")
        self._script.chmod(0o755)
        self._log.touch()

    def command(self, name, seconds=0.02, exit_code=0):
        return f"{self._script} {name} {seconds} {exit_code}"

    def runs(self, name=None, event=None):
        found = []
        for line in self._log.read_text("ascii").splitlines():
            what, hook, recovery, step, epoch, resumed, node, pid = line.split()
            run = Run(what, hook, recovery, int(step), int(epoch), resumed == "true", node, int(pid))
            if (name is None or run.name == name) and (event is None or run.event == event):
                found.append(run)
        return found
