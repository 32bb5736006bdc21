"""Stops arms before they touch what they may not, or leave their workspace.

A motion goes on as long as the pose at which it would come to rest, braking from now on, is clear.
Otherwise the arms concerned slow down as little as is needed; what their acceleration cannot stop
any more is held. Of what is too near already, every motion is let through that does not bring it
nearer; of a tool that is outside its workspace, every motion that does not lead farther from it.
"""

from dataclasses import dataclass

import numpy as np

from .clearance import Clearance
from .filter import Motion, Rule
from .limits import JointLimits

SHARES = np.array([2.0 / 3.0, 1.0 / 3.0, 0.0])
"""How much is left of the wanted motion, tried one after the other; the last one brakes."""

ROUNDING_M = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class _Step:
    """One period of some joints: where they were, what is wanted, what they may do."""

    last: Motion
    wanted: Motion
    limits: JointLimits
    dt_s: float

    def positions(self, velocities_D: np.ndarray) -> np.ndarray:
        """Where velocities [..., D] lead."""
        return self._allowed(self.last.command_D + velocities_D * self.dt_s)

    def stops(self, positions_D: np.ndarray, velocities_D: np.ndarray) -> np.ndarray:
        """Where joints [..., D] come to rest if they brake from now on."""
        way_D = velocities_D * np.abs(velocities_D) / (2.0 * self.limits.acceleration_D)
        return self._allowed(positions_D + way_D)

    @property
    def farthest_D(self) -> np.ndarray:
        """No joint comes to rest farther than this from where it was, whatever it does now."""
        change_D = self.limits.acceleration_D * self.dt_s
        speed_D = np.abs(self.last.velocity_D) + change_D
        return speed_D * self.dt_s + speed_D**2 / (2.0 * self.limits.acceleration_D)

    @property
    def braking_D(self) -> np.ndarray:
        """The velocities of joints that brake."""
        slower_D = np.abs(self.last.velocity_D) - self.limits.acceleration_D * self.dt_s
        return np.sign(self.last.velocity_D) * np.maximum(slower_D, 0.0)

    def _allowed(self, positions_D: np.ndarray) -> np.ndarray:
        return np.clip(
            positions_D,
            np.minimum(self.limits.lower_D, self.last.command_D),
            np.maximum(self.limits.upper_D, self.last.command_D),
        )


