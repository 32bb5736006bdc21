"""How far the arms of one robot are from what they may not touch or leave.

Between links of the same arm that are no neighbours, between two arms, between an arm and the
table: distances of capsules less the margin of the embodiment's ``collision`` section. And of a
tool from the faces of its workspace. All of commanded positions: a real arm lags behind and sags,
which is what the margin is for.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..embodiment import Embodiment
from ..embodiment.kinematics import ArmKinematics
from ..embodiment.rotation import matrix_from_euler
from ..embodiment.schema import Group
from ..embodiment.schema.collision import BASE_LINK, Capsule, Collision
from ..errors import EmbodimentError
from .capsules import axis_distances

NEIGHBOURS = 1
"""Links that are at most this many joints apart touch by construction."""

STANDS = 1
"""Links behind at most this many joints, foot and waist, stand on the table."""


class _Arm:
    """One arm with capsules, a workspace, or both; ``index``: among those arms."""

    def __init__(self, embodiment: Embodiment, group: Group, index: int) -> None:
        chain = group.action.kinematics
        self.name, self.index = group.name, index
        before = sum(embodiment.base_D[: embodiment.group_slice(group.name).start])
        rows = embodiment.group_slice(group.name)
        self.rows = slice(rows.start - before, rows.stop - before)
        self.kinematics = ArmKinematics(group)
        self.tool_m = np.array(chain.tool_origin_m)
        self.mount = np.eye(4)
        self.mount[:3, :3] = matrix_from_euler(np.array(chain.mount_rpy_rad))
        self.mount[:3, 3] = chain.mount_m
        self.box = None
        if chain.workspace_lower_m is not None:
            self.box = np.array([chain.workspace_lower_m, chain.workspace_upper_m])
        self.capsules = _capsules(embodiment, group)
        links = (BASE_LINK, *(joint.driver_name for joint in group.joints))
        self.links = [links.index(capsule.link) for capsule in self.capsules]
        self.ends_C2 = np.array([[c.from_m, c.to_m] for c in self.capsules]).reshape(-1, 2, 3)
        farthest_m = np.linalg.norm([self.tool_m, *self.ends_C2.reshape(-1, 3)], axis=1).max()
        lengths_m = np.linalg.norm([link.origin_m for link in chain.links], axis=1)
        beyond_m = farthest_m + lengths_m.sum() - np.cumsum(lengths_m)
        turns = np.array([joint.unit == "rad" for joint in group.joints])
        self.levers_G = np.where(turns, beyond_m, 1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """Where the arms are in some poses.

    Attributes:
        ends_BC2: of all capsules' axes, in the frame of the mounts, m.
        tools: of each arm, [B, 3] in its base_link, m.
    """

    ends_BC2: np.ndarray
    tools: list[np.ndarray]


class Clearance:
    """Clearances of one robot; positions are those of all joints but a base's, D of them.

    Attributes:
        names: what each value is about, in words, M of them.
        faces: bool [M], those that are faces of a workspace.
        rows: the joints of each arm, A slices.
        concerns: bool [M, A], which arms move what.
    """

    def __init__(self, embodiment: Embodiment) -> None:
        """For a robot that has arms with a workspace or capsules.

        Raises:
            EmbodimentError: the start pose is too near to something.
        """
        guarded = [group for group in embodiment.groups if _is_guarded(embodiment, group)]
        self._arms = [_Arm(embodiment, group, i) for i, group in enumerate(guarded)]
        self.rows = [arm.rows for arm in self._arms]
        owners = [(arm, c) for arm in self._arms for c in range(len(arm.capsules))]
        collision = embodiment.collision
        pairs = _pairs(owners, 0.0 if collision is None else collision.margin_m)
        table = _table(owners, collision)
        faces = [
            (arm, side, axis, at_m)
            for arm in self._arms
            if arm.box is not None
            for side, bounds in zip(("lower", "upper"), arm.box, strict=True)
            for axis, at_m in zip("xyz", bounds, strict=True)
        ]
        self._pairs = np.array([(i, j) for i, j, _ in pairs], dtype=int).reshape(-1, 2)
        self._pair_reach_m = np.array([reach_m for *_, reach_m in pairs])
        self._above = np.array([i for i, _ in table], dtype=int)
        self._lowest_m = np.array([lowest_m for _, lowest_m in table])
        parts = [f"{arm.name}'s {arm.capsules[c].name}" for arm, c in owners]
        self.names = (
            *(f"{parts[i]} near {parts[j]}" for i, j, _ in pairs),
            *(f"{parts[i]} near the table" for i, _ in table),
            *(
                f"{arm.name}'s tool at the {side} {axis} face of its workspace, {at_m:g} m"
                for arm, side, axis, at_m in faces
            ),
        )
        of = [arm.index for arm, _ in owners]
        moved_by = [
            *({of[i], of[j]} for i, j, _ in pairs),
            *({of[i]} for i, _ in table),
            *({arm.index} for arm, *_ in faces),
        ]
        self.concerns = np.array([[arm.index in by for arm in self._arms] for by in moved_by])
        self.faces = np.arange(len(self.names)) >= len(pairs) + len(table)
        self._check_start(np.array(embodiment.start_D)[~np.array(embodiment.base_D)])

    def place(self, positions_BD: np.ndarray) -> "Placed":
        """Where everything is in some poses, float64 [B, D], rad or m.

        Raises:
            NonFiniteError: a position of an arm is NaN or infinite.
        """
        ends, tools = [], []
        for arm in self._arms:
            poses_BL = arm.kinematics.links(positions_BD[:, arm.rows])
            last_B = poses_BL[:, -1]
            tools.append(last_B[:, :3, :3] @ arm.tool_m + last_B[:, :3, 3])
            poses_BC = (arm.mount @ poses_BL)[:, arm.links]
            turned_BC2 = arm.ends_C2 @ poses_BC[..., :3, :3].swapaxes(-1, -2)
            ends.append(turned_BC2 + poses_BC[..., None, :3, 3])
        return Placed(ends_BC2=np.concatenate(ends, axis=1), tools=tools)

    def left(self, placed: "Placed", only: np.ndarray | None = None) -> np.ndarray:
        """What is left beyond the margins, [B, M], m: negative is too near or outside.

        Args:
            only: numbers of the values to compute, rising; None for all.
        """
        of_pair, of_table, of_face = self._split(only)
        parts, ends_BC2 = [], placed.ends_BC2
        if len(of_pair):
            first, second = self._pairs[of_pair].T
            apart_m = axis_distances(ends_BC2[:, first], ends_BC2[:, second])
            parts.append(apart_m - self._pair_reach_m[of_pair])
        if len(of_table):
            heights_BT2 = ends_BC2[:, self._above[of_table]][..., 2]
            parts.append(heights_BT2.min(axis=-1) - self._lowest_m[of_table])
        if len(of_face):
            boxes = [
                part
                for arm, tool_B3 in zip(self._arms, placed.tools, strict=True)
                if arm.box is not None
                for part in (tool_B3 - arm.box[0], arm.box[1] - tool_B3)
            ]
            parts.append(np.concatenate(boxes, axis=1)[:, of_face])
        return np.concatenate(parts, axis=1)

    def _split(self, only: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Numbers among all values -> among those of pairs, of the table, of faces."""
        pairs, tables = len(self._pairs), len(self._pairs) + len(self._above)
        if only is None:
            return np.arange(pairs), np.arange(tables - pairs), np.arange(len(self.names) - tables)
        first, second = np.searchsorted(only, (pairs, tables))
        return only[:first], only[first:second] - pairs, only[second:] - tables

    def farthest(self, ways_D: np.ndarray) -> np.ndarray:
        """By how much the values [M] change at most when no joint moves farther than this, m."""
        return self.concerns @ [ways_D[arm.rows] @ arm.levers_G for arm in self._arms]

    def _check_start(self, start_D: np.ndarray) -> None:
        left_M = self.left(self.place(start_D[None]))[0]
        near = [f"{self.names[m]} ({-left_M[m]:.3f} m)" for m in np.flatnonzero(left_M < 0.0)]
        if near:
            raise EmbodimentError(
                f"the start pose is nearer than the margins allow: {', '.join(near)}; correct "
                "start, collision or the workspace"
            )


