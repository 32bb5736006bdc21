#!/usr/bin/env bash
# All tests: first those that may run beside others, then one by one those marked "alone".
# Arguments are pytest's, e.g. test/test_layering.py or -k layering.
set -uo pipefail

# Two workers for two cores: with four, tests of nodes in real time met late timers. A file stays
# whole, so that what its fixtures load is loaded once. A worker that crashes ends the run with its
# test's name: pytest-xdist 3.8 waits for ever for a worker that takes over for a crashed one.
"$VENV/bin/python" -m pytest -n 2 --max-worker-restart 0 --dist loadfile \
    --no-loadscope-reorder -m "not alone" "$@"
beside=$?
[ $beside -eq 0 ] || [ $beside -eq 5 ] || exit $beside
"$VENV/bin/python" -m pytest -m alone "$@"
alone=$?
NONE=5  # pytest found no test: right for one of the two runs, if there are tests in the other
if [ $alone -eq $NONE ]; then exit $beside; fi
exit $alone
