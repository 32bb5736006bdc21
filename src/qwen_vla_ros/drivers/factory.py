"""Which driver carries a group, as its embodiment says."""

from rclpy.node import Node

from qwen_vla_core.embodiment import Embodiment

from .base import Driver


def make_drivers(node: Node, embodiment: Embodiment) -> dict[str, Driver]:
    """One driver per group, by group name. Nothing is sent yet.

    Message packages of robots that are not there need not be installed: they are imported here.
    """
    return {group.name: _make(node, group) for group in embodiment.groups}


def _make(node: Node, group) -> Driver:
    from . import interbotix

    if group.driver.type == "interbotix_group":
        return interbotix.InterbotixGroupDriver(node, group)
    return interbotix.InterbotixPwmGripperDriver(node, group)


def joint_state_topics(embodiment: Embodiment) -> dict[str, tuple[str, ...]]:
    """Where positions are published: topic -> the embodiment's joints to read from it."""
    topics: dict[str, tuple[str, ...]] = {}
    for group in embodiment.groups:
        topic = f"{group.driver.namespace}/joint_states"
        topics[topic] = topics.get(topic, ()) + tuple(joint.name for joint in group.joints)
    return topics
