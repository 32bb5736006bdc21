"""Gripper constants in use for ALOHA's followers, and which of them fit what a driver reports."""

from .gripper_drive import GripperEnds
from .linkage import LINKAGES, models_that_report

END_TOLERANCE_M = 3e-3
"""How far a finger may be from where an end says it is at the motor's angle there. Ends that push
a little beyond contact are meant to; a preset of another robot model is 4.5 to 9 mm off."""

GRIPPER_PRESETS = {
    # Followers in tonyzhaozh/aloha aloha_scripts/constants.py; also openpi and the datasets of
    # ALOHA and Mobile ALOHA: {PUPPET_GRIPPER_POSITION, PUPPET_GRIPPER_JOINT}_{OPEN, CLOSE}. As a
    # driver of the model vx300s reports them.
    "aloha_original": GripperEnds(
        finger_closed_m=0.01844,
        finger_open_m=0.05800,
        motor_closed_rad=-0.6213,
        motor_open_rad=1.4910,
    ),
    # Followers in Interbotix/aloha main (ROS 2): FOLLOWER_GRIPPER_{POSITION, JOINT}_{OPEN, CLOSE}.
    # Its positions, too, are those that a driver of the model vx300s reports.
    "aloha_trossen": GripperEnds(
        finger_closed_m=0.0440,
        finger_open_m=0.0579,
        motor_closed_rad=0.6197,
        motor_open_rad=1.6214,
    ),
    # The same grippers and motor angles behind a driver of the model aloha_vx300s, which is what
    # Interbotix's aloha_bringup.launch.py starts: the positions that it reports at these angles
    # (its horn_radius 0.0275, arm_length 0.035). Interbotix/aloha itself normalises them by the
    # constants above, and so gets states from -0.08 to 1.33.
    "aloha_vx300s": GripperEnds(
        finger_closed_m=0.04288,
        finger_open_m=0.06244,
        motor_closed_rad=0.6197,
        motor_open_rad=1.6214,
    ),
}
"""Constants in use for ALOHA's followers. Which one a robot needs depends on how its grippers are
mounted and on the robot model of its driver; both ends can be measured and written into the
embodiment instead."""


def ends_problem(
    ends: GripperEnds, *, finger_m: float, motor_rad: float, preset: str | None
) -> str | None:
    """Why these ends do not belong to a driver that reports this; None if they do.

    Args:
        ends: of the embodiment.
        finger_m: position of the finger that the driver reports, m.
        motor_rad: angle of the motor that it reports in the same message, rad.
        preset: where the ends came from. Ends that were measured are accepted where the report
            belongs to no known robot model, those of a preset are not.
    """
    models = models_that_report(finger_m, motor_rad)
    report = f"it reports its finger at {finger_m:.4f} m with its motor at {motor_rad:.3f} rad"
    if not models:
        if preset is None:
            return None
        return (
            f"{report}, as none of the robot models {', '.join(LINKAGES)} does; measure both ends "
            f"of the gripper and write them into the embodiment in place of preset '{preset}'"
        )
    if any(_belong(ends, model) for model in models):
        return None
    fitting = [
        f"{name} (motor closed at {known.motor_closed_rad} rad)"
        for name, known in GRIPPER_PRESETS.items()
        if any(_belong(known, model) for model in models)
    ]
    return (
        f"{report}, as drivers of robot model {' or '.join(models)} do; that does not agree with "
        f"the embodiment's ends ({ends}); use preset "
        f"{' or '.join(fitting) or 'none, with measured ends'}, or start the driver as another "
        "robot model"
    )


def _belong(ends: GripperEnds, model: str) -> bool:
    """Whether a driver of this robot model reports the finger's ends at the motor's ends."""
    linkage = LINKAGES[model]
    return all(
        abs(linkage.finger_m(motor_rad) - finger_m) <= END_TOLERANCE_M
        for finger_m, motor_rad in (
            (ends.finger_closed_m, ends.motor_closed_rad),
            (ends.finger_open_m, ends.motor_open_rad),
        )
    )