def keep_clear(
    last: Motion,
    wanted: Motion,
    limits: JointLimits,
    clearance: Clearance,
    *,
    dt_s: float,
    faces: bool = True,
) -> tuple[Motion, dict[Rule, tuple[str, ...]]]:
    """Let the arms of a robot move as far as it is clear.

    Args:
        last: what was last sent to all joints but a base's.
        wanted: what shall be sent, within ``limits``.
        limits: of these joints. clearance: of the robot.
        dt_s: time since ``last``, s, > 0, at most a period.
        faces: whether the workspaces count: not for the slow motion to the start pose, which
            leads in a curve out of where an arm rests.
    Returns:
        The motion to send, within ``limits`` like the wanted one; and rule -> in words, what was
        too near to what. Joints that belong to no arm move as wanted.
    """
    step = _Step(last=last, wanted=wanted, limits=limits, dt_s=dt_s)
    stops_D = step.stops(wanted.command_D, wanted.velocity_D)
    # All at once: three poses take little longer than one.
    poses = np.stack([last.command_D, wanted.command_D, stops_D])
    left_SM = clearance.left(clearance.place(poses))
    left_M = left_SM[0]
    near = np.flatnonzero(left_M < clearance.farthest(step.farthest_D))
    if not len(near):
        return wanted, {}
    left_K, concerns_KA = left_M[near], clearance.concerns[near]
    floor_K = np.minimum(left_K, 0.0) - ROUNDING_M
    if not faces:
        floor_K[clearance.faces[near]] = -np.inf
    outside = _outside(clearance, near, left_K)

    def judge(left_SK: np.ndarray) -> np.ndarray:
        """Whether poses are clear, bool [S, K]; NaN is not. A tool outside may come nearer."""
        clear_SK = left_SK >= floor_K
        for faces_K, outside_m in outside:
            beyond_S = np.linalg.norm(np.minimum(left_SK[:, faces_K], 0.0), axis=1)
            clear_SK[:, faces_K] |= (beyond_S <= outside_m + ROUNDING_M)[:, None]
        return clear_SK

    blocked_K = ~judge(left_SM[:, near]).all(axis=0)
    if not blocked_K.any():
        return wanted, {}

    def clear(commands_SD: np.ndarray, velocities_SD: np.ndarray) -> np.ndarray:
        """Whether poses and where they come to rest are clear, bool [S, K]."""
        stops_SD = step.stops(commands_SD, velocities_SD)
        both = clearance.place(np.concatenate([commands_SD, stops_SD]))
        clear_SK = judge(clearance.left(both, near))
        return clear_SK[: len(commands_SD)] & clear_SK[len(commands_SD) :]

    acted = _named(clearance, near[blocked_K])
    slowed_A = concerns_KA[blocked_K].any(axis=0)
    held_A = np.zeros_like(slowed_A)
    for _ in range(2 * len(slowed_A) + 1):  # each time one more arm is slowed, or held
        velocities_SD = _slower(step, clearance, slowed_A, held_A)
        commands_SD = step.positions(velocities_SD)
        still_D = _joints(clearance, held_A, len(last.command_D))
        commands_SD[:, still_D] = last.command_D[still_D]
        clear_SK = clear(commands_SD, np.where(SHARES[:, None] > 0.0, velocities_SD, 0.0))
        clear_S = clear_SK.all(axis=1)
        if clear_S.any():
            best = int(np.argmax(clear_S))
            return (
                Motion(
                    command_D=commands_SD[best],
                    velocity_D=velocities_SD[best],
                    target_D=wanted.target_D,
                ),
                acted,
            )
        concerned_A = concerns_KA[~clear_SK[-1]].any(axis=0)
        if (concerned_A & ~slowed_A).any():
            slowed_A = slowed_A | concerned_A
        else:
            held_A = held_A | concerned_A
    return Motion.at_rest(last.command_D), acted  # where all are held, nothing comes nearer


def _outside(
    clearance: Clearance, near: np.ndarray, left_K: np.ndarray
) -> list[tuple[np.ndarray, float]]:
    """Of each arm whose tool is outside its workspace: its faces, numbers in K, and how far."""
    found = []
    for concerns_M in clearance.concerns.T:
        faces = np.flatnonzero(clearance.faces[near] & concerns_M[near])
        outside_m = float(np.linalg.norm(np.minimum(left_K[faces], 0.0)))
        if outside_m > 0.0:
            found.append((faces, outside_m))
    return found


def _slower(
    step: _Step, clearance: Clearance, slowed_A: np.ndarray, held_A: np.ndarray
) -> np.ndarray:
    """Velocities [S, D] for each of ``SHARES``: between braking and wanted; 0 of what is held."""
    velocities_SD = np.tile(step.wanted.velocity_D, (len(SHARES), 1))
    slowed_D = _joints(clearance, slowed_A, velocities_SD.shape[1])
    braking_D = step.braking_D[slowed_D]
    more_D = step.wanted.velocity_D[slowed_D] - braking_D
    velocities_SD[:, slowed_D] = braking_D + SHARES[:, None] * more_D
    velocities_SD[:, _joints(clearance, held_A, velocities_SD.shape[1])] = 0.0
    return velocities_SD


def _joints(clearance: Clearance, arms_A: np.ndarray, count: int) -> np.ndarray:
    """Which joints, bool [count], belong to some of the arms."""
    joints_D = np.zeros(count, dtype=bool)
    for rows, chosen in zip(clearance.rows, arms_A, strict=True):
        joints_D[rows] = chosen
    return joints_D


def _named(clearance: Clearance, blocked: np.ndarray) -> dict[Rule, tuple[str, ...]]:
    """What was in the way, each once."""
    words = {}
    for rule, of in (
        (Rule.COLLISION, blocked[~clearance.faces[blocked]]),
        (Rule.WORKSPACE, blocked[clearance.faces[blocked]]),
    ):
        if len(of):
            words[rule] = tuple(dict.fromkeys(clearance.names[m] for m in of))
    return words
