"""A GPU without the delta rule's kernel is reported, by what really runs."""

import sys

import torch
from transformers.models.qwen3_5 import modeling_qwen3_5

from qwen_vla_model.delta_net import RULE, resolved, slow_delta_net_reason

CUDA = torch.device("cuda")


def test_when_the_kernel_is_missing_on_a_gpu_expect_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fla.ops.gated_delta_rule", None)  # importing it raises
    assert resolved().startswith("transformers.")
    reason = slow_delta_net_reason(CUDA)
    assert "flash-linear-attention cannot be imported" in reason
    assert "pip install flash-linear-attention" in reason and "causal" not in reason
    assert slow_delta_net_reason(torch.device("cpu")) == ""


def test_when_a_kernel_was_found_expect_no_reason_whatever_else_is_missing(monkeypatch):
    def kernel():
        pass

    kernel.__module__, implementation = "fla.ops.gated_delta_rule.chunk", kernel

    def wrapper():
        return implementation()

    monkeypatch.setattr(modeling_qwen3_5, RULE, wrapper)
    assert resolved().startswith("fla.ops.gated_delta_rule.chunk.")
    assert slow_delta_net_reason(CUDA) == ""
