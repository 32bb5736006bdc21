"""Where a robot says what it measures: which topic carries which joints, under which names."""

from dataclasses import dataclass

from .schema import Embodiment


@dataclass(frozen=True, kw_only=True)
class JointStream:
    """One joint state topic.

    Attributes:
        topic: its name, relative to the nodes' namespace.
        names: the joints to read from it.
        driver_names: the same, as its driver calls them.
        rows: where they stand among ``Embodiment.joint_names``.
    """

    topic: str
    names: tuple[str, ...]
    driver_names: tuple[str, ...]
    rows: tuple[int, ...]


def joint_streams(embodiment: Embodiment) -> tuple[JointStream, ...]:
    """The joint state topics; together they carry every joint but those of a base."""
    names: dict[str, list[str]] = {}
    driver_names: dict[str, list[str]] = {}
    rows: dict[str, list[int]] = {}
    for group in embodiment.groups:
        if group.is_base:
            continue
        topic = group.driver.joint_states_topic
        start = embodiment.group_slice(group.name).start
        names.setdefault(topic, []).extend(joint.name for joint in group.joints)
        driver_names.setdefault(topic, []).extend(joint.driver_name for joint in group.joints)
        rows.setdefault(topic, []).extend(range(start, start + len(group.joints)))
    return tuple(
        JointStream(
            topic=topic,
            names=tuple(names[topic]),
            driver_names=tuple(driver_names[topic]),
            rows=tuple(rows[topic]),
        )
        for topic in names
    )


def measured_topics(embodiment: Embodiment) -> tuple[str, ...]:
    """Every topic without which the robot must not move: joint states, and a base's odometry."""
    topics = tuple(stream.topic for stream in joint_streams(embodiment))
    base = embodiment.base
    return topics if base is None else (*topics, base.driver.odometry_topic)
