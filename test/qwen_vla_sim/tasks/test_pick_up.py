"""Picking up a block, in the same chain as the robot's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.errors import InstructionError
from qwen_vla_core.policy import ChannelPolicy
from qwen_vla_sim.registry import make_world
from qwen_vla_sim.rollout import ExpertPolicy, roll_out
from qwen_vla_sim.tasks.pick_up import BLOCK_SEPARATION_M, PickUp

SEEDS = range(988, 1000)


@pytest.fixture(scope="module")
def codec():
    path = Path(__file__).parents[3] / "embodiments" / "widowx.yaml"
    return EmbodimentCodec(load_embodiment(path))


@pytest.fixture(scope="module")
def world(codec):
    world = make_world(codec.embodiment)
    world.render = lambda camera: None  # nobody here looks
    yield world
    world.close()


@pytest.fixture(scope="module")
def task(codec):
    return PickUp(codec.embodiment)


@pytest.fixture(scope="module")
def work(codec, world, task):
    """Rolls out the expert with the scene's instruction or another."""

    def work(scene, instruction=None):
        policy = ExpertPolicy(task.expert(world, scene), codec)
        if instruction is not None:
            policy = OtherInstruction(policy, instruction)
        return roll_out(policy, codec, world, task, scene)

    return work


class OtherInstruction:
    """A policy that gets another instruction."""

    def __init__(self, policy, instruction):
        self._policy, self._instruction = policy, instruction

    def plan(self, observation, prefix=None):
        return self._policy.plan(replace(observation, instruction=self._instruction))


class Still(ChannelPolicy):
    """Does nothing."""

    def infer(self, observation, prefix=None):
        return np.zeros((16, 7))


def test_when_the_expert_works_on_12_seeds_expect_all_but_one_named_block_lifted(task, work):
    rollouts = [work(task.sample(seed)) for seed in SEEDS]
    assert sum(rollout.outcome.success for rollout in rollouts) >= len(SEEDS) - 1


def test_when_the_seed_is_the_same_expect_the_same_episode(task, world, work):
    first, again = ([work(task.sample(5)), world.data.qpos.copy()] for _ in range(2))
    assert first[0] == again[0]
    np.testing.assert_array_equal(first[1], again[1])


def test_when_another_block_is_lifted_expect_failure_and_what_was_done(task, work):
    scene = task.sample(2)
    outcome = work(scene, scene.instructions[1]).outcome
    assert (outcome.success, outcome.done) == (False, scene.instructions[1])


def test_when_nothing_happens_expect_failure_at_the_time_limit(codec, world, task):
    rollout = roll_out(Still(codec), codec, world, task, task.sample(3))
    assert (rollout.outcome.success, rollout.outcome.done, rollout.steps) == (False, None, 60)


def test_when_a_block_flies_without_being_held_expect_no_success(world, task):
    scene = task.sample(4)
    scene.lay_out(world)
    world.data.joint(task.target(scene, scene.instruction)).qpos[2] = 0.15
    world.step(0.002)
    outcome = task.judge(world, scene)
    assert (outcome.success, outcome.done) == (False, None)


def test_when_scenes_are_drawn_expect_two_or_three_blocks_apart_and_every_colour_named(task):
    scenes = [task.sample(seed) for seed in range(100)]
    assert {len(scene.objects) for scene in scenes} == {2, 3}
    assert {scene.instruction for scene in scenes} == {
        f"pick up the {colour} block" for colour in ("red", "green", "blue")
    }
    for scene in scenes:
        centres = np.array([place[:2] for place in scene.objects.values()])
        gaps = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
        assert gaps[np.triu_indices(len(centres), 1)].min() >= BLOCK_SEPARATION_M


@pytest.mark.parametrize(
    "text", ["pick up the block", "red or blue?", "", "pick up the pink block"]
)
def test_when_an_instruction_names_no_block_that_is_there_expect_it_refused(task, text):
    with pytest.raises(InstructionError):
        task.target(task.sample(0), text)


def test_when_a_plan_is_made_expect_actions_within_bridge_s_bounds(world, task):
    for seed in range(20):
        scene = task.sample(seed)
        scene.lay_out(world)
        for instruction in scene.instructions:
            plan = task.expert(world, scene).plan(scene.positions_D, instruction, 16)
            assert np.abs(plan[:, :3]).max() <= 0.05 and np.abs(plan[:, 3:6]).max() <= 0.25
            assert set(plan[:, 6]) <= {0.0, 1.0}
