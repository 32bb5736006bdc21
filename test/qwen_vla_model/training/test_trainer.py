"""A run that is interrupted and resumed ends where an uninterrupted one does."""

import json
import os
import re
import shutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from noise_episodes import PATH, WIDOWX, record, record_teleoperated
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_model.checkpoint import from_pretrained, load_config
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_model.trained_robots import load_action_space
from qwen_vla_model.training.recipe import load_recipe
from qwen_vla_model.training.stages import train
from qwen_vla_model.training.trainer import Trainer
from robots import widowx_text
from tiny_qwen import save_tiny_qwen

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "src" / "qwen_vla_model" / "checkpoints" / "generalist"
NOTHING = {"steps": 0, "weight": 0.0}


def weights(tmp_path, name):
    return load_file(tmp_path / name / "state" / "model.safetensors")


def check_policy(checkpoint, robot=WIDOWX, **choices):
    """It gives a chunk for an empty scene."""
    actions_HC = QwenVlaPolicy.load(checkpoint, robot, **choices).infer(empty_scene(robot))
    assert actions_HC.shape == (robot.horizon, len(robot.action_channels))
    assert np.isfinite(actions_HC).all()


@pytest.mark.parametrize("batches", [1, pytest.param(3, marks=pytest.mark.long)])
def test_when_a_run_is_interrupted_and_resumed_expect_the_weights_of_an_uninterrupted_one(
    recipe, two_robots, tmp_path, monkeypatch, batches
):
    """On one core: several do the same but for rounding."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    stage = {"mixture": two_robots, "batches": batches, "max_steps": 4}
    stage["save_every_minutes"] = 1e-9
    train(recipe("whole", **stage))

    learn = Trainer.learn

    def interrupted(self, batch):
        if self.step == 3:
            raise KeyboardInterrupt
        return learn(self, batch)

    monkeypatch.setattr(Trainer, "learn", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(recipe("parts", **stage))
    monkeypatch.setattr(Trainer, "learn", learn)
    train(recipe("parts", **stage), resume=True)

    whole, parts = weights(tmp_path, "whole"), weights(tmp_path, "parts")
    assert whole.keys() == parts.keys()
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=0, atol=0, msg=name)


def test_when_a_run_ends_expect_a_checkpoint_that_drives_the_robot_and_its_curves(
    recipe, tmp_path, drawn
):
    """From nothing, with the size that is shipped."""
    checkpoint = train(recipe("run", start_from=None, max_steps=1))
    check_policy(checkpoint)
    assert (tmp_path / "run" / "curve.png").stat().st_size > 0
    assert "position_mm" in (tmp_path / "run" / "curve.csv").read_text()


def test_when_a_person_teleoperated_expect_training_from_the_action_loss_alone(recipe, tmp_path):
    """No plans, no boxes, one instruction: what a recorder on a robot can write."""
    folder = tmp_path / "teleoperated"
    folder.mkdir()
    for number in range(3):
        record_teleoperated(folder, number)
    mixture = [{"embodiment": str(PATH), "episodes": str(folder)}]
    checkpoint = train(recipe("person", mixture=mixture, grounding=NOTHING))
    check_policy(checkpoint)
    curve = (tmp_path / "person" / "curve.csv").read_text().splitlines()
    row = dict(zip(curve[0].split(","), curve[-1].split(","), strict=True))
    assert np.isfinite(float(row["loss"])) and np.isfinite(float(row["action_error/widowx"]))


def test_when_a_stage_has_no_images_expect_sentences_to_move_the_expert_alone_and_images_after_it(
    recipe, tmp_path
):
    """The paper's stages: language to action, then with images."""
    stage = {"images": False, "frozen": ["vision", "language"], "max_steps": 2}
    path = recipe("t2a", **stage, grounding=NOTHING)
    (batch,) = next(Trainer(load_recipe(path)).batches())
    assert batch.inputs.patches == batch.inputs.grids == batch.inputs.image_at == ()
    first = train(path)
    (tmp_path / "t2a" / "state").unlink()
    second = train(recipe("cpt", start_from=str(first)))
    story = json.loads((second / "training.json").read_text())
    assert story["continues"]["recipe"]["images"] is False
    assert story["samples_per_second"] > 0 and "torch" in story["machine"] and story["code"]
    check_policy(second)


