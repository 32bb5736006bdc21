"""Which robot runs in a namespace, asked of its control_node."""

import rclpy
from rcl_interfaces.srv import GetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor

from qwen_vla_core.errors import QwenVlaError

WAIT_S = 10.0
"""Discovery takes a second, on a busy machine a few."""
ASK_AGAIN_S = 2.0
"""A server that has not yet discovered us drops its answer."""


def find_robot(namespace: str) -> tuple[str, bool]:
    """The embodiment that control_node was started with, and whether it is simulated.

    Raises:
        QwenVlaError: there is no control_node, or it does not answer.
    """
    context = Context()
    context.init(args=[])
    node = rclpy.create_node("page_looks_for_robot", namespace=namespace, context=context)
    executor = SingleThreadedExecutor(context=context)
    try:
        client = node.create_client(GetParameters, "control_node/get_parameters")
        if not client.wait_for_service(WAIT_S):
            raise QwenVlaError(
                f"no {client.srv_name.rpartition('/')[0]} for {WAIT_S:g} s: start the robot "
                "first, or name it with --embodiment"
            )
        request = GetParameters.Request(names=["embodiment", "simulated"])
        executor.add_node(node)
        for _ in range(round(WAIT_S / ASK_AGAIN_S)):
            future = client.call_async(request)
            executor.spin_until_future_complete(future, timeout_sec=ASK_AGAIN_S)
            if future.done():
                embodiment, simulated = future.result().values
                return embodiment.string_value, simulated.bool_value
        raise QwenVlaError(f"{client.srv_name} does not answer for {WAIT_S:g} s")
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()
