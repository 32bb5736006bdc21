"""A policy in a rollout sees, and is asked, what it would on the robot."""

import numpy as np
import pytest

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.errors import ChunkError
from qwen_vla_core.policy import ChannelPolicy, HoldPolicy
from qwen_vla_remote.backend import in_joint_space
from qwen_vla_sim.registry import make_tasks, make_world
from qwen_vla_sim.rollout import roll_out
from qwen_vla_sim.tasks.task import Outcome
from robots import robot, widowx_text


class Watcher(ChannelPolicy):
    """Waves with the arm and remembers what it saw."""

    def __init__(self):
        super().__init__(EmbodimentCodec(robot(widowx_text())))
        self.seen, self.prefixes = [], []

    def infer(self, observation, prefix=None):
        self.seen.append(observation)
        self.prefixes.append(prefix)
        actions_HC = np.zeros((16, 7))
        actions_HC[:, 1] = 0.5
        return actions_HC


def test_when_a_view_has_history_expect_the_images_of_those_action_steps_before():
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
        on_step=lambda observation, *_: at_step.append(observation.images["over_shoulder"]),
    )
    world.close()
    assert len(watcher.seen) == 4
    for k, observation in enumerate(watcher.seen):
        assert set(observation.history) == {"over_shoulder"}
        shown = [*observation.history["over_shoulder"], observation.images["over_shoulder"]]
        for back, image in zip((3, 1, 0), shown, strict=True):
            np.testing.assert_array_equal(image, at_step[max(2 * k - back, 0)])
    assert (at_step[0] != at_step[3]).any()


def test_when_success_is_broken_off_expect_it_counted_from_the_beginning_again():
    widowx = robot(widowx_text())
    world, task = make_world(widowx), make_tasks(widowx)["pick_up"]
    task.time_limit_s = 4.0
    # HELD_S is two action steps of 0.2 s.
    judged = iter([True, False, True, False, False, True, True, True, True])
    task.judge = lambda world, scene: Outcome(success=next(judged), done=None)
    rollout = roll_out(Watcher(), EmbodimentCodec(widowx), world, task, task.sample(3))
    world.close()
    assert rollout.outcome.success and rollout.steps == 7


def test_when_the_policy_infers_again_expect_the_rest_of_its_last_chunk_as_prefix():
    widowx = robot(widowx_text())
    world, task = make_world(widowx), make_tasks(widowx)["pick_up"]
    task.time_limit_s = 2.0
    watcher = Watcher()
    roll_out(watcher, EmbodimentCodec(widowx), world, task, task.sample(3), latency_s=0.25)
    world.close()
    assert [observation.stamp_s for observation in watcher.seen] == pytest.approx([0.0, 0.8, 1.6])
    first, second, _ = watcher.prefixes
    assert first is None and len(second.actions_NC) == 12 and second.committed == 1


def test_when_a_policy_acts_by_other_channels_expect_its_plan_followed():
    """As another's model does behind a server: by joint positions, on a robot of tool deltas."""
    widowx = robot(widowx_text())
    world, task = make_world(widowx), make_tasks(widowx)["pick_up"]
    task.time_limit_s, commanded_TD = 1.5, []
    roll_out(
        HoldPolicy(in_joint_space(widowx)),
        EmbodimentCodec(widowx),
        world,
        task,
        task.sample(3),
        on_step=lambda observation, *_: commanded_TD.append(observation.commanded_D),
    )
    world.close()
    np.testing.assert_allclose(commanded_TD, np.tile(commanded_TD[0], (8, 1)), atol=1e-4)


@pytest.mark.parametrize("replan_steps", [16, 64])
def test_when_a_chunk_does_not_cover_the_replan_steps_expect_refusal(replan_steps):
    widowx = robot(widowx_text())
    world, task = make_world(widowx), make_tasks(widowx)["pick_up"]
    with pytest.raises(ChunkError, match="1 to 9"):
        codec = EmbodimentCodec(widowx)
        roll_out(Watcher(), codec, world, task, task.sample(3), replan_steps=replan_steps)
    world.close()
