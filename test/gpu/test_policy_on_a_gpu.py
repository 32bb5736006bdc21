"""The shipped policy on a GPU: captured, compiled, in one pool of memory, without waiting."""

import numpy as np
import pytest
import torch

from noise_episodes import WIDOWX
from qwen_vla_core.execution import Prefix
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_model.delta_net import resolved
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_model.runtime import _FixedPass

SCENE = empty_scene(WIDOWX)
STILL_NC = np.zeros((12, len(WIDOWX.action_channels)), np.float32)
PREFIXES = {
    "free": None,
    "continued": Prefix(actions_NC=STILL_NC[:3], committed=3),
    "guided": Prefix(actions_NC=STILL_NC, committed=9),
}


@pytest.fixture(scope="module")
def policy():
    loaded = QwenVlaPolicy.load(None, WIDOWX, device="cuda")
    loaded.warm_up()
    return loaded


@pytest.mark.parametrize("kind", PREFIXES)
def test_when_warm_expect_every_kind_of_pass_to_be_a_graph_with_the_eager_chunk(policy, kind):
    policy.reseed(3)
    chunk = policy.infer(SCENE, PREFIXES[kind])
    assert (policy.runtime.path, policy.runtime.why_eager) == ("graph", "")
    eager = QwenVlaPolicy.load(None, WIDOWX, device="cuda")
    eager.reseed(3)
    np.testing.assert_allclose(eager.infer(SCENE, PREFIXES[kind]), chunk, atol=0.05)


def test_when_warm_expect_one_pool_for_all_graphs(policy):
    reserved = torch.cuda.memory_reserved()
    weights = sum(p.numel() * p.element_size() for p in policy.runtime.model.parameters())
    assert len(policy.runtime._fixed) >= 2 and reserved < weights + 2**31


def test_when_a_capture_fails_expect_eager_chunks_on_a_sound_device(monkeypatch):
    def wait(self, device, pool):
        with torch.cuda.graph(torch.cuda.CUDAGraph(), pool=pool):
            torch.ones(1, device=device).item()  # waiting is not allowed within a capture

    monkeypatch.setattr(_FixedPass, "capture", wait)
    policy = QwenVlaPolicy.load(None, WIDOWX, device="cuda")
    policy.warm_up()
    assert np.isfinite(policy.infer(SCENE)).all()
    assert "the capture failed" in policy.diagnostics()["why_eager"]


def test_when_compiled_expect_graphs_with_the_same_chunk(policy):
    compiled = QwenVlaPolicy.load(None, WIDOWX, device="cuda", compiled=True)
    compiled.warm_up()
    for one in (policy, compiled):
        one.reseed(5)
    np.testing.assert_allclose(compiled.infer(SCENE), policy.infer(SCENE), atol=0.05)
    assert compiled.runtime.path == "graph"


def test_when_flash_linear_attention_is_there_expect_its_kernel(policy):
    pytest.importorskip("fla", reason="flash-linear-attention is not installed")
    assert resolved().startswith("fla.") and policy.slow_reason == ""


def test_when_actions_attend_under_a_mask_expect_a_fused_kernel(policy):
    processor, heads = policy.processor, policy.runtime.model.expert.blocks[0].heads
    tokens = processor.pad_to + processor.action_tokens
    q = torch.randn(1, heads, processor.action_tokens, 64, device="cuda", dtype=torch.bfloat16)
    k = torch.randn(1, heads, tokens, 64, device="cuda", dtype=torch.bfloat16)
    mask = torch.ones(1, 1, 1, tokens, dtype=torch.bool, device="cuda")
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.EFFICIENT_ATTENTION):
        attended = torch.nn.functional.scaled_dot_product_attention(q, k, k, attn_mask=mask)
    assert attended.isfinite().all()


def test_when_a_step_is_learned_expect_the_gpu_waited_for_once(tmp_path):
    from noise_episodes import PATH, record
    from qwen_vla_model.training.recipe import Recipe
    from qwen_vla_model.training.trainer import Trainer

    for seed in range(10_000, 10_004):
        record(tmp_path, seed)
    rates = {"vision": 1e-4, "language": 1e-4, "expert": 1e-4}
    recipe = Recipe.model_validate(
        {
            "mixture": [{"embodiment": PATH, "episodes": tmp_path}],
            "out": tmp_path / "run",
            "max_steps": 5,
            "compile": False,
            "device": "cuda",
            "observations": 2,
            "instructions": 2,
            "draws": 2,
            "tau": {"kind": "beta"},
            "learning_rates": rates,
            "warmup_steps": 1,
            "validation_episodes": 1,
        }
    )
    trainer = Trainer(recipe)
    batches = trainer.batches()
    trainer.learn(next(batches))
    torch.cuda.set_sync_debug_mode("error")
    try:
        with torch.autograd.set_detect_anomaly(False):
            loss = trainer._loss_of(trainer.trained, 0, next(batches)[0])
            loss.backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.isfinite(loss)
