"""Who publishes a topic: node, message type, quality of service; and whether that is as it should.

Reads what discovery has found so far; nothing is sent and nothing waited for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from rclpy.topic_endpoint_info import TopicEndpointInfo

NO_NAME = "_NODE_NAME_UNKNOWN_"
"""What the middleware calls the node of a publisher that does not say it (plain DDS, bridges)."""


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """One publisher of a topic.

    Attributes:
        node: full name, like ``/robot/control_node``.
        type: like ``sensor_msgs/msg/Image``.
        reliable, latched: what it offers; latched is transient local.
    """

    node: str
    type: str
    reliable: bool
    latched: bool


def publishers_of(node: Node, topic: str) -> tuple[Publisher, ...]:
    """All publishers of a topic that discovery has found, the node's own among them.

    Args:
        topic: as the node names it; namespace and remappings apply.
    """
    infos = node.get_publishers_info_by_topic(node.resolve_topic_name(topic))
    return tuple(
        Publisher(
            node=node_of(info),
            type=info.topic_type,
            reliable=info.qos_profile.reliability == ReliabilityPolicy.RELIABLE,
            latched=info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL,
        )
        for info in infos
    )


def rivals(node: Node, topic: str) -> tuple[str, ...]:
    """Names of the nodes that publish ``topic`` beside this node.

    Publishers are counted, not names: another node of the same name is a rival.
    """
    topic = node.resolve_topic_name(topic)
    own = sum(publisher.topic_name == topic for publisher in node.publishers)
    if node.count_publishers(topic) == own:  # a tenth of the time that their names take
        return ()
    own_name = node.get_fully_qualified_name()
    names = [publisher.node for publisher in publishers_of(node, topic)]
    others = [name for name in names if name != own_name]
    return (*others, *[f"another {own_name}"] * (len(names) - len(others) - own))


def twins_problem(node: Node, measured: str, commands: str) -> str | None:
    """Who beside one node says what a robot measures and takes its commands, in one sentence.

    Such as a simulation beside the driver of the robot: both would follow each command. A driver
    that was killed and started again has one name, and one that only listens says nothing.

    Args:
        measured, commands: topics of a driver.
    """
    if node.count_publishers(node.resolve_topic_name(measured)) < 2:
        return None
    subscriptions = node.get_subscriptions_info_by_topic(node.resolve_topic_name(commands))
    names = {publisher.node for publisher in publishers_of(node, measured)}
    names &= {node_of(subscription) for subscription in subscriptions}
    if len(names) < 2:
        return None
    return (
        f"{node.resolve_topic_name(commands)}: {' and '.join(sorted(names))} both follow it; end "
        "all but one: a simulation must not run beside the robot's driver"
    )


def rival_problem(node: Node, topic: str, advice: str) -> str | None:
    """Who commands ``topic`` beside this node, in one sentence with the advice; None if nobody."""
    names = sorted(set(rivals(node, topic)))
    if not names:
        return None
    verb = "publishes" if len(names) == 1 else "publish"
    return (
        f"{node.resolve_topic_name(topic)}: {' and '.join(names)} {verb} commands, too; {advice}"
    )


def not_received(node: Node, topic: str) -> list[str]:
    """Who subscribes to ``topic`` and receives nothing from a publisher, and why, in words.

    DDS delivers only where a publisher offers the quality of service that is asked for. A node
    that subscribes more than once needs only one subscription that receives.
    """
    topic = node.resolve_topic_name(topic)
    asked: dict[str, list[QoSProfile]] = {}
    for subscription in node.get_subscriptions_info_by_topic(topic):
        asked.setdefault(node_of(subscription), []).append(subscription.qos_profile)
    said = []
    for publisher in node.get_publishers_info_by_topic(topic):
        for listener, profiles in asked.items():
            checks = [qos_check_compatible(publisher.qos_profile, one) for one in profiles]
            if all(compatible == QoSCompatibility.ERROR for compatible, _ in checks):
                why = checks[0][1].replace("ERROR: ", "").strip("; ").lower()
                pair = f"{listener} receives nothing from {node_of(publisher)}"
                said.append(f"{topic}: {pair}: {why}")
    return said


def type_name(message_type: type) -> str:
    """A message class as the graph names it: ``sensor_msgs/msg/Image``."""
    package, _, _ = message_type.__module__.partition(".")
    return f"{package}/msg/{message_type.__name__}"


def type_problem(topic: str, publishers: Sequence[Publisher], message_type: type) -> str:
    """What is published on ``topic`` as another type, in one sentence; empty if nothing is."""
    expected = type_name(message_type)
    wrong = [publisher for publisher in publishers if publisher.type != expected]
    if not wrong:
        return ""
    types = " and ".join(sorted({publisher.type for publisher in wrong}))
    nodes = ", ".join(sorted({publisher.node for publisher in wrong}))
    return f"{topic} is published as {types} by {nodes}; the embodiment expects {expected}"


def node_of(info: TopicEndpointInfo) -> str:
    """Full name of the node of a publisher or subscription."""
    if NO_NAME in info.node_name:
        return "a node without a name"
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"
