"""A robot as another's model drives it: by joint positions, anywhere within the limits.

The embodiment's quantiles are those of our episodes, and would clip what a model does that has
learnt from others.
"""

from qwen_vla_core.embodiment import Embodiment, Group
from qwen_vla_core.embodiment.schema import Gripper, JointPosition, Quantiles


def in_joint_space(robot: Embodiment) -> Embodiment:
    """The same robot, rates and horizon, with arms that act by absolute joint positions.

    They are scaled to the limits. Grippers act by their opening; a base is left as it is.
    """
    groups = tuple(group if group.is_base else _by_position(group) for group in robot.groups)
    return robot.model_copy(update={"groups": groups})


def _by_position(group: Group) -> Group:
    if isinstance(group.action, Gripper):
        action, low, high, source = group.action, (0.0,), (1.0,), "0 closed .. 1 open"
    else:
        action = JointPosition(
            convention="joint_position", kinematics=getattr(group.action, "kinematics", None)
        )
        low = tuple(joint.lower for joint in group.joints)
        high = tuple(joint.upper for joint in group.joints)
        source = "the limits of the joints"
    quantiles = Quantiles(q01=low, q99=high, source=source)
    return group.model_copy(
        update={
            "action": action,
            "action_normalization": quantiles,
            "state_normalization": quantiles,
        }
    )
