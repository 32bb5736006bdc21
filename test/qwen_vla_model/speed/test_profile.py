"""Where the milliseconds of a chunk go."""

import dataclasses

import pytest

from action_spaces import action_space
from micro_processor import micro_processor
from noise_episodes import WIDOWX
from qwen_vla_eval.bench.model import profile_report
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_model.speed.profile import profile


@pytest.mark.long
def test_when_a_policy_is_profiled_expect_each_kind_eager_and_traced_with_its_operations(
    monkeypatch,
):
    monkeypatch.setattr("qwen_vla_model.speed.profile.UNDER_PROFILE", 1)
    model, processor = micro_processor(WIDOWX, prefix_steps=3)
    policy = QwenVlaPolicy(model, processor, action_space(WIDOWX, 1.0))
    found = profile(policy, 1)
    assert [(one.kind, one.path) for one in found] == [
        ("continued", "eager"),
        ("guided", "eager"),
        ("continued", "traced"),
        ("guided", "traced"),
    ]
    for one in found:
        assert one.calls > 100 and one.median_ms > 0.0
        assert one.operations[0].self_ms >= one.operations[-1].self_ms
    as_json = {"profiles": [dataclasses.asdict(one) | {"calls": one.calls} for one in found]}
    first, *tables = profile_report(as_json)
    assert len(first.rows) == 4 and len(tables) == 4
