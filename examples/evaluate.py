"""Measure how often a policy succeeds in scenes that no training has seen.

python examples/evaluate.py --embodiment mobile_base --episodes 10
"""

import argparse

from qwen_vla_core.embodiment import find_embodiment, load_embodiment
from qwen_vla_core.resources import SHIPPED_CHECKPOINT, embodiments_directory
from qwen_vla_eval.episodes import directly
from qwen_vla_eval.rates import summarize
from qwen_vla_eval.runner import EvaluationCase
from qwen_vla_sim.registry import find_tasks


def main() -> None:
    """Scenes are shared among processes, which import this file: hence a function."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--embodiment", default="mobile_base", help="name or YAML file")
    parser.add_argument("--checkpoint", default=SHIPPED_CHECKPOINT, help="the shipped one")
    parser.add_argument("--episodes", type=int, default=10, help="number of scenes (10)")
    arguments = parser.parse_args()

    path = find_embodiment(arguments.embodiment, embodiments_directory())
    task = find_tasks(load_embodiment(path), None)[0]
    case = EvaluationCase(
        embodiment=path,
        task=task.name,
        checkpoint=arguments.checkpoint,
        prompt_embodiment=path,
    )
    scenes = [task.sample(seed) for seed in range(arguments.episodes)]
    summary = summarize(list(directly(case, scenes, workers=2)))
    low, high = summary["success_interval_95"]
    print(
        f"{task.name}: {summary['success_rate']:.0%} of {summary['n']} scenes "
        f"(95 % interval {low:.0%} to {high:.0%}); chance {summary['chance']:.0%}"
    )


if __name__ == "__main__":
    main()
