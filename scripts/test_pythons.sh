#!/usr/bin/env bash
# test_pythons.sh VERSION...: sets up each of these Pythons that is found, in .venv-VERSION, and
# runs a quick selection of the tests with it. Fails if one of them fails.
set -Euo pipefail
cd "$(dirname "$0")/.." || exit
. scripts/find_python.sh

# Numbers on the way to a motor, nodes over real DDS, and the network: one to three minutes.
QUICK=(
    test/qwen_vla_core test/test_embodiments.py test/test_layering.py test/test_locks.py
    test/qwen_vla_ros/nodes/test_control_node.py test/qwen_vla_model/test_policy.py
)

say() { echo "test-pythons: $*"; }

failed=0
for version in "$@"; do
    if ! python=$(find_python "$version"); then
        say "Python $version is not found here: not tested"
        continue
    fi
    started=$SECONDS
    if ! make --no-print-directory setup "VENV=.venv-$version" "PYTHON=$python"; then
        say "Python $version: SET-UP FAILED after $((SECONDS - started)) s"
        failed=1
        continue
    fi
    set_up=$((SECONDS - started))
    if ".venv-$version/bin/python" -m pytest -q "${QUICK[@]}"; then
        outcome=passed
    else
        outcome="TESTS FAILED"
        failed=1
    fi
    say "Python $version: $outcome; set-up $set_up s, tests $((SECONDS - started - set_up)) s"
done
exit $failed
