#!/bin/sh
# Makes .venvs/NAME from sandbox/environment/requirements/NAME.txt, with the Python that .venvs/interpreter names.
# Usage: sandbox/environment/environment.sh NAME
set -eu
cd "$(dirname "$0")/../.."
name=$1
python=$(cat .venvs/interpreter)
if ! "$python" -c '' 2>/dev/null; then # it was removed since
    python=$(sandbox/environment/interpreter.sh)
fi
echo "Setting up .venvs/$name with $python" >&2
"$python" -m venv --clear --without-pip ".venvs/$name"
# With bytecode, because there are machines on which programs that run leave none.
if ! .venvs/uv/bin/uv pip sync --quiet --compile-bytecode --require-hashes \
    --python ".venvs/$name/bin/python" "sandbox/environment/requirements/$name.txt"; then
    echo "uv could not; trying pip, which may know an index of its own" >&2
    "$python" -m venv --clear ".venvs/$name"
    ".venvs/$name/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
        -r "sandbox/environment/requirements/$name.txt"
fi
touch ".venvs/$name/ready"
