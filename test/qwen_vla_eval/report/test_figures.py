"""Figures of every robot, with weights that know nothing yet."""

import cv2
import numpy as np
import pytest
import torch

from action_spaces import action_space
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.embodiment.signature import embodiment_signature
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_eval.report.denoising import chunk_paths, draw_denoising, scene_to_show
from qwen_vla_eval.report.films import draw_failures, film
from qwen_vla_eval.report.looking import measure_looking, two_sentences
from qwen_vla_eval.runner import EpisodeRunner, EvaluationCase
from qwen_vla_model.checkpoint import save_pretrained
from qwen_vla_model.config import qwen_vla_tiny
from qwen_vla_model.model import QwenVla
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_model.tokenizer import IMAGE, train_tokenizer
from qwen_vla_sim.registry import find_tasks

ROBOTS = ("aloha", "mobile_base", "widowx_mobile")
"""The last has an arm and a base: the others are long."""


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """A checkpoint that knows all robots and no task."""
    torch.manual_seed(0)
    tokenizer, folder = train_tokenizer(), tmp_path_factory.mktemp("untrained")
    model = QwenVla(qwen_vla_tiny(len(tokenizer), tokenizer.convert_tokens_to_ids(IMAGE)))
    known = {}
    for robot in map(embodiment, ROBOTS):
        space = action_space(robot, 1.0).model_dump()
        known[robot.name] = embodiment_signature(robot) | {"action_space": space}
    save_pretrained(folder, model, tokenizer, known, {})
    return folder


def embodiment(name):
    return load_embodiment(embodiments_directory() / f"{name}.yaml")


@pytest.fixture(
    scope="module",
    params=[*(pytest.param(name, marks=pytest.mark.long) for name in ROBOTS[:-1]), ROBOTS[-1]],
)
def runner(request, untrained):
    path = embodiments_directory() / f"{request.param}.yaml"
    (task, *_) = find_tasks(embodiment(request.param), None)
    case = EvaluationCase(
        embodiment=path, task=task.name, checkpoint=untrained, prompt_embodiment=path
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(QwenVlaPolicy, "warm_up", lambda policy: 0.0)  # takes longer than the rest
        runner = EpisodeRunner(case)
    yield runner
    runner.world.close()


def test_when_a_robot_is_looked_at_expect_all_its_figures(runner, tmp_path, monkeypatch):
    monkeypatch.setattr("qwen_vla_eval.report.looking.PATCH", 1 / 2)  # coarse maps are quick
    monkeypatch.setattr(runner.task, "time_limit_s", 1.0)
    scenes = [runner.task.sample(seed) for seed in range(2)]
    scene = scene_to_show(runner, scenes)
    sentences = two_sentences(runner, scene)
    assert len({runner.task.target(scene, sentence) for sentence in sentences}) == 2
    paths = chunk_paths(runner, scene, sentences[0])[-1]
    robot = runner.codec.embodiment
    tools = {g.driver.namespace for g in robot.groups if getattr(g.action, "kinematics", None)}
    assert set(paths) == tools | ({"base"} if robot.base else set())
    assert all(np.shape(path) == (robot.horizon + 1, 3) for path in paths.values())
    draw_denoising(tmp_path / "denoising.png", runner, scene)
    draw_failures(tmp_path / "failures.png", runner, scenes)
    assert film(tmp_path / "failure", runner, scenes, success=False)
    assert not film(tmp_path / "success", runner, scenes[:1], success=True)
    for name in ("denoising", "failures", "failure"):
        assert cv2.imread(str(tmp_path / f"{name}.png")).std() > 5.0
    assert (tmp_path / "failure.mp4").stat().st_size > 1000
    looking = measure_looking(runner, scenes)
    assert looking.n >= 2 and looking.interval[0] <= looking.share <= looking.interval[1]
    assert abs(looking.share - 0.5) < 0.25  # it has not learned to read


def test_when_only_one_scene_can_tell_expect_no_number(runner):
    with pytest.raises(QwenVlaError, match="two objects are seen in 0 scenes only"):
        measure_looking(runner, [])
