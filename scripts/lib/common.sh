# SPDX-License-Identifier: Apache-2.0
# Sourced by the Bash scripts of this folder: where things are, and how to talk to the person at the terminal.

BATON_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BATON_BUILD=${BATON_BUILD:-$BATON_ROOT/build}
export BATON_ROOT BATON_BUILD

# The system's own interpreter: the Debian packages python3-pymysql and python3-cryptography belong to it, and not
# to whatever "python3" a version manager has put first in PATH.
BATON_PYTHON=${BATON_PYTHON:-/usr/bin/python3}
export BATON_PYTHON

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }
die() {
    printf '\033[1;31merror:\033[0m %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

# Without a terminal the escape sequences only get in the way.
if [ ! -t 2 ]; then
    say() { printf '==> %s\n' "$*" >&2; }
    die() {
        printf 'error: %s\n' "$1" >&2
        shift
        for line in "$@"; do printf '       %s\n' "$line" >&2; done
        exit 1
    }
fi
