# SPDX-License-Identifier: Apache-2.0
"""Real servers, Baton nodes and faults on one machine, for live tests, the demo and the benchmarks.

    from lab import Lab
    with Lab() as lab:
        topology = lab.topology("mariadb", 3)
        nodes = lab.nodes(lab.backend(), [topology.seed])

docs/testing.md tells how it is built.
"""

from . import backends, faults
from .flavour import FLAVOURS
from .nodes import ApiError, HAProxy, Node
from .topology import (
    Lab,
    Topology,
    active_node,
    active_nodes,
    eventually,
    wait_one_primary,
    wait_same_data,
    writable_servers,
)
from .watch import LeaderWatch
from .writer import Writer, outage, read_acks

__all__ = [
    "FLAVOURS",
    "ApiError",
    "HAProxy",
    "Lab",
    "LeaderWatch",
    "Node",
    "Topology",
    "Writer",
    "active_node",
    "active_nodes",
    "backends",
    "eventually",
    "faults",
    "outage",
    "read_acks",
    "wait_one_primary",
    "wait_same_data",
    "writable_servers",
]
