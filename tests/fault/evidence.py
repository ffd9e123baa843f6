# SPDX-License-Identifier: Apache-2.0
"""Reads what the nodes and the servers have written down of a run, as the values of check.py."""

import json
import pathlib
import re
import subprocess
import typing

import check

TRACE = re.compile(r" debug trace: (\w+) (.*)$")
FIELD = re.compile(r"(\w+)=(\S*)")
NANO = 1e-9


def lines_of(log):
    """Each with whether it is whole: a process that is killed may leave half a line."""
    text = pathlib.Path(log).read_text("utf-8", "replace")
    return [line for line in text.split("\n")[:-1]]


class Stop(typing.NamedTuple):
    """A process that stopped itself between an answer and what that was for, until another node held the lease."""

    node: str
    at: float
    told: int  # bytes of its log that were written before
    before: str  # what it was about to do: "act" or "fence"


def after_stop(log, stop, boot_ahead):
    """The Act or Write that the process did first when it went on, by the answer from before; None when it did nothing
    by that."""
    lines = pathlib.Path(log).read_bytes()[stop.told:].decode("utf-8", "replace").split("\n")[:-1]
    _, acts, writes = read_node(stop.node, lines, (), boot_ahead)
    if stop.before == "act":
        # A write that was under way beside it had been sent while the lease was held.
        return next((act for act in acts[:1] if act.asked <= stop.at), None)
    return next((write for write in writes[:1] if write.sent <= stop.at < write.answered), None)


def fields_of(text):
    return dict(FIELD.findall(text))


def read_node(name, lines, deaths=(), boot_ahead=0.0):
    """(spans, acts, writes) of the log of a node. deaths: times at which its processes ended.
    boot_ahead: CLOCK_BOOTTIME minus CLOCK_MONOTONIC."""
    told, acts, writes = [], [], []
    for line in lines:
        found = TRACE.search(line)
        if not found:
            continue
        what, text = found.groups()
        if what == "lease":
            value = fields_of(text)
            told.append(
                (value["holder"], int(value["epoch"]), int(value["from"]) * NANO, int(value["until"]) * NANO)
            )
        elif what == "act":
            before, _, sql = text.partition(" sql=")
            value = fields_of(before)
            acts.append(check.Act(
                name, int(value["asked"]) * NANO + boot_ahead, value["server"], int(value["connection"]), sql
            ))
        elif what == "write":
            value = fields_of(text)
            writes.append(check.Write(
                name, value["holder"], int(value["epoch"]), int(value["seq"]), int(value["sent"]) * NANO,
                int(value["answered"]) * NANO, value["result"],
            ))
    return spans_of(name, told, deaths), acts, writes


def spans_of(name, told, deaths=()):
    """told: (holder, epoch, moment, until), each of which says what holds from that moment on."""
    spans = []
    for index, (holder, epoch, moment, until) in enumerate(told):
        end = until
        if index + 1 < len(told):
            end = min(end, told[index + 1][2])
        end = min([end, *(death for death in deaths if death >= moment)])
        if epoch == 0 or end <= moment:
            continue
        last = spans[-1] if spans else None
        if last and (last.holder, last.epoch) == (holder, epoch) and moment - last.end < 1e-6:
            spans[-1] = last._replace(end=end)
        else:
            spans.append(check.Span(name, holder, epoch, moment, end))
    return spans


# --- binary logs ---------------------------------------------------------------------------------------------------

EVENT = re.compile(r"^### (INSERT INTO|UPDATE|DELETE FROM) `baton`\.`(\w+)`")
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|(.))")
COLUMN = re.compile(r"^###   @(\d+)=(.*)$")


def read_binary_logs(program, files):
    """Commits of a server, in order."""
    commits = []
    # One by one: a server that was killed, or had no room, leaves half an event at the end of a file. What comes before
    # counts, and the program reads no file after it.
    for file in files:
        output = subprocess.run(
            [*map(str, program), "--no-defaults", "--base64-output=DECODE-ROWS", "-v", str(file)],
            capture_output=True, timeout=120,
        )
        commits += parse_binary_logs(output.stdout.decode("utf-8", "replace").splitlines())
    return commits


def parse_binary_logs(lines):
    commits, rows, row, section = [], [], None, ""
    for line in lines:
        if line.startswith("###"):
            found = EVENT.match(line)
            if found:
                row = {"verb": found[1], "table": found[2], "WHERE": {}, "SET": {}}
                rows.append(row)
            elif line.startswith("### WHERE"):
                section = "WHERE"
            elif line.startswith("### SET"):
                section = "SET"
            elif row is not None and (column := COLUMN.match(line)):
                row[section][int(column[1])] = _value(column[2])
            continue
        if line.startswith("### ") is False and line.startswith("COMMIT"):
            commit = _commit(rows)
            if commit is not None:
                commits.append(commit)
            rows, row = [], None
        elif line.startswith(("BEGIN", "START TRANSACTION", "ROLLBACK")):
            rows, row = [], None
    return commits


def _value(text):
    text = text.partition(" /* ")[0]
    if text.startswith("'"):
        return ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], text[1:-1])
    return int(text.partition(" ")[0]) if re.match(r"^-?\d", text) else text


def _commit(rows):
    lease, documents = None, []
    for row in rows:
        value = row["SET"]
        if row["table"] == "baton_lease" and value:
            lease = check.Lease(value[2], int(value[3]), bool(int(value[6])))
        elif row["table"] == "baton_document" and value:
            documents.append(
                check.Document(value[1], value[2], int(value[3]), int(value[5]), int(value[6]), value[8])
            )
    if lease is None and not documents:
        return None
    return check.Commit(lease, tuple(documents), tuple(_recoveries(documents)))


def _recoveries(documents):
    parts = {}
    for document in documents:
        if document.kind == "recovery" and document.data:
            parts.setdefault(document.key, {})[document.part] = document.data
    for key, texts in parts.items():
        value = json.loads("".join(texts[part] for part in sorted(texts)))
        yield key, check.Recovery(value["holder"], value["epoch"], value["cluster_id"], value["state"] == "running")


# --- general logs --------------------------------------------------------------------------------------------------

STARTED = re.compile(r"Version: .*started with:")
QUERY = re.compile(r"^(?:\d{6}\s+\d+:\d\d:\d\d|\d{4}-\S+)?\s*(\d+)\s+Query\t(.*)$")


def read_general_log(server, lines):
    """Statements in the order in which the server got them."""
    found, life = [], -1
    for line in lines:
        if STARTED.search(line):
            life += 1
            continue
        query = QUERY.match(line)
        if query:
            found.append(check.Executed(server, life, int(query[1]), query[2]))
    return found
