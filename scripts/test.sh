#!/usr/bin/env bash
# All tests: first those that may run beside others, then one by one those marked "alone".
# Arguments are pytest's, e.g. test/test_layering.py or -k layering.
set -uo pipefail

# Most tests wait for nodes and not for a core, so four workers use two cores; a file stays whole,
# so that what its fixtures load is loaded once.
"$VENV/bin/python" -m pytest -n 4 --dist loadfile --no-loadscope-reorder -m "not alone" "$@"
beside=$?
[ $beside -eq 0 ] || [ $beside -eq 5 ] || exit $beside
"$VENV/bin/python" -m pytest -m alone "$@"
alone=$?
NONE=5  # pytest found no test: right for one of the two runs, if there are tests in the other
if [ $alone -eq $NONE ]; then exit $beside; fi
exit $alone
