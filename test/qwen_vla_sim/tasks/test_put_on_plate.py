"""Putting a block on a plate, in the same chain as the robot's."""

from pathlib import Path

import numpy as np
import pytest

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.errors import InstructionError
from qwen_vla_sim.registry import make_world
from qwen_vla_sim.rollout import ExpertPolicy, roll_out
from qwen_vla_sim.tasks.put_on_plate import PutOnPlate

SEEDS = range(984, 990)


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
    return PutOnPlate(codec.embodiment)


def put_down(world, scene, block, plate, *, up_m=0.0, aside_m=0.0):
    """Lay out the scene with a block on a plate."""
    scene.lay_out(world)
    x, y, z, _ = scene.objects[plate]
    height_m = z + world.half_extents(plate)[2] + world.half_extents(block)[2] + up_m
    world.data.joint(block).qpos[:3] = x + aside_m, y, height_m
    world.step(0.1)


def test_when_the_expert_works_on_6_seeds_expect_every_named_block_on_its_plate(
    codec, world, task
):
    for seed in SEEDS:
        scene = task.sample(seed)
        policy = ExpertPolicy(task.expert(world, scene), codec)
        rollout = roll_out(policy, codec, world, task, scene)
        assert rollout.outcome.success and rollout.outcome.done == scene.instruction, seed


def test_when_a_block_lies_on_a_plate_expect_the_sentence_for_both_to_be_done(world, task):
    scene = task.sample(1)
    assert len(set(scene.instructions)) == 4
    for instruction in scene.instructions:
        put_down(world, scene, *task.named(scene, instruction))
        outcome = task.judge(world, scene)
        assert (outcome.success, outcome.done) == (instruction == scene.instruction, instruction)


@pytest.mark.parametrize("wrong", [{"aside_m": 0.04}, {"up_m": 0.05}])
def test_when_a_block_is_beside_or_above_its_plate_expect_nothing_done(world, task, wrong):
    scene = task.sample(2)
    block, plate = task.named(scene, scene.instruction)
    put_down(world, scene, block, plate, **wrong)
    if "up_m" in wrong:
        world.data.joint(block).qpos[2] += 0.05
        world.step(0.002)
    assert task.judge(world, scene).done is None


def test_when_the_gripper_has_not_let_go_expect_nothing_done_yet(world, task):
    scene = task.sample(3)
    put_down(world, scene, *task.named(scene, scene.instruction))
    assert task.judge(world, scene).success
    world.arms["wx250s"].gripper.command(-350.0)
    world.step(1.0)
    assert task.judge(world, scene).done is None


def test_when_the_plate_was_dragged_away_expect_nothing_done(world, task):
    scene = task.sample(4)
    block, plate = task.named(scene, scene.instruction)
    put_down(world, scene, block, plate)
    for body in (block, plate):
        world.data.joint(body).qpos[1] += 0.04
    world.step(0.1)
    assert plate in world.touching(block)
    assert task.judge(world, scene).done is None


def test_when_the_block_is_where_it_belongs_expect_the_expert_to_leave_it_there(world, task):
    scene = task.sample(5)
    put_down(world, scene, *task.named(scene, scene.instruction))
    plan = task.expert(world, scene).plan(scene.positions_D, scene.instruction, 16)
    assert np.abs(plan[-4:, :2]).max() < 1e-3 and (plan[:, 6] == 1.0).all()


def test_when_a_block_is_held_expect_only_sentences_about_it_to_be_feasible(codec, world, task):
    scene = task.sample(6)
    expert, held = task.expert(world, scene), []

    def remember(observation, *_):
        if expert.grasped(expert.situation(observation.positions_D), "block_1"):
            held.append([expert.feasible(instruction) for instruction in scene.instructions])

    policy = ExpertPolicy(expert, codec)
    roll_out(policy, codec, world, task, scene, on_step=remember)
    named = [task.named(scene, instruction)[0] for instruction in scene.instructions]
    assert held and all(feasible == [block == "block_1" for block in named] for feasible in held)


@pytest.mark.parametrize("text", ["put the red block away", "put the plate on the block"])
def test_when_an_instruction_names_no_block_and_plate_expect_it_refused(task, text):
    with pytest.raises(InstructionError):
        task.target(task.sample(0), text)
