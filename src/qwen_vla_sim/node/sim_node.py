"""sim_node: poses as a robot's hardware, with the real drivers' topics, services and units.

Physics, joint states and rendering share one thread: on the WidowX a step of 10 ms takes 0.2 ms
and both images 2 ms, so that nothing waits for anything. The simulation follows the steady
clock; after a stall it skips what it missed instead of racing. Topics and services that no real
robot has are kept below the node's own name.
"""

import array
import dataclasses
import json
import time

from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import EmbodimentError, QwenVlaError
from qwen_vla_core.instruction import check_instruction
from qwen_vla_ros.diagnostics import OK, PERIOD_S, WARN, DiagnosticsPublisher
from qwen_vla_ros.nodes.lifecycle import EmbodimentNode
from qwen_vla_ros.nodes.parameters import declare_integer, declare_number, read_only
from qwen_vla_ros.nodes.process import run
from qwen_vla_ros.qos import LATCHED
from qwen_vla_ros.stream_meter import StreamMeter

from ..hardware.xs_driver import ROOM_WARM_C
from ..registry import find_tasks, make_world
from ..tasks.shifts import Shift, find_shift
from .expert_endpoint import CHUNK, ExpertEndpoint
from .expert_endpoint import POLL_S as EXPERT_POLL_S
from .slate_endpoint import ODOMETRY_PERIOD_S, SlateEndpoint

LONGEST_CATCH_UP_S = 0.1
STATUS_PERIOD_S = 0.1
FAULTY_MOTOR = "elbow"
HOT_C = 70


