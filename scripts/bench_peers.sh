#!/usr/bin/env bash
# The shipped policy beside LeRobot's, in one run: LeRobot in .venv-lerobot, which needs Python 3.12.
set -Eeuo pipefail
cd "$(dirname "$0")/.."
. scripts/lerobot/set_up.sh

set_up_lerobot bench-peers
PYTHONPATH=src "$VENV/bin/python" scripts/lerobot/bench.py "$lerobot/bin/python" "$@"
