"""Page faults of each pass for eight robots, as JSON: what is fetched from the kernel anew.

In a process of its own, because what a process frees is kept, or not, for all that it does.
"""

import json
import resource

from qwen_vla_core.embodiment import find_embodiment, load_embodiment
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_model.policy import QwenVlaPolicy

PASSES, ROBOTS = 6, 8


def faults() -> list[int]:
    """Of each pass of the shipped policy for the ALOHA."""
    robot = load_embodiment(find_embodiment("aloha", embodiments_directory()))
    policy, seen, counts = QwenVlaPolicy.load(None, robot), empty_scene(robot), []
    for _ in range(PASSES):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        policy.infer_batch([seen] * ROBOTS, [None] * ROBOTS)
        counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return counts


if __name__ == "__main__":
    print(json.dumps(faults()))
