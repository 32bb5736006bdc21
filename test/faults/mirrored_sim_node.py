"""sim_node whose driver counts one joint the other way, from where it stood when it started."""

from dataclasses import replace

from qwen_vla_sim.hardware.xs_driver import JOINT_STATE_NAMES, XsDriver
from qwen_vla_sim.node.sim_node import main

JOINT = JOINT_STATE_NAMES.index("wrist_rotate")
_true = XsDriver.joint_states
_started_at = []


def mirrored(driver):
    """As the driver would, but for one sign."""
    states = _true(driver)
    position = list(states.position)
    _started_at.append(position[JOINT])
    del _started_at[1:]
    position[JOINT] = 2.0 * _started_at[0] - position[JOINT]
    return replace(states, position=position)


if __name__ == "__main__":
    XsDriver.joint_states = mirrored
    main()
