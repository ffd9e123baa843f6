# SPDX-License-Identifier: Apache-2.0
"""Closing lines of scripts/test: what failed and what was skipped, by name, and how many passed.

    summary.py RESULTS...     JUnit files of ctest, and files of lines "name<TAB>passed|failed|skipped<TAB>remark"

Exit status 1 when anything failed or nothing ran.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree


def from_junit(path):
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        name = case.get("name")
        output = case.findtext("system-out") or ""
        if case.get("status") == "run":
            yield name, "passed", ""
            # A GoogleTest program or unittest module passes while some of its cases were skipped.
            for found in re.finditer(r"^\[  SKIPPED \] (\S+\.\S+) \(\d+ ms\)$", output, re.M):
                yield f"{name}: {found[1]}", "skipped", "see its output"
            for found in re.finditer(r"^skipped: (\S+): (.*)$", output, re.M):
                yield f"{name}: {found[1]}", "skipped", found[2]
        elif case.find("skipped") is not None:
            reasons = [found[2] for found in re.finditer(r"^skipped: (\S+): (.*)$", output, re.M)]
            message = case.find("skipped").get("message", "")
            if "Unable to find" in message or "Required Files" in message or not (reasons or "SKIP" in message):
                yield name, "failed", f"did not run: {message}"
            else:
                yield name, "skipped", reasons[0] if reasons else message
        else:
            failure = case.find("failure")
            yield name, "failed", failure.get("message", "") if failure is not None else case.get("status")


def from_lines(path):
    for line in pathlib.Path(path).read_text("utf-8").splitlines():
        name, outcome, remark = line.split("\t")
        yield name, outcome, remark


def cases(path):
    """Number of GoogleTest cases that passed in the programs of a JUnit file."""
    text = pathlib.Path(path).read_text("utf-8", "replace")
    return sum(int(found) for found in re.findall(r"\[  PASSED  \] (\d+) tests?\.", text))


def main(paths):
    outcomes = {"passed": [], "failed": [], "skipped": []}
    inner = 0
    for path in paths:
        if path.endswith(".xml"):
            stage = pathlib.Path(path).stem
            prefix = "" if stage.startswith("release") else stage.split("-")[0] + ": "
            found = [(prefix + name, *rest) for name, *rest in from_junit(path)]
            inner += cases(path)
        else:
            found = from_lines(path)
        for name, outcome, remark in found:
            outcomes[outcome].append((name, remark))
    print()
    for outcome in ("skipped", "failed"):
        for name, remark in outcomes[outcome]:
            print(f"{outcome.upper()}: {name}{': ' + remark if remark else ''}")
    if inner:
        print(f"({inner} GoogleTest cases inside the programs counted below)")
    print(", ".join(f"{len(outcomes[outcome])} {outcome}" for outcome in ("passed", "failed", "skipped")))
    return 1 if outcomes["failed"] or not outcomes["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