def test_when_a_step_has_several_batches_expect_the_same_gradients_on_one_core_and_on_several(
    recipe, two_robots, monkeypatch
):
    stage = {"mixture": two_robots, "precision": "float32", "batches": 3, "prefix_steps": 3}
    gradients = {}
    for cores in (1, 2, 8):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        trainer = Trainer(load_recipe(recipe("run", **stage, grounding=NOTHING)))

        def keep(scale, trainer=trainer, cores=cores):
            parameters = trainer.trained.named_parameters()
            gradients[cores] = {n: p.grad for n, p in parameters if p.grad is not None}

        trainer.optimizer.step = keep
        batches = next(trainer.batches())
        assert len(batches) == 3
        trainer.learn(batches)
    assert len(gradients[1]) > 50
    for cores in (2, 8):
        torch.testing.assert_close(gradients[cores], gradients[1], rtol=1e-3, atol=1e-5)


def test_when_a_run_is_resumed_on_several_cores_expect_every_pass_to_have_its_weights(
    recipe, monkeypatch
):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    train(recipe("run", batches=3))
    trainer = Trainer(load_recipe(recipe("run", batches=3, max_steps=6)))
    trainer.load_state()
    trainer.learn(next(trainer.batches()))
    first, second = (list(network.parameters()) for network in trainer._passes._networks)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.long
def test_when_passes_are_compiled_expect_a_few_whole_programs_and_the_weights_that_come_without(
    recipe, two_robots, tmp_path, monkeypatch
):
    """Traced as on a GPU; making the kernels would take minutes here and is not ours."""
    programs = []

    def backend(program, _):
        programs.append(program)
        return program.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend, fullgraph=True))
    for compiled in (False, True):
        stage = {"mixture": two_robots, "precision": "float32", "max_steps": 4, "prefix_steps": 3}
        train(recipe(f"{compiled}", compile=compiled, **stage))
    assert 4 <= len(programs) <= 8  # four parts of a pass, not anew for each robot and batch
    plain, compiled = weights(tmp_path, "False"), weights(tmp_path, "True")
    for name, tensor in plain.items():
        torch.testing.assert_close(compiled[name], tensor, rtol=0, atol=1e-4, msg=name)


def test_when_the_output_layer_is_not_the_embedding_expect_grounding_to_be_refused(
    recipe, tmp_path
):
    save_tiny_qwen(tmp_path / "qwen", tied=False)
    expert = load_config(SHIPPED).expert.model_dump() | {"width": 64, "heads": 1, "blocks": 2}
    changes = {"backbone": str(tmp_path / "qwen"), "expert": expert}
    with pytest.raises(QwenVlaError, match="grounding: this backbone has an output layer"):
        train(recipe("run", **changes))


def test_when_a_run_starts_from_qwen_expect_a_checkpoint_around_its_backbone(recipe, tmp_path):
    qwen = tmp_path / "qwen"
    save_tiny_qwen(qwen)
    expert = load_config(SHIPPED).expert.model_dump() | {"width": 64, "heads": 1, "blocks": 2}
    changes = {"backbone": str(qwen), "expert": expert, "max_steps": 2}
    checkpoint = train(recipe("run", **changes))
    config = load_config(checkpoint)
    assert config.backbone["text_config"]["num_hidden_layers"] == 4  # 3 linear and 1 full
    assert config.expert.width == 64
    check_policy(checkpoint, weights="bfloat16")


