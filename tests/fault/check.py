# SPDX-License-Identifier: Apache-2.0
"""What must hold of a run, whatever was done to it. Pure: histories in, sentences about what is wrong out.

All times are seconds of CLOCK_BOOTTIME, which is one clock for all processes of a machine.
"""

import bisect
import typing


class Span(typing.NamedTuple):
    """From `start` to `end` a process took itself for the holder of `epoch`."""

    node: str
    holder: str  # token of the process
    epoch: int
    start: float
    end: float


class Act(typing.NamedTuple):
    """A statement that changes a managed server; `asked` is right before the node asked itself whether it may."""

    node: str
    asked: float
    server: str
    connection: int
    sql: str


class Executed(typing.NamedTuple):
    """A statement as the managed server's general log has it. life: how often that server had been started."""

    server: str
    life: int
    connection: int
    sql: str


class Write(typing.NamedTuple):
    """A fenced write as its sender saw it; result: written, fenced, unconfirmed (nobody has it, or somebody took the lease
    right after it) or unknown."""

    node: str
    holder: str
    epoch: int
    seq: int
    sent: float
    answered: float
    result: str


class Document(typing.NamedTuple):
    kind: str
    key: str
    part: int
    epoch: int
    seq: int
    data: str  # of a recovery: see Recovery


class Recovery(typing.NamedTuple):
    """What of a journal row says who owns it."""

    holder: str
    epoch: int
    cluster: str
    running: bool


class Lease(typing.NamedTuple):
    holder: str
    epoch: int
    released: bool


class Commit(typing.NamedTuple):
    """One transaction of a server's binary log: the lease row after it, if it wrote that, and the documents it wrote."""

    lease: Lease | None
    documents: tuple
    recoveries: tuple = ()  # (key, Recovery) of those among the documents


class Settled(typing.NamedTuple):
    """The end of a round: since `since` nothing is wrong any more."""

    round: int
    since: float


TICK = 0.010  # seconds; what is told right before and right after one moment may be that far apart


# --- who acts ------------------------------------------------------------------------------------------------------


def overlapping_epochs(spans, exempt=()):
    """No two processes take themselves for the holder at one moment. exempt: (from, until) of splits."""
    found = []
    ordered = sorted(spans, key=lambda span: span.start)
    open_spans = []
    for span in ordered:
        open_spans = [other for other in open_spans if other.end > span.start]
        for other in open_spans:
            if (other.holder, other.epoch) == (span.holder, span.epoch):
                continue
            both_until = min(other.end, span.end)
            if any(begin <= span.start and both_until <= end for begin, end in exempt):
                continue
            found.append(
                f"{other.node} (epoch {other.epoch}) and {span.node} (epoch {span.epoch}) both may act from"
                f" {span.start:.3f} to {both_until:.3f}"
            )
        if span.end > span.start:
            open_spans.append(span)
    return found


def epochs_with_two_holders(spans, exempt=()):
    """A token (epoch, holder) is used once; an epoch number twice only after the backend has lost its past."""
    found, seen = [], {}
    for span in sorted(spans, key=lambda span: span.start):
        other = seen.setdefault(span.epoch, span)
        if other.holder != span.holder and not any(begin <= span.start <= end for begin, end in exempt):
            found.append(f"epoch {span.epoch} is {other.node}'s and {span.node}'s")
    return found


def acts_outside(acts, spans):
    """A node sends what changes a server only while it may act."""
    found = []
    by_node = {}
    for span in spans:
        by_node.setdefault(span.node, []).append(span)
    for act in acts:
        if not any(span.start - TICK <= act.asked <= span.end for span in by_node.get(act.node, ())):
            found.append(f"{act.node} changed {act.server} at {act.asked:.3f}, when it might not act: {act.sql}")
    return found


def _epoch_at(spans, act):
    for span in spans:
        if span.node == act.node and span.start - TICK <= act.asked <= span.end:
            return span.epoch
    return None


def beginning(sql):
    """Nodes tell no more of a statement than its beginning."""
    return sql[:50]


def acts_after_higher(executed, acts, lives, spans):
    """On each managed server, nothing of an epoch is executed after something of a higher one (I4).

    lives: server -> times of its starts, by which a connection number is told from the same one of an earlier life.
    Returns (violations, how many executed statements were found to be acts).
    """
    epochs = {}
    for act in acts:
        life = bisect.bisect_right(lives.get(act.server, []), act.asked) - 1
        epoch = _epoch_at(spans, act)
        if epoch is not None:
            epochs.setdefault((act.server, life, act.connection, beginning(act.sql)), []).append((epoch, act.node))
    found, highest, matched = [], {}, 0
    for statement in executed:
        waiting = epochs.get((statement.server, statement.life, statement.connection, beginning(statement.sql)))
        if not waiting:
            continue  # no act of a node
        epoch, node = waiting.pop(0)
        matched += 1
        top = highest.get(statement.server)
        if top is not None and epoch < top[0]:
            found.append(
                f"{statement.server} executed '{statement.sql}' of {node} (epoch {epoch}) after something of {top[1]}"
                f" (epoch {top[0]})"
            )
        else:
            highest[statement.server] = (epoch, node)
    return found, matched


