"""policy_node: the model is warm before anything is observed, and says how it runs."""

import time

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor

from qwen_vla_core.types import Observation
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_ros import diagnostics
from qwen_vla_ros.nodes.policy_node import PolicyNode, status
from qwen_vla_ros.resources import SHIPPED_CHECKPOINT

EAGER = {"path": "eager", "eager_fallbacks": 0, "why_eager": "no graphs on cpu"}
SLOW = "install flash-linear-attention"


@pytest.fixture
def node(ros_domain):
    """A real one, with the shipped checkpoint."""
    parameters = ["-p", "embodiment:=widowx", "-p", f"checkpoint:={SHIPPED_CHECKPOINT}"]
    rclpy.init(args=["--ros-args", *parameters], domain_id=ros_domain)
    node = PolicyNode()
    yield node
    node.destroy_node()
    rclpy.try_shutdown()


def reported(node):
    """The node's next status, as it is heard over DDS."""
    heard = []
    node.create_subscription(DiagnosticArray, "/diagnostics", heard.append, 10)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    end_s = time.monotonic() + 20.0
    while not heard and time.monotonic() < end_s:
        executor.spin_once(timeout_sec=0.1)
    executor.remove_node(node)
    return heard[0].status[0]


def test_when_configured_expect_the_model_warm_and_how_it_runs_in_the_diagnostics(
    node, monkeypatch
):
    ran, infer = [], QwenVlaPolicy.infer
    monkeypatch.setattr(QwenVlaPolicy, "infer", lambda *told: ran.append(told) or infer(*told))
    monkeypatch.setattr(QwenVlaPolicy, "slow_reason", SLOW)
    node.trigger_configure()
    assert len(ran) > 1 and all(isinstance(told[1], Observation) for told in ran)
    node.trigger_activate()
    told = reported(node)
    values = {pair.key: pair.value for pair in told.values}
    assert told.level == diagnostics.ERROR and SLOW in told.message
    assert values["path"] == "eager" and "cpu" in values["why_eager"]
    assert int(values["tokens"]) > 40 and float(values["memory_peak_mib"]) > 50
    assert values["weights"] == "float32" and values["eager_fallbacks"] == "0"
    assert {"inference_p50_ms", "inference_p90_ms", "inference_p99_ms"} < set(values)


@pytest.mark.parametrize(
    ("problem", "slow", "model", "level", "message"),
    [
        ("", "", EAGER, diagnostics.OK, "running"),
        ("no image", "", EAGER, diagnostics.ERROR, "no image"),
        ("no image", SLOW, EAGER, diagnostics.ERROR, f"no image; {SLOW}"),
        ("", SLOW, EAGER, diagnostics.ERROR, SLOW),
        (
            "",
            "",
            EAGER | {"eager_fallbacks": 1, "why_eager": "a prompt of 300 tokens"},
            diagnostics.WARN,
            "slow, without a graph: a prompt of 300 tokens",
        ),
        ("", "", {"path": "graph", "eager_fallbacks": 1}, diagnostics.OK, "running"),
    ],
)
def test_when_something_is_slow_or_wrong_expect_its_level_and_words(
    problem, slow, model, level, message
):
    assert status(problem, slow, model) == (level, message)
