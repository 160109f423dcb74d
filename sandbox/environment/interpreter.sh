#!/bin/sh
# Prints the path of a Python 3.13, the Lambda runtime's version; where there is none, .venvs/uv fetches one first.
# Usage: sandbox/environment/interpreter.sh
set -eu
cd "$(dirname "$0")/../.."

# Of an environment, which may be about to be removed, it prints the Python that made it.
program='import sys, venv; sys.version_info[:2] == (3, 13) or sys.exit(1); print(sys._base_executable)'

find_python() {
    for candidate in python3.13 "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.13*/bin/python3.13 .venvs/python/*/bin/python3.13; do
        # A name on the path can be a shim that starts nothing.
        if found=$("$candidate" -c "$program" 2>/dev/null); then
            echo "$found"
            return
        fi
    done
    return 1
}

if ! python=$(find_python); then
    echo "Python 3.13 not found; fetching it" >&2
    .venvs/uv/bin/uv python install --quiet --no-bin --install-dir .venvs/python 3.13 >&2 || :
    if ! python=$(find_python); then
        echo "Python 3.13 is needed and could not be fetched: install it so that 'python3.13 -m venv' works." >&2
        exit 1
    fi
fi
echo "$python"
