#!/bin/sh
# Print the path of a Python 3.13, the version of the Lambda runtime. If there is none, download one with .venvs/uv.
# Usage: sandbox/environment/interpreter.sh
set -eu
cd "$(dirname "$0")/../.."

# For a virtual environment, print the Python that created it, because the environment can be removed.
program='import sys, venv; sys.version_info[:2] == (3, 13) or sys.exit(1); print(sys._base_executable)'

find_python() {
    for candidate in python3.13 "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.13*/bin/python3.13 .venvs/python/*/bin/python3.13; do
        # A command on the path can be a shim without a Python behind it.
        if found=$("$candidate" -c "$program" 2>/dev/null); then
            echo "$found"
            return
        fi
    done
    return 1
}

if ! python=$(find_python); then
    echo "Python 3.13 not found; downloading it" >&2
    .venvs/uv/bin/uv python install --quiet --no-bin --install-dir .venvs/python 3.13 >&2 || :
    if ! python=$(find_python); then
        echo "Python 3.13 is required and the download failed. Install it, so that 'python3.13 -m venv' works." >&2
        exit 1
    fi
fi
echo "$python"
