#!/usr/bin/env bash
# Loads exported datasets with LeRobot itself, trains its ACT on one, and drives a robot with that,
# in .venv-lerobot. LeRobot needs Python 3.12: where that is not found, nothing is tested.
set -Eeuo pipefail
cd "$(dirname "$0")/.."
. scripts/lerobot/set_up.sh

set_up_lerobot test-lerobot
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
PYTHONPATH=src "$VENV/bin/python" scripts/lerobot/export.py "$folder" >"$folder/log.txt" 2>&1 || {
    cat "$folder/log.txt" >&2
    exit 1
}
"$lerobot/bin/python" scripts/lerobot/load.py "$folder"
LEROBOT_BIN=$PWD/$lerobot/bin "$VENV/bin/python" -m pytest -rP "$@" \
    test/qwen_vla_remote/lerobot_for_real.py
