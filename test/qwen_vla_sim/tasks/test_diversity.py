"""Diverse recordings: what looks new in an evaluation is never recorded, all else varies."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_sim.registry import make_tasks, make_world
from qwen_vla_sim.tasks.aloha_cubes import UNSEEN_COLOUR as UNSEEN_OF_ARM
from qwen_vla_sim.tasks.diversity import EXTRA, MARGIN, distance, diversify
from qwen_vla_sim.tasks.go_to import UNSEEN_COLOUR as UNSEEN_OF_KIND
from qwen_vla_sim.tasks.shifts import (
    FIRST_TRAINING_SEED,
    UNSEEN_GROUNDS,
    UNSEEN_LIGHT,
    Shift,
)
from qwen_vla_sim.tasks.tabletop import BLOCK_COLOURS, PLATE_COLOURS, RGB

EMBODIMENTS = Path(__file__).parents[3] / "embodiments"
ROBOTS = {
    name: load_embodiment(EMBODIMENTS / f"{name}.yaml")
    for name in ("widowx", "aloha", "mobile_base", "widowx_mobile")
}
TASKS = [
    (robot, task)
    for robot, embodiment in ROBOTS.items()
    for task in make_tasks(embodiment).values()
]
CAMERAS = {name: [camera.name for camera in robot.cameras] for name, robot in ROBOTS.items()}
seeds = st.integers(FIRST_TRAINING_SEED, 2**31)


def diverse(robot, task, seed):
    return diversify(task.sample(seed), task.colours, CAMERAS[robot])


@pytest.mark.parametrize(("robot", "task"), TASKS, ids=[task.name for _, task in TASKS])
@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_when_any_seed_is_recorded_expect_nothing_near_what_an_evaluation_shows_as_new(
    robot, task, seed
):
    usual, scene = task.sample(seed), diverse(robot, task, seed)

    # background
    ground = scene.colours.get("ground")
    for unseen in UNSEEN_GROUNDS if ground else ():
        assert distance(ground, unseen) > MARGIN
        for light in UNSEEN_LIGHT:
            looks, evaluated = np.multiply(ground, scene.light), np.multiply(unseen, light)
            assert distance(looks, evaluated) > MARGIN
    assert all(abs(scene.light - light) > 0.05 for light in UNSEEN_LIGHT)

    # colour: which thing is called what, and looks how
    for body, colour in scene.colours.items():
        for unseen in colours_new_to(body, task):
            assert distance(colour, unseen) > MARGIN
    for instruction in scene.instructions if robot == "aloha" else ():
        words = task.wording.read(instruction)
        assert words["colour"] != UNSEEN_OF_ARM[words["arm"]]

    # instance, position, instruction
    evaluated = task.sample(seed % FIRST_TRAINING_SEED, Shift.INSTANCE)
    assert not {*scene.objects} & {*evaluated.objects}
    assert scene.objects == usual.objects and scene.base_pose == usual.base_pose
    np.testing.assert_array_equal(scene.positions_D, usual.positions_D)
    said = [without_words_of(scene, text) for text in scene.instructions]
    assert said == [without_words_of(usual, text) for text in usual.instructions]


def colours_new_to(body, task):
    kind = body.split("_")[0]
    if kind == "block":
        return [task.colours[word] for word in PLATE_COLOURS]
    if kind == "plate":
        return [task.colours[word] for word in BLOCK_COLOURS]
    return [task.colours[UNSEEN_OF_KIND[kind]]] if kind in UNSEEN_OF_KIND else []


def without_words_of(scene, text):
    """A sentence with a gap for each word by which the scene tells its things apart."""
    words = {name.split()[0] for name in scene.names.values()}
    return ["_" if word in words else word for word in text.split()]


@pytest.mark.parametrize(("robot", "task"), TASKS, ids=[task.name for _, task in TASKS])
def test_when_many_seeds_are_recorded_expect_new_words_that_name_the_same_bodies(robot, task):
    words, lights, grounds = set(), [], set()
    for seed in range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + 60):
        usual, scene = task.sample(seed), diverse(robot, task, seed)
        pairs = zip(usual.instructions, scene.instructions, strict=True)
        assert all(task.target(usual, old) == task.target(scene, new) for old, new in pairs)
        assert len({*scene.instructions}) == len(usual.instructions)
        for word, colour in words_worn(scene):
            apart = {other: distance(colour, usual) for other, usual in known(task).items()}
            assert min(apart, key=apart.get) == word
        words |= {word for text in scene.instructions for word in text.split()}
        lights.append(scene.light)
        grounds.add(scene.colours.get("ground"))
    assert min(lights) < 0.88 and max(lights) > 1.12
    assert len(grounds) > 30 and None in grounds
    assert {"orange", "brown", "white", "black"} <= words or task.name == "go_to_side"


def words_worn(scene):
    """What each thing that is called by its colour is called, and how it looks."""
    named = [(name.split()[0], scene.colours[body]) for body, name in scene.names.items()]
    return [(word, colour) for word, colour in named if word in EXTRA or word in RGB]


def known(task):
    return dict(EXTRA) | dict(task.colours)


def test_when_a_scene_of_the_evaluation_is_to_be_diverse_expect_refusal():
    robot, task = TASKS[0]
    with pytest.raises(ValueError, match="seeds below 10000 are for evaluation; got 7"):
        diverse(robot, task, 7)


def test_when_a_camera_is_off_expect_another_image_until_the_world_is_reset():
    robot, task = TASKS[0]
    world = make_world(ROBOTS[robot])
    try:
        usual = task.sample(FIRST_TRAINING_SEED)
        images = []
        for cameras in ({}, diverse(robot, task, usual.seed).cameras, {}):
            world.reset(usual.positions_D, usual.objects, cameras=cameras)
            images.append(world.render("over_shoulder").astype(float))
        np.testing.assert_array_equal(images[0], images[2])
        assert np.abs(images[0] - images[1]).mean() > 0.2
    finally:
        world.close()
