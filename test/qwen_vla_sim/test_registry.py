"""Every robot that names a world gets it, and one that does not fit is refused with the reason."""

from pathlib import Path

import numpy as np
import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import EmbodimentError, InstructionError
from qwen_vla_sim.registry import WORLDS, find_tasks, make_tasks, make_world
from qwen_vla_sim.tasks.shifts import FIRST_TRAINING_SEED, Shift

FOLDER = Path(__file__).parents[2] / "embodiments"
ROBOTS = [
    robot
    for path in sorted(FOLDER.glob("*.yaml"))
    if (robot := load_embodiment(path)).simulated_world
]
TASKS = {
    f"{robot.name}-{name}": (robot, task)
    for robot in ROBOTS
    for name, task in make_tasks(robot).items()
}


def changed(tmp_path, old, new):
    """The WidowX with one thing else in its file."""
    text = (FOLDER / "widowx.yaml").read_text()
    assert old in text
    (tmp_path / "robot.yaml").write_text(text.replace(old, new))
    return load_embodiment(tmp_path / "robot.yaml")


def test_when_worlds_are_listed_expect_each_to_belong_to_a_robot():
    assert {robot.simulated_world for robot in ROBOTS} == set(WORLDS)


@pytest.mark.parametrize("robot", ROBOTS, ids=lambda robot: robot.name)
def test_when_a_robot_is_reset_expect_it_where_each_task_starts_and_still(robot):
    world = make_world(robot)
    for task in make_tasks(robot).values():
        scene = task.sample(0)
        scene.lay_out(world)
        start_D = world.positions_D
        np.testing.assert_allclose(start_D, scene.positions_D, atol=1e-9)
        world.step(0.5)
        np.testing.assert_allclose(world.positions_D, start_D, atol=0.01)
        assert task.judge(world, scene).done is None
    world.close()


@pytest.mark.parametrize("robot, task", TASKS.values(), ids=TASKS)
def test_when_scenes_are_drawn_expect_sentences_that_tell_what_is_there_apart(robot, task):
    for seed in (0, 1, FIRST_TRAINING_SEED):
        scene, again = task.sample(seed), task.sample(seed)
        assert scene.instructions == again.instructions and scene.objects == again.objects
        assert len(set(scene.instructions)) == len(scene.instructions) >= 2
        assert {task.target(scene, told) for told in scene.instructions} <= set(scene.objects)
        with pytest.raises(InstructionError):
            task.target(scene, "make me a sandwich")


@pytest.mark.parametrize("robot, task", TASKS.values(), ids=TASKS)
def test_when_a_training_seed_is_to_be_shifted_expect_a_refusal(robot, task):
    for shift in set(Shift) - {Shift.NONE}:
        assert task.sample(0, shift).shift is shift
        with pytest.raises(ValueError, match="training"):
            task.sample(FIRST_TRAINING_SEED, shift)


def test_when_a_task_is_unknown_expect_the_known_ones_named():
    with pytest.raises(EmbodimentError, match="no task 'juggle'; there are pick_up, put_on_plate"):
        find_tasks(load_embodiment(FOLDER / "widowx.yaml"), "juggle")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("simulated_world: widowx", "simulated_world: moon", "simulated_world is moon"),
        ("simulated_world: widowx", "", "simulated_world is None"),
        (
            "- name: wrist\n",
            "- name: chest\n",
            "no camera 'chest'; there are over_shoulder, wrist",
        ),
        ("waist", "torso", "no joint 'torso'; there are waist"),
        ("namespace: wx250s\n      motor", "namespace: other\n      motor", "namespace 'other'"),
        (
            "type: interbotix_group, namespace: wx250s, group: arm",
            "type: forward_command, controller: arm_controller",
            "the simulator has no driver 'forward_command'; set simulated_world to null",
        ),
    ],
)
def test_when_a_robot_does_not_fit_its_world_expect_what_is_missing(tmp_path, old, new, words):
    with pytest.raises(EmbodimentError, match=words):
        make_world(changed(tmp_path, old, new))
