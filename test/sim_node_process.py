"""sim_node as a process of its own, and the ROS node of a test that talks to it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
WAIT_S, ASK_AGAIN_S = 30.0, 3.0


class SimNodeProcess:
    """A running sim_node; ``status`` is what it says of its task."""

    def __init__(self, ros, embodiment: Path | str, parameters=()):
        self.ros, self.node, self.status = ros, ros.create_node("sim_node_test"), {}
        command = [sys.executable, "-m", "qwen_vla_sim.node", "--ros-args"]
        # To draw images is half of its work. The last value of a parameter counts.
        for parameter in (f"embodiment:={embodiment}", "camera_rate_hz:=5", *parameters):
            command += ["-p", parameter]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.node.create_subscription(String, "sim_node/task_status", self._on_status, LATCHED)

    def _on_status(self, message):
        self.status = json.loads(message.data)

    def wait(self, condition, timeout_s=WAIT_S):
        deadline_s = time.monotonic() + timeout_s
        while not condition() and time.monotonic() < deadline_s:
            self.ros.spin_once(self.node, timeout_sec=0.05)
        return condition()

    def call(self, kind, service, **fields):
        """Asks again where no answer comes: a server drops it that has not yet discovered us."""
        client = self.node.create_client(kind, service)
        assert self.wait(client.service_is_ready)
        futures = []
        for _ in range(round(WAIT_S / ASK_AGAIN_S)):
            futures.append(client.call_async(kind.Request(**fields)))
            if self.wait(lambda: any(future.done() for future in futures), ASK_AGAIN_S):
                break
        self.node.destroy_client(client)
        return next(future for future in futures if future.done()).result()

    def errors_after_stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.communicate(timeout=20)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()  # or it would outlive the tests
            raise

    def close(self):
        if self.process.poll() is None:
            self.errors_after_stop()
        self.node.destroy_node()
