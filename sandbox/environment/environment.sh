#!/bin/sh
# Create .venvs/NAME from sandbox/environment/requirements/NAME.txt, with the Python of .venvs/interpreter.
# Usage: sandbox/environment/environment.sh NAME
set -eu
cd "$(dirname "$0")/../.."
name=$1
python=$(cat .venvs/interpreter)
if ! "$python" -c '' 2>/dev/null; then # removed since then
    python=$(sandbox/environment/interpreter.sh)
fi
echo "Setting up .venvs/$name with $python" >&2
"$python" -m venv --clear --without-pip ".venvs/$name"
# Compile bytecode now, because PYTHONDONTWRITEBYTECODE prevents it later on some machines.
if ! .venvs/uv/bin/uv pip sync --quiet --compile-bytecode --require-hashes \
    --python ".venvs/$name/bin/python" "sandbox/environment/requirements/$name.txt"; then
    echo "uv failed; trying pip, which can have its own index configuration" >&2
    "$python" -m venv --clear ".venvs/$name"
    ".venvs/$name/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
        -r "sandbox/environment/requirements/$name.txt"
fi
touch ".venvs/$name/ready"