def test_when_channels_are_canonical_expect_a_checkpoint_that_drives_the_robot_by_them(
    recipe, tmp_path
):
    path, episodes = tmp_path / "widowx.yaml", tmp_path / "canonical"
    path.write_text(widowx_text("axis_angle"))
    episodes.mkdir()
    for seed in (1, 2):
        record(episodes, seed, states=10)
    mixture = [{"embodiment": str(path), "episodes": str(episodes)}]
    changes = {"channel_layout": "canonical", "max_steps": 1, "grounding": {"steps": 0}}
    checkpoint = train(recipe("run", mixture=mixture, **changes))
    config = load_config(checkpoint)
    assert (config.channels, config.channel_layout) == (80, "canonical")
    check_policy(checkpoint, load_embodiment(path))


def test_when_a_robot_has_no_canonical_channels_expect_refusal_before_anything_is_learned(recipe):
    with pytest.raises(QwenVlaError, match="Euler angles have no slot"):
        train(recipe("run", channel_layout="canonical"))


def test_when_a_recipe_names_two_starts_expect_refusal(recipe):
    with pytest.raises(QwenVlaError, match="start_from: brings its own backbone"):
        load_recipe(recipe("run", start_from=str(SHIPPED), backbone="Qwen/Qwen3.5-0.8B"))


def test_when_robots_are_mixed_expect_each_as_often_as_weighed_and_a_checkpoint_that_knows_all(
    recipe, two_robots, tmp_path
):
    trainer = Trainer(load_recipe(recipe("run", mixture=two_robots, max_steps=400)))
    batches = list(trainer.mixture.batches(0))
    assert 0.7 < np.mean([source == "twin" for source, _ in batches]) < 0.8
    assert list(trainer.mixture.batches(150)) == batches[150:]
    trainer.learn(next(trainer.batches()))
    trainer.save()
    known = json.loads((tmp_path / "run" / "checkpoint" / "embodiments.json").read_text())
    seen = json.loads((tmp_path / "run" / "checkpoint" / "images.json").read_text())
    assert seen.keys() == known.keys() and all(views["ego"]["images"] for views in seen.values())
    assert set(known) == {"widowx", "twin"}


def test_when_a_robot_has_two_sources_expect_both_with_one_action_space_and_all_sentences(
    recipe, two_robots, tmp_path
):
    more = tmp_path / "more"
    more.mkdir()
    for seed in range(20_000, 20_003):
        record(more, seed, instructions=("go home", "wave"))
    mixture = [*two_robots, two_robots[0] | {"episodes": str(more), "weight": 4.0}]
    trainer = Trainer(load_recipe(recipe("run", mixture=mixture, max_steps=400)))
    assert list(trainer.mixture.learned) == ["widowx", "twin", "widowx:more"]
    drawn = [source for source, _ in trainer.mixture.batches(0)]
    assert 0.4 < np.mean([source == "widowx:more" for source in drawn]) < 0.6
    first, twin, second = trainer.mixture.learned.values()
    assert first.space == second.space != twin.space
    known = trainer.mixture.embodiments()
    assert known["widowx"]["instructions"] == sorted(first.instructions | {"go home", "wave"})
    assert set(known) == {"widowx", "twin"}


def test_when_a_folder_is_in_the_mixture_twice_expect_refusal(recipe, two_robots):
    with pytest.raises(QwenVlaError, match="mixture: .*/episodes stands there twice"):
        load_recipe(recipe("run", mixture=[two_robots[0], dict(two_robots[0])]))


def test_when_two_sources_of_a_robot_have_one_name_expect_refusal(recipe, two_robots, tmp_path):
    folders = [tmp_path / "episodes", tmp_path / "a" / "more", tmp_path / "b" / "more"]
    for folder in folders[1:]:
        shutil.copytree(folders[0], folder)
    mixture = [two_robots[0] | {"episodes": str(folder)} for folder in folders]
    with pytest.raises(QwenVlaError, match="b/more: widowx:more is in the mixture already"):
        Trainer(load_recipe(recipe("run", mixture=mixture)))


