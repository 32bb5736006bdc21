#!/usr/bin/env bash
# Loads exported datasets with LeRobot itself, in .venv-lerobot. LeRobot needs Python 3.12: where
# that is not found, it says so and tests nothing.
set -Eeuo pipefail
cd "$(dirname "$0")/.."
. scripts/find_python.sh

say() { echo "test-lerobot: $*"; }

if ! python=$(find_python 3.12); then
    say "Python 3.12 is not found here: not tested"
    exit
fi
environment=.venv-lerobot
wanted=scripts/lerobot/requirements.txt
if ! cmp -s "$wanted" "$environment/installed.txt"; then
    say "installing LeRobot into $environment: up to 3 GB where torch comes with CUDA only"
    "$python" -m venv --clear "$environment"
    install=("$VENV/bin/uv" pip install --quiet --python "$environment/bin/python" -r "$wanted")
    # The build of torch for CPUs is not on every index.
    UV_HTTP_RETRIES=0 "${install[@]}" --torch-backend cpu 2>/dev/null || "${install[@]}"
    cp "$wanted" "$environment/installed.txt"
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
PYTHONPATH=src "$VENV/bin/python" scripts/lerobot/export.py "$folder" >"$folder/log.txt" 2>&1 || {
    cat "$folder/log.txt" >&2
    exit 1
}
"$environment/bin/python" scripts/lerobot/load.py "$folder"