def clearance_of(embodiment: Embodiment) -> Clearance | None:
    """The clearance of a robot; None where nothing is to be kept apart.

    Raises:
        EmbodimentError: the start pose is too near to something.
    """
    if any(_is_guarded(embodiment, group) for group in embodiment.groups):
        return Clearance(embodiment)
    return None


def _is_guarded(embodiment: Embodiment, group: Group) -> bool:
    chain = getattr(group.action, "kinematics", None)
    if chain is None:
        return False
    return chain.workspace_lower_m is not None or bool(_capsules(embodiment, group))


def _capsules(embodiment: Embodiment, group: Group) -> tuple[Capsule, ...]:
    if embodiment.collision is None:
        return ()
    return next(
        (shape.capsules for shape in embodiment.collision.arms if group.name in shape.groups), ()
    )


def _pairs(owners: list[tuple[_Arm, int]], margin_m: float) -> list[tuple[int, int, float]]:
    """Capsules that may come too near each other, by number, and how near their axes may be."""
    pairs = []
    for i, j in combinations(range(len(owners)), 2):
        (arm, c), (other, d) = owners[i], owners[j]
        one, two = arm.capsules[c], other.capsules[d]
        keeps_m = margin_m
        if arm is other:
            if abs(arm.links[c] - arm.links[d]) <= NEIGHBOURS:
                continue
        elif arm.links[c] == other.links[d] == 0:  # two feet
            continue
        elif "link" not in (one.kind, two.kind):
            if "fingers" in (one.kind, two.kind):
                continue
            keeps_m = 0.0
        pairs.append((i, j, one.radius_m + two.radius_m + keeps_m))
    return pairs


def _table(owners: list[tuple[_Arm, int]], collision: Collision | None) -> list[tuple[int, float]]:
    """Capsules that may come too near the table, by number, and how low their axes may be."""
    if collision is None or collision.table_z_m is None:
        return []
    lowest = []
    for i, (arm, c) in enumerate(owners):
        capsule = arm.capsules[c]
        if arm.links[c] > STANDS:
            keeps_m = 0.0 if capsule.kind == "fingers" else collision.margin_m
            lowest.append((i, collision.table_z_m + capsule.radius_m + keeps_m))
    return lowest
