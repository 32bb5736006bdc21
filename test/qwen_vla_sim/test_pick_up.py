"""The task and its expert, in the same chain as the robot's."""

from pathlib import Path

import numpy as np
import pytest

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.errors import InstructionError
from qwen_vla_sim.rollout import roll_out
from qwen_vla_sim.tasks.pick_up import BLOCK_SEPARATION_M, colour_in, judge, sample_scene
from qwen_vla_sim.tasks.pick_up_expert import ExpertPolicy, PickUpExpert
from qwen_vla_sim.worlds.widowx import WidowxWorld

SEEDS = range(900, 1000)


@pytest.fixture(scope="module")
def codec():
    path = Path(__file__).parents[2] / "embodiments" / "widowx.yaml"
    return EmbodimentCodec(load_embodiment(path))


@pytest.fixture(scope="module")
def world():
    world = WidowxWorld(image_size=32)
    yield world
    world.close()


class OtherColour:
    """The expert, told to pick up another block than the instruction names."""

    def __init__(self, codec, world, colour):
        self._codec, self._world, self._colour = codec, world, colour
        self._expert = PickUpExpert(codec)

    def infer(self, observation, prefix=None):
        situation = self._expert.situation(observation.commanded_D, self._world, (self._colour,))
        plan = self._expert.plan(situation, self._colour, self._codec.embodiment.horizon)
        return self._codec.normalize_actions(plan)


class Still:
    """Does nothing."""

    def infer(self, observation, prefix=None):
        return np.zeros((16, 7))


def test_when_the_expert_works_on_100_seeds_expect_at_least_95_named_blocks_lifted(codec, world):
    expert = ExpertPolicy(codec, world)
    rollouts = [roll_out(expert, codec, world, seed) for seed in SEEDS]
    assert sum(r.success for r in rollouts) >= 95
    assert all(colour_in(r.instruction) == r.lifted for r in rollouts if r.success)


def test_when_the_seed_is_the_same_expect_the_same_episode(codec, world):
    expert = ExpertPolicy(codec, world)
    first, again = ([roll_out(expert, codec, world, 5), world.data.qpos.copy()] for _ in range(2))
    assert first[0] == again[0]
    np.testing.assert_array_equal(first[1], again[1])


def test_when_another_block_is_lifted_expect_failure_and_its_name(codec, world):
    scene = sample_scene(2, codec)
    other = next(colour for colour in scene.blocks if colour != scene.colour)
    rollout = roll_out(OtherColour(codec, world, other), codec, world, scene.seed)
    assert not rollout.success and rollout.lifted == other


def test_when_nothing_happens_expect_failure_at_the_time_limit(codec, world):
    rollout = roll_out(Still(), codec, world, 3)
    assert (rollout.success, rollout.lifted, rollout.steps) == (False, None, 60)


def test_when_a_block_flies_without_being_held_expect_no_success(codec, world):
    scene = sample_scene(4, codec)
    world.reset(scene.positions_D, scene.blocks)
    world.data.joint(scene.colour).qpos[2] = 0.15
    world.step(0.002)
    outcome = judge(world, scene)
    assert not outcome.success and outcome.lifted is None


def test_when_scenes_are_drawn_expect_two_or_three_blocks_apart_and_every_colour_named(codec):
    scenes = [sample_scene(seed, codec) for seed in range(100)]
    assert {len(scene.blocks) for scene in scenes} == {2, 3}
    assert {scene.colour for scene in scenes} == {"red", "green", "blue"}
    for scene in scenes:
        centres = np.array([place[:2] for place in scene.blocks.values()])
        gaps = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
        assert gaps[np.triu_indices(len(centres), 1)].min() >= BLOCK_SEPARATION_M


@pytest.mark.parametrize("text", ["pick up the block", "red or blue?", ""])
def test_when_an_instruction_names_no_single_colour_expect_it_refused(text):
    with pytest.raises(InstructionError):
        colour_in(text)


def test_when_a_plan_is_made_expect_actions_within_bridge_s_bounds(codec, world):
    expert = PickUpExpert(codec)
    for seed in range(20):
        scene = sample_scene(seed, codec)
        world.reset(scene.positions_D, scene.blocks)
        situation = expert.situation(scene.positions_D, world, tuple(scene.blocks))
        for colour in scene.blocks:
            plan = expert.plan(situation, colour, 16)
            assert np.abs(plan[:, :3]).max() <= 0.05 and np.abs(plan[:, 3:6]).max() <= 0.25
            assert set(plan[:, 6]) <= {0.0, 1.0}
