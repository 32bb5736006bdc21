"""policy_node with a network that takes a step and a quarter longer than the real one."""

import threading

from qwen_vla_ros.nodes.policy_node import PolicyNode
from qwen_vla_ros.nodes.process import run


class SlowPolicyNode(PolicyNode):
    """As policy_node, except for the time that an inference takes."""

    def _infer(self, request, watched):
        threading.Event().wait(1.25 * self._embodiment.action_step_s)
        return super()._infer(request, watched)


if __name__ == "__main__":
    run(SlowPolicyNode)
