# SPDX-License-Identifier: Apache-2.0
"""Faults of nodes, of their connections, and of the servers that they manage."""

import threading
import time

from evidence import Stop
from registry import INJECTIONS, fault
from world import boot


def names_of(world, event):
    """Beginnings of the names of the links that the event is about."""
    return ["node"] if event.target == "all" else [f"{world.node(event.target).name}/"]


def gate_ports(world, event):
    return [port for name, port in world.gate.ports.items()
            if any(name.startswith(start) for start in names_of(world, event))]


# --- processes -----------------------------------------------------------------------------------------------------


@fault
def kill(world, event):
    node = world.node(event.target)
    if not node.process.alive():
        return
    node.kill()
    world.deaths.append((node.name, boot()))
    yield
    node.start()


@fault
def term(world, event):
    node = world.node(event.target)
    if not node.process.alive():
        return
    node.shut_down()
    world.deaths.append((node.name, boot()))
    yield
    node.start()


@fault
def restart(world, event):
    yield from kill(world, event)


@fault
def stop(world, event):
    node = world.node(event.target)
    if not node.process.alive():
        return
    node.freeze()
    yield
    node.thaw()


INJECTIONS["pause"] = stop


@fault
def stop_in_recovery(world, event):
    """The holder is stopped right when it sends one of the statements of a recovery, which is the event's detail."""
    node = world.node(event.target)
    if world.old_primary is not None or not node.process.alive():
        return
    with open(node.log, "rb") as log:
        log.seek(0, 2)
        if next(primary_dies(world, event), "not done") == "not done":
            return
        acts, deadline = 0, time.monotonic() + 4
        while acts < int(event.detail):
            line = log.readline()
            acts += b" trace: act " in line
            if not line:
                if time.monotonic() > deadline:
                    return
                time.sleep(0.0005)
    node.freeze()
    yield
    node.thaw()


@fault
def stop_between(world, event):
    """The active node stops itself exactly between the answer that it may act and what the answer was for: a statement
    on a managed server, or a fenced write. It goes on when its lease has ended and another node has taken it."""
    node = world.node(event.target)
    if not node.process.alive() or (event.detail.startswith("act") and world.old_primary is not None):
        return
    node.stop_order.write_text(event.detail, "ascii")
    if event.detail.startswith("act") and next(primary_dies(world, event), "not done") == "not done":
        node.stop_order.unlink(missing_ok=True)
        return
    deadline = time.monotonic() + 4
    while not node.process.stopped():
        if time.monotonic() > deadline or not node.process.alive():
            node.stop_order.unlink(missing_ok=True)
            return
        time.sleep(0.002)
    stopped, told = boot(), node.log.stat().st_size
    yield
    deadline = time.monotonic() + 2 * world.duration
    others = [other for other in world.nodes if other is not node]
    while time.monotonic() < deadline:
        if any(other.process.alive() and other.is_active(0.3) for other in others):
            # What it was about to do is somebody else's now, after the first moments.
            time.sleep(0.3)
            world.stops.append(Stop(node.name, stopped, told, event.detail.split()[0]))
            break
        time.sleep(0.05)
    node.thaw()


@fault
def twin(world, event):
    """A second process of one name on the same host."""
    world.twin.start()
    yield
    if event.length > 2 * world.duration:
        world.twin.shut_down()
    else:
        world.twin.kill()
    world.deaths.append((world.twin.name, boot()))


@fault
def clock(world, event):
    node = world.node(event.target)
    node.set_clock(int(event.detail))
    yield
    node.set_clock(0)


@fault
def handover(world, event):
    world.node(event.target).post("/api/v1/handover", timeout=3)
    yield


# --- connections ---------------------------------------------------------------------------------------------------


def _rule(world, event, mode, **more):
    number = world.gate.add(mode, names_of(world, event), **more)
    yield
    return world.gate.remove(number)


@fault
def drop(world, event):
    return (yield from _rule(world, event, "drop"))


@fault
def reset(world, event):
    return (yield from _rule(world, event, "reset"))


@fault
def slow(world, event):
    return (yield from _rule(world, event, "slow", delay=float(event.detail)))


@fault
def cut(world, event):
    filter_ = world.cut(gate_ports(world, event))
    yield
    filter_.stop()


@fault
def cut_managed(world, event):
    """What the node sends to the managed servers waits in its machine, and arrives when the cut is over."""
    if world.topology is None:
        return
    node = world.node(event.target)
    drops = [world.lab.cut_connection(node, server) for server in world.topology.servers]
    yield
    for dropped in drops:
        dropped.stop()


@fault
def cut_answers(world, event):
    filter_ = world.cut(gate_ports(world, event), answers_only=True)
    yield
    filter_.stop()


def _statement(world, event, mode, delay=0.0):
    """One statement of the kind, of whoever sends the first. For those that are rare the holder is made to give way."""
    number = world.gate.add(mode, names_of(world, event), kinds=[event.detail], times=1, delay=delay)
    if event.detail in ("grab", "release"):
        threading.Thread(
            target=world.node("holder").post, args=("/api/v1/handover", None, 3), daemon=True
        ).start()
    yield
    return world.gate.remove(number)


@fault
def lose(world, event):
    return (yield from _statement(world, event, "lose"))


@fault
def late(world, event):
    # From a little after the sender gave up until long after its lease has ended.
    return (yield from _statement(world, event, "late", delay=event.length * 0.8))


@fault
def after_grab(world, event):
    return (yield from _statement(world, event, "after_grab", delay=event.length * 0.9))


@fault
def half(world, event):
    return (yield from _statement(world, event, "half"))


@fault
def half_answer(world, event):
    return (yield from _statement(world, event, "half_answer"))


# --- the managed servers -------------------------------------------------------------------------------------------


@fault
def primary_dies(world, event):
    """Something to act on: the primary of the managed cluster is killed, and joins again when it was replaced."""
    if world.topology is None or world.old_primary is not None:
        return
    writable = [server for server in world.topology.servers if server.process.alive() and server.is_writable()]
    if len(writable) != 1:
        return
    world.old_primary = writable[0]
    writable[0].kill()
    yield