def test_when_a_folder_holds_a_run_already_expect_refusal_and_nothing_lost(recipe, tmp_path):
    path = recipe("run")
    train(path)
    before = weights(tmp_path, "run")
    with pytest.raises(QwenVlaError, match="resume"):
        train(path)
    after = weights(tmp_path, "run")
    assert all(torch.equal(before[name], after[name]) for name in before)


PARTS = {
    "vision": ("model.backbone.visual.",),
    "language": ("model.backbone.language_model.", "forecast."),
    "expert": ("model.expert.",),
}


@pytest.mark.parametrize("frozen", [(), ("vision", "language"), ("vision",), ("expert",)])
def test_when_parts_are_frozen_expect_gradients_in_the_others_only_and_frozen_bits_to_stay(
    recipe, known, frozen
):
    path = recipe("run", frozen=list(frozen), start_from=str(known), grounding={"steps": 0})
    trainer = Trainer(load_recipe(path))
    before = {name: p.detach().clone() for name, p in trainer.trained.named_parameters()}
    reached, step = set(), trainer.optimizer.step

    def see(scale):
        reached.update(n for n, p in trainer.trained.named_parameters() if p.grad is not None)
        missed = {n for n in reached if not dict(trainer.trained.named_parameters())[n].grad.any()}
        assert not missed
        step(scale)

    trainer.optimizer.step = see
    trainer.learn(next(trainer.batches()))
    stay = tuple(start for part in frozen for start in PARTS[part])
    assert reached == {name for name in before if not name.startswith(stay)}
    for name, parameter in trainer.trained.named_parameters():
        assert torch.equal(parameter, before[name]) is (name not in reached), name


def curve_with(trainer, errors):
    """Have validations find these errors, one after the other."""
    found = iter(errors)

    def validate(loss):
        row = {"minutes": trainer.elapsed_s / 60, "step": trainer.step, "loss": loss}
        trainer.curve.append(row | {"action_error/widowx": next(found)})

    trainer._validate = validate


EACH_STEP = {"validate_every_minutes": 1e-9, "patience": 2, "max_steps": 9}


def test_when_validation_stops_improving_expect_the_end_and_the_best_weights_in_the_checkpoint(
    recipe, tmp_path, capsys
):
    path = recipe("run", **EACH_STEP, grounding=NOTHING)
    trainer = Trainer(load_recipe(path))
    curve_with(trainer, [0.5, 0.3, 0.4, float("nan")])
    kept, save = {}, Trainer.save

    def keep():
        kept[trainer.step] = {n: p.detach().clone() for n, p in trainer.model.named_parameters()}
        save(trainer)

    trainer.save = keep
    trainer.run(resume=False)
    assert trainer.step == 4
    folder = tmp_path / "run"
    assert json.loads((folder / "checkpoint" / "training.json").read_text())["steps"] == 2
    held = load_file(folder / "checkpoint" / "model.safetensors")
    differs = 0
    for name, tensor in held.items():
        assert torch.equal(tensor, kept[2][name].to(tensor)), name
        differs += not torch.equal(tensor, kept[4][name].to(tensor))
    assert differs > 50
    assert "the checkpoint is the best one, of step 2" in capsys.readouterr().out
    train(path, resume=True)
    assert "finished already, at step 4" in capsys.readouterr().out


def test_when_a_run_with_patience_is_interrupted_expect_its_best_weights_to_be_known_on_resuming(
    recipe, tmp_path
):
    path = recipe("run", **EACH_STEP | {"patience": 3}, grounding=NOTHING)
    first = Trainer(load_recipe(path))
    curve_with(first, [0.5, 0.3, 0.4])
    with pytest.raises(StopIteration):  # the fourth validation is interrupted
        first.run(resume=False)
    second = Trainer(load_recipe(path))
    curve_with(second, [0.4, 0.4])
    second.run(resume=True)
    assert second.step == 5
    best = tmp_path / "run" / "checkpoint" / "training.json"
    assert json.loads(best.read_text())["steps"] == 2


