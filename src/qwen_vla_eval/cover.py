"""Whether a policy looks at its cameras: what its plan does when one of them is covered."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.policy import Policy
from qwen_vla_core.types import Observation
from qwen_vla_ros.finding import Finding
from qwen_vla_ros.live_check import Seen
from qwen_vla_ros.load_policy import load_policy
from qwen_vla_ros.wiggle_check import measured

UNSEEN = 1e-3
"""Of a joint's range: a plan that changes by less does not depend on the image."""


def cover(robot: Embodiment, seen: Seen, checkpoint: Path, instruction: str) -> list[Finding]:
    """The policy of a folder, asked about what was seen of the robot; nothing moves.

    Args:
        instruction: the task in words; "" for the first sentence of the training.
    Raises:
        CheckpointError: there is no such policy of the robot.
        QwenVlaError: a camera without which it is never asked shows nothing, or a joint is
            missing.
    """
    from qwen_vla_model.trained_robots import load_instructions

    instruction = instruction or min(load_instructions(checkpoint, robot))
    observation = observation_of(robot, seen, instruction)
    policy = load_policy(checkpoint, robot)
    return cover_cameras(policy, robot, observation)


def observation_of(robot: Embodiment, seen: Seen, instruction: str) -> Observation:
    """The newest of each stream; the base where it is."""
    images = {name: shown[-1] for name, shown in seen.images.items() if len(shown)}
    dark = [c.name for c in robot.cameras if c.name not in images and not c.optional]
    positions_D = np.where(robot.base_D, 0.0, measured(robot, seen.positions))
    missing = [n for n, q in zip(robot.joint_names, positions_D, strict=True) if np.isnan(q)]
    if dark or missing:
        raise QwenVlaError(f"the policy cannot be asked without {', '.join([*dark, *missing])}")
    return Observation(
        stamp_s=0.0,
        images=images,
        history={
            c.name: (images[c.name],) * len(c.history_steps)
            for c in robot.cameras
            if c.name in images and c.history_steps
        },
        positions_D=positions_D,
        commanded_D=positions_D,
        instruction=instruction,
    )


def cover_cameras(policy: Policy, robot: Embodiment, seen: Observation) -> list[Finding]:
    """A finding for each camera: the policy is asked with it and with black in its place.

    Args:
        seen: what the robot sees now.
    """

    def asked(observation: Observation) -> np.ndarray:
        policy.reseed(0)  # only the image differs
        return policy.plan(observation).positions_TD

    open_TD = asked(seen)
    ranges_D = np.array([joint.upper - joint.lower for joint in robot.joints])
    findings = []
    for camera in robot.cameras:
        if camera.name not in seen.images:
            continue
        covered = {**seen.images, camera.name: np.zeros_like(seen.images[camera.name])}
        changed_TD = np.abs(asked(replace(seen, images=covered)) - open_TD)
        d = int((changed_TD / ranges_D).max(axis=0).argmax())
        most, joint = float(changed_TD[:, d].max()), robot.joints[d]
        text = f"covered, the plan changes by up to {most:.3g} {joint.unit} ({joint.name})"
        looks = most > UNSEEN * ranges_D[d]
        if not looks:
            text += ": the policy does not look at it. Train with this camera, or leave it out"
        findings.append(
            Finding(level="ok" if looks else "warning", about=f"camera {camera.name}", text=text)
        )
    return findings
