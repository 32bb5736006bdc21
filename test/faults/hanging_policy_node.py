"""policy_node whose inference never comes back, as with a GPU that hangs."""

import threading

from qwen_vla_ros.nodes.policy_node import PolicyNode
from qwen_vla_ros.nodes.process import run


class HangingPolicyNode(PolicyNode):
    """As policy_node, except for the inference."""

    def _infer(self, request, watched):
        threading.Event().wait()


if __name__ == "__main__":
    run(HangingPolicyNode)
