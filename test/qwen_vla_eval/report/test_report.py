"""The whole report of the shipped policy on a WidowX, small."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from qwen_vla_core.resources import SHIPPED_CHECKPOINT, embodiments_directory
from qwen_vla_eval.report import make_report
from qwen_vla_eval.report.denoising import chunk_paths
from qwen_vla_eval.report.figures import Figures
from qwen_vla_eval.report.looking import Looking, first_observation
from qwen_vla_eval.runner import EpisodeRunner, EvaluationCase
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_sim.tasks.shifts import Shift
from qwen_vla_sim.worlds.tool_paths import tool_paths

WIDOWX = embodiments_directory() / "widowx.yaml"
PLAN = {
    "episodes": 2,
    "scenes": 2,
    "checkpoints": {"generalist": "shipped"},
    "robots": {"widowx": {"tasks": ["pick_up"], "wrong_sentence": "aloha"}},
    "sections": [
        {
            "title": "Colours",
            "checkpoints": ["generalist"],
            "shifts": ["in_distribution", "colour"],
        }
    ],
    "bars": {"checkpoint": "generalist", "at_least": {"widowx": {"pick_up": 0.01}}},
}


def case(prompted=WIDOWX):
    folder = SHIPPED_CHECKPOINT
    return EvaluationCase(
        embodiment=WIDOWX, task="pick_up", checkpoint=folder, prompt_embodiment=prompted
    )


@pytest.fixture(scope="module")
def runner():
    runner = EpisodeRunner(case())
    yield runner
    runner.world.close()


def test_when_an_episode_is_repeated_after_another_expect_the_same_again(runner, monkeypatch):
    monkeypatch.setattr(runner.task, "time_limit_s", 4.0)
    scenes = [runner.task.sample(0), runner.task.sample(1, Shift.COLOUR)]
    first, other, again = (runner.run(scenes[i]) for i in (0, 1, 0))
    assert {**first, "wall_s": 0} == {**again, "wall_s": 0} != {**other, "wall_s": 0}
    said = runner.policy.diagnostics()  # it was warm: no chunk was computed eagerly
    assert (said["path"], said["eager_fallbacks"]) == ("traced", 0)


def test_when_a_case_names_another_prompt_embodiment_or_none_expect_it_in_the_prompt(
    runner, monkeypatch
):
    monkeypatch.setattr(QwenVlaPolicy, "warm_up", lambda policy: 0.0)  # no chunk is computed

    def prompt(runner):
        processor = runner.policy.processor
        return processor.tokenizer.decode(processor.tokens("pick up the red block", np.zeros(7)))

    def prompt_with(robot):
        other = EpisodeRunner(case(robot))
        other.world.close()
        return prompt(other)

    right = prompt(runner)
    wrong, none = prompt_with(embodiments_directory() / "aloha.yaml"), prompt_with(None)
    assert "The robot is widowX with single arm" in right
    assert "The robot is aloha with dual arms" in wrong
    assert "The robot" not in none and none.endswith("pick up the red block.")


def test_when_denoising_is_drawn_expect_its_paths_to_end_at_the_chunk_that_is_sent(runner):
    scene = runner.task.sample(5)
    steps = chunk_paths(runner, scene, scene.instruction)
    runner.policy.runtime.reseed(scene.seed)
    observation = first_observation(runner, scene)
    actions_HC = runner.policy.infer(observation)
    chunk = runner.codec.decode(actions_HC, observation.commanded_D, 0.0)
    (sent,) = tool_paths(runner.world, chunk.positions_TD).values()
    (drawn,) = steps[-1].values()
    np.testing.assert_allclose(drawn, sent, atol=1e-3)


def test_when_denoising_is_drawn_expect_noise_to_lead_nowhere_and_chunks_to_the_named_block(
    runner,
):
    def away_m(path, block):
        return np.linalg.norm(path - runner.world.body_position(block), axis=1).min()

    noise_m, chunk_m = [], []
    for seed in range(7):
        scene = runner.task.sample(seed)
        steps = [
            path for (path,) in map(dict.values, chunk_paths(runner, scene, scene.instruction))
        ]
        named = runner.task.target(scene, scene.instruction)
        others = {runner.task.target(scene, text) for text in scene.instructions} - {named}
        noise_m.append(away_m(steps[0], named))
        chunk_m.append(away_m(steps[-1], named))
        assert all(away_m(steps[-1], other) > 3.0 * chunk_m[-1] for other in others)
    assert np.median(chunk_m) < 0.02 < 0.05 < min(noise_m)


@pytest.mark.long
@pytest.mark.timeout(300)  # two processes that load torch, on a busy machine
def test_when_a_report_is_made_expect_tables_figures_and_nothing_to_run_twice(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("qwen_vla_eval.report.looking.PATCH", 1 / 3)  # coarse maps are quick
    plan = tmp_path / "plan.yaml"
    plan.write_text(yaml.safe_dump(PLAN))
    make_report(plan, tmp_path / "out", workers=1)
    assert "4 episodes, about" in capsys.readouterr().out
    text, kept = (tmp_path / "out" / "report.md").read_text(), read(tmp_path / "out" / "cells")
    assert "| widowx pick_up |" in text and "n 2" in text and "not met" not in text
    for link in [part.partition(")")[0] for part in text.split("](")[1:]]:
        assert (tmp_path / "out" / link).stat().st_size > 1000
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [cell["shift"] for cell in report["cells"]] == ["in_distribution", "colour"]
    assert 0.0 < report["figures"]["widowx"]["looking"]["share"] < 1.0
    for figure in ("success.png", "widowx/denoising.png", "widowx/looking.png"):
        assert 400 < cv2.imread(str(tmp_path / "out" / figure)).shape[1] <= 1000

    monkeypatch.setattr(
        "qwen_vla_eval.report.measure.EpisodeRunner", None
    )  # whoever runs one more fails
    drawn = Figures(task="pick_up", files={}, looking=Looking(share=0.5, interval=(0, 1), n=2))
    monkeypatch.setattr("qwen_vla_eval.report.figures.draw_figures", lambda *_: drawn)
    make_report(plan, tmp_path / "out", workers=1)
    assert read(tmp_path / "out" / "cells") == kept


def read(folder: Path):
    return {path.name: path.read_text() for path in folder.iterdir()}
