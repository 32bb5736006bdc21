"""The published settings, every stage, on a Qwen3.5 of a few thousand parameters."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.embodiment.signature import with_views
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_data.plans import whole_sequence, with_plans
from qwen_vla_model.checkpoint import load_config
from qwen_vla_model.config import qwen_vla_5b
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_model.trained_robots import load_action_space
from qwen_vla_model.training.mixture import small_views
from qwen_vla_model.training.recipe import load_recipe
from qwen_vla_model.training.stages import train
from tiny_qwen import save_tiny_qwen
from waved_episodes import EMBODIMENTS, codec_of, planned, teleoperated

ROOT = Path(__file__).parents[3]
PUBLISHED = sorted((ROOT / "config" / "published").glob("*.yaml"))
SMALL_EXPERT = {"width": 32, "blocks": 2, "heads": 2, "head_dim": 32, "mlp_hidden": 48}
VIEW = [64, 64]


def examples(path):
    path.parent.mkdir(parents=True)
    cv2.imwrite(str(path.parent / "a.png"), np.full((40, 50, 3), 90, np.uint8))
    line = {"image": "a.png", "question": "What is there?", "answer": "a red block"}
    path.write_text(json.dumps(line) + "\n")
    return str(path)


def small(values, folder):
    """A recipe with the paper's choices, of small sizes and with episodes of this folder."""
    for source in values["mixture"]:
        name, made = Path(source["embodiment"]).stem, Path(source["episodes"]).name
        source["embodiment"] = str(EMBODIMENTS / f"{name}.yaml")
        episodes = folder / f"{name}_{'synthetic' if made == 'synthetic' else 'recorded'}"
        source["episodes"] = str(episodes)
        if not episodes.exists():
            episodes.mkdir()
            make, codec = planned if made == "synthetic" else teleoperated, codec_of(name)
            for number in range(2):
                make(codec, 20 + number).save(episodes / f"{number}.npz")
    values |= {"max_steps": 2, "batches": 1, "observations": 2, "validation_episodes": 1}
    values |= {"validation_steps": 1, "warmup_steps": 1}
    if "backbone" in values:
        values["backbone"] = str(folder / "qwen")
        values["expert"] |= SMALL_EXPERT
    if "view" in values:
        values["view"] = [*VIEW]
    if "auxiliary" in values:
        values["auxiliary"] |= {"view": [*VIEW], "each_batch": 1}
        for source in values["auxiliary"]["sources"]:
            source["examples"] = str(folder / "questions" / "examples.jsonl")
    return values


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What the last stage leaves."""
    folder = tmp_path_factory.mktemp("published")
    save_tiny_qwen(folder / "qwen")
    examples(folder / "questions" / "examples.jsonl")
    paths = []
    for path in PUBLISHED:
        paths.append(folder / path.name)
        paths[-1].write_text(yaml.safe_dump(small(yaml.safe_load(path.read_text()), folder)))
    return train(*paths, out=folder / "runs")


def test_when_the_published_stages_are_trained_expect_a_policy_of_the_published_choices(trained):
    config = load_config(trained)
    assert (config.expert.context, config.expert.prediction) == ("joint", "velocity")
    assert (config.prompt, config.prefix_steps, config.channels) == ("chat", 0, 64)
    for name, relations in {
        "widowx": {"per_step", "absolute"},
        "aloha": {"absolute"},
        "mobile_base": {"per_step"},
    }.items():
        robot = load_embodiment(EMBODIMENTS / f"{name}.yaml")
        space = load_action_space(trained, robot)
        assert set(space.relations) == relations and space.clip
        assert len(set(space.q01)) == 1  # one pair for all steps
    policy = QwenVlaPolicy.load(trained, load_embodiment(EMBODIMENTS / "widowx.yaml"))
    assert {(c.width, c.height) for c in policy.processor.embodiment.cameras} == {tuple(VIEW)}
    assert np.isfinite(policy.infer(empty_scene(policy.processor.embodiment))).all()
    processor = policy.processor
    prompt = processor.tokenizer.decode(processor.tokens("lift it", np.zeros(7)))
    assert prompt.startswith("<|im_start|>user\n<|ego_start|>")
    assert prompt.endswith("following task: lift it.<|im_end|>\n<|im_start|>assistant\n")


def test_when_the_first_stage_is_trained_expect_whole_motions_counted_from_their_start(trained):
    first = trained.parents[1] / PUBLISHED[0].stem / "checkpoint"
    space = load_action_space(first, load_embodiment(EMBODIMENTS / "widowx.yaml"))
    assert set(space.relations) == {"sum", "absolute"}
    recipe = json.loads((first / "training.json").read_text())["recipe"]
    assert recipe["full_sequence"] and recipe["frozen"] == ["vision", "language"]
    shares = {True: 0.0, False: 0.0}
    for source in load_recipe(PUBLISHED[0]).mixture:
        shares[source.episodes.name == "synthetic"] += source.weight
    assert shares[True] / sum(shares.values()) == pytest.approx(0.2)


def test_when_views_are_below_what_a_backbone_was_made_for_expect_the_size_to_use():
    config = qwen_vla_5b().model_copy(update={"min_view_pixels": 65_536})
    (said,) = small_views(config, [load_embodiment(EMBODIMENTS / "widowx.yaml")])
    assert said.startswith("views of 96 x 96 are 9 tokens each")
    assert said.endswith("view: [256, 256] in the recipe gives 64")
    large = with_views(load_embodiment(EMBODIMENTS / "widowx.yaml"), [(256, 256)] * 2)
    assert small_views(config, [large]) == []


@pytest.mark.parametrize("robot", ["widowx", "aloha", "mobile_base"])
def test_when_only_every_fifth_step_is_recorded_expect_the_same_sequence(robot):
    codec = codec_of(robot)
    every = whole_sequence(with_plans(teleoperated(codec, 60), codec), codec)
    some = whole_sequence(with_plans(planned(codec, 12, 5), codec), codec)
    np.testing.assert_allclose(some, every, atol=1e-4)
    assert len(every) == 59
