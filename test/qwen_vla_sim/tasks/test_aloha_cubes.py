"""ALOHA's tasks in the robot's own chain: the expert, success, and what is never trained."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.errors import InstructionError
from qwen_vla_sim.registry import make_tasks, make_world
from qwen_vla_sim.rollout import ExpertPolicy, roll_out
from qwen_vla_sim.tasks.shifts import FIRST_TRAINING_SEED, Shift

ALOHA = load_embodiment(Path(__file__).parents[3] / "embodiments" / "aloha.yaml")
CODEC = EmbodimentCodec(ALOHA)
TASKS = make_tasks(ALOHA)
PICK, HAND = TASKS["pick_up_cube"], TASKS["hand_over_cube"]
TRAINING_SEEDS = range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + 150)
REPLAN_STEPS = 8
UNSEEN_AREAS_M = (((0.63, 0.68), (-0.10, 0.10)), ((0.90, 0.93), (-0.05, 0.05)))


@pytest.fixture(scope="module")
def world():
    world = make_world(ALOHA)
    world.render = lambda camera: None  # nobody here looks
    yield world
    world.close()


@pytest.fixture(scope="module")
def work(world):
    """Rolls out the expert with the scene's instruction or another."""

    def work(task, scene, instruction=None):
        case = scene if instruction is None else with_instruction(scene, instruction)
        policy = ExpertPolicy(task.expert(world, scene), CODEC)
        fixed = FixedInstruction(policy, case.instruction)
        return roll_out(fixed, CODEC, world, task, scene, replan_steps=REPLAN_STEPS).outcome

    return work


class FixedInstruction:
    """A policy that gets one instruction, whatever the scene's is."""

    def __init__(self, policy, instruction):
        self._policy, self._instruction = policy, instruction

    def plan(self, observation, prefix=None):
        return self._policy.plan(replace(observation, instruction=self._instruction))


def with_instruction(scene, instruction):
    """The same scene with another instruction."""
    others = tuple(other for other in scene.instructions if other != instruction)
    return replace(scene, instructions=(instruction, *others))


def words(task, scene, instruction):
    request = task.request(scene, instruction)
    return scene.names[request.cube].split()[0], request.side


def another(task, scene, *, colour, arm):
    """An instruction with another colour or arm, or both."""
    mine = words(task, scene, scene.instruction)
    for instruction in scene.instructions:
        other = words(task, scene, instruction)
        if ((other[0] != mine[0]), (other[1] != mine[1])) == (colour, arm):
            return instruction
    raise LookupError(scene.seed)


def kinds_of_scenes():
    """Of each task; other looks and words, which move nothing, are long."""
    for shift in Shift:
        moves = shift in (Shift.NONE, Shift.POSITION, Shift.INSTANCE)
        marks = () if moves else pytest.mark.long
        yield pytest.param(PICK, shift, id=f"pick-{shift.value}", marks=marks)
        yield pytest.param(HAND, shift, id=f"hand-{shift.value}", marks=marks)


@pytest.mark.parametrize(("task", "shift"), [*kinds_of_scenes()])
def test_when_the_expert_works_on_any_kind_of_scene_expect_the_instruction_done(task, shift, work):
    for seed in range(900, 902 if shift is Shift.NONE else 901):
        scene = task.sample(seed, shift)
        outcome = work(task, scene)
        assert outcome.success and outcome.done == scene.instruction, (seed, shift)


@pytest.mark.parametrize(
    ("task", "colour", "arm"), [(PICK, True, False), (PICK, False, True), (HAND, True, True)]
)
def test_when_another_cube_or_arm_is_used_expect_failure_and_what_was_done(
    task, work, monkeypatch, colour, arm
):
    monkeypatch.setattr(task, "time_limit_s", 8.0)  # nothing asked for will come
    scenes = [task.sample(seed) for seed in range(99)]  # red: either arm may be asked
    scene = next(s for s in scenes if len(s.instructions) == 6 and "red" in s.instruction)
    other = another(task, scene, colour=colour, arm=arm)
    outcome = work(task, scene, other)
    assert (outcome.success, outcome.done) == (False, other)


def test_when_an_arm_picks_a_cube_up_itself_expect_that_not_to_be_a_hand_over(world, work):
    scene = HAND.sample(4)
    colour, side = words(HAND, scene, scene.instruction)
    picked = replace(scene, instructions=(f"pick up the {colour} cube with the {side} arm",))
    assert work(PICK, picked).success
    assert HAND.judge(world, scene).done is None


def test_when_both_arms_hold_the_cube_expect_nothing_done_yet(world):
    scene = HAND.sample(5)
    cube = HAND.target(scene, scene.instruction)
    fingers = {f"{side}_gripper{end}" for side in ("left", "right") for end in ("", "_mirror")}
    done = []

    class Watched(ExpertPolicy):
        def infer(self, observation, prefix=None):
            if fingers <= world.touching(cube):
                done.append(HAND.judge(world, scene).done)
            return super().infer(observation, prefix)

    policy = Watched(HAND.expert(world, scene), CODEC)
    assert roll_out(policy, CODEC, world, HAND, scene).outcome.success
    assert done and not any(done)


