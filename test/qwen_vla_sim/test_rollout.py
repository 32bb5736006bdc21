"""A policy in a rollout sees what it would see on the robot."""

import numpy as np

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_sim.registry import make_tasks, make_world
from qwen_vla_sim.rollout import roll_out
from robots import robot, widowx_text


class Watcher:
    """Waves with the arm and remembers what it saw."""

    def __init__(self):
        self.seen = []

    def infer(self, observation, prefix=None):
        self.seen.append(observation)
        actions_HC = np.zeros((16, 7))
        actions_HC[:, 1] = 0.5
        return actions_HC


def test_when_a_view_has_history_expect_the_pictures_of_those_action_steps_before():
    widowx = robot(widowx_text().replace("tag: ego\n", "tag: ego\n    history_steps: [1, 3]\n"))
    world, task = make_world(widowx), make_tasks(widowx)["pick_up"]
    task.time_limit_s = 1.5
    at_step, watcher = [], Watcher()
    roll_out(
        watcher,
        EmbodimentCodec(widowx),
        world,
        task,
        task.sample(3),
        replan_steps=2,
        on_step=lambda observation: at_step.append(observation.images["over_shoulder"]),
    )
    world.close()
    assert len(watcher.seen) == 4
    for k, observation in enumerate(watcher.seen):
        assert set(observation.history) == {"over_shoulder"}
        shown = [*observation.history["over_shoulder"], observation.images["over_shoulder"]]
        for back, image in zip((3, 1, 0), shown, strict=True):
            np.testing.assert_array_equal(image, at_step[max(2 * k - back, 0)])
    assert (at_step[0] != at_step[3]).any()
