"""sim_node: poses as the WidowX's hardware, with the real driver's topics, services and units.

Physics, joint states and rendering share one thread: a step of 10 ms takes 0.2 ms and both
pictures 2 ms, so that nothing waits for anything. The simulation follows the steady clock; after
a stall it skips what it missed instead of racing. Topics and services that no real robot has
are kept below the node's own name.
"""

import array
import dataclasses
import json
import sys
import time
from pathlib import Path

import rclpy
from interbotix_xs_msgs.msg import JointGroupCommand, JointSingleCommand
from interbotix_xs_msgs.srv import OperatingModes, RobotInfo, TorqueEnable
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.errors import QwenVlaError

from .tasks.pick_up import judge, sample_scene
from .worlds.widowx import WidowxWorld
from .worlds.widowx_mjcf import TIMESTEP_S
from .xs_driver import JOINT_STATE_NAMES, XsDriver, XsError

LONGEST_CATCH_UP_S = 0.1
STATUS_PERIOD_S = 0.1
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class SimNode(LifecycleNode):
    """One simulated WidowX on its table."""

    def __init__(self) -> None:
        super().__init__("sim_node")
        declare = self.declare_parameter
        declare(
            "embodiment",
            "",
            ParameterDescriptor(description="path of the embodiment YAML", read_only=True),
        )
        declare(
            "autostart",
            True,
            ParameterDescriptor(description="configure and activate at once", read_only=True),
        )
        declare("joint_state_rate_hz", 100.0, _rate("rate of joint_states (xs_sdk: 100)", 500.0))
        declare("camera_rate_hz", 20.0, _rate("rate of each camera", 60.0))
        declare(
            "seed",
            0,
            ParameterDescriptor(
                description="scene that the next ~/reset lays out",
                integer_range=[IntegerRange(from_value=0, to_value=2**31 - 1, step=1)],
            ),
        )

    def on_configure(self, state: object) -> TransitionCallbackReturn:
        """Build the world and lay out the first scene."""
        try:
            path = Path(self.get_parameter("embodiment").value)
            self._codec = EmbodimentCodec(load_embodiment(path))
            self._world = WidowxWorld()
        except QwenVlaError as error:
            self.get_logger().error(f"cannot be configured: {error}")
            return TransitionCallbackReturn.FAILURE
        for camera in self._codec.embodiment.cameras:
            self._world.render(camera.name)  # sets up OpenGL, which takes a third of a second
        self._driver = XsDriver(self._world)
        self._status = self.create_publisher(String, "~/task_status", LATCHED)
        self._connect_hardware()
        self._lay_out()
        self.create_service(Trigger, "~/reset", self._on_reset)
        return TransitionCallbackReturn.SUCCESS

    def _connect_hardware(self) -> None:
        """The interface of xs_sdk and of the camera drivers."""
        embodiment = self._codec.embodiment
        robot = embodiment.groups[0].driver.namespace
        self._joint_states = self.create_publisher(JointState, f"{robot}/joint_states", 10)
        self._cameras = {
            camera.name: self.create_publisher(Image, camera.topic, 1)
            for camera in embodiment.cameras
        }
        self.create_subscription(
            JointGroupCommand, f"{robot}/commands/joint_group", self._on_group, 10
        )
        self.create_subscription(
            JointSingleCommand, f"{robot}/commands/joint_single", self._on_single, 10
        )
        self.create_service(RobotInfo, f"{robot}/get_robot_info", self._on_info)
        self.create_service(OperatingModes, f"{robot}/set_operating_modes", self._on_modes)
        self.create_service(TorqueEnable, f"{robot}/torque_enable", self._on_torque)

    def on_activate(self, state: object) -> TransitionCallbackReturn:
        """Let time run."""
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._simulated_until_s = time.monotonic()
        self._active_timers = [
            self.create_timer(period_s, callback, clock=steady)
            for period_s, callback in (
                (1.0 / self.get_parameter("joint_state_rate_hz").value, self._step),
                (1.0 / self.get_parameter("camera_rate_hz").value, self._look),
                (STATUS_PERIOD_S, self._publish_status),
            )
        ]
        return super().on_activate(state)

    def on_deactivate(self, state: object) -> TransitionCallbackReturn:
        """Stop time."""
        for timer in self._active_timers:
            self.destroy_timer(timer)
        return super().on_deactivate(state)

    # --- time

    def _step(self) -> None:
        now_s = time.monotonic()
        behind_s = now_s - self._simulated_until_s
        if behind_s > LONGEST_CATCH_UP_S:
            self.get_logger().warning(
                f"the simulation stood still for {behind_s:.2f} s", throttle_duration_sec=1.0
            )
            behind_s, self._simulated_until_s = TIMESTEP_S, now_s - TIMESTEP_S
        steps = int(behind_s / TIMESTEP_S)
        self._world.step(steps * TIMESTEP_S)
        self._simulated_until_s += steps * TIMESTEP_S
        self._publish_joint_states()

    def _publish_joint_states(self) -> None:
        message = JointState(
            name=JOINT_STATE_NAMES, **dataclasses.asdict(self._driver.joint_states())
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._joint_states.publish(message)

    def _look(self) -> None:
        stamp = self.get_clock().now().to_msg()
        for name, publisher in self._cameras.items():
            picture = self._world.render(name)
            height, width, channels = picture.shape
            message = Image(height=height, width=width, encoding="rgb8", step=width * channels)
            message.header.stamp = stamp
            message.header.frame_id = name
            message.data = array.array("B", picture.tobytes())  # bytes are checked one by one
            publisher.publish(message)

    # --- the driver's interface

    def _on_group(self, message: JointGroupCommand) -> None:
        self._obey(self._driver.command_group, message.name, message.cmd)

    def _on_single(self, message: JointSingleCommand) -> None:
        self._obey(self._driver.command_single, message.name, message.cmd)

    def _on_modes(
        self, request: OperatingModes.Request, response: OperatingModes.Response
    ) -> OperatingModes.Response:
        self._obey(self._driver.set_operating_modes, request.cmd_type, request.name, request.mode)
        return response

    def _on_torque(
        self, request: TorqueEnable.Request, response: TorqueEnable.Response
    ) -> TorqueEnable.Response:
        self._obey(self._driver.enable_torque, request.cmd_type, request.name, request.enable)
        return response

    def _on_info(
        self, request: RobotInfo.Request, response: RobotInfo.Response
    ) -> RobotInfo.Response:
        info = self._obey(self._driver.robot_info, request.cmd_type, request.name)
        return response if info is None else RobotInfo.Response(**dataclasses.asdict(info))

    def _obey(self, command, *arguments):
        """Like xs_sdk: what cannot be done is logged, and whoever asked learns nothing."""
        try:
            return command(*arguments)
        except XsError as error:
            self.get_logger().error(str(error))
            return None

    # --- the task: simulation only

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._lay_out()
        self._publish_joint_states()
        response.success, response.message = True, self._scene.instruction
        return response

    def _lay_out(self) -> None:
        """Put robot and blocks where the scene of the seed has them."""
        self._scene = sample_scene(self.get_parameter("seed").value, self._codec)
        self._world.reset(self._scene.positions_D, self._scene.blocks)
        self.get_logger().info(f"seed {self._scene.seed}: {self._scene.instruction}")
        self._publish_status()

    def _publish_status(self) -> None:
        status = {
            "seed": self._scene.seed,
            "instruction": self._scene.instruction,
            **dataclasses.asdict(judge(self._world, self._scene)),
        }
        self._status.publish(String(data=json.dumps(status)))


def _rate(description: str, highest_hz: float) -> ParameterDescriptor:
    return ParameterDescriptor(
        description=f"{description}, Hz",
        read_only=True,
        floating_point_range=[FloatingPointRange(from_value=1.0, to_value=highest_hz)],
    )


def main() -> None:
    """Entry point of the sim_node executable."""
    rclpy.init()
    node = SimNode()
    succeeded = TransitionCallbackReturn.SUCCESS
    started = True
    try:
        if node.get_parameter("autostart").value:
            started = (
                node.trigger_configure() == succeeded and node.trigger_activate() == succeeded
            )
        if started:
            rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    sys.exit(0 if started else 1)


if __name__ == "__main__":
    main()
