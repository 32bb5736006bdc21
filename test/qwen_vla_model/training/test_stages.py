"""Recipes one after the other: each starts from the one before, alone or for one robot."""

import json

import pytest
import torch
from safetensors.torch import load_file

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_model.training.recipe import load_recipe
from qwen_vla_model.training.stages import load_stages, train
from qwen_vla_model.training.trainer import Trainer

STEPS = 5


def test_when_stages_are_interrupted_and_resumed_expect_finished_ones_to_stay_and_the_rest_to_come(
    recipe, tmp_path
):
    stages, out = [recipe("one"), recipe("two")], tmp_path / "runs"
    train(stages[0], out=out)
    curve = out / "one" / "curve.csv"
    before = curve.read_bytes(), curve.stat().st_mtime_ns
    assert train(*stages, out=out, resume=True) == out / "two" / "checkpoint"
    assert (curve.read_bytes(), curve.stat().st_mtime_ns) == before
    assert json.loads((out / "two" / "state" / "progress.json").read_text())["step"] == STEPS
    story = json.loads((out / "two" / "checkpoint" / "training.json").read_text())
    assert story["recipe"]["start_from"] == str(out / "one" / "checkpoint")


def test_when_a_stage_between_does_not_point_expect_what_was_learned_of_pointing_to_go_on(
    recipe, tmp_path
):
    pointing = {"steps": STEPS}
    blind = {"images": False, "frozen": ["vision", "language"], "grounding": {"weight": 0}}
    stages = [recipe("one", grounding=pointing), recipe("two", **blind), recipe("three")]
    train(*stages[:2], out=tmp_path)
    learned = load_file(tmp_path / "one" / "state" / "model.safetensors")["forecast.read.weight"]
    third = Trainer(load_stages(stages, tmp_path, None)[2])
    assert torch.equal(third.forecast.read.weight, learned)
    assert not torch.equal(Trainer(load_recipe(stages[0])).forecast.read.weight, learned)


def test_when_there_is_nothing_to_resume_expect_an_error_with_the_folder(recipe):
    with pytest.raises(QwenVlaError, match="new: nothing was saved there"):
        train(recipe("new"), resume=True)


def test_when_the_last_of_some_stages_is_wrong_expect_refusal_before_the_first(recipe, tmp_path):
    with pytest.raises(QwenVlaError, match=r"wrong\.yaml"):
        train(recipe("one"), recipe("wrong", observations=0))
    assert not (tmp_path / "one").exists()


def test_when_a_later_stage_names_its_own_start_expect_refusal(recipe):
    with pytest.raises(QwenVlaError, match=r"two\.yaml: start_from.*it starts from .*one\.yaml"):
        train(recipe("one"), recipe("two", start_from="elsewhere"))


def test_when_nothing_says_where_to_write_expect_refusal(recipe):
    path = recipe("nowhere", out=None)
    with pytest.raises(QwenVlaError, match=r"nowhere\.yaml: no key out; name a folder with --out"):
        train(path)


def test_when_one_robot_is_chosen_expect_its_episodes_and_its_share_of_the_steps(
    recipe, two_robots, tmp_path
):
    (tmp_path / "more").mkdir()
    half = two_robots[1] | {"weight": 1.5}
    halves = [two_robots[0], half, half | {"episodes": str(tmp_path / "more")}]
    path = recipe("run", mixture=halves, max_steps=400, max_minutes=8, grounding={"steps": 40})
    (only,) = load_stages([path], None, "twin")
    assert [source.embodiment for source in only.mixture] == [tmp_path / "twin.yaml"] * 2
    assert (only.max_steps, only.max_minutes, only.grounding.steps) == (300, 6.0, 30)
    whole = load_recipe(path)
    assert only.learning_rates == whole.learning_rates and only.out == whole.out


def test_when_a_robot_is_chosen_that_is_not_there_expect_those_that_are(recipe, two_robots):
    with pytest.raises(QwenVlaError, match="has no aloha, only widowx, twin"):
        train(recipe("run", mixture=two_robots), robot="aloha")
