# SPDX-License-Identifier: Apache-2.0
"""The faults by name. Each is a generator that begins the fault, yields, and mends it.

What happens to whom at which moment is in the schedule; how long it takes is the runner's. `world` is a World, `event` a
schedule.Event. A fault that finds that it cannot be done (the node is dead already, the server is not in that role)
returns without having yielded, and is told as not done. What it returns in the end is how often it has hit something.
"""

INJECTIONS = {}


def fault(function):
    INJECTIONS[function.__name__] = function
    return function
