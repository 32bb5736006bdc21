"""Scenes of one instruction: which they are, and what is said where there are none."""

from itertools import islice
from pathlib import Path

import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import InstructionError
from qwen_vla_sim.registry import find_tasks, make_tasks
from qwen_vla_sim.tasks import asking
from qwen_vla_sim.tasks.asking import scenes_asking
from qwen_vla_sim.tasks.shifts import FIRST_TRAINING_SEED, Shift

FOLDER = Path(__file__).parents[3] / "embodiments"
WIDOWX = load_embodiment(FOLDER / "widowx.yaml")
TASKS = {
    f"{name}-{task.name}": task
    for name in ("widowx", "aloha", "mobile_base", "widowx_mobile")
    for task in make_tasks(load_embodiment(FOLDER / f"{name}.yaml")).values()
}


@pytest.fixture
def plates():
    return find_tasks(WIDOWX, "put_on_plate")


def test_when_one_thing_is_asked_for_expect_all_scenes_that_ask_for_it_as_it_is_typed(plates):
    typed = "Move the red cube to the yellow plate"
    found = list(islice(scenes_asking(plates, typed, 5), 20))
    usual = "put the red block on the yellow plate"
    (task,) = plates
    seeds = range(5, found[-1].seed + 1)
    wanted = [seed for seed in seeds if task.sample(seed).instruction == usual]
    assert [scene.seed for scene in found] == wanted
    for scene in found:
        own = task.sample(scene.seed)
        assert scene.instruction == typed and scene.instructions[1:] == own.instructions[1:]
        assert task.named(scene, typed) == task.named(own, own.instruction)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_when_a_scene_of_any_task_asks_for_something_expect_that_scene_found(task):
    for seed in (0, 1, FIRST_TRAINING_SEED):
        scene = task.sample(seed)
        found = next(scenes_asking((task,), scene.instruction, seed))
        assert found.seed == seed and found.instructions == scene.instructions


def test_when_scenes_are_shifted_expect_those_that_ask_for_it_under_the_shift(plates):
    typed = "put the yellow block on the red plate"
    found = next(scenes_asking(plates, typed, 0, Shift.COLOUR))
    assert plates[0].sample(found.seed, Shift.COLOUR).instruction == typed


def test_when_only_one_of_several_tasks_has_such_a_sentence_expect_its_scenes():
    tasks = find_tasks(WIDOWX, None)
    found = list(islice(scenes_asking(tasks, "put the red block on the yellow plate", 0), 5))
    assert {tasks[scene.seed % len(tasks)].name for scene in found} == {"put_on_plate"}


@pytest.mark.parametrize(
    "typed", ["put the yellow block on the red plate", "make me a sandwich", ""]
)
def test_when_no_scene_asks_for_it_expect_what_scenes_do_ask_for(plates, typed, monkeypatch):
    monkeypatch.setattr(asking, "TRIED", 100)
    with pytest.raises(
        InstructionError, match=f"no scene of put_on_plate asks for '{typed}'"
    ) as e:
        next(scenes_asking(plates, typed, 0))
    assert "for example, for 'put the blue block on the " in str(e.value)
