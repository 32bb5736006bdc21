"""Fetching a block with base and arm, in the same chain as the robot's."""

import numpy as np
import pytest

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.policy import ChannelPolicy
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_sim.registry import find_tasks, make_world
from qwen_vla_sim.rollout import ExpertPolicy, roll_out
from qwen_vla_sim.tasks.driving import base_pose
from qwen_vla_sim.tasks.shifts import FIRST_TRAINING_SEED, Shift
from qwen_vla_sim.worlds.widowx_mobile_mjcf import ARM_X_M

SHIFTED = [shift for shift in Shift if shift is not Shift.NONE]
REACH_M = 0.40
"""No farther than this from its base does the arm get with the gripper pointing down."""


@pytest.fixture(scope="module")
def codec():
    return EmbodimentCodec(load_embodiment(embodiments_directory() / "widowx_mobile.yaml"))


@pytest.fixture(scope="module")
def world(codec):
    world = make_world(codec.embodiment)
    yield world
    world.close()


@pytest.fixture(scope="module")
def task(codec):
    (task,) = find_tasks(codec.embodiment, "fetch")
    return task


@pytest.fixture
def work(codec, world, task, monkeypatch):
    """Rolls out what a policy does, the expert if none is given."""
    monkeypatch.setattr(world, "render", lambda camera: None)  # nobody here looks

    def work(scene, policy=None):
        policy = policy or ExpertPolicy(task.expert(world, scene), codec)
        return roll_out(policy, codec, world, task, scene).outcome

    return work


class Without(ChannelPolicy):
    """A policy whose channels of one kind are missing."""

    def __init__(self, policy, codec, group):
        super().__init__(codec)
        self._policy = policy
        self._channels = [name.startswith(group) for name in codec.embodiment.action_channels]

    def infer(self, observation, prefix=None):
        actions_HC = self._policy.infer(observation, prefix)
        still_C = self.codec.normalize_actions(self.codec.still(observation.commanded_D))
        return np.where(self._channels, still_C, actions_HC)


def test_when_the_expert_works_expect_the_named_block_lifted_and_the_bench_not_touched(
    task, work, world
):
    outcomes = []
    for seed in range(900, 905):
        outcomes.append(work(task.sample(seed)))
        assert world.touching("base_link") == set()
    assert sum(outcome.success for outcome in outcomes) >= len(outcomes) - 1


@pytest.mark.parametrize("shift", SHIFTED)
def test_when_a_scene_is_shifted_expect_the_expert_to_lift_its_block(task, work, shift):
    assert work(task.sample(901, shift)).success


@pytest.mark.parametrize("group", ["base", "arm"])
def test_when_base_or_arm_does_not_move_expect_failure(
    task, world, codec, work, group, monkeypatch
):
    monkeypatch.setattr(task, "time_limit_s", 10.0)  # nothing will be lifted
    scene = task.sample(3)
    expert = ExpertPolicy(task.expert(world, scene), codec)
    outcome = work(scene, Without(expert, codec, group))
    assert (outcome.success, outcome.done) == (False, None)


def test_when_scenes_are_drawn_expect_every_block_out_of_reach_and_in_sight(task, world):
    for shift in (Shift.NONE, Shift.POSITION):
        for seed in range(10):
            scene = task.sample(seed, shift)
            scene.lay_out(world)
            blocks = np.array([world.body_position(body) for body in scene.names])
            away = np.linalg.norm((blocks - world.body_position("arm_base"))[:, :2], axis=1)
            assert away.min() > REACH_M
            assert np.isfinite(world.visible_boxes("front", list(scene.names))).all()
            assert all(task.expert(world, scene).feasible(text) for text in scene.instructions)


def test_when_a_plan_is_made_expect_nothing_beyond_what_the_model_can_say(task, world, codec):
    for seed in range(10):
        scene = task.sample(seed)
        scene.lay_out(world)
        for instruction in scene.instructions:
            plan = task.expert(world, scene).plan(scene.positions_D, instruction, 16)
            assert (plan >= codec.action_q01_C).all() and (plan <= codec.action_q99_C).all()


def test_when_recordings_start_elsewhere_expect_the_robot_free_and_able(task, world):
    rng = np.random.default_rng(0)
    for seed in range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + 20):
        scene = task.scatter(task.sample(seed), rng)
        scene.lay_out(world)
        world.step(0.02)
        assert world.touching("base_link") == set()
        assert base_pose(world)[0] + ARM_X_M < -0.2
