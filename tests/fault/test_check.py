# SPDX-License-Identifier: Apache-2.0
"""The checks of the fault suite must find what they are for: histories by hand, each with one thing wrong."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from check import (  # noqa: E402
    Act,
    Commit,
    Document,
    Executed,
    Lease,
    Recovery,
    Settled,
    Span,
    Write,
    acts_after_higher,
    acts_outside,
    done_after_stop,
    epochs_with_two_holders,
    history_violations,
    journal_violations,
    lost_writes,
    not_held_again,
    overlapping_epochs,
)

A, B = "node1-token", "node2-token"
FIRST = Span("node1", A, 5, 10.0, 13.0)


def document(epoch, number, kind="instance", key="db1:3306", data="{}"):
    return Document(kind, key, 0, epoch, (epoch << 40) + number, data)


def commit(epoch, holder, *numbers, released=False):
    return Commit(Lease(holder, epoch, released), tuple(document(epoch, number) for number in numbers))


def journal(epoch, holder, key, recovery):
    return Commit(Lease(holder, epoch, False), (document(epoch, 1, "recovery", key),), ((key, recovery),))


class Spans(unittest.TestCase):
    def test_one_after_another_is_right(self):
        self.assertEqual(overlapping_epochs([FIRST, Span("node2", B, 6, 13.0, 16.0)]), [])

    def test_two_holders_at_one_moment(self):
        found = overlapping_epochs([Span("node2", B, 6, 12.5, 16.0), FIRST])
        self.assertEqual(found, ["node1 (epoch 5) and node2 (epoch 6) both may act from 12.500 to 13.000"])

    def test_a_short_one_within_a_long_one(self):
        self.assertEqual(len(overlapping_epochs([FIRST, Span("node2", B, 6, 11.0, 11.1)])), 1)

    def test_two_epochs_of_one_process(self):
        self.assertEqual(len(overlapping_epochs([FIRST, Span("node1", A, 6, 12.0, 15.0)])), 1)

    def test_the_third_after_a_short_second(self):
        spans = [FIRST, Span("node2", B, 6, 11.0, 11.1), Span("node3", "c", 7, 12.0, 12.1)]
        self.assertEqual(len(overlapping_epochs(spans)), 2)

    def test_a_split_is_exempt_and_nothing_beside_it(self):
        spans = [FIRST, Span("node2", B, 6, 12.5, 16.0)]
        self.assertEqual(overlapping_epochs(spans, [(12.0, 14.0)]), [])
        self.assertEqual(len(overlapping_epochs(spans, [(12.6, 14.0)])), 1)

    def test_an_epoch_of_two_processes(self):
        again = Span("node2", B, 5, 20.0, 22.0)
        self.assertEqual(epochs_with_two_holders([FIRST, again]), ["epoch 5 is node1's and node2's"])
        self.assertEqual(epochs_with_two_holders([FIRST, again], [(19.0, 21.0)]), [])
        self.assertEqual(epochs_with_two_holders([FIRST, Span("node1", A, 5, 14.0, 15.0)]), [])


class Acts(unittest.TestCase):
    def act(self, asked, node="node1", connection=7, sql="STOP SLAVE"):
        return Act(node, asked, "db1:3306", connection, sql)

    def test_while_it_may(self):
        self.assertEqual(acts_outside([self.act(11.0)], [FIRST]), [])

    def test_when_it_may_not(self):
        self.assertEqual(len(acts_outside([self.act(13.5)], [FIRST])), 1)
        self.assertEqual(len(acts_outside([self.act(9.5)], [FIRST])), 1)
        self.assertEqual(len(acts_outside([self.act(11.0, node="node2")], [FIRST])), 1)

    def test_an_old_act_is_executed_after_a_new_one(self):
        spans = [FIRST, Span("node2", B, 6, 14.0, 17.0)]
        acts = [self.act(12.9), self.act(15.0, "node2", 8)]
        right = [Executed("db1:3306", 0, 7, "STOP SLAVE"), Executed("db1:3306", 0, 8, "STOP SLAVE")]
        self.assertEqual(acts_after_higher(right, acts, {"db1:3306": [0.0]}, spans), ([], 2))
        found, _ = acts_after_higher(right[::-1], acts, {"db1:3306": [0.0]}, spans)
        self.assertEqual(len(found), 1)
        self.assertIn("of node1 (epoch 5) after something of node2 (epoch 6)", found[0])

    def test_a_connection_number_of_an_earlier_life_is_another_connection(self):
        spans = [FIRST, Span("node2", B, 6, 14.0, 17.0)]
        acts = [self.act(12.0), self.act(15.0, "node2", 7)]
        lives = {"db1:3306": [0.0, 13.0]}
        executed = [Executed("db1:3306", 0, 7, "STOP SLAVE"), Executed("db1:3306", 1, 7, "STOP SLAVE")]
        self.assertEqual(acts_after_higher(executed, acts, lives, spans), ([], 2))
        self.assertEqual(len(acts_after_higher(executed[::-1], acts, lives, spans)[0]), 1)


class AfterAStop(unittest.TestCase):
    STOPPED = Act("node1", 12.0, "db1:3306", 7, "STOP SLAVE")
    LIVES = {"db1:3306": [0.0]}

    def found(self, executed, acts=(STOPPED,)):
        return done_after_stop([self.STOPPED], executed, list(acts), self.LIVES)

    def test_a_statement(self):
        done = Executed("db1:3306", 0, 7, "STOP SLAVE")
        self.assertEqual(self.found([]), [])
        self.assertEqual(self.found([done._replace(connection=8)]), [])
        self.assertEqual(len(self.found([done])), 1)

    def test_the_same_statement_from_before(self):
        done = Executed("db1:3306", 0, 7, "STOP SLAVE")
        acts = [self.STOPPED._replace(asked=11.0), self.STOPPED]
        self.assertEqual(self.found([done], acts), [])
        self.assertEqual(len(self.found([done, done], acts)), 1)

    def test_a_write(self):
        write = Write("node1", A, 5, (5 << 40) + 3, 12.0, 16.0, "fenced")
        self.assertEqual(done_after_stop([write], [], [], {}), [])
        self.assertEqual(len(done_after_stop([write._replace(result="written")], [], [], {})), 1)


class HeldAgain(unittest.TestCase):
    def test_in_time(self):
        spans = [FIRST, Span("node2", B, 6, 16.0, 18.0)]
        self.assertEqual(not_held_again([Settled(0, 14.0)], spans, 4.0), ([], [2.0]))
        self.assertEqual(not_held_again([Settled(0, 12.0)], spans, 4.0), ([], [0.0]))

    def test_too_late_and_never(self):
        found, took = not_held_again([Settled(0, 11.0), Settled(1, 13.5)], [FIRST, Span("node2", B, 6, 18.0, 19.0)], 4.0)
        self.assertEqual((len(found), took), (1, [0.0, 4.5]))
        late = [FIRST, Span("node2", B, 6, 18.5, 19.0)]
        self.assertEqual(len(not_held_again([Settled(1, 14.0)], late, 4.0)[0]), 1)
        found, took = not_held_again([Settled(2, 14.0)], [FIRST], 4.0)
        self.assertEqual((len(found), took), (1, []))


class History(unittest.TestCase):
    def test_right(self):
        commits = [commit(5, A), commit(5, A, 1, 2), commit(5, A, 3), commit(5, A, released=True), commit(6, B),
                   commit(6, B, 1)]
        self.assertEqual(history_violations("db1", commits), [])

    def test_each_wrong(self):
        wrong = {
            "goes from epoch 6 back to 5": [commit(6, B), commit(5, A)],
            "epoch 5 goes from": [commit(5, A), commit(5, B)],
            "without the lease row": [commit(5, A), Commit(None, (document(5, 1),))],
            "given back": [commit(5, A), commit(5, A, 1, released=True)],
            "of epoch 5 follows epoch 6": [commit(6, B), Commit(Lease(B, 6, False), (document(5, 1),))],
            "of another epoch": [Commit(Lease(A, 5, False), (document(5, 1)._replace(seq=(6 << 40) + 1),))],
            "follows number": [commit(5, A, 2), commit(5, A, 1)],
        }
        for sentence, commits in wrong.items():
            with self.subTest(sentence):
                found = history_violations("db1", commits)
                self.assertTrue(any(sentence in violation for violation in found), found)

    def test_journal_right(self):
        commits = [
            journal(5, A, "r1", Recovery(A, 5, "c", True)),
            journal(6, B, "r1", Recovery(B, 6, "c", True)),
            journal(6, B, "r1", Recovery(B, 6, "c", False)),
            journal(6, B, "r2", Recovery(B, 6, "c", True)),
            journal(6, B, "r3", Recovery(B, 6, "other", True)),
        ]
        self.assertEqual(journal_violations("db1", commits), [])

    def test_journal_wrong(self):
        first = journal(5, A, "r1", Recovery(A, 5, "c", True))
        wrong = {
            "is written by": [journal(5, B, "r1", Recovery(A, 5, "c", True))],
            "goes from": [first, journal(5, B, "r1", Recovery(B, 5, "c", True))],
            "is running": [first, journal(5, A, "r2", Recovery(A, 5, "c", True))],
        }
        for sentence, commits in wrong.items():
            with self.subTest(sentence):
                found = journal_violations("db1", commits)
                self.assertTrue(any(sentence in violation for violation in found), found)

    def test_writes(self):
        written = Write("node1", A, 5, (5 << 40) + 3, 11.0, 11.1, "written")
        histories = {"db1": [commit(5, A, 2, 3)]}
        self.assertEqual(lost_writes([written], histories), [])
        self.assertEqual(len(lost_writes([written._replace(seq=(5 << 40) + 4)], histories)), 1)
        self.assertEqual(lost_writes([written._replace(seq=(5 << 40) + 4)], histories, [(11.0, 12.0)]), [])
        self.assertEqual(len(lost_writes([written._replace(result="fenced")], histories)), 1)
        self.assertEqual(lost_writes([written._replace(result="fenced", holder=B)], histories), [])
        self.assertEqual(len(lost_writes([written._replace(holder=B)], histories)), 1)
        self.assertEqual(lost_writes([written._replace(seq=1, result="unknown")], histories), [])


if __name__ == "__main__":
    unittest.main()