def test_when_a_cube_flies_without_being_held_expect_nothing_done(world):
    for task in TASKS.values():
        scene = task.sample(6)
        scene.lay_out(world)
        world.data.joint(task.target(scene, scene.instruction)).qpos[2] = 0.2
        world.step(world.timestep_s)
        outcome = task.judge(world, scene)
        assert (outcome.success, outcome.done) == (False, None)


def test_when_one_arm_is_not_needed_expect_it_at_alohas_start_pose(world):
    scene = PICK.sample(7)
    scene.lay_out(world)
    side = PICK.request(scene, scene.instruction).side
    idle = ALOHA.group_slice("right_arm" if side == "left" else "left_arm")
    plan = PICK.expert(world, scene).plan(scene.positions_D, scene.instruction, 16)
    np.testing.assert_allclose(plan[-1, idle], [0.0, -0.96, 1.16, 0.0, -0.3, 0.0], atol=1e-6)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_when_plans_are_made_expect_speeds_and_ranges_that_the_robot_has(task, world):
    limits = np.array([joint.velocity for joint in ALOHA.joints])
    low, high = (
        np.concatenate([getattr(group.action_normalization, q) for group in ALOHA.groups])
        for q in ("q01", "q99")
    )
    arms = np.array([joint.unit == "rad" for joint in ALOHA.joints])
    for seed in TRAINING_SEEDS[:20]:
        scene = task.scatter(task.sample(seed), np.random.default_rng(seed))
        scene.lay_out(world)
        expert = task.expert(world, scene)
        for instruction in scene.instructions:
            plan = expert.plan(scene.positions_D, instruction, 16)
            steps = np.diff(np.vstack([scene.positions_D, plan])[:, arms], axis=0)
            assert (np.abs(steps) <= limits[arms] * ALOHA.action_step_s).all()
            assert ((low <= plan) & (plan <= high)).all()


def test_when_an_arm_holds_a_cube_expect_only_what_goes_on_from_there_to_be_learnt(world, work):
    scene = PICK.sample(8)
    assert work(PICK, scene).success
    expert = PICK.expert(world, scene)
    assert [i for i in scene.instructions if expert.feasible(i)] == [scene.instruction]
    colour, side = words(PICK, scene, scene.instruction)
    other = "right" if side == "left" else "left"
    handing = HAND.expert(world, scene)
    assert handing.feasible(f"hand the {colour} cube to the {other} arm")
    assert not handing.feasible(f"hand the {colour} cube to the {side} arm")


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_when_scenes_are_for_training_expect_neither_unseen_colours_for_an_arm_nor_places(task):
    unseen = {("yellow", "left"), ("blue", "right")}
    scenes = [task.sample(seed) for seed in TRAINING_SEEDS]
    told = {words(task, scene, i) for scene in scenes for i in scene.instructions}
    assert len(told) == 6 and not told & unseen
    asked = {words(task, task.sample(s, Shift.COLOUR), i) for s, i in first_words(task)}
    assert asked == unseen
    places = np.array([place[:2] for scene in scenes for place in scene.objects.values()])
    assert not any(inside(place) for place in places)
    for seed in range(50):
        scene = task.sample(seed, Shift.POSITION)
        where = {body: inside(place[:2]) for body, place in scene.objects.items()}
        assert [body for body in where if where[body]] == [task.target(scene, scene.instruction)]
    assert {body.split("_")[0] for scene in scenes for body in scene.objects} == {"cube"}
    instance = task.sample(0, Shift.INSTANCE)
    assert {body.split("_")[0] for body in instance.objects} == {"unseen"}


def first_words(task):
    for seed in range(50):
        yield seed, task.sample(seed, Shift.COLOUR).instruction


def inside(place):
    return any(x[0] <= place[0] <= x[1] and y[0] <= place[1] <= y[1] for x, y in UNSEEN_AREAS_M)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_when_wordings_are_shifted_expect_sentences_never_trained_that_mean_the_same(task):
    trained = {template(task.sample(seed)) for seed in TRAINING_SEEDS}
    shifted = {template(task.sample(seed, Shift.INSTRUCTION)) for seed in range(50)}
    assert len(trained) == len(task.wording.trained)
    assert len(shifted) == len(task.wording.unseen) and not trained & shifted
    for seed in range(20):
        usual, reworded = task.sample(seed), task.sample(seed, Shift.INSTRUCTION)
        assert task.request(usual, usual.instruction) == task.request(
            reworded, reworded.instruction
        )


def template(scene):
    hidden = {"red", "green", "blue", "yellow", "left", "right"}
    return " ".join("_" if word in hidden else word for word in scene.instruction.split())


@pytest.mark.parametrize(
    "text",
    [
        "pick up the cube with the left arm",
        "pick up the purple cube with the left arm",
        "pick up the red cube with the third arm",
        "",
    ],
)
def test_when_an_instruction_names_nothing_that_is_there_expect_it_refused(text):
    scene = next(s for s in map(PICK.sample, range(99)) if "red cube" in s.names.values())
    with pytest.raises(InstructionError):
        PICK.request(scene, text)
