"""A few hand-overs between policy and person by each device, with all nodes: `make handover`.

Not in `make test`: it takes half a minute for each robot.
"""

import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.resources import SHIPPED_CHECKPOINT, embodiments_directory
from qwen_vla_eval.bench.handover import GOALS_MS, measure_handover


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["widowx", "mobile_base"])
def test_when_each_device_takes_over_and_hands_back_expect_no_large_step_and_a_plan_at_once(name):
    path = embodiments_directory() / f"{name}.yaml"
    robot, done = load_embodiment(path), []
    result = measure_handover(
        path, str(SHIPPED_CHECKPOINT), robot.teleop.types, 3, lambda: done.append(1)
    )
    assert len(done) == 3 * len(robot.teleop.types)
    for device, figures in result["devices"].items():
        assert not any(figures["refused"].values()), (device, figures["refused"])
        for way, goal_ms in GOALS_MS.items():
            figure = figures[way]
            assert figure["late_ms"]["n"] == 3
            assert figure["late_ms"]["p50"] <= 2 * goal_ms, (device, way)  # a busy machine
            assert figure["step"]["max"] <= 1.0 + 1e-6, (device, way)
            assert figure["gain"]["max"] <= 1.0 + 1e-6, (device, way)
