"""python -m client MODULE:CLASS [URL]: carries out jobs, one JSON object a line, from stdin.

The class implements ``Environment``.

For each it writes one line with the outcome, or with ``error``. Without URL the expert acts.
"""

import importlib
import json
import os
import sys
import traceback

from .episode import Job, carry_out
from .openpi import OpenpiPolicy


def serve_jobs(environment, policy: OpenpiPolicy | None, answers) -> None:
    """Until stdin ends."""
    for line in sys.stdin:
        try:
            result = carry_out(environment, policy, Job(**json.loads(line)))
        except Exception as error:
            traceback.print_exc()
            result = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(result), file=answers, flush=True)
        if "error" in result:
            return


def main() -> None:
    """Everything that libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module, name = sys.argv[1].split(":")
    environment = getattr(importlib.import_module(module), name)()
    policy = OpenpiPolicy(sys.argv[2]) if len(sys.argv) > 2 else None
    serve_jobs(environment, policy, answers)


if __name__ == "__main__":
    main()
