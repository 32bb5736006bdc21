"""Out-of-distribution scenes: one thing is new, it is never trained on, and it can be done."""

from pathlib import Path

import numpy as np
import pytest

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_sim.registry import make_tasks, make_world
from qwen_vla_sim.rollout import ExpertPolicy, roll_out
from qwen_vla_sim.tasks.shifts import FIRST_TRAINING_SEED, Shift

PATH = Path(__file__).parents[3] / "embodiments" / "widowx.yaml"
WIDOWX = load_embodiment(PATH)
TASKS = make_tasks(WIDOWX)
SHIFTS = [shift for shift in Shift if shift is not Shift.NONE]
TRAINING_SEEDS = range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + 200)


@pytest.fixture(scope="module")
def world():
    world = make_world(WIDOWX)
    world.render = lambda camera: None  # nobody here looks
    yield world
    world.close()


@pytest.fixture(scope="module")
def trained():
    """All that training scenes show and say, task by task."""
    return {
        name: [contents(task.sample(seed)) for seed in TRAINING_SEEDS]
        for name, task in TASKS.items()
    }


def contents(scene):
    """What a scene is made of, one entry for each shift."""
    things = {body: colour for body, colour in scene.colours.items() if body != "ground"}
    return {
        Shift.COLOUR: {(scene.names[body].split()[1], colour) for body, colour in things.items()},
        Shift.INSTANCE: {body.split("_")[0] for body in scene.objects},
        Shift.POSITION: {(x, y) for x, y, _, _ in scene.objects.values()},
        Shift.BACKGROUND: {(scene.colours.get("ground"), scene.light)},
        Shift.INSTRUCTION: {without_colours(text) for text in scene.instructions},
    }


def without_colours(text):
    colours = {"red", "green", "blue", "yellow", "purple", "pink"}
    return " ".join(word for word in text.split() if word not in colours)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("shift", SHIFTS)
def test_when_a_scene_is_shifted_expect_one_thing_new_and_nothing_else(task, shift, trained):
    known = {part: set().union(*(scene[part] for scene in trained[task])) for part in SHIFTS}
    (left, front), (right, back) = (
        np.array(list(known[Shift.POSITION])).min(axis=0),
        np.array(list(known[Shift.POSITION])).max(axis=0),
    )
    for seed in range(50):
        usual, shifted = (contents(TASKS[task].sample(seed, s)) for s in (Shift.NONE, shift))
        for part in set(SHIFTS) - {shift}:
            assert shifted[part] == usual[part] or shift is Shift.COLOUR
            if part is not Shift.POSITION:
                assert shifted[part] <= known[part]
        if shift is Shift.POSITION:
            for x, y in shifted[shift]:
                assert not (left < x < right and front < y < back)
        else:
            assert not shifted[shift] & known[shift]


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_when_colours_are_shifted_expect_words_that_training_uses_for_other_things(task):
    words = {
        word
        for other in TASKS.values()
        for seed in TRAINING_SEEDS
        for instruction in other.sample(seed).instructions
        for word in instruction.split()
    }
    for shift in (Shift.COLOUR, Shift.INSTRUCTION):
        for seed in range(50):
            for instruction in task.sample(seed, shift).instructions:
                assert set(instruction.split()) <= words, instruction


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("seed", [990, pytest.param(991, marks=pytest.mark.long)])
def test_when_a_scene_is_shifted_expect_the_expert_to_manage(task, shift, seed, world):
    codec, scene = EmbodimentCodec(WIDOWX), task.sample(seed, shift)
    policy = ExpertPolicy(task.expert(world, scene), codec)
    assert roll_out(policy, codec, world, task, scene).outcome.success
