# SPDX-License-Identifier: Apache-2.0
"""Which faults there are, on which backends, and the schedule that a seed makes of them. Nothing here does anything.

A schedule is a list of rounds. In each, faults of the nodes (and their connections), faults of the backend, and work for
the nodes go on beside each other; then everything is mended, and the lease must be held again.
"""

import random
import typing

KINDS = ("single", "galera", "group", "pair")
NODES = ("holder", "holder", "node1", "node2", "node3", "other")
STATEMENTS = ("renew", "grab", "release", "fenced")


class Fault(typing.NamedTuple):
    name: str
    lane: str  # "node" or "server"
    length: tuple  # least and greatest, in durations of the lease
    targets: tuple = NODES
    kinds: tuple = KINDS  # of backends
    weight: float = 1.0
    needs: str = ""  # "filter", "clock" or "disk"
    details: tuple = ("",)  # one of them is drawn


class Event(typing.NamedTuple):
    at: float  # seconds since the round began
    fault: str
    target: str
    length: float  # seconds
    detail: str

    def __str__(self):
        detail = f" {self.detail}" if self.detail else ""
        return f"{self.at:.2f} {self.fault}{detail} {self.target} {self.length:.2f}"


SINGLE = ("single",)
CLUSTERS = ("galera", "group")

FAULTS = (
    # --- processes
    Fault("kill", "node", (0.1, 2.0)),
    Fault("term", "node", (0.1, 2.0)),
    Fault("stop", "node", (1.2, 2.2), weight=1.5),
    Fault("pause", "node", (0.1, 0.9)),
    Fault("restart", "node", (0.0, 0.0)),
    Fault("twin", "node", (1.0, 3.0), targets=("twin",), weight=0.7),
    Fault("clock", "node", (0.3, 2.0), needs="clock", details=("+3600", "-3600")),
    Fault("handover", "node", (0.0, 0.3), targets=("holder",)),
    Fault("stop_in_recovery", "node", (1.2, 2.2), targets=("holder",), weight=1.5, details=("1", "2", "4", "6")),
    Fault("stop_between", "node", (1.2, 2.2), targets=("holder",), weight=1.5,
          details=("act 1", "act 2", "act 4", "act 7", "act 11", "fence 1", "fence 2")),
    # --- connections of a node
    Fault("drop", "node", (0.2, 2.5), targets=(*NODES, "all"), weight=1.5),
    Fault("cut", "node", (0.2, 2.5), targets=(*NODES, "all"), needs="filter"),
    Fault("cut_answers", "node", (0.2, 2.0), needs="filter"),
    Fault("cut_managed", "node", (0.5, 2.0), needs="filter"),
    Fault("reset", "node", (0.0, 0.6), targets=(*NODES, "all")),
    Fault("slow", "node", (0.5, 2.0), targets=(*NODES, "all"), details=("0.05", "0.12", "0.2")),
    Fault("lose", "node", (1.0, 1.5), targets=("all",), weight=1.5, details=STATEMENTS),
    Fault("late", "node", (1.0, 2.0), targets=("all",), weight=2.0, details=STATEMENTS),
    Fault("after_grab", "node", (1.5, 2.5), targets=("all",), weight=1.5, details=("grab", "renew", "release", "fenced")),
    Fault("half", "node", (1.0, 1.5), targets=("all",), details=STATEMENTS),
    Fault("half_answer", "node", (1.0, 1.5), targets=("all",), details=(*STATEMENTS, "look")),
    # --- one server
    Fault("server_kill", "server", (0.1, 1.5), ("db1",), SINGLE),
    Fault("server_freeze", "server", (1.2, 2.0), ("db1",), SINGLE),
    Fault("server_pause", "server", (0.1, 0.8), ("used",), ("single", "galera", "pair")),
    Fault("server_restart", "server", (0.0, 0.5), ("db1",), SINGLE),
    Fault("server_clock", "server", (0.5, 2.0), ("db1",), SINGLE, needs="clock", details=("+10", "-3600")),
    Fault("disk_full", "server", (1.0, 2.0), ("used", "db1"), (*SINGLE, *CLUSTERS), needs="disk"),
    # --- any backend
    Fault("row_lock", "server", (0.5, 2.0), ("used",)),
    Fault("max_connections", "server", (0.5, 2.0), ("used",)),
    Fault("kill_sessions", "server", (0.1, 1.0), ("used",)),
    Fault("read_only", "server", (0.5, 2.0), ("used",), ("single", "galera")),
    # --- clusters
    Fault("member_kill", "server", (0.5, 2.5), ("used", "db1", "db2", "db3"), CLUSTERS, 1.5),
    Fault("member_freeze", "server", (0.5, 3.0), ("used", "db1", "db2", "db3"), CLUSTERS, 1.5),
    Fault("minority", "server", (1.0, 3.0), ("used", "db1", "db2", "db3"), CLUSTERS, 1.5, needs="filter"),
    Fault("rivals", "server", (0.5, 1.5), ("all",), ("galera", "multi"), 1.5),
    Fault("primary_change", "server", (0.0, 0.5), ("db1", "db2", "db3"), ("primary",), 2.0),
    # --- active and passive
    Fault("failover", "server", (0.2, 1.2), ("active",), ("pair",), 1.5),
    Fault("failover_lag", "server", (0.5, 1.5), ("active",), ("pair",), 2.0),
    Fault("switchover", "server", (0.0, 0.3), ("active",), ("pair",), 1.5),
    Fault("flapping", "server", (0.5, 2.0), ("all",), ("pair",)),
    Fault("split", "server", (2.0, 3.0), ("all",), ("pair",), 0.7),
)

