"""The primitive shapes of a URDF, for outputs that draw shapes and read no URDF."""

from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

from ..embodiment.rotation import matrix_from_euler


@dataclass(frozen=True, kw_only=True, eq=False)
class Shape:
    """One part of a link.

    Attributes:
        link: what it moves with.
        kind: ``box``, ``cylinder`` (along z) or ``sphere``.
        extent_3: how far it reaches along its own x, y and z, m.
        pose_44: where it sits in the link.
    """

    link: str
    kind: str
    extent_3: np.ndarray
    pose_44: np.ndarray


def shapes_of(urdf: str) -> tuple[Shape, ...]:
    """All that is seen of a robot that ``robot_urdf`` describes, links in their order."""
    return tuple(
        _shape(link.get("name"), visual)
        for link in ElementTree.fromstring(urdf).findall("link")
        for visual in link.findall("visual")
    )


def _shape(link: str, visual: ElementTree.Element) -> Shape:
    (shape,) = visual.find("geometry")
    if shape.tag == "box":
        extent = _numbers(shape.get("size"))
    else:
        across = 2.0 * float(shape.get("radius"))
        extent = np.array([across, across, float(shape.get("length", across))])
    origin = visual.find("origin")
    pose = np.eye(4)
    pose[:3, 3] = _numbers(origin.get("xyz"))
    pose[:3, :3] = matrix_from_euler(_numbers(origin.get("rpy")))
    return Shape(link=link, kind=shape.tag, extent_3=extent, pose_44=pose)


def _numbers(text: str) -> np.ndarray:
    return np.array([float(word) for word in text.split()])
