#!/bin/sh
# Create .venvs/uv, which creates the other environments, with any Python from 3.9 on.
# Usage: sandbox/environment/uv.sh
set -eu
cd "$(dirname "$0")/../.."
for candidate in python3.13 "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.13*/bin/python3.13 python3.14 python3.12 python3.11 python3; do
    # A command on the path can be a shim without a Python behind it.
    if "$candidate" -c 'import ensurepip, sys, venv; raise SystemExit(sys.version_info < (3, 9))' >/dev/null 2>&1 &&
        "$candidate" -m venv --clear .venvs/uv &&
        .venvs/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
            -r sandbox/environment/requirements/uv.txt; then
        touch .venvs/uv/ready
        exit
    fi
done
echo "Python 3.9 or newer is required, with a working 'python3 -m venv' and pip. Python 3.13 is best." >&2
exit 1