class SimNode(EmbodimentNode):
    """One simulated robot."""

    def __init__(self) -> None:
        super().__init__("sim_node")
        declare = self.declare_parameter
        expert = "let the scripted expert do what policy/instruction says"
        declare("expert", False, read_only(expert))
        plan = "where the expert's plans go; elsewhere than policy/chunk a person follows them"
        declare("expert_topic", CHUNK, read_only(plan))
        declare("instruction", "", read_only("the expert's first; policy/instruction replaces it"))
        for name, rate_hz, description, highest_hz in (
            ("joint_state_rate_hz", 100.0, "rate of joint_states (xs_sdk: 100), Hz", 500.0),
            ("camera_rate_hz", 20.0, "rate of each camera, Hz", 60.0),
        ):
            declare_number(self, name, rate_hz, description, (1.0, highest_hz), read_only=True)
        scene = "of the scene that the next ~/reset lays out"
        declare_integer(self, "seed", 0, f"seed {scene}", (0, 2**31 - 1))
        declare("task", "", _text(f"task {scene}; empty for the robot's usual one"))
        shifts = ", ".join(shift.value for shift in Shift)
        declare("shift", Shift.NONE.value, _text(f"shift {scene}: {shifts}"))
        self._embodiment: Embodiment | None = None
        self.add_on_set_parameters_callback(self._check_parameters)

    def _check_parameters(self, parameters: list) -> SetParametersResult:
        """Refuse an unknown scene when the parameter is set, not with the next ~/reset."""
        for name, value in ((parameter.name, parameter.value) for parameter in parameters):
            try:
                if name == "shift":
                    find_shift(value)
                elif name == "task" and self._embodiment is not None:
                    find_tasks(self._embodiment, value or None)
            except QwenVlaError as error:
                return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def configure(self) -> None:
        """Build the world and lay out the first scene."""
        self._status = self.create_publisher(String, "~/task_status", LATCHED)
        self._embodiment = self.load_embodiment()
        self._diagnostics = DiagnosticsPublisher(
            self, self._embodiment.name, self.embodiment_sha256
        )
        self._meter, self._stalls = StreamMeter(time.monotonic()), 0
        self._world = make_world(self._embodiment)
        self.at_cleanup(self._world.close)
        self._expert = self.get_parameter("expert").value and ExpertEndpoint(
            self, self._embodiment, self.text("expert_topic")
        )
        self._lay_out()
        if self._expert and self.text("instruction"):
            self._expert.follow(check_instruction(self.text("instruction")))
        for camera in self._embodiment.cameras:
            self._world.render(camera.name)  # sets up OpenGL, which takes a third of a second
        self._connect_hardware()
        self.create_service(Trigger, "~/reset", self._on_reset)

    def _connect_hardware(self) -> None:
        """The interfaces of the drivers of arms, base and cameras."""
        self._arms = []
        if self._world.arms:
            # A robot without these arms needs none of their messages, which not everybody has.
            from .xs_endpoint import XsEndpoint

            self._arms = [
                XsEndpoint(self, namespace, arm) for namespace, arm in self._world.arms.items()
            ]
            self.create_service(SetBool, "~/run_drivers", self._on_run_drivers)
            self.create_service(SetBool, "~/mute_drivers", self._on_mute_drivers)
            self.create_service(Trigger, "~/overload_elbows", self._on_overload)
            self.create_service(SetBool, "~/warm_elbows", self._on_warm)
        base = self._embodiment.base
        self._base = base and SlateEndpoint(self, base.driver, self._world.base)
        if self._base:
            self.create_service(SetBool, "~/press_base_estop", self._on_base_estop)
        self._cameras = {
            camera.name: self.create_publisher(Image, camera.topic, 1)
            for camera in self._embodiment.cameras
        }

    def on_activate(self, state: object) -> TransitionCallbackReturn:
        """Let time run."""
        self._simulated_until_s = time.monotonic()
        self.every(1.0 / self.get_parameter("joint_state_rate_hz").value, self._step)
        self.every(1.0 / self.get_parameter("camera_rate_hz").value, self._publish_images)
        self.every(STATUS_PERIOD_S, self._publish_status)
        self.every(PERIOD_S, self._report)
        if self._base:
            self.every(ODOMETRY_PERIOD_S, self._base.publish)
        if self._expert:
            self.every(EXPERT_POLL_S, self._expert.poll)
        return super().on_activate(state)

    # --- time

    def _step(self) -> None:
        now_s, timestep_s = time.monotonic(), self._world.timestep_s
        behind_s = now_s - self._simulated_until_s
        if behind_s > LONGEST_CATCH_UP_S:
            self.get_logger().warning(
                f"the simulation stood still for {behind_s:.2f} s", throttle_duration_sec=1.0
            )
            behind_s, self._simulated_until_s = timestep_s, now_s - timestep_s
            self._stalls += 1
        steps = int(behind_s / timestep_s)
        self._world.step(steps * timestep_s)
        self._simulated_until_s += steps * timestep_s
        self._publish_joint_states()
        self._meter.count("joint_states", now_s)

    def _report(self) -> None:
        stalls, self._stalls = self._stalls, 0
        slow = f"the simulation stood still {stalls} times: the computer is busy" if stalls else ""
        self._diagnostics.publish(
            WARN if slow else OK,
            slow or "simulating",
            {
                "task": self._task.name,
                "seed": self._scene.seed,
                **self._meter.values(time.monotonic()),
            },
        )

    def _publish_joint_states(self) -> None:
        for arm in self._arms:
            arm.publish()

    def _publish_images(self) -> None:
        stamp = self.get_clock().now().to_msg()
        for name, publisher in self._cameras.items():
            if name in self._world.depth_ranges_m:
                encoding, image = "32FC1", self._world.depth(name)
            else:
                encoding, image = "rgb8", self._world.render(name)
            height, width = image.shape[:2]
            message = Image(height=height, width=width, encoding=encoding)
            message.step = image.strides[0]
            message.header.stamp = stamp
            message.header.frame_id = name
            message.data = array.array("B", image.tobytes())  # bytes are checked one by one
            publisher.publish(message)
            self._meter.count(name, time.monotonic())

    # --- the task and what a person would do: simulation only

    def _on_run_drivers(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        """End the drivers of the arms, or start those that ended, with their default modes."""
        for arm in self._arms:
            if request.data != arm.runs:
                (arm.start if request.data else arm.end)()
        response.success = True
        return response

    def _on_mute_drivers(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        """Let drivers take requests about their state without ever answering, or answer again."""
        for arm in self._arms:
            arm.mute = request.data
        response.success = True
        return response

    def _on_overload(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        """Have the elbow of each arm switch itself off, until reboot_motors."""
        for arm in self._arms:
            arm.driver.overload(FAULTY_MOTOR)
        response.success = True
        return response

    def _on_warm(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Have the elbow of each arm say that it is hot, or as warm as the others."""
        for arm in self._arms:
            arm.driver.temperatures_c[FAULTY_MOTOR] = HOT_C if request.data else ROOM_WARM_C
        response.success = True
        return response

    def _on_base_estop(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        self._world.base.estop_pressed = request.data
        response.success = True
        return response

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            self._lay_out()
        except QwenVlaError as error:
            response.message = str(error)
            return response
        self._publish_joint_states()
        response.success, response.message = True, self._scene.instruction
        return response

    def _lay_out(self) -> None:
        """Put robot and objects where the scene of the seed has them.

        Raises:
            QwenVlaError: there is no such task or shift, or it is not for this seed.
        """
        seed, name, shift = (self.get_parameter(p).value for p in ("seed", "task", "shift"))
        task = find_tasks(self._embodiment, name or None)[0]
        try:
            scene = task.sample(seed, find_shift(shift))
        except ValueError as error:
            raise EmbodimentError(f"no scene for seed {seed}, shift '{shift}': {error}") from error
        self._task, self._scene = task, scene
        scene.lay_out(self._world)
        if self._expert:
            self._expert.work_in(task.expert(self._world, scene))
        self.get_logger().info(f"{task.name}, seed {seed}: {scene.instruction}")
        self._publish_status()

    def _publish_status(self) -> None:
        status = {
            "seed": self._scene.seed,
            "task": self._task.name,
            "shift": self._scene.shift.value,
            "instruction": self._scene.instruction,
            **dataclasses.asdict(self._task.judge(self._world, self._scene)),
        }
        self._status.publish(String(data=json.dumps(status)))


def _text(description: str) -> ParameterDescriptor:
    return ParameterDescriptor(description=description)


def main() -> None:
    """Entry point of the sim_node executable."""
    run(SimNode)
