# SPDX-License-Identifier: Apache-2.0
"""How scripts/bench tells what it measured."""

import json
import os
import statistics
import sys


class Report:
    def __init__(self, json_file):
        self._file = open(json_file, "a", encoding="utf-8") if json_file else None

    def line(self, **values):
        text = json.dumps({key: round(v, 4) if isinstance(v, float) else v for key, v in values.items()})
        print(text, flush=True)
        if self._file:
            self._file.write(text + "\n")
            self._file.flush()

    def summary(self, name, unit, values, **context):
        values = sorted(values)
        self.line(
            summary=name, unit=unit, runs=len(values), median=statistics.median(values), min=values[0],
            max=values[-1], p90=values[min(len(values) - 1, int(0.9 * len(values)))], cores=os.cpu_count(),
            load=os.getloadavg()[0], **context,
        )
        print(
            f"{name} ({', '.join(f'{k} {v}' for k, v in context.items())}), {len(values)} runs: "
            f"median {statistics.median(values):.3f} {unit}, min {values[0]:.3f}, max {values[-1]:.3f}",
            file=sys.stderr, flush=True,
        )


def require(missing):
    if missing:
        sys.exit(f"cannot be measured here: {missing}")
