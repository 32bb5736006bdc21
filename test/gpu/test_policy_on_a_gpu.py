"""The shipped policy on a GPU: captured, compiled, in one pool of memory, without waiting."""

import numpy as np
import pytest
import torch

from noise_episodes import WIDOWX
from qwen_vla_core.execution import Prefix
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_model.delta_net import resolved
from qwen_vla_model.images import prepare_sizes
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_model.speed.gpu_path import failed_capture, pools_of
from qwen_vla_model.speed.training_step import waits

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


def test_when_warm_expect_no_weights_left_to_make_for_images_of_any_camera(policy):
    assert prepare_sizes(policy.runtime.device, WIDOWX.cameras) == 0


def test_when_warm_expect_one_pool_for_all_graphs(policy):
    reserved = torch.cuda.memory_reserved()
    weights = sum(p.numel() * p.element_size() for p in policy.runtime.model.parameters())
    assert policy.runtime.prepared >= 2 and reserved < weights + 2**31
    assert pools_of(torch.cuda.memory_snapshot()) == 1


def test_when_a_layer_waits_in_a_capture_expect_eager_chunks_on_a_sound_device(policy):
    assert failed_capture(policy).startswith("eager, 0 away: the capture failed")


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


def test_when_a_step_is_learned_expect_the_gpu_waited_for_once():
    assert waits(WIDOWX, "cuda") == 1
