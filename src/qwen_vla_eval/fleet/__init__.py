"""`qwen-vla fleet up`: policy servers as replicas of a Ray Serve deployment, one a GPU.

Ray places, counts, restarts and replaces them. What robots send never goes through Ray: each
computer with a replica has one process at the fleet's port, which hands connections to the
replicas of that computer, as `qwen-vla serve` with several devices does. Ray Serve's own proxies
are off.

plan.py has the configuration file and makes Ray's configuration from it; front.py the process that
listens at the port; replica.py a process with a policy, and how many of these are wanted; up.py
starts, updates and ends the fleet. Only plan.py can be imported without Ray.
"""

import os

from qwen_vla_core.errors import QwenVlaError

STARTING_MS = 100_000
"""Ray gives its own agent 15 s to start, which a busy computer does not keep."""


def require_ray() -> None:
    """Import Ray, which reads its settings as it is imported.

    Raises:
        QwenVlaError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    os.environ.setdefault("RAY_agent_register_timeout_ms", str(STARTING_MS))
    # What its processes print is shown here; of transformers' advice there would be pages.
    os.environ.setdefault("PYTHONWARNINGS", "ignore::FutureWarning")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        import ray.serve  # noqa: F401
    except ModuleNotFoundError as error:
        raise QwenVlaError(
            "a fleet needs Ray: pip install -r requirements-fleet.txt (or pip install "
            "'qwen_vla_ros[fleet]'); one computer does without: "
            "qwen-vla serve --device cuda:0 --device cuda:1"
        ) from error
