"""The order of the day, what is done once, what a failing step says; and the page about it."""

import json
import re
from itertools import islice
from pathlib import Path

import pytest

from qwen_vla_core.errors import EmbodimentError, InstructionError, QwenVlaError
from qwen_vla_data.recording import Outcome
from qwen_vla_eval.firstday.day import Step, make_day, run_commands, run_day, write_recipe
from qwen_vla_eval.firstday.steps import (
    ATTEMPTED,
    DEMONSTRATED,
    keep_successes,
    seeds_of,
    steps_of,
    success_rates,
)
from qwen_vla_model.training.recipe import load_recipe
from qwen_vla_sim.registry import find_tasks
from qwen_vla_sim.tasks.asking import scenes_asking
from qwen_vla_sim.tasks.shifts import FIRST_TRAINING_SEED
from recordings import Waving
from robots import stranger

ROOT = Path(__file__).parents[3]
ORDER = (
    "check demonstrate data before fine_tune dry_run after_demonstrations intervene retrain "
    "after_interventions"
)


def day_of(name, out, full=False, task=None, instruction=None):
    path = ROOT / "embodiments" / f"{name}.yaml"
    return make_day(path, name, task, full, out, instruction)


@pytest.fixture
def day(tmp_path):
    return day_of("widowx", tmp_path / "day")


def step(name, run):
    return Step(name=name, what=name, commands=(f"do {name}",), run=run)


@pytest.mark.parametrize("robot", ["widowx", "aloha", "mobile_base"])
def test_when_a_robot_has_its_first_day_expect_these_steps_on_a_task_that_it_does_not_know(
    robot, tmp_path
):
    day = day_of(robot, tmp_path)
    assert [one.name for one in steps_of(day)] == ORDER.split()
    assert day.task in ("put_on_plate", "hand_over_cube", "go_to_side")
    assert FIRST_TRAINING_SEED <= 30_000


def test_when_a_step_fails_expect_its_name_and_reason_and_the_next_call_to_go_on_there(
    day, capsys
):
    done, broken = [], [True]

    def fail(day, step):
        if broken:
            raise QwenVlaError("the arm is unplugged")
        done.append("two")
        return "mended"

    steps = [
        step("one", lambda day, step: done.append("one") or "fine"),
        step("two", fail),
        step("three", lambda day, step: done.append("three") or "fine"),
    ]
    with pytest.raises(QwenVlaError, match="'two' failed: the arm is unplugged\nwhat was done"):
        run_day(day, steps)
    broken.clear()
    closed = run_day(day, steps)
    assert done == ["one", "two", "three"]
    assert [line.partition(" (")[0] for line in closed.values()] == ["fine", "mended", "fine"]
    said = capsys.readouterr().out
    assert "done before: fine" in said and said.count("$ do two") == 2
    assert list(json.loads((day.out / "day.json").read_text())["done"]) == ["one", "two", "three"]


def test_when_a_step_is_interrupted_expect_that_said_and_the_step_not_done(day):
    def interrupted(day, step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="'one' is not finished; the same command goes on"):
        run_day(day, [step("one", interrupted)])
    assert json.loads((day.out / "day.json").read_text())["done"] == {}


@pytest.mark.parametrize(
    ("name", "task", "full", "words"),
    [
        ("aloha", None, False, "is a day with embodiment widowx, not aloha"),
        ("widowx", "pick_up", False, "is a day with task put_on_plate, not pick_up"),
        ("widowx", None, True, "is a day with demonstrations 3, not 50"),
    ],
)
def test_when_the_folder_is_another_days_expect_refusal(day, name, task, full, words):
    run_day(day, [])
    with pytest.raises(QwenVlaError, match=words):
        run_day(day_of(name, day.out, full, task), [])


def test_when_the_days_file_is_damaged_expect_its_name(day):
    run_day(day, [])
    (day.out / "day.json").write_text("{")
    with pytest.raises(QwenVlaError, match=r"day\.json cannot be read"):
        run_day(day, [])


def test_when_a_task_is_unknown_expect_those_that_there_are(tmp_path):
    with pytest.raises(EmbodimentError, match="no task 'put_on_plat'; there are .*put_on_plate"):
        day_of("widowx", tmp_path, task="put_on_plat")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("widowx", "put the blue block on the pink plate"),
        ("aloha", "hand the blue cube to the left arm"),
        ("mobile_base", "go to the box right of the pillar"),
    ],
)
def test_when_a_day_is_full_expect_one_instruction_shown_and_measured(name, told, tmp_path):
    day = day_of(name, tmp_path, full=True)
    assert day.instruction == told
    measured = [
        one.commands[0] for one in steps_of(day) if one.commands[0][:13] == "qwen-vla eval"
    ]
    assert len(measured) == 3 and all(f"--instruction '{told}'" in one for one in measured)
    for first in (DEMONSTRATED, ATTEMPTED):
        (task,) = find_tasks(day.robot, day.task)
        seeds = list(islice(seeds_of(day, first), 3))
        assert seeds == [one.seed for one in islice(scenes_asking((task,), told, first), 3)]
    last = next(islice(seeds_of(day, DEMONSTRATED), day.size.demonstrations, None))
    assert last < ATTEMPTED


