"""Numbers as people write them."""

import pytest
import rclpy
from rclpy.exceptions import InvalidParameterValueException
from rclpy.parameter import Parameter

from qwen_vla_ros.nodes.parameters import declare_number


@pytest.fixture
def node_with(ros_domain):
    """A node that was started with ``rate:=`` some text."""

    def start(text):
        rclpy.init(args=["--ros-args", "-p", f"rate:={text}"], domain_id=ros_domain)
        node = rclpy.create_node("node")
        declare_number(node, "rate", 30.0, "a rate, Hz", (1.0, 100.0))
        return node

    yield start
    rclpy.try_shutdown()


@pytest.mark.parametrize("text", ["1", "1.0", "100", "99.5", "1e1"])
def test_when_a_number_is_within_the_limits_expect_it_with_or_without_a_point(node_with, text):
    node = node_with(text)
    assert float(node.get_parameter("rate").value) == float(text)
    (result,) = node.set_parameters([Parameter("rate", value=2)])
    assert result.successful and float(node.get_parameter("rate").value) == 2.0
    (result,) = node.set_parameters([Parameter("rate", value=0)])
    assert (
        not result.successful and "rate is 0; it must be a number from 1 to 100" in result.reason
    )


@pytest.mark.parametrize("text", ["0", "0.5", "101", ".nan", ".inf", "true", "fast", "'1'"])
def test_when_a_value_is_no_number_within_the_limits_expect_refusal_with_them(node_with, text):
    with pytest.raises(InvalidParameterValueException, match=r"rate.*1(\.0)? to 100|out of range"):
        node_with(text)
