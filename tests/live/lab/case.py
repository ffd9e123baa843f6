# SPDX-License-Identifier: Apache-2.0
"""Base of the live tests."""

import sys
import unittest

from . import faults
from .flavour import FLAVOURS
from .paths import baton_binary
from .server import tail
from .topology import Lab


class LiveTest(unittest.TestCase):
    """Gives each test its own lab, and shows the logs of the nodes when it failed."""

    maxDiff = None

    def setUp(self):
        if not baton_binary().exists():
            # Not a reason to skip: the build makes it, so a missing one is a fault.
            self.fail(f"{baton_binary()} is not built")
        self.lab = Lab("test")
        self.addCleanup(self.lab.close)

    def tearDown(self):
        result = self._outcome.result
        if any(test is self for test, _ in [*result.failures, *result.errors]):
            self.show_logs()

    def show_logs(self):
        for name, log in self.lab.logs():
            lines = 80 if "node" in name else 12
            print(f"--- {name}: {log}\n{tail(log, lines)}", file=sys.stderr)

    def need(self, flavour):
        """Skips the test where servers of this flavour cannot be had."""
        reason = FLAVOURS[flavour].missing_because()
        if reason:
            self.skipTest(reason)

    def need_packet_filter(self):
        reason = faults.missing_because()
        if reason:
            self.skipTest(reason)
