"""A robot in primitive shapes, as URDF text from its embodiment: for looking, not for physics.

Frames are called as Interbotix's own packages call them where both have them: ``world`` and
``<namespace>/base_link``. A gripper has two fingers that open along the tool's y axis.
"""

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np

from ..embodiment import Embodiment, Group, Joint
from ..embodiment.kinematics import AXES

THICKEST, THINNEST = 0.055, 0.028
"""Radius of an arm's first and last link, as a part of its reach."""
FINGER_M = (0.05, 0.008, 0.02)
"""A finger: length ahead, width, height. Drawn; what it touches is the simulator's matter."""
BASE_HEIGHT_M = 0.2
"""A base's body is drawn this high."""
ANYWHERE = 1e4
"""Limit of a base's joints, m and rad: it drives where it likes."""

BODY, JOINT, TOOL, WHEELS = (
    "0.32 0.35 0.40 1",
    "0.20 0.22 0.26 1",
    "0.55 0.58 0.62 1",
    "0.25 0.27 0.31 1",
)


def arms(embodiment: Embodiment) -> tuple[Group, ...]:
    """The groups whose chain is known."""
    return tuple(group for group in embodiment.groups if group.teleop_kind == "tool")


def grippers_of(embodiment: Embodiment, arm: Group) -> tuple[Group, ...]:
    """The grippers on an arm: of the same driver and side."""
    return tuple(
        group
        for group in embodiment.groups
        if group.teleop_kind == "gripper"
        and (group.driver.frame_prefix, group.side) == (arm.driver.frame_prefix, arm.side)
    )


def scene_frame(embodiment: Embodiment) -> str:
    """In which frame a robot is drawn: ``odom`` of a base, one arm's own base, else ``world``."""
    if embodiment.base is not None:
        return "odom"
    chains = arms(embodiment)
    if len(chains) == 1 and not any(
        (*chains[0].action.kinematics.mount_m, *chains[0].action.kinematics.mount_rpy_rad)
    ):
        return arm_frame(embodiment, chains[0])
    return "world"


def arm_frame(embodiment: Embodiment, arm: Group) -> str:
    """The frame of an arm's base, as its driver's packages call it."""
    prefix = arm.driver.frame_prefix
    first = next(other for other in arms(embodiment) if other.driver.frame_prefix == prefix)
    return f"{prefix}{'' if arm is first else f'{arm.name}_'}base_link"


def tool_frame(arm: Group) -> str:
    """The frame of its tool."""
    return f"{arm.driver.frame_prefix}{arm.name}_tool"


def robot_urdf(embodiment: Embodiment) -> str:
    """The whole robot; its root link is ``scene_frame``, its joints are named as in the YAML.

    Chains that the file does not give are left out, and so is a base's body without a footprint.
    """
    root = scene_frame(embodiment)
    robot = Element("robot", name=embodiment.name)
    SubElement(robot, "link", name=root)
    carrier = root if embodiment.base is None else _add_base(robot, root, embodiment.base)
    for arm in arms(embodiment):
        chain = arm.action.kinematics
        foot = arm_frame(embodiment, arm)
        if foot != root:
            SubElement(robot, "link", name=foot)
            links = (carrier, foot)
            mount = f"{arm.name}_mount"
            _connect(robot, mount, "fixed", links, chain.mount_m, chain.mount_rpy_rad)
        _add_arm(robot, foot, arm, grippers_of(embodiment, arm))
    return tostring(robot, encoding="unicode")


def arm_urdf(embodiment: Embodiment, arm: Group) -> str:
    """One arm with its grippers, from its own base on: what its driver would describe."""
    robot = Element("robot", name=arm.name)
    foot = arm_frame(embodiment, arm)
    SubElement(robot, "link", name=foot)
    _add_arm(robot, foot, arm, grippers_of(embodiment, arm))
    return tostring(robot, encoding="unicode")


def _add_base(robot: Element, root: str, base: Group) -> str:
    """A base that drives on the floor; the name of the link that it carries things on."""
    x, y, yaw = (joint.name for joint in base.joints)
    parent = root
    for name, kind, axis in ((x, "prismatic", "x"), (y, "prismatic", "y"), (yaw, "revolute", "z")):
        child = "base_link" if name == yaw else f"{name}_link"
        SubElement(robot, "link", name=child)
        joint = _connect(robot, name, kind, (parent, child))
        SubElement(joint, "axis", xyz=AXES[axis])
        _limit(joint, -ANYWHERE, ANYWHERE)
        parent = child
    if base.driver.footprint_m is not None:
        length, width = base.driver.footprint_m
        size = f"{length} {width} {BASE_HEIGHT_M}"
        link = _link(robot, parent)
        _add_visual(link, "box", {"size": size}, (0.0, 0.0, BASE_HEIGHT_M / 2.0), WHEELS)
    return parent