def test_when_a_day_is_short_expect_whatever_scenes_ask_or_the_instruction_that_was_given(
    day, tmp_path
):
    assert day.instruction is None and list(islice(seeds_of(day, 7), 3)) == [7, 8, 9]
    told = "put the red block on the yellow plate"
    given = day_of("widowx", tmp_path, instruction=told)
    assert given.instruction == told and next(seeds_of(given, ATTEMPTED)) > ATTEMPTED
    with pytest.raises(InstructionError, match="no scene of put_on_plate asks for 'put it away'"):
        day_of("widowx", tmp_path, instruction="put it away")


def test_when_a_command_of_a_step_fails_expect_the_command_and_its_status(day, capfd):
    wrong = Step(name="x", what="x", commands=("qwen-vla check nobody",), run=run_commands)
    with pytest.raises(QwenVlaError, match="`qwen-vla check nobody` ended with status 2"):
        run_commands(day, wrong)
    assert "nobody" in capfd.readouterr().err
    assert run_commands(day, wrong, allowed=(0, 2)) == 2


def test_when_recipes_are_written_expect_the_shipped_one_on_this_days_episodes(day):
    sources = [{"episodes": str(day.demonstrations)}, {"episodes": "more", "takeovers": 4}]
    write_recipe(day, "retrain", sources, day.checkpoint("fine_tune"))
    recipe = load_recipe(day.out / "retrain.yaml")
    assert [(s.episodes, s.takeovers) for s in recipe.mixture] == [
        (day.demonstrations, 1),
        (Path("more"), 4),
    ]
    assert recipe.start_from == day.checkpoint("fine_tune") and recipe.out == day.out / "retrain"
    assert recipe.validation_episodes == 1 and recipe.patience


def test_when_an_episode_was_interrupted_expect_it_removed_and_the_successes_kept(day):
    folder = day.demonstrations
    for name, outcome in (("1", Outcome.SUCCESS), ("2", Outcome.UNKNOWN), ("3", Outcome.SUCCESS)):
        Waving(duration_s=0.2, outcome=outcome).write(folder / f"{name}.mcap")
    (folder / "4.mcap.part").write_bytes(b"half")
    assert keep_successes(folder) == 2
    assert sorted(path.name for path in folder.iterdir()) == ["1.mcap", "3.mcap"]
    assert keep_successes(day.interventions) == 0


def test_when_success_was_measured_expect_each_rate_with_its_interval(day):
    day.out.mkdir()
    result = {"success_rate": 0.5, "n": 4, "success_interval_95": [0.15, 0.85]}
    (day.out / "after_demonstrations.json").write_text(json.dumps(result))
    (line,) = success_rates(day)
    assert line.split("  ")[0] == "after 3 demonstrations"
    assert line.endswith("success 50% of 4 episodes (95 % interval 15% to 85%)")


def test_when_the_shipped_weights_do_not_know_the_robot_expect_a_day_without_them(tmp_path):
    file = stranger(tmp_path)
    steps = steps_of(make_day(file, "stranger.yaml", None, False, tmp_path / "day"))
    assert [step.name for step in steps[:4]] == ["check", "demonstrate", "data", "fine_tune"]
    assert "embodiment:=stranger.yaml checkpoint:=hold teleop:=" in steps[1].commands[0]


@pytest.mark.parametrize("robot", ["widowx", "aloha"])
def test_when_a_page_describes_the_day_expect_the_commands_that_the_steps_run(robot):
    text = (ROOT / "docs" / "first_day.md").read_text("utf-8")
    chapter = re.split(r"^## .*", text, flags=re.MULTILINE)[{"widowx": 1, "aloha": 2}[robot]]
    lines = [
        re.split("  +#", line)[0].strip() for line in chapter.splitlines() if line[:4] == "    "
    ]
    shown = [line for line in lines if line.startswith(("qwen-vla ", "ros2 launch qwen_vla_ros "))]
    day = day_of(robot, Path("runs/my_day"), full=True)
    assert shown == [command for one in steps_of(day) for command in one.commands]
