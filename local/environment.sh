#!/bin/sh
# Makes .venvs/NAME from local/requirements/NAME.txt.
# Usage: local/environment.sh NAME
set -eu
cd "$(dirname "$0")/.."
name=$1
python=$(local/interpreter.sh)
echo "Setting up .venvs/$name with $python" >&2
rm -rf ".venvs/$name"
"$python" -m venv ".venvs/$name"
".venvs/$name/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    -r "local/requirements/$name.txt"
touch ".venvs/$name/ready"
