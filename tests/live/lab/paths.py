# SPDX-License-Identifier: Apache-2.0
"""Where the lab finds things of the repository."""

import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("BATON_BUILD", ROOT / "build"))


def baton_binary():
    return pathlib.Path(os.environ.get("BATON_BIN", BUILD / "release/src/app/baton"))