BY_NAME = {fault.name: fault for fault in FAULTS}


def applicable(kinds, only=()):
    """kinds: of the backend; only: names, empty for all."""
    unknown = set(only) - set(BY_NAME)
    if unknown:
        raise ValueError(f"unknown faults: {', '.join(sorted(unknown))}")
    return [
        fault for fault in FAULTS
        if set(fault.kinds) & set(kinds) and (not only or fault.name in only)
    ]


def make(seed, name, kinds, duration, seconds, only=()):
    """name: of the backend and how it is used; a seed makes another schedule for each. Returns rounds of Events."""
    random_ = random.Random(f"{seed} {name}")
    faults = applicable(kinds, only)
    if not faults:
        raise ValueError(f"none of these faults applies to {name}")
    lanes = {lane: [fault for fault in faults if fault.lane == lane] for lane in ("node", "server")}
    rounds, planned = [], 0.0
    while planned < seconds or not rounds:
        span = random_.uniform(2.0, 4.5) * duration
        events = []
        for lane, choice in lanes.items():
            at = random_.uniform(0.0, 0.6 * duration)
            # The backend is left alone in some rounds: else nothing could be told of the nodes' faults.
            if lane == "server" and lanes["node"] and random_.random() < 0.3:
                continue
            while choice and at < span:
                event = _draw(random_, choice, at, duration)
                events.append(event)
                if lane == "server":
                    break  # one for each round: some of them take long to mend
                at += event.length + random_.uniform(0.05, 0.8) * duration
        if not only and random_.random() < 0.4:
            # So long that nobody holds the lease in the end: how soon is it taken again?
            last = max((e.at + e.length for e in events if BY_NAME[e.fault].lane == "node"), default=0.0)
            length = random_.uniform(1.1, 1.6) * duration
            events.append(Event(round(last + 0.1, 3), random_.choice(("drop", "cut")), "all", round(length, 3), ""))
        if not only and random_.random() < 0.6:
            events.append(Event(round(random_.uniform(0.0, span), 3), "primary_dies", "topology", 0.0, ""))
        events.sort()
        rounds.append(events)
        planned += max(event.at + event.length for event in events) + duration + 1.0 if events else duration
    return rounds


def _draw(random_, choice, at, duration):
    fault = random_.choices(choice, [candidate.weight for candidate in choice])[0]
    return Event(
        round(at, 3),
        fault.name,
        random_.choice(fault.targets),
        round(random_.uniform(*fault.length) * duration, 3),
        random_.choice(fault.details),
    )


def kinds_of(backend):
    """The kinds that a fault may name, for the name of a backend."""
    return {
        "single": {"single"},
        "mysql": {"single"},
        "galera": {"galera"},
        "gr": {"group", "primary"},
        "gr-multi": {"group", "multi"},
        "active-passive": {"pair"},
    }[backend]