def done_after_stop(past, executed, acts, lives):
    """Nothing that a process was about to do when it was stopped is done after another one has taken the lease.

    past: of each stop the Act or Write that followed it.
    """

    def key_of(act):
        life = bisect.bisect_right(lives.get(act.server, []), act.asked) - 1
        return act.server, life, act.connection, beginning(act.sql)

    found = []
    for each in past:
        if isinstance(each, Write):
            if each.result == "written":
                found.append(f"{each.node} was stopped before it sent write {each.seq:x}, and it was committed afterwards")
            continue
        key = key_of(each)
        sent = sum(act.node == each.node and key_of(act) == key for act in acts)
        done = sum((e.server, e.life, e.connection, beginning(e.sql)) == key for e in executed)
        if done >= sent:
            found.append(f"{each.node} was stopped before '{each.sql}', and {each.server} executed it afterwards")
    return found


def not_held_again(settled, spans, limit):
    """After each round somebody may act within the limit. Returns (violations, [seconds it took])."""
    found, took = [], []
    for moment in settled:
        seconds = held_after(moment.since, spans)
        if seconds is None:
            found.append(f"round {moment.round}: nobody holds the lease any more after its faults were mended")
            continue
        took.append(seconds)
        if seconds > limit:
            found.append(f"round {moment.round}: nobody held the lease until {seconds:.2f} s after its last fault")
    return found, took


def held_after(since, spans):
    starts = [max(span.start, since) for span in spans if span.end > since]
    return min(starts) - since if starts else None


# --- what the backend committed ------------------------------------------------------------------------------------


def history_violations(name, commits):
    """Of one server's binary log, which is one history of the backend, in the order of its commits."""
    found = []
    lease = None
    last_seq = 0
    holders = {}
    for number, commit in enumerate(commits):
        where = f"{name}, transaction {number}"
        if commit.lease is not None:
            if lease is not None and commit.lease.epoch < lease.epoch:
                found.append(f"{where}: the lease goes from epoch {lease.epoch} back to {commit.lease.epoch}")
            if commit.lease.holder:
                first = holders.setdefault(commit.lease.epoch, commit.lease.holder)
                if first != commit.lease.holder:
                    found.append(
                        f"{where}: epoch {commit.lease.epoch} goes from {first} to {commit.lease.holder}"
                    )
            lease = commit.lease
        if not commit.documents:
            continue
        if commit.lease is None:
            found.append(f"{where}: documents were written without the lease row")
            continue
        if commit.lease.released:
            found.append(f"{where}: documents were written under a lease that was given back")
        for document in commit.documents:
            if document.epoch != lease.epoch:
                found.append(
                    f"{where}: {document.kind} '{document.key}' of epoch {document.epoch} follows epoch {lease.epoch}"
                )
            if document.seq >> 40 != document.epoch:
                found.append(f"{where}: {document.kind} '{document.key}' has number {document.seq:x} of another epoch")
        seqs = {document.seq for document in commit.documents}
        if min(seqs) <= last_seq:
            found.append(f"{where}: number {min(seqs):x} follows number {last_seq:x}")
        last_seq = max(last_seq, *seqs)
    return found


def journal_violations(name, commits):
    """No recovery has two owners, and no cluster two recoveries, in one history."""
    found = []
    owners, running = {}, {}
    for number, commit in enumerate(commits):
        where = f"{name}, transaction {number}"
        for key, recovery in commit.recoveries:
            if commit.lease is None or recovery.holder != commit.lease.holder:
                owner = commit.lease.holder if commit.lease else "nobody"
                found.append(f"{where}: recovery {key} of {recovery.holder} is written by {owner}")
            before = owners.get(key)
            if before is not None and before.holder != recovery.holder and recovery.epoch <= before.epoch:
                found.append(
                    f"{where}: recovery {key} goes from {before.holder} (epoch {before.epoch}) to {recovery.holder}"
                    f" (epoch {recovery.epoch})"
                )
            owners[key] = recovery
            if not recovery.running:
                if running.get(recovery.cluster) == key:
                    del running[recovery.cluster]
                continue
            other = running.setdefault(recovery.cluster, key)
            if other != key:
                found.append(f"{where}: recovery {key} of {recovery.cluster} begins while {other} is running")
    return found


def lost_writes(writes, histories, forgiven=()):
    """What a backend acknowledged is in its history; what it refused is not. histories: name -> commits.
    forgiven: (from, until) in which acknowledged commits may be lost."""
    # With the holder: in a backend that was split, both sides may have the same numbers.
    present = {
        (commit.lease.holder, document.epoch, document.seq)
        for commits in histories.values() for commit in commits if commit.lease for document in commit.documents
    }
    found = []
    for write in writes:
        if write.result == "written" and (write.holder, write.epoch, write.seq) not in present:
            if not any(begin <= write.answered <= end for begin, end in forgiven):
                found.append(
                    f"{write.node} (epoch {write.epoch}) was told at {write.answered:.3f} that its write {write.seq:x}"
                    " was committed, and no server has it"
                )
        elif write.result == "fenced" and (write.holder, write.epoch, write.seq) in present:
            found.append(f"{write.node} (epoch {write.epoch}) was refused write {write.seq:x}, and a server has it")
    return found
