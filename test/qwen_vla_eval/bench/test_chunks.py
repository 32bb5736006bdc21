"""`qwen-vla bench chunks`: what counts as a jump, and the shipped policy's at every delay."""

from pathlib import Path

import numpy as np
import pytest

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.resources import SHIPPED_CHECKPOINT
from qwen_vla_core.types import ActionChunk
from qwen_vla_eval.bench import chunks
from qwen_vla_eval.tables import show

EMBODIMENTS = Path(__file__).parents[3] / "embodiments"
STEP_S = 0.2


def line(stamp_s, start, speed, steps=5):
    """One joint that moves at a constant speed."""
    positions_TD = start + speed * STEP_S * np.arange(steps)[:, None]
    return ActionChunk(
        stamp_s=stamp_s,
        step_s=STEP_S,
        positions_TD=positions_TD,
        velocities_TD=np.full_like(positions_TD, speed),
    )


def jump(before, after, switched_s=1.2):
    return chunks._jump(before, after, switched_s, STEP_S, np.array([True]))


def test_when_plans_differ_expect_the_gap_and_the_change_of_speed_with_what_is_caught_up():
    old = line(1.0, 0.0, 0.5)
    assert jump([old], [old]) == pytest.approx((0.0, 0.0))
    assert jump([old], [line(1.2, 0.1, 0.5)]) == pytest.approx((0.0, 0.0))
    assert jump([old], [line(1.2, 0.1, 0.8)]) == pytest.approx((0.0, 0.3))
    assert jump([old], [line(1.2, 0.2, 0.5)]) == pytest.approx((0.1, 0.1 / STEP_S))


def test_when_chunks_are_ensembled_expect_acts_weights_over_those_that_cover_the_moment():
    over, first, second = line(0.0, 7.0, 0.0), line(1.0, 0.0, 0.0), line(1.2, 1.0, 0.0)
    share = 1.0 / (1.0 + np.exp(0.01))
    assert chunks._mean_plan([over, first, second], 1.3) == pytest.approx(share)
    assert chunks._mean_plan([over, first, second], 1.1) == pytest.approx(0.0)


@pytest.mark.long
def test_when_the_shipped_policy_is_measured_expect_no_jump_of_position_with_a_prefix(
    capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "200")
    result = chunks.measure_chunks(EMBODIMENTS / "widowx.yaml", SHIPPED_CHECKPOINT, [1], workers=1)
    rows = result["boundaries"]
    assert [row["delay_steps"] for row in rows] == [d for d in range(7) for _ in chunks.METHODS]
    farthest = {(r["delay_steps"], r["method"]): r["position_rad"]["p99"] for r in rows}
    for delay in range(1, 7):
        assert farthest[delay, "prefix"] < 0.005 < farthest[delay, "naive"]
        assert farthest[delay, "guidance"] < 0.005
    show([chunks.table(result)])
    assert "6 steps, prefix" in capsys.readouterr().out


def test_when_a_robot_has_no_arm_expect_refusal():
    with pytest.raises(QwenVlaError, match="no arm"):
        chunks.measure_chunks(EMBODIMENTS / "mobile_base.yaml", SHIPPED_CHECKPOINT, [0], workers=1)
