"""The scripted expert of the simulated ALOHA: picking cubes up and handing them over.

A function of what the cameras can see (both grippers and their openings, the cubes) and of the
commanded joints, so that a policy without memory can imitate it. Actions are ALOHA's: absolute
joint positions, and grippers between 0 and 1.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import KinematicsError

from ..worlds.aloha_mjcf import ARMS, BASES_M, SIDES
from ..worlds.world import World
from .aloha_arm import START_FINGER_M, START_RAD, AlohaArm
from .aloha_grasp import (
    HOVER_M,
    REACH_M,
    WIDE_M,
    Situation,
    between,
    grasped,
    height_above_m,
    may_approach,
    may_close,
    touching_m,
)
from .task import Scene

MEETING_M = np.array([0.82, 0.0, 0.22])
"""Where a cube is handed over: between both arms, above what stands on the table."""
OPEN_M, CLOSED_M = 0.055, 0.021
"""Commanded finger positions; cubes stop the fingers before they are closed."""
UP_FIRST_M = 0.03
"""Lower than this below where it should be, a gripper only rises."""
LIFT_Z_M = 0.17
BACK_M, NEAR_RAD, THERE_RAD = 0.1, 0.3, 0.06
"""How far from the cube the taking gripper waits; it comes there when no joint of the giving arm
is farther from the meeting than the second, and reaches out at the third."""
CARRIED_Z_M = 0.09
"""Above this a cube is carried over the others."""
ASIDE_M = 0.11
"""Arms whose tool is this near to the middle of their side leave the other one room."""
RELEASED_M = 0.07
"""From this height above the cube on, the fingers that gave it away are clear of it."""

SPEED_RAD_S, CAREFUL_RAD_S = 1.1, 0.6
"""Speeds of the fastest joint, well below its limit; the second near cubes."""
BRAKING_RAD_S2 = 3.0
"""Motions end softly: never faster than what this stops within the remaining way."""
FINGER_M_S = 0.03
"""Less than the current-limited gripper makes (0.04), so that no plan lifts before it holds."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a sentence asks for.

    Attributes:
        side: the arm that has the cube in the end.
        handed: whether the other arm gives it.
    """

    cube: str
    side: str
    handed: bool


@dataclass(frozen=True, kw_only=True)
class Goal:
    """Where an arm should go: joints [6], finger position, speed of the fastest joint."""

    joints: np.ndarray
    finger_m: float
    speed_rad_s: float = SPEED_RAD_S


REST = Goal(joints=START_RAD, finger_m=START_FINGER_M)
"""What an arm does that is not needed."""


class AlohaExpert:
    """Plans for both arms.

    Args:
        request: what an instruction asks for in a scene.
    """

    def __init__(
        self,
        embodiment: Embodiment,
        world: World,
        scene: Scene,
        request: Callable[[Scene, str], Request],
    ) -> None:
        groups = {group.name: group for group in embodiment.groups}
        self._rows = {side: embodiment.group_slice(f"{side}_arm") for side in SIDES}
        self._finger_rows = {
            side: embodiment.joint_names.index(ARMS[side].joints[6]) for side in SIDES
        }
        self._ends = groups["left_gripper"].gripper_ends
        self._step_s = embodiment.action_step_s
        self._arms = {side: AlohaArm(groups[f"{side}_arm"], side) for side in SIDES}
        self._world, self._scene, self._request = world, scene, request

    def plan(self, commanded_D: np.ndarray, instruction: str, steps: int) -> np.ndarray:
        """The next actions [steps, 14], native units, that carry out the instruction."""
        request = self._request(self._scene, instruction)
        situation, actions = self.situation(commanded_D), []
        for _ in range(steps):
            goals = self.goals(situation, request)
            situation = self._predict(situation, goals, request.cube)
            actions.append(self._action(situation, goals))
        return np.stack(actions)

    def feasible(self, instruction: str) -> bool:
        """Whether no gripper holds anything that it has no business with."""
        request = self._request(self._scene, instruction)
        situation = self.situation(self._world.positions_D)
        held = [
            (cube, side)
            for side in SIDES
            for cube in situation.cubes
            if grasped(situation, side, cube)
        ]
        return all(
            cube == request.cube
            and (side == request.side or request.handed)
            and (side != request.side or _from_the_side(situation.tools[side]) == request.handed)
            for cube, side in held
        )

    def situation(self, positions_D: np.ndarray) -> Situation:
        """What there is to see in the world now, the arms at joint positions [14]."""
        joints = {side: positions_D[self._rows[side]] for side in SIDES}
        measured_D = self._world.positions_D
        cubes = {}
        for cube in self._scene.names:
            cubes[cube] = np.eye(4)
            cubes[cube][:3, :3] = self._world.body_rotation(cube)
            cubes[cube][:3, 3] = self._world.body_position(cube)
        return Situation(
            joints=joints,
            tools={side: self._arms[side].tool(joints[side]) for side in SIDES},
            fingers_m={side: float(measured_D[self._finger_rows[side]]) for side in SIDES},
            cubes=cubes,
        )

    def goals(self, situation: Situation, request: Request) -> dict[str, Goal]:
        """Where each arm should go now."""
        other = SIDES[1 - SIDES.index(request.side)]
        try:
            if request.handed:
                return self._hand_over(situation, other, request.side, request.cube)
            # Without turning the wrist: open fingers are farther apart than a cube's corners, and
            # turn the cube as they close. From above it is hardly seen how a cube stands.
            yaw = self._arms[request.side].heading(situation.cubes[request.cube][:3, 3])
            pick = self._pick(situation, request.side, request.cube, yaw)
            return {request.side: pick, other: REST}
        except KinematicsError:
            return dict.fromkeys(SIDES, REST)  # a cube was pushed out of reach

    def _pick(self, situation: Situation, side: str, cube: str, yaw: float) -> Goal:
        """Open above the cube, down, close, up; but not while the other arm is in the way.

        Args:
            yaw: of the gripper, see ``aloha_arm.down``.
        """
        arm, tool = self._arms[side], situation.tools[side][:3, 3]
        held = grasped(situation, side, cube)
        if not _aside(situation, SIDES[1 - SIDES.index(side)]):
            return Goal(joints=situation.joints[side], finger_m=CLOSED_M if held else OPEN_M)
        if held:
            above = (*np.round(tool[:2], 3), LIFT_Z_M)
            held_yaw = np.arctan2(situation.tools[side][1, 2], situation.tools[side][0, 2])
            joints = arm.joints_down(above, held_yaw)
            return Goal(joints=joints, finger_m=CLOSED_M, speed_rad_s=CAREFUL_RAD_S)
        x, y, z = situation.cubes[cube][:3, 3] + (0.0, 0.0, REACH_M)
        grasp = arm.joints_down((x, y, z), yaw)
        if may_close(situation, side, cube, _pointing(arm.tool(grasp))):
            return Goal(joints=grasp, finger_m=CLOSED_M, speed_rad_s=CAREFUL_RAD_S)
        height = _stepped(height_above_m(situation, side, cube, _pointing(arm.tool(grasp))))
        # Low beside the cube: first up, then sideways.
        ahead = np.clip(1.0 - (z + height - tool[2]) / UP_FIRST_M, 0.0, 1.0)
        x, y = np.round(tool[:2] + ahead * (np.array([x, y]) - tool[:2]), 3)
        return Goal(
            joints=arm.joints_down((x, y, z + height), yaw),
            finger_m=OPEN_M,
            speed_rad_s=CAREFUL_RAD_S if height < HOVER_M else SPEED_RAD_S,
        )

    def _hand_over(
        self, situation: Situation, giver: str, taker: str, cube: str
    ) -> dict[str, Goal]:
        """One arm picks the cube up and brings it to the middle, the other takes it there."""
        if grasped(situation, taker, cube):
            sideways = _from_the_side(situation.tools[taker])
            return {
                giver: self._let_go(situation, giver, cube) if sideways else REST,
                taker: Goal(
                    joints=situation.joints[taker], finger_m=CLOSED_M if sideways else OPEN_M
                ),
            }
        heading = self._arms[taker].heading(MEETING_M)
        meet = self._arms[giver].joints_down(
            (*MEETING_M[:2], MEETING_M[2] + REACH_M), heading - np.copysign(np.pi / 2, heading)
        )
        missing_rad = np.abs(situation.joints[giver] - meet).max()
        high = situation.cubes[cube][2, 3] > CARRIED_Z_M
        if not (high and grasped(situation, giver, cube)):
            square = _face_yaw(situation.cubes[cube][:3, :3])  # the taker needs its other sides
            return {
                giver: self._pick(situation, giver, cube, square),
                taker: self._retreat(situation, taker, giver),
            }
        if missing_rad > NEAR_RAD:
            free = _aside(situation, taker)
            joints = meet if free else situation.joints[giver]
            return {
                giver: Goal(joints=joints, finger_m=CLOSED_M),
                taker: self._retreat(situation, taker, giver),
            }
        return {
            giver: Goal(joints=meet, finger_m=CLOSED_M),
            taker: self._take(situation, taker, cube, reach_out=missing_rad < THERE_RAD),
        }

    def _take(self, situation: Situation, taker: str, cube: str, reach_out: bool) -> Goal:
        """Wait level and open beside the cube, reach around it, close."""
        waiting = Goal(joints=self._level(taker, MEETING_M, BACK_M), finger_m=OPEN_M)
        if not reach_out:
            return waiting
        grasp = self._level(taker, situation.cubes[cube][:3, 3], 0.0)
        pointing = _pointing(self._arms[taker].tool(grasp))
        if may_close(situation, taker, cube, pointing):
            return Goal(joints=grasp, finger_m=CLOSED_M, speed_rad_s=CAREFUL_RAD_S)
        if may_approach(situation, taker, cube, pointing):
            return Goal(joints=grasp, finger_m=OPEN_M, speed_rad_s=CAREFUL_RAD_S)
        return waiting

    def _retreat(self, situation: Situation, taker: str, giver: str) -> Goal:
        """To rest; from between the other's fingers first straight back."""
        gap = situation.tools[taker][:3, 3] - situation.tools[giver][:3, 3]
        if np.linalg.norm(gap) > BACK_M:
            return REST
        return Goal(joints=self._level(taker, MEETING_M, 1.2 * BACK_M), finger_m=OPEN_M)

    def _let_go(self, situation: Situation, giver: str, cube: str) -> Goal:
        """Open a little, then up and away."""
        free_m = touching_m(situation, giver, cube) + WIDE_M
        tool = situation.tools[giver]
        if between(situation, giver, cube) and situation.fingers_m[giver] < free_m:
            return Goal(joints=situation.joints[giver], finger_m=free_m + 0.004)
        beside = np.hypot(*(tool[:2, 3] - situation.cubes[cube][:2, 3])) < 0.1
        above_m = situation.cubes[cube][2, 3] + RELEASED_M
        if beside and tool[2, 3] < above_m:
            held_yaw = np.arctan2(tool[1, 2], tool[0, 2])
            joints = self._arms[giver].joints_down(
                (*np.round(tool[:2, 3], 3), above_m + 0.01), held_yaw
            )
            return Goal(joints=joints, finger_m=free_m + 0.004, speed_rad_s=CAREFUL_RAD_S)
        return REST

    def _level(self, side: str, place: np.ndarray, back_m: float) -> np.ndarray:
        """Joints with a level gripper around a place, or so far before it."""
        arm, heading = self._arms[side], self._arms[side].heading(place)
        ahead = np.array([np.cos(heading), np.sin(heading), 0.0])
        return arm.joints_level(place - (REACH_M + back_m) * ahead, heading)

    def _predict(self, situation: Situation, goals: Mapping[str, Goal], cube: str) -> Situation:
        """The situation one step later, as the world would roughly answer."""
        joints = {
            side: _towards(situation.joints[side], goals[side], self._step_s) for side in SIDES
        }
        tools = {side: self._arms[side].tool(joints[side]) for side in SIDES}
        fingers_m, cubes = {}, dict(situation.cubes)
        for side in SIDES:
            goal_m, finger_m = goals[side].finger_m, situation.fingers_m[side]
            if between(situation, side, cube):
                goal_m = max(goal_m, touching_m(situation, side, cube))
            most_m = FINGER_M_S * self._step_s
            fingers_m[side] = finger_m + float(np.clip(goal_m - finger_m, -most_m, most_m))
            if grasped(situation, side, cube):
                moved = tools[side] @ np.linalg.inv(situation.tools[side])
                cubes[cube] = moved @ situation.cubes[cube]
        return replace(situation, joints=joints, tools=tools, fingers_m=fingers_m, cubes=cubes)

    def _action(self, situation: Situation, goals: Mapping[str, Goal]) -> np.ndarray:
        """The action [14] that leads to a situation."""
        ends = self._ends
        span_m = ends.finger_open_m - ends.finger_closed_m
        return np.concatenate(
            [
                np.append(
                    situation.joints[side], (goals[side].finger_m - ends.finger_closed_m) / span_m
                )
                for side in SIDES
            ]
        )


