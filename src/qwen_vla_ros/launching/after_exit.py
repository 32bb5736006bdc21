"""What the end of one node means for the others.

control_node is never ended because of another node: without chunks, or without teleop_node, the
robot holds, a person may be driving it, and what recorder_node writes and visualizer_node draws
moves nothing. Without control_node, or without the simulated robot, the rest is of no use.
"""

from dataclasses import dataclass

from qwen_vla_core.exit_status import NOT_STARTED, explain_exit

GO_ON_WITHOUT = {
    "policy_node": "the robot holds: engage again when it is ready",
    "teleop_node": "the robot holds: engage again when it is ready",
    "recorder_node": "nothing is recorded: record/start again when it is ready",
}
"""Node -> what is missing meanwhile. Nothing moves by itself after a restart."""
VIEWERS = ("page_node", "visualizer_node")
"""They only show: nothing depends on them. The page is started again with `qwen-vla view`."""
RESTARTS = 3
RESTART_DELAY_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Consequence:
    """What to do, and what to tell the operator.

    Attributes:
        end_all: end the other nodes, and the launch with exit status 1.
        restart_after_s: start the node again after this time, s; None: do not.
    """

    message: str
    end_all: bool = False
    restart_after_s: float | None = None


def after_exit(name: str, status: int, restarts: int) -> Consequence:
    """What follows when a node has ended although the launch goes on.

    Args:
        name: of the node.
        status: exit status, negative for a signal.
        restarts: how often it was started again already.
    """
    ended = f"{name} ended ({explain_exit(status)})"
    if name in VIEWERS:
        return Consequence(message=f"{ended}; all other nodes go on")
    if name not in GO_ON_WITHOUT or (status == NOT_STARTED and restarts == 0):
        return Consequence(message=f"{ended}; all other nodes are being stopped", end_all=True)
    ended += f"; control_node goes on, {GO_ON_WITHOUT[name]}"
    if restarts >= RESTARTS:
        return Consequence(
            message=f"{ended}. It is not started again after {restarts} restarts; end the launch "
            "and look at its last messages"
        )
    return Consequence(
        message=f"{ended}. It is started again in {RESTART_DELAY_S:g} s ({restarts + 1} of "
        f"{RESTARTS})",
        restart_after_s=RESTART_DELAY_S,
    )
