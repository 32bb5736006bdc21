"""policy_node with weights that it loads itself; in the round of tests that compute, which have
imported torch (scripts/test.sh)."""

import pytest
import rclpy
from rclpy.lifecycle import TransitionCallbackReturn

from policy_streams import policy_at_work
from qwen_vla_core.resources import SHIPPED_CHECKPOINT
from qwen_vla_core.types import Observation
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_ros.nodes.policy_node import PolicyNode

SLOW = "install flash-linear-attention"
SUCCESS = TransitionCallbackReturn.SUCCESS


def test_when_configured_expect_the_model_warm_and_how_it_runs_in_the_diagnostics(
    ros_domain, monkeypatch
):
    ran, infer = [], QwenVlaPolicy.infer
    monkeypatch.setattr(QwenVlaPolicy, "infer", lambda *asks: ran.append(asks) or infer(*asks))
    monkeypatch.setattr(QwenVlaPolicy, "slow_reason", SLOW)
    with policy_at_work(ros_domain, monkeypatch, None, checkpoint=SHIPPED_CHECKPOINT) as work:
        assert len(ran) > 1 and all(isinstance(asks[1], Observation) for asks in ran)
        work.until_reported(SLOW)
        values = work.robot.values
    assert values["path"] == "traced" and values["why_eager"] == ""
    assert int(values["tokens"]) > 40 and float(values["memory_peak_mib"]) > 50
    assert values["weights"] == "float32" and values["eager_fallbacks"] == "0"
    assert {"inference_p50_ms", "inference_p90_ms", "inference_p99_ms"} < set(values)


@pytest.mark.parametrize(("weights", "reached"), [("bfloat16", True), ("int3", False)])
def test_when_other_weights_are_requested_expect_them_or_refusal(
    weights, reached, ros_domain, capfd, monkeypatch
):
    monkeypatch.setattr(QwenVlaPolicy, "warm_up", lambda policy: 0.01)  # longer than all the rest
    parameters = {"embodiment": "widowx", "checkpoint": SHIPPED_CHECKPOINT}
    parameters |= {"weights": weights, "autostart": "false"}
    arguments = ["--ros-args"]
    for key, value in parameters.items():
        arguments += ["-p", f"{key}:={value}"]
    rclpy.init(args=arguments, domain_id=ros_domain)
    try:
        node = PolicyNode()
        assert (node.trigger_configure() == SUCCESS) == reached
        if reached:
            assert node.trigger_cleanup() == node.trigger_configure() == SUCCESS
            held_as = {str(weight.dtype) for weight in node._policy.runtime.model.parameters()}
            assert held_as == {f"torch.{weights}"}
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
    refused = "choose one of float32, bfloat16" in capfd.readouterr().err
    assert refused != reached
