"""Recipes one after the other: each starts from the one before, alone or for one robot."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from full_disk import full_disk
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_model.training.recipe import load_recipe
from qwen_vla_model.training.saves import check_save
from qwen_vla_model.training.stages import load_stages, train
from qwen_vla_model.training.trainer import Trainer

STEPS = 3
LATER = {"start_from": None}
"""Of a recipe that starts from the one before."""


def test_when_stages_are_interrupted_and_resumed_expect_finished_ones_to_stay_and_the_rest_to_come(
    recipe, tmp_path
):
    stages, out = [recipe("one"), recipe("two", **LATER)], tmp_path / "runs"
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
    stages = [
        recipe("one", grounding=pointing),
        recipe("two", **LATER, **blind),
        recipe("three", **LATER),
    ]
    train(*stages[:2], out=tmp_path)
    learned = load_file(tmp_path / "one" / "state" / "model.safetensors")["forecast.read.weight"]
    third = Trainer(load_stages(stages, tmp_path, None)[2])
    assert torch.equal(third.forecast.read.weight, learned)
    assert not torch.equal(Trainer(load_recipe(stages[0])).forecast.read.weight, learned)


def test_when_there_is_nothing_to_resume_expect_an_error_with_the_folder(recipe):
    with pytest.raises(QwenVlaError, match="new: nothing was saved there"):
        train(recipe("new"), resume=True)


def test_when_a_finished_run_is_resumed_expect_that_said_and_nothing_done(
    recipe, tmp_path, capsys
):
    path = recipe("run", max_steps=1, grounding={"weight": 0})
    train(path)
    before = (tmp_path / "run" / "latest").readlink()
    capsys.readouterr()
    checkpoint = train(path, resume=True)
    first, last = capsys.readouterr().out.splitlines()
    assert first == f"{path}: finished already, at step 1, in {tmp_path / 'run'}"
    assert last.startswith(f"the checkpoint is in {checkpoint}; to measure it: qwen-vla evaluate")
    assert (tmp_path / "run" / "latest").readlink() == before


def test_when_a_training_is_interrupted_before_anything_is_saved_expect_that_said(
    recipe, monkeypatch
):
    def interrupted(self, batches):
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "learn", interrupted)
    with pytest.raises(KeyboardInterrupt, match="nothing was saved yet; the same command begins"):
        train(recipe("run"))


def test_when_the_disk_is_full_at_the_second_save_expect_one_line_and_the_first_one_kept(
    recipe, tmp_path, monkeypatch
):
    every_step = {"save_every_minutes": 1e-9, "grounding": {"weight": 0}}
    path, save = recipe("run", **every_step), Trainer.save

    def save_on_a_disk_that_fills(self):
        with full_disk(200_000) if self.step == 2 else nullcontext():
            save(self)

    monkeypatch.setattr(Trainer, "save", save_on_a_disk_that_fills)
    with pytest.raises(QwenVlaError, match=r"run/saves/b cannot be written: .*[Ff]ile too") as no:
        train(path)
    assert "\n" not in str(no.value)
    assert check_save(tmp_path / "run").step == 1
    assert not (tmp_path / "run" / "saves" / "b").exists()


def test_when_a_folder_of_runs_cannot_be_written_expect_one_line_before_anything_is_loaded(recipe):
    with pytest.raises(QwenVlaError, match=r"/proc/runs/one cannot be written: No such file"):
        train(recipe("one"), out=Path("/proc/runs"))


def test_when_the_last_of_some_stages_is_wrong_expect_refusal_before_the_first(recipe, tmp_path):
    with pytest.raises(QwenVlaError, match=r"wrong\.yaml"):
        train(recipe("one"), recipe("wrong", **LATER, observations=0))
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
