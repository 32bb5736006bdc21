"""Names of what visualizer_node publishes, relative to the robot's namespace."""

from qwen_vla_core.embodiment import Embodiment, Group
from qwen_vla_core.scene.urdf import arms

MARKERS = "view/markers"
GHOST = "view/ghost"
TRANSFORMS = "tf"
"""Relative, so that two robots with the same frames do not meet; without a namespace it is /tf."""


def plan_topic(group: str) -> str:
    """The path of a tool or base in the present chunk."""
    return f"view/plan/{group}"


def executed_topic(group: str) -> str:
    """The path that it really took."""
    return f"view/executed/{group}"


def image_topic(camera: str) -> str:
    """A camera's image with mode, instruction and ages written on it."""
    return f"view/image/{camera}"


def description_topic(arm: Group) -> str:
    """An arm's URDF: of a real arm its driver's, of a simulated one ours."""
    return arm.driver.robot_description_topic


def drawn_groups(embodiment: Embodiment) -> tuple[str, ...]:
    """The groups that have a path: arms whose chain is known, and a base."""
    base = embodiment.base
    return (*(arm.name for arm in arms(embodiment)), *(() if base is None else (base.name,)))


def viewed_topics(embodiment: Embodiment) -> tuple[str, ...]:
    """All that a robot's RViz layout may show."""
    groups = drawn_groups(embodiment)
    return (
        MARKERS,
        *map(plan_topic, groups),
        *map(executed_topic, groups),
        *(image_topic(camera.name) for camera in embodiment.cameras),
        *dict.fromkeys(description_topic(arm) for arm in arms(embodiment)),
    )
