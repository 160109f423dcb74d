#!/bin/sh
# Prints the path of a Python 3.13, the Lambda runtime's version; where there is none, fetches one first.
# Usage: local/interpreter.sh
set -eu
cd "$(dirname "$0")/.."

serves() { # a name on the path can be a shim that starts nothing
    "$1" -c 'import ensurepip, sys, venv; raise SystemExit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1
}

find_python() {
    for candidate in python3.13 "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.13*/bin/python3.13 .venvs/python/*/bin/python3.13; do
        if serves "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fetch_python
}

fetch_python() { # with uv, which any Python from 3.11 on can install
    for candidate in python3 python3.14 python3.12 python3.11; do
        if "$candidate" -c 'import ensurepip, sys, venv; raise SystemExit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            echo "Python 3.13 not found; fetching it with uv" >&2
            "$candidate" -m venv --clear .venvs/uv >&2 &&
                .venvs/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
                    -r local/requirements/uv.txt >&2 &&
                .venvs/uv/bin/uv python install --quiet --no-bin --install-dir .venvs/python 3.13 >&2 || return 0
            for fetched in .venvs/python/*/bin/python3.13; do
                if serves "$fetched"; then
                    echo "$fetched"
                fi
                return
            done
        fi
    done
}

python=$(find_python)
if [ -n "$python" ]; then
    # Not the python3.13 of an environment that may be about to be removed, but the one that made it.
    python=$("$python" -c 'import sys; print(sys._base_executable)')
fi
if [ -z "$python" ]; then
    echo "Python 3.13 is needed and could not be fetched: install it so that 'python3.13 -m venv' works." >&2
    exit 1
fi
echo "$python"