def _towards(joints: np.ndarray, goal: Goal, step_s: float) -> np.ndarray:
    """The joints one step nearer to their goal, all arriving together."""
    way = goal.joints - joints
    longest = np.abs(way).max()
    speed = min(goal.speed_rad_s, np.sqrt(2.0 * BRAKING_RAD_S2 * longest))
    return joints + way * min(1.0, speed * step_s / max(longest, 1e-9))


def _aside(situation: Situation, side: str) -> bool:
    """Whether an arm keeps to its own side."""
    return abs(situation.tools[side][1, 3] - BASES_M[side][1]) < ASIDE_M


def _stepped(height_m: float) -> float:
    """To the next 5 mm, so that plans ask for the same few poses over and over."""
    return float(np.ceil(height_m * 200.0) / 200.0)


def _from_the_side(tool: np.ndarray) -> bool:
    """Whether a tool points more ahead than down."""
    return tool[2, 0] > -0.7


def _pointing(pose: np.ndarray) -> np.ndarray:
    return pose[:3, :3]


def _face_yaw(rotation: np.ndarray) -> float:
    """Yaw of the nearest side of a cube that lies on one of its faces, -45..45 degrees."""
    flat = np.argmin(np.abs(rotation[2]))  # one of the two axes that lie in the table's plane
    yaw = np.arctan2(rotation[1, flat], rotation[0, flat])
    return float((yaw + np.pi / 4) % (np.pi / 2) - np.pi / 4)
