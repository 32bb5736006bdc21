#!/usr/bin/env bash
# Installs each benchmark of scripts/benchmarks/*.txt into .venv-benchmarks/NAME, with Python 3.11:
# they need other versions of MuJoCo and NumPy than we do.
set -Eeuo pipefail
cd "$(dirname "$0")/.."
. scripts/find_python.sh

say() { echo "benchmark-setup: $*"; }

if ! python=$(find_python 3.11); then
    say "needs Python 3.11, which is not found here" >&2
    exit 1
fi
for wanted in scripts/benchmarks/*.txt; do
    name=$(basename "$wanted" .txt)
    environment=.venv-benchmarks/$name
    cmp -s "$wanted" "$environment/installed.txt" && continue
    say "installing $name into $environment"
    "$VENV/bin/uv" venv --quiet --clear --python "$python" "$environment"
    "$VENV/bin/uv" pip install --quiet --python "$environment/bin/python" -r "$wanted"
    cp "$wanted" "$environment/installed.txt"
done
say "done: qwen-vla benchmark --help"
