"""The items of the GPU path, looked at where there is none: the same code, other findings."""

import warnings
from dataclasses import asdict
from functools import partial

import numpy as np
import pytest
import torch

from micro_processor import micro_processor
from noise_episodes import WIDOWX
from qwen_vla_eval.bench.gpu import path_table
from qwen_vla_model.action_space import ActionSpace
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_model.runtime import Runtime
from qwen_vla_model.speed.gpu_path import failed_capture, found, look, modulated, pools_of
from qwen_vla_model.speed.training_step import counted
from qwen_vla_model.training.trainer import Trainer

CAPTURE = "qwen_vla_model.runtime._FixedPass.capture"


def policy():
    """Ours, of a few thousand random parameters."""
    model, processor = micro_processor(WIDOWX, prefix_steps=6)
    channels = len(WIDOWX.action_channels)
    chunks_NHC = np.random.default_rng(0).uniform(-1, 1, (2, WIDOWX.horizon, channels))
    return QwenVlaPolicy(model, processor, ActionSpace.fit(WIDOWX, chunks_NHC, chunks_NHC[:, 0]))


@pytest.mark.long
def test_when_there_is_no_gpu_expect_every_item_looked_at_all_the_same(monkeypatch):
    learn = Trainer.learn

    def waiting(self, batches):
        warnings.warn("called a synchronizing CUDA operation", stacklevel=1)
        return learn(self, batches)

    monkeypatch.setattr(Trainer, "learn", waiting)
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    items = list(look(WIDOWX, "cpu", compile_too=True))
    seen = {item.what: item.found for item in items}
    assert seen["delta rule"].startswith("transformers.")
    assert seen["said to be slow here"] == "nothing"
    assert seen["graphs, and the pools of their memory"] == "no graphs"
    assert seen["continued pass"].startswith("traced, ")
    assert seen["guided pass"].startswith("traced, ")
    assert seen["a capture that fails"] == "graph, 0 away: no capture failed"
    assert seen["waits in a training step"] == "1"  # and none of the steps before
    assert seen["images of 6 cameras' sizes, what was not ready"] == "0"
    assert not [item for item in items if item.found.startswith("failed")]
    assert len(path_table([asdict(item) for item in items]).rows) == len(items) == 12


def test_when_a_capture_fails_expect_the_eager_chunk_found_and_why(monkeypatch):
    def fail(self, device, pool):
        self._run()
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(CAPTURE, fail)
    seen = failed_capture(policy())
    assert seen.startswith("eager, 0 away: the capture failed: RuntimeError: operation not")


def test_when_chunks_are_others_after_a_failed_capture_expect_it_found(monkeypatch):
    def fail(self, device, pool):
        chunk = Runtime.chunk
        monkeypatch.setattr(
            Runtime, "chunk", lambda self, *asks: chunk(self, *asks) + 0.5 * bool(self._failed)
        )
        raise RuntimeError("an illegal memory access was encountered")

    monkeypatch.setattr(CAPTURE, fail)
    assert failed_capture(policy()).startswith("eager, 0.5 away: the capture failed")


def test_when_the_device_is_lost_in_a_capture_expect_it_found_and_the_rest_looked_at(monkeypatch):
    def fail(self, device, pool):
        monkeypatch.setattr(torch, "ones", torch.zeros)
        raise RuntimeError("an illegal\n  memory access")

    monkeypatch.setattr(CAPTURE, fail)
    seen = found(lambda: failed_capture(policy()))
    assert seen.startswith("failed: CheckpointError: cpu is unusable after a capture that failed")
    assert "an illegal memory access" in seen


def test_when_blocks_modulate_expect_only_actions_behind_a_prefix_by_themselves():
    assert modulated(policy()) == f"1, behind a prefix {1 + WIDOWX.horizon + 1}"  # and the state


def test_when_memory_is_listed_expect_the_pools_of_graphs_counted_that_are_in_use():
    segments = [((0, 0), 9), ((0, 1), 9), ((0, 1), 4), ((0, 2), 0), ((0, 3), 1)]
    assert (
        pools_of({"segment_pool_id": pool, "allocated_size": size} for pool, size in segments) == 2
    )


def test_when_the_host_waits_expect_each_time_counted():
    def run():
        for text in ("called a synchronizing CUDA operation", "something else") * 2:
            warnings.warn(text, stacklevel=1)

    assert counted("cpu", run) == 2
