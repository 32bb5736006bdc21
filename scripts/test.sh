#!/usr/bin/env bash
# All tests, in three rounds: those that compute, with a worker a core; those of nodes, which wait
# most of their time, with more; and one by one those that measure time or need both cores (marked
# "alone"). Those that compute for long (marked "long") are left out: make test-long.
# Arguments are pytest's; with tests named, e.g. test/test_layering.py, only these run, long or not.
set -uo pipefail

NODES="test/qwen_vla_eval/test_episodes.py test/test_own_robot.py test/qwen_vla_remote
    test/qwen_vla_ros test/qwen_vla_sim/node"
NONE=5  # pytest's exit status where it found no test, which is right for all rounds but one
status=$NONE
short=

# A file stays whole, so that what its fixtures load is loaded once. A worker that crashes ends the
# round with its test's name: pytest-xdist 3.8 waits for ever for one that takes over for another.
beside() {
    round -m "not alone$short" --dist loadfile --no-loadscope-reorder --max-worker-restart 0 "$@"
}

round() {
    "$VENV/bin/python" -m pytest "$@"
    local ended=$?
    [ $ended -eq $NONE ] || status=$ended
    [ $ended -eq $NONE ] || [ $ended -eq 0 ] || exit $ended
}

if [[ " $*" == *" test/"* ]]; then
    beside -n 2 "$@"
    round -m alone "$@"
else
    short=" and not long"
    # shellcheck disable=SC2086  # several words
    beside -n 2 $(printf -- "--ignore=%s " $NODES) "$@"
    beside -n 5 $NODES "$@"
    # Only files with such tests: to import all others takes longer than some of the tests.
    round -m "alone$short" $(grep -rl --include="test_*.py" "mark\.alone" test) "$@"
fi
exit $status
