"""What makes large networks fit: one process or several, each choice without another result."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode

from micro_qwen_vla import context_of, micro_inputs, micro_model
from qwen_vla_core.errors import CheckpointError, QwenVlaError
from qwen_vla_model import precision
from qwen_vla_model.config import ExpertConfig, qwen_vla_5b
from qwen_vla_model.flow_matching import Beta
from qwen_vla_model.model import QwenVla
from qwen_vla_model.pretrained_backbone import from_qwen
from qwen_vla_model.training.estimate import needs
from qwen_vla_model.training.recipe import Adapters, load_recipe
from qwen_vla_model.training.stages import rehearse, train
from qwen_vla_model.training.trainer import Trainer
from shared_training import learn
from tiny_qwen import save_tiny_qwen

ROOT = Path(__file__).parents[3]
EXPERT = {"width": 32, "blocks": 2, "heads": 2, "head_dim": 32, "mlp_hidden": 48}
EXPERT |= {"context": "joint", "proprioception": "none", "prediction": "velocity"}
BARE = {"steps": 0, "weight": 0}


def loss_and_gradients(model, prefix=True):
    inputs = micro_inputs(observations=2)
    actions = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(2))
    loss = model.loss(
        inputs,
        actions,
        torch.ones_like(actions, dtype=torch.bool),
        draws=2,
        tau=Beta(),
        generator=torch.Generator().manual_seed(3),
    )
    model.zero_grad()
    loss.backward()
    return loss.item(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("context", ["joint", "cached"])
def test_when_activations_are_computed_again_expect_the_same_gradients(context):
    model = micro_model(context=context, prefix_steps=2).train()
    loss, gradients = loss_and_gradients(model)
    model.expert.recompute = model.backbone.recompute = True
    model.backbone.language_model.gradient_checkpointing_enable({"use_reentrant": False})
    again, recomputed = loss_and_gradients(model)
    assert again == loss and recomputed.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(recomputed[name], gradient, msg=name)


class Largest(TorchDispatchMode):
    """The most numbers that a tensor had."""

    numbers = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        result = function(*arguments, **(options or {}))
        if isinstance(result, torch.Tensor):
            self.numbers = max(self.numbers, result.numel())
        return result


@torch.no_grad()
def test_when_steps_are_clean_expect_modulations_of_actions_alone_and_of_one_block():
    model, inputs = micro_model(context="joint"), micro_inputs(observations=1)
    context, draws, (steps, width) = context_of(model, inputs), 64, (4, 32)
    clean = torch.zeros(1, draws, steps, dtype=torch.bool)
    clean[:, :, :2] = True
    time = model.expert.time(torch.rand(1, draws), clean)
    noisy = torch.randn(1, draws, steps, 5)
    with Largest() as largest:
        model.expert(noisy, time, inputs.state_PK, context)
    actions = steps + 1
    tokens = actions + context.tokens_PLd.shape[1]
    everything = draws * tokens * width * (6 * len(model.expert.blocks) + 2)
    of_a_block = draws * actions * width * 6
    assert of_a_block <= largest.numbers < everything / 2


def test_when_a_backbone_is_loaded_narrow_expect_a_float32_expert_beside_it(tmp_path, monkeypatch):
    save_tiny_qwen(tmp_path)
    model, _ = from_qwen(tmp_path, ExpertConfig(**EXPERT), weights="bfloat16")
    kinds = {(n.partition(".")[0], p.dtype) for n, p in model.named_parameters()}
    assert kinds == {("backbone", torch.bfloat16), ("expert", torch.float32)}
    monkeypatch.setattr(precision, "free_bytes", lambda device: 1000)
    (tmp_path / "model.safetensors").write_bytes(b"")  # memory is looked at before any weight
    with pytest.raises(CheckpointError, match="weights as bfloat16 need .* are missing"):
        from_qwen(tmp_path, ExpertConfig(**EXPERT), weights="bfloat16")


def test_when_an_average_is_kept_expect_it_in_the_checkpoint_and_the_run_to_go_on_from_both(
    recipe, tmp_path
):
    choices = {"ema": 0.5, "grounding": BARE, "precision": "float32", "optimizer": "adamw"}
    trainer = Trainer(load_recipe(recipe("average", **choices, max_steps=4)))
    (tmp_path / "average" / "saves").mkdir(parents=True)
    name, parameter = next(iter(trainer.model.expert.named_parameters()))
    expected, batches = parameter.detach().clone(), trainer.batches()
    for _ in range(2):
        trainer.learn(next(batches))
        expected = 0.5 * expected + 0.5 * parameter.detach()
    raw = parameter.detach().clone()
    trainer.save()
    assert torch.equal(parameter, raw)
    stored = load_file(tmp_path / "average" / "checkpoint" / "model.safetensors")
    torch.testing.assert_close(stored[f"expert.{name}"], expected.bfloat16())
    losses = [trainer.learn(next(batches)) for _ in range(2)]
    again = Trainer(load_recipe(tmp_path / "average.yaml"))
    again.load_state()
    batches = again.batches()
    assert [again.learn(next(batches)) for _ in range(2)] == losses
    for a, b in zip(trainer.average.state().values(), again.average.state().values(), strict=True):
        assert torch.equal(a, b)


def test_when_a_training_is_rehearsed_expect_what_it_takes_and_nothing_written(
    recipe, tmp_path, capsys
):
    path = recipe("rehearsed", grounding=BARE)
    rehearse([path, recipe("after", start_from=None)], None, None)
    said = capsys.readouterr().out
    for words in ("parameters ", "memory ", "tokens a second", "hours", "measured on 2 steps"):
        assert words in said
    assert str(path) in said and "after.yaml" in said
    assert not (tmp_path / "rehearsed").exists()


def test_when_the_published_size_is_estimated_expect_what_fits_where():
    """80 GB hold the expert and adapters; all of it needs several."""
    with torch.device("meta"):
        model = QwenVla(qwen_vla_5b())
    whole = load_recipe(ROOT / "config" / "published" / "3_fine_tuning.yaml")
    adapted = whole.model_copy(
        update={
            "adapters": Adapters(rank=16),
            "backbone_weights": "bfloat16",
            "recompute": True,
            "observations": 8,
        }
    )
    alone, eight = needs(whole, model, 300), needs(whole, model, 300, processes=8)
    one = needs(adapted, model, 300)
    assert (
        alone.parameters == pytest.approx(5.7e9, rel=0.02) and alone.learning == alone.parameters
    )
    assert alone.weights + alone.gradients + alone.moments == 16 * alone.parameters
    assert eight.weights == alone.weights // 8
    assert one.memory < 60e9 < alone.memory
    assert 1.15e9 < one.learning < 1.3e9


def test_when_a_backbone_that_learns_is_to_be_narrow_expect_refusal(recipe):
    with pytest.raises(QwenVlaError, match="backbone_weights: small steps are lost"):
        load_recipe(recipe("wrong", backbone_weights="bfloat16"))


@pytest.mark.long
def test_when_two_processes_share_a_network_expect_the_losses_of_one(recipe, tmp_path):
    choices = {"optimizer": "adamw", "precision": "float32", "grounding": {"steps": 1}}
    choices |= {"batches": 2, "max_steps": 9, "ema": 0.9}
    alone, _ = learn(recipe("alone", **choices), 4)
    shared = start_two(recipe("shared", **choices), 2)
    np.testing.assert_allclose(shared, alone, rtol=1e-4)
    parts = {p.name for p in (tmp_path / "shared" / "state").iterdir()}
    assert {"model-1-of-2.safetensors", "optimizer-2-of-2.safetensors"} < parts
    ours, theirs = (
        load_file(tmp_path / name / "checkpoint" / "model.safetensors")
        for name in ("alone", "shared")
    )
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, rtol=0.02, atol=2e-3, msg=name)


def start_two(path, steps):
    """The losses of two processes under torchrun, of as many steps before a save as after it."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--standalone", str(ROOT / "test" / "shared_training.py"), str(path), str(steps)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.strip().splitlines()[-1])


def test_when_batches_cannot_be_shared_expect_how_many_there_must_be(recipe, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    path = recipe("odd", optimizer="adamw", batches=1, grounding=BARE)
    with pytest.raises(QwenVlaError, match="batches: 1 of a step cannot be shared by 2 processes"):
        train(path)