def _add_arm(robot: Element, parent: str, arm: Group, grippers: Sequence[Group]) -> None:
    chain = arm.action.kinematics
    offsets = [np.array(link.origin_m) for link in chain.links] + [np.array(chain.tool_origin_m)]
    reach_m = sum(float(np.linalg.norm(offset)) for offset in offsets)
    radii_m = reach_m * np.linspace(THICKEST, THINNEST, len(offsets))
    foot = {"radius": f"{1.6 * radii_m[0]:.4f}", "length": f"{0.6 * radii_m[0]:.4f}"}
    _add_visual(_link(robot, parent), "cylinder", foot, (0.0, 0.0, 0.3 * radii_m[0]), JOINT)
    for joint, link, radius_m in zip(arm.joints, chain.links, radii_m[:-1], strict=True):
        _add_rod(_link(robot, parent), np.array(link.origin_m), 0.8 * radius_m)
        parent = _add_joint(robot, arm, joint, parent, link.axis, link.origin_m)
        ball = {"radius": f"{radius_m:.4f}"}
        _add_visual(_link(robot, parent), "sphere", ball, (0.0, 0.0, 0.0), JOINT)
    _add_rod(_link(robot, parent), offsets[-1], 0.8 * radii_m[-1])
    tool = tool_frame(arm)
    SubElement(robot, "link", name=tool)
    _connect(robot, f"{arm.name}_tool", "fixed", (parent, tool), chain.tool_origin_m)
    for gripper in grippers:
        _add_fingers(robot, gripper, tool)


def _add_fingers(robot: Element, gripper: Group, tool: str) -> None:
    (joint,) = gripper.joints
    for name, side in ((joint.name, 1), (f"{joint.name}_mirror", -1)):
        finger = f"{gripper.driver.frame_prefix}{name}_link"
        SubElement(robot, "link", name=finger)
        kind, axis = ("prismatic", "y") if joint.unit == "m" else ("revolute", "z")
        element = _connect(robot, name, kind, (tool, finger))
        SubElement(element, "axis", xyz=" ".join(str(side * int(v)) for v in AXES[axis].split()))
        _limit(element, joint.lower, joint.upper)
        if side < 0:
            SubElement(element, "mimic", joint=joint.name)
        size = {"size": " ".join(map(str, FINGER_M))}
        _add_visual(_link(robot, finger), "box", size, (0.0, 0.0, 0.0), TOOL)


def _add_joint(
    robot: Element, arm: Group, joint: Joint, parent: str, axis: str, origin_m: Sequence[float]
) -> str:
    child = f"{arm.driver.frame_prefix}{joint.name}_link"
    SubElement(robot, "link", name=child)
    kind = "revolute" if joint.unit == "rad" else "prismatic"
    element = _connect(robot, joint.name, kind, (parent, child), origin_m)
    SubElement(element, "axis", xyz=AXES[axis])
    _limit(element, joint.lower, joint.upper)
    return child


def _connect(
    robot: Element,
    name: str,
    kind: str,
    links: tuple[str, str],
    origin_m: Sequence[float] = (0.0, 0.0, 0.0),
    rpy_rad: Sequence[float] = (0.0, 0.0, 0.0),
) -> Element:
    joint = SubElement(robot, "joint", name=name, type=kind)
    SubElement(joint, "parent", link=links[0])
    SubElement(joint, "child", link=links[1])
    SubElement(joint, "origin", xyz=_text(origin_m), rpy=_text(rpy_rad))
    return joint


def _limit(joint: Element, lower: float, upper: float) -> None:
    SubElement(joint, "limit", lower=f"{lower}", upper=f"{upper}", velocity="0", effort="0")


def _link(robot: Element, name: str) -> Element:
    return next(link for link in robot.iter("link") if link.get("name") == name)


def _add_rod(link: Element, offset: np.ndarray, radius_m: float) -> None:
    """A cylinder from a link's origin along an offset; nothing where both joints are one place."""
    length = float(np.linalg.norm(offset))
    if length < radius_m:
        return
    x, y, z = offset / length
    rpy = (0.0, float(np.arctan2(np.hypot(x, y), z)), float(np.arctan2(y, x)))
    shape = {"radius": f"{radius_m:.4f}", "length": f"{length:.4f}"}
    _add_visual(link, "cylinder", shape, offset / 2.0, BODY, rpy)


def _add_visual(
    link: Element,
    shape: str,
    sizes: dict[str, str],
    origin_m: Sequence[float],
    rgba: str,
    rpy_rad: Sequence[float] = (0.0, 0.0, 0.0),
) -> None:
    visual = SubElement(link, "visual")
    SubElement(visual, "origin", xyz=_text(origin_m), rpy=_text(rpy_rad))
    SubElement(SubElement(visual, "geometry"), shape, sizes)
    SubElement(SubElement(visual, "material", name=f"grey {rgba}"), "color", rgba=rgba)


def _text(numbers: Sequence[float]) -> str:
    return " ".join(f"{number:.6g}" for number in numbers)
