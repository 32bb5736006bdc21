"""Serve policies from several GPUs or computers, with Ray Serve.

Example:
  pip install -r requirements-fleet.txt
  qwen-vla fleet up --config config/fleets/example.yaml
  qwen-vla fleet config --config config/fleets/example.yaml > ray.yaml     # for a cluster:
  serve deploy ray.yaml

Each replica is a policy server of its own with one GPU; robots know one port, and each connection
is handed to the one that has the fewest. Replicas that die or hang are started again, and there
are more of them while requests wait for too long. SIGUSR1 to this process reads the file and what
its checkpoint leads to once more, and serves that from one replica after the other; no request is
lost, and what does not load changes nothing.

Ray runs on this computer for as long as the command does, or is the cluster whose head RAY_ADDRESS
names. One computer needs no Ray for this: `qwen-vla serve --device cuda:0 --device cuda:1`.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `qwen-vla fleet`."""
    parser.add_argument(
        "action",
        choices=("up", "config"),
        help="serve until interrupted, or print the file for Ray's `serve deploy`",
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML file of the fleet")


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted, or print."""
    from qwen_vla_eval.fleet import require_ray
    from qwen_vla_eval.fleet.plan import load_fleet, ray_configuration

    if arguments.action == "config":
        import yaml

        print(yaml.safe_dump(ray_configuration(load_fleet(arguments.config)), sort_keys=False))
        return 0
    require_ray()
    from qwen_vla_eval.fleet.up import fleet_up

    fleet_up(arguments.config)
    return 0
