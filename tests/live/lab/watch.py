# SPDX-License-Identifier: Apache-2.0
"""Asks all nodes all the time who is active, to catch two of them saying so at the same time."""

import threading
import time
import typing


class Answer(typing.NamedTuple):
    sent: float
    received: float
    status: int | None


class LeaderWatch:
    """Context manager; call check() at the end."""

    def __init__(self, nodes, every=0.03):
        self._nodes = list(nodes)
        self._every = every
        self._answers = {node.name: [] for node in self._nodes}
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(node,), daemon=True, name=f"watch {node.name}")
            for node in self._nodes
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(10)

    def _ask(self, node):
        while not self._stop.wait(self._every):
            sent = time.monotonic()
            # Longer than any freeze of the tests: what matters is what a thawed node says about that moment.
            status, _ = node.get("/api/leader-check", timeout=10)
            self._answers[node.name].append(Answer(sent, time.monotonic(), status))

    def answers(self, node):
        return list(self._answers[node.name])

    def gap(self, after):
        """Seconds from `after` to the first answer 200 of any node to a question asked later; None without one."""
        first = [
            answer.received
            for answers in self._answers.values()
            for answer in answers
            if answer.status == 200 and answer.sent > after
        ]
        return min(first) - after if first else None

    def longest_gap(self, since, until):
        """Seconds of the longest time between `since` and `until` without an answer 200 of any node."""
        moments = sorted(
            answer.received
            for answers in self._answers.values()
            for answer in list(answers)
            if answer.status == 200 and since < answer.received < until
        )
        return max(after - before for before, after in zip([since, *moments], [*moments, until]))

    def violations(self):
        """Proofs of two active nodes at one instant: one said 200 before and after another one did, within so short
        a time that the lease cannot have gone there and back. Answers alone are intervals, not instants."""
        found = []
        actives = {
            name: [answer for answer in answers if answer.status == 200] for name, answers in self._answers.items()
        }
        for name, answers in actives.items():
            for before, after in zip(answers, answers[1:]):
                if after.sent - before.received > 0.9:
                    continue  # the shortest lease that Baton permits is 1 s
                for other, theirs in actives.items():
                    if other == name:
                        continue
                    for answer in theirs:
                        if before.received < answer.sent and answer.received < after.sent:
                            found.append((name, before, other, answer, after))
        return found

    def count(self):
        return sum(len(answers) for answers in self._answers.values())
