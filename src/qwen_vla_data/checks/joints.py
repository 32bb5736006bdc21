"""Joints and states: finite, within the limits, in the unit that the embodiment says."""

import numpy as np

from qwen_vla_core.embodiment import Embodiment, Group, Joint
from qwen_vla_core.embodiment.schema import EeDelta, Gripper

from ..episode import Episode
from .finding import Finding, seconds_of, shortened, spans

TOLERANCE = 0.02
"""Tolerance as a share of a joint's range: encoders and stops are not exact."""
GRIPPER_TOLERANCE = 0.1
"""The same for a gripper: worn fingers, and ends that push a little beyond contact."""
MOSTLY = 0.2
"""A unit is wrong for the whole episode; a fault that is there for less is another one."""
FARTHEST_TOOL_M = 0.5
"""How far outside its workspace a tool may be before its unit is in question."""


def joint_findings(episode: Episode, robot: Embodiment) -> list[Finding]:
    """What was measured and commanded, joint by joint, against the robot's limits."""
    seconds_T, findings = seconds_of(episode, robot), []
    for what, values_TD in (
        ("measured", episode.positions_TD),
        ("commanded", episode.commanded_TD),
    ):
        if values_TD is None:
            continue
        for group in robot.groups:
            if group.is_base:
                bad_T = ~np.isfinite(values_TD[:, robot.group_slice(group.name)]).all(1)
                findings += _not_finite(f"base, {what}", bad_T, seconds_T)
                continue
            start = robot.group_slice(group.name).start
            for place, joint in enumerate(group.joints):
                findings += _of_joint(
                    joint, group, what, values_TD[:, start + place].astype(float), seconds_T
                )
    return findings + _state_findings(episode, robot, seconds_T)


def _of_joint(
    joint: Joint, group: Group, what: str, values_T: np.ndarray, seconds_T: np.ndarray
) -> list[Finding]:
    name = f"joint {joint.name}, {what}"
    if findings := _not_finite(name, ~np.isfinite(values_T), seconds_T):
        return findings
    share = GRIPPER_TOLERANCE if isinstance(group.action, Gripper) else TOLERANCE
    slack = share * (joint.upper - joint.lower)
    outside_T = (values_T < joint.lower - slack) | (values_T > joint.upper + slack)
    if outside_T.mean() > MOSTLY and (unit := _other_unit(joint, slack, values_T)):
        return [
            Finding(
                second=float(seconds_T[np.argmax(outside_T)]),
                what=f"{name} goes from {values_T.min():g} to {values_T.max():g}: {unit}, and the "
                f"embodiment says {joint.unit} ({joint.lower:g} to {joint.upper:g})",
            )
        ]
    found = []
    for first, last in spans(outside_T):
        run_T = values_T[first : last + 1]
        worst = run_T[np.argmax(np.maximum(joint.lower - run_T, run_T - joint.upper))]
        found.append(
            Finding(
                second=float(seconds_T[first]),
                what=f"{name} is at {worst:.4g} {joint.unit}, outside {joint.lower:g} to "
                f"{joint.upper:g}, for {last - first + 1} steps",
            )
        )
    return shortened(found)


def _other_unit(joint: Joint, slack: float, values_T: np.ndarray) -> str:
    """In which other unit the values would lie within the limits; "" for none."""

    def fits(factor: float) -> bool:
        scaled_T = values_T * factor
        inside_T = (scaled_T >= joint.lower - slack) & (scaled_T <= joint.upper + slack)
        return bool(inside_T.mean() > 1.0 - MOSTLY)

    if joint.unit == "rad" and np.abs(values_T).max() > 2.0 * np.pi and fits(np.pi / 180.0):
        return "these look like degrees"
    if joint.unit == "m" and fits(1e-3):
        return "these look like mm"
    if joint.unit == "m" and values_T.min() > -0.1 and values_T.max() < 1.1:
        return "these look like an opening of 0 to 1"
    return ""


def _state_findings(episode: Episode, robot: Embodiment, seconds_T: np.ndarray) -> list[Finding]:
    """NaN in the states, and tools that are nowhere near their workspace."""
    findings, channel = [], 0
    for group in robot.groups:
        states_TS = episode.states_TS[:, channel : channel + len(group.state_channels)]
        channel += len(group.state_channels)
        if found := _not_finite(
            f"state of {group.name}", ~np.isfinite(states_TS).all(1), seconds_T
        ):
            findings += found
        elif isinstance(group.action, EeDelta):
            box = group.action.kinematics
            tool_T3 = states_TS[:, :3]
            beyond_T3 = np.maximum(
                np.array(box.workspace_lower_m) - tool_T3,
                tool_T3 - np.array(box.workspace_upper_m),
            )
            far_T = beyond_T3.max(1) > FARTHEST_TOOL_M
            if far_T.any():
                t = int(far_T.argmax())
                findings.append(
                    Finding(
                        second=float(seconds_T[t]),
                        what=f"tool of {group.name} is at {np.round(tool_T3[t], 3).tolist()} m, "
                        "far outside its workspace; is that mm?",
                    )
                )
    return findings


def _not_finite(name: str, bad_T: np.ndarray, seconds_T: np.ndarray) -> list[Finding]:
    if not bad_T.any():
        return []
    second = float(seconds_T[np.argmax(bad_T)])
    return [Finding(second=second, what=f"{name} is NaN or infinite at {bad_T.sum()} steps")]
