"""Which driver carries a group, as its embodiment says."""

from rclpy.node import Node

from qwen_vla_core.embodiment import Embodiment, Group

from .base import Driver


def make_drivers(node: Node, embodiment: Embodiment) -> dict[str, Driver]:
    """One driver per group, by group name. Nothing is sent yet."""
    return {group.name: _make(node, group) for group in embodiment.groups}


def _make(node: Node, group: Group) -> Driver:
    if group.driver.type == "twist":
        from .twist import TwistDriver

        return TwistDriver(node, group)
    # Imported here: interbotix_xs_msgs need not be installed for a robot without such arms.
    from . import interbotix_group as interbotix

    if group.driver.type == "interbotix_group":
        return interbotix.InterbotixGroupDriver(node, group)
    if group.driver.type == "interbotix_pwm_gripper":
        return interbotix.InterbotixPwmGripperDriver(node, group)
    return interbotix.InterbotixPositionGripperDriver(node, group)
