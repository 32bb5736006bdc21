#!/usr/bin/env bash
# All tests: those that compute, and beside them those of nodes, which wait a third of their time
# and are shown when both are through; then one by one those that measure time or need both cores
# (marked "alone"). Those that compute for long (marked "long") are left out: make test-long.
# Arguments are pytest's; with tests named, e.g. test/test_layering.py, only these run, long or not.
set -uo pipefail

NODES="test/qwen_vla_eval/test_episodes.py test/test_own_robot.py test/qwen_vla_remote
    test/qwen_vla_ros test/qwen_vla_sim/node"
BESIDE="not alone and not long"
NONE=5  # pytest's exit status where it found no test, which is right unless it never finds one
status=$NONE

# A file stays whole, so that what its fixtures load is loaded once. A worker that crashes ends the
# round with its test's name: pytest-xdist 3.8 waits for ever for one that takes over for another.
SHARED="--dist loadfile --no-loadscope-reorder --max-worker-restart 0"

# Takes the exit status of a pytest; ends with it where a test failed.
ended() {
    [ "$1" -eq $NONE ] || status=$1
    [ "$status" -eq $NONE ] || [ "$status" -eq 0 ] || exit "$status"
}

# shellcheck disable=SC2086  # several words
if [[ " $*" == *" test/"* ]]; then
    "$VENV/bin/python" -m pytest -n 2 -m "not alone" $SHARED "$@"
    ended $?
    "$VENV/bin/python" -m pytest -m alone "$@"
    ended $?
else
    shown=$(mktemp)
    "$VENV/bin/python" -m pytest -n 5 -m "$BESIDE" $SHARED $NODES "$@" >"$shown" 2>&1 &
    nodes=$!
    trap 'kill -INT $nodes 2>/dev/null; wait; rm -f "$shown"' EXIT
    computing=$(printf -- "--ignore=%s " $NODES)
    "$VENV/bin/python" -m pytest -n 2 -m "$BESIDE" $SHARED $computing "$@"
    ended $?
    wait $nodes
    nodes_ended=$?
    cat "$shown"
    ended $nodes_ended
    # Only files with such tests: to import all others takes longer than some of the tests.
    "$VENV/bin/python" -m pytest -m "alone and not long" $(grep -rl --include="test_*.py" "mark\.alone" test) "$@"
    ended $?
fi
exit "$status"
