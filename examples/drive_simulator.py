"""Let a policy drive a simulated robot for one episode, without ROS, faster than real time.

python examples/drive_simulator.py --embodiment widowx --seed 0
"""

import argparse

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_model import load_policy
from qwen_vla_sim.registry import find_tasks, make_world
from qwen_vla_sim.rollout import roll_out

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--embodiment", default="widowx", help="name or YAML file (widowx)")
parser.add_argument("--checkpoint", help="a folder, or a name on the hub (the shipped one)")
parser.add_argument("--seed", type=int, default=0, help="of the scene (0)")
arguments = parser.parse_args()

policy = load_policy(arguments.checkpoint, arguments.embodiment)
embodiment = policy.processor.embodiment
task = find_tasks(embodiment, None)[0]
scene = task.sample(arguments.seed)
print(f"{embodiment.name}: {scene.instruction}")

steps = []
rollout = roll_out(
    policy,
    EmbodimentCodec(embodiment),
    make_world(embodiment),
    task,
    scene,
    on_step=lambda observation, *_: steps.append(observation.positions_D),
)
print(f"the joints went from {steps[0].round(2)} to {steps[-1].round(2)}")
print(f"success: {bool(rollout.outcome.success)}, after {rollout.steps} action steps")
