#!/usr/bin/env bash
# openpi's own client against `qwen-vla serve`, and our client against openpi's own server loop.
# Both come from the package index into .venv-openpi.
set -Eeuo pipefail
cd "$(dirname "$0")/.."

environment=.venv-openpi
wanted=scripts/openpi/requirements.txt
if ! cmp -s "$wanted" "$environment/installed.txt"; then
    echo "test-openpi-client: installing openpi-client into $environment"
    "$VENV/bin/python" -m venv --clear "$environment"
    "$VENV/bin/uv" pip install --quiet --python "$environment/bin/python" -r "$wanted"
    cp "$wanted" "$environment/installed.txt"
fi
OPENPI_PYTHON=$PWD/$environment/bin/python \
    "$VENV/bin/python" -m pytest -rP test/qwen_vla_remote/openpi_for_real.py "$@"