def test_when_some_steps_were_measured_expect_time_and_memory_of_the_rest_in_words(recipe, capsys):
    train(recipe("run", max_steps=6, max_minutes=1000, grounding=NOTHING))
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.startswith("measured on 4 steps")]
    assert re.search(r"at most \S+ minutes for 1 steps, .* observations, .* GB of memory", line)


def test_when_peft_is_missing_expect_an_error_that_says_what_to_install(recipe, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(QwenVlaError, match="adapters: .*requirements-adapters.txt"):
        train(recipe("run", adapters={"rank": 2}, grounding=NOTHING))


def test_when_adapters_learn_expect_their_sum_in_a_plain_checkpoint_and_the_weights_below_unmoved(
    recipe, tmp_path
):
    pytest.importorskip("peft", reason="make test-adapters brings peft and runs this")
    changes = {"adapters": {"rank": 2}, "grounding": NOTHING, "precision": "float32"}
    trainer = Trainer(load_recipe(recipe("run", **changes)))
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    (batch,) = next(trainer.batches())
    trainer.run(resume=False)
    moved = {n for n, p in trainer.model.named_parameters() if not torch.equal(p, before[n])}
    backbone = {name for name in moved if name.startswith("backbone.")}
    assert len(backbone) > 20 and all("lora_" in name for name in backbone)
    saved = from_pretrained(tmp_path / "run" / "checkpoint")
    with torch.no_grad():
        read = [model.read(batch.inputs) for model in (trainer.model.eval(), saved)]
    torch.testing.assert_close(*read, rtol=0.1, atol=0.05)  # bfloat16 on disk
    train(recipe("run", **changes, max_steps=6), resume=True)


def test_when_a_run_continues_a_checkpoint_expect_its_action_space_and_the_recipes_prefix(
    recipe, tmp_path
):
    trainer = Trainer(load_recipe(recipe("run", start_from=str(SHIPPED), prefix_steps=5)))
    space = load_action_space(SHIPPED, WIDOWX)
    assert trainer.mixture.learned["widowx"].space == space
    assert trainer.mixture.held_out["widowx"].space == space
    trainer.save()
    assert load_config(tmp_path / "run" / "checkpoint").prefix_steps == 5
    story = json.loads((tmp_path / "run" / "checkpoint" / "training.json").read_text())
    assert story["continues"] == json.loads((SHIPPED / "training.json").read_text())


@pytest.mark.parametrize(
    "path",
    [
        *(ROOT / "config" / "recipes").glob("finetune_*.yaml"),
        *(ROOT / "config" / "recipes").glob("*/*.yaml"),
        *(ROOT / "config" / "published").glob("*.yaml"),
    ],
    ids=lambda p: p.stem,
)
def test_when_a_recipe_is_shipped_expect_it_to_name_robots_that_are_shipped_as_well(path):
    robots = [ROOT / source.embodiment for source in load_recipe(path).mixture]
    assert robots and all(robot.is_file() for robot in robots)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"learning_rate": 1e-3}, "learning_rate"),
        ({"observations": 0}, "observations"),
        ({"tau": {"kind": "gauss"}}, "tau"),
        ({"frozen": ["wheels"]}, "frozen"),
        ({"channel_layout": "canonical", "start_from": "somewhere"}, "its own channel_layout"),
        ({"frozen": ["vision", "language", "expert"]}, "nothing is left"),
        ({"frozen": ["vision", "language"]}, "grounding"),
        ({"frozen": ["vision", "language"], "adapters": {}, "grounding": NOTHING}, "adapters"),
        ({"images": False}, "nothing to point at"),
        ({"full_sequence": 9, "grounding": {"weight": 0}}, "quantiles: all_steps"),
        ({"full_sequence": 9}, "one sentence alone"),
    ],
)
def test_when_a_recipe_is_wrong_expect_file_and_key(recipe, changes, words):
    path = recipe("wrong", **changes)
    with pytest.raises(QwenVlaError, match=words) as caught:
        load_recipe(path)
    assert "wrong.yaml" in str(caught.value)
