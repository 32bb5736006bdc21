"""Going to what is named, in the same chain as the robot's."""

from dataclasses import replace

import numpy as np
import pytest

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.errors import InstructionError
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_sim.registry import find_tasks, make_world
from qwen_vla_sim.rollout import ExpertPolicy, roll_out
from qwen_vla_sim.tasks.driving import polar
from qwen_vla_sim.tasks.go_to import COLOURS, UNSEEN_COLOUR
from qwen_vla_sim.tasks.shifts import FIRST_TRAINING_SEED, Shift

TASKS = ("go_to", "go_to_side")
SHIFTED = [shift for shift in Shift if shift is not Shift.NONE]


@pytest.fixture(scope="module")
def codec():
    return EmbodimentCodec(load_embodiment(embodiments_directory() / "mobile_base.yaml"))


@pytest.fixture(scope="module")
def world(codec):
    world = make_world(codec.embodiment)
    yield world
    world.close()


@pytest.fixture(params=TASKS)
def task(request, codec):
    return find_tasks(codec.embodiment, request.param)[0]


class Blind:
    """A policy that runs without images, and may get another instruction."""

    def __init__(self, policy, instruction=None):
        self._policy, self._instruction = policy, instruction

    def plan(self, observation, prefix=None):
        if self._instruction is not None:
            observation = replace(observation, instruction=self._instruction)
        return self._policy.plan(observation)


@pytest.fixture
def work(codec, world, task, monkeypatch):
    """Rolls out the expert with the scene's instruction or another."""
    monkeypatch.setattr(world, "render", lambda camera: None)  # nobody here looks

    def work(scene, instruction=None):
        policy = Blind(ExpertPolicy(task.expert(world, scene), codec), instruction)
        return roll_out(policy, codec, world, task, scene).outcome

    return work


def test_when_the_expert_drives_expect_the_named_thing_reached_and_nothing_touched(
    task, work, world
):
    outcomes = []
    for seed in range(900, 912):
        outcomes.append(work(task.sample(seed)))
        assert world.touching("base_link") == set()
    assert sum(outcome.success for outcome in outcomes) >= len(outcomes) - 1


@pytest.mark.parametrize("shift", SHIFTED)
def test_when_a_scene_is_shifted_expect_the_expert_to_know_the_way(task, work, shift):
    assert all(work(task.sample(seed, shift)).success for seed in range(2))


def test_when_it_goes_elsewhere_expect_failure_and_where_it_went(task, work):
    scene = task.sample(3)
    outcome = work(scene, scene.instructions[1])
    assert (outcome.success, outcome.done) == (False, scene.instructions[1])


def test_when_it_rushes_past_expect_no_success_before_it_stands(task, world):
    scene = task.sample(0)
    place = np.array(scene.objects[task.target(scene, scene.instruction)][:2])
    before = place - [0.9, 0.0]
    world.reset(scene.positions_D, scene.objects, base_pose=(*before, 0.0))
    assert task.judge(world, scene).success
    world.base.command(0.3, 0.0)
    world.step(0.1)
    assert polar(np.append(before, 0.0), place)[0] < 0.95
    assert not task.judge(world, scene).success


def test_when_a_plan_is_made_expect_no_waypoint_beyond_what_the_model_can_say(task, world, codec):
    for seed in range(20):
        scene = task.sample(seed)
        scene.lay_out(world)
        for instruction in scene.instructions:
            plan = task.expert(world, scene).plan(scene.positions_D, instruction, 8)
            assert (plan >= codec.action_q01_C).all() and (plan <= codec.action_q99_C).all()


def test_when_a_scene_begins_expect_everything_that_an_instruction_can_name_in_sight(task, world):
    for shift in (Shift.NONE, Shift.POSITION):
        for seed in range(8):
            scene = task.sample(seed, shift)
            scene.lay_out(world)
            assert np.isfinite(world.visible_boxes("front", list(scene.names))).all()
            assert all(task.expert(world, scene).feasible(text) for text in scene.instructions)


def test_when_scenes_are_for_training_expect_some_colours_of_things_left_for_the_tests(task):
    seen, asked = set(), set()
    for seed in range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + 500):
        scene = task.sample(seed)
        asked |= set(scene.instruction.split())
        for body in scene.objects:
            colour = next(name for name, rgb in COLOURS.items() if scene.colours[body] == rgb)
            seen.add((body.partition("_")[0], colour))
    assert len(seen) == 12 and not seen & set(UNSEEN_COLOUR.items())
    assert asked >= set(UNSEEN_COLOUR)  # every kind is named, and elsewhere every colour
    for seed in range(20):
        scene = task.sample(seed, Shift.COLOUR)
        body = task.target(scene, scene.instruction)
        kind = body.partition("_")[0]
        assert scene.colours[body] == COLOURS[UNSEEN_COLOUR[kind]]


def test_when_a_scene_is_for_training_expect_no_shift(task):
    with pytest.raises(ValueError, match="training"):
        task.sample(FIRST_TRAINING_SEED, Shift.POSITION)


def test_when_words_are_new_expect_the_same_scene_and_the_same_thing_meant(task):
    for seed in range(20):
        usual, new = task.sample(seed), task.sample(seed, Shift.INSTRUCTION)
        assert usual.instruction != new.instruction and usual.objects == new.objects
        assert task.target(usual, usual.instruction) == task.target(new, new.instruction)


def test_when_one_word_is_read_alone_expect_it_not_to_do(codec):
    (task,) = find_tasks(codec.embodiment, "go_to")
    for seed in range(50):
        names = [name.split() for name in task.sample(seed).names.values()]
        (colour, kind), others = names[0], names[1:]
        assert [colour, kind] not in others
        assert any(colour == other or kind == thing for other, thing in others)


def test_when_a_side_is_named_expect_it_as_seen_from_the_start(codec):
    (task,) = find_tasks(codec.embodiment, "go_to_side")
    for seed in range(50):
        scene = task.sample(seed)
        bearings = {
            body: polar(np.array(scene.base_pose), np.array(place[:2]))[1]
            for body, place in scene.objects.items()
        }
        (landmark,) = set(scene.objects) - set(scene.names)
        for body, name in scene.names.items():
            assert (" left of " in name) == (bearings[body] > bearings[landmark])


@pytest.mark.parametrize("text", ["", "go to the pillar", "go to the purple pillar", "go away"])
def test_when_an_instruction_names_nothing_that_is_there_expect_it_refused(task, text):
    with pytest.raises(InstructionError):
        task.target(task.sample(0), text)


def test_when_recordings_start_elsewhere_expect_the_base_between_things(task, world):
    rng = np.random.default_rng(0)
    for seed in range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + 30):
        scene = task.scatter(task.sample(seed), rng)
        scene.lay_out(world)
        world.step(0.05)
        assert world.touching("base_link") == set()
