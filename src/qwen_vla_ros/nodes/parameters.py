"""Parameters as people write them: a number may be 1 or 1.0, and a wrong one is named."""

import math

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter


def read_only(description: str) -> ParameterDescriptor:
    """Descriptor of a parameter that is set at start-up and not changed afterwards."""
    return ParameterDescriptor(description=description, read_only=True)


def declare_integer(
    node: Node, name: str, default: int, description: str, limits: tuple[int, int], **fields: bool
) -> None:
    """Declare a whole number within limits, both included.

    Args:
        fields: of the descriptor, such as ``read_only``.
    """
    allowed = IntegerRange(from_value=limits[0], to_value=limits[1], step=1)
    node.declare_parameter(
        name,
        default,
        ParameterDescriptor(description=description, integer_range=[allowed], **fields),
    )


def declare_number(
    node: Node,
    name: str,
    default: float,
    description: str,
    limits: tuple[float, float],
    **fields: bool,
) -> None:
    """Declare a number within limits, both included; read it as ``float(...value)``.

    rclpy refuses the integer 1 where a parameter is a float, so the type is left open and the
    value checked here.

    Args:
        fields: of the descriptor, such as ``read_only``.
    """
    lowest, highest = limits

    def check(parameters: list[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            if parameter.name == name and not _within(parameter.value, lowest, highest):
                wanted = f"it must be a number from {lowest:g} to {highest:g}"
                reason = f"{name} is {parameter.value!r}; {wanted}"
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(check)
    allowed = FloatingPointRange(from_value=lowest, to_value=highest)
    node.declare_parameter(
        name,
        float(default),
        ParameterDescriptor(
            description=description,
            dynamic_typing=True,
            floating_point_range=[allowed],
            **fields,
        ),
    )


def _within(value: object, lowest: float, highest: float) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and lowest <= value <= highest
