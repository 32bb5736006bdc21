"""A GPU without the delta-net's kernels is reported, with what to install."""

import sys
from types import ModuleType

import torch

from qwen_vla_model.delta_net import KERNELS, slow_delta_net_reason

CUDA = torch.device("cuda")


def test_when_the_kernels_are_missing_on_a_gpu_expect_both_libraries_named(monkeypatch):
    for module, _ in KERNELS.values():
        monkeypatch.setitem(sys.modules, module, None)  # importing it raises
    reason = slow_delta_net_reason(CUDA)
    assert "pip install flash-linear-attention causal-conv1d" in reason
    assert slow_delta_net_reason(torch.device("cpu")) == ""


def test_when_one_of_them_is_there_expect_only_the_other_named(monkeypatch):
    module, function = KERNELS["causal-conv1d"]
    there = ModuleType(module)
    setattr(there, function, lambda: None)
    monkeypatch.setitem(sys.modules, module, there)
    monkeypatch.setitem(sys.modules, KERNELS["flash-linear-attention"][0], None)
    reason = slow_delta_net_reason(CUDA)
    assert "flash-linear-attention" in reason and "causal-conv1d" not in reason
