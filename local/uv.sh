#!/bin/sh
# Makes .venvs/uv, the program that sets up the other environments, with any Python from 3.9 on.
# Usage: local/uv.sh
set -eu
cd "$(dirname "$0")/.."
for candidate in python3 python3.13 python3.14 python3.12 python3.11 "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.13*/bin/python3.13; do
    # A name on the path can be a shim that starts nothing.
    if "$candidate" -c 'import ensurepip, sys, venv; raise SystemExit(sys.version_info < (3, 9))' >/dev/null 2>&1; then
        "$candidate" -m venv --clear .venvs/uv
        .venvs/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
            -r local/requirements/uv.txt
        touch .venvs/uv/ready
        exit
    fi
done
echo "Python 3.13 is needed, or any from 3.9 on to fetch it with: install one so that 'python3 -m venv' works." >&2
exit 1
