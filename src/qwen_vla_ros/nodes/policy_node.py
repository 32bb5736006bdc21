"""policy_node: observations in, chunks out. Owns the model, and nothing else needs its process.

Inference runs in a worker thread so that images keep arriving; the control node plays the last
chunk meanwhile. Between observation and chunk nothing is guessed: a stream that is missing, old,
frozen or skewed means no chunk, and its name is said.
"""

import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from qwen_vla_core.embodiment import Camera, EmbodimentCodec
from qwen_vla_core.embodiment.streams import joint_streams
from qwen_vla_core.errors import InstructionError, QwenVlaError
from qwen_vla_core.execution import DelayEstimator, Prefix, prefix_of
from qwen_vla_core.instruction import check_instruction
from qwen_vla_core.modes import Mode
from qwen_vla_core.observation import (
    CameraSpec,
    Instant,
    JointsSpec,
    ObservationAssembler,
    Refusal,
    SampleReport,
    SampleVerdict,
)
from qwen_vla_core.types import ActionChunk, Observation

from .. import diagnostics
from ..diagnostics import DiagnosticsPublisher
from ..messages import chunk_message, seconds
from ..qos import IMAGES, LATCHED, RELIABLE
from ..views import message_type, view_reader
from .lifecycle import EmbodimentNode, read_only
from .process import run

POLL_S = 0.02
"""How often to look whether the next inference is due and possible: a control period, 50 Hz."""

LATENCIES = 200
"""Of so many last inferences the diagnostics tell the percentiles."""

FAILURES_IN_A_ROW = 3
"""Inferences that raise before the policy gives up and says so; one may be an accident."""


class PolicyNode(EmbodimentNode):
    """Runs one policy for one embodiment."""

    def __init__(self) -> None:
        super().__init__("policy_node")
        self.declare_parameter(
            "checkpoint", "", read_only("the policy: a folder, or owner/model on the hub")
        )
        self.declare_parameter("device", "cpu", read_only("torch device: cpu or cuda"))
        self.declare_parameter(
            "weights",
            "",
            read_only(
                "what to hold the weights as: float32, bfloat16, float16, int8 or nf4; empty for "
                "bfloat16 on a GPU and float32 elsewhere"
            ),
        )
        self.declare_parameter(
            "simulated",
            False,
            read_only("cameras are simulated, so a still picture is not frozen"),
        )
        self.declare_parameter(
            "instruction", "", read_only("the task in words; policy/instruction replaces it")
        )
        self.declare_parameter(
            "torch_threads",
            1,
            ParameterDescriptor(
                description="CPU threads of the model; more only help where nothing else runs",
                read_only=True,
                integer_range=[IntegerRange(from_value=1, to_value=256, step=1)],
            ),
        )
        self.declare_parameter(
            "replan_steps",
            0,
            ParameterDescriptor(
                description="action steps from one observation to the next; 0: a quarter chunk",
                integer_range=[IntegerRange(from_value=0, to_value=64, step=1)],
            ),
        )
        self.declare_parameter(
            "inference_deadline_s",
            1.0,
            ParameterDescriptor(
                description="an inference that takes longer is reported as hanging",
                floating_point_range=[FloatingPointRange(from_value=0.05, to_value=60.0)],
            ),
        )

    def configure(self) -> None:
        """Load the model and warm it up, so that the first real observation is not slow."""
        embodiment = self.load_embodiment()
        self._embodiment = embodiment
        self._codec = EmbodimentCodec(embodiment)
        self._instruction = ""
        if self.text("instruction"):
            self._instruction = check_instruction(self.text("instruction"))
        # Imported late: torch takes seconds, and wrong parameters should be told at once.
        from qwen_vla_model.policy import QwenVlaPolicy
        from qwen_vla_model.precision import default_weights

        self._weights = self.text("weights") or default_weights(self.text("device"))
        self._policy = QwenVlaPolicy.load(
            self.text("checkpoint"),
            embodiment,
            device=self.text("device"),
            weights=self._weights,
            threads=self.get_parameter("torch_threads").value,
        )
        # Half a chunk at most, so that the new half lasts until the next chunk can be there.
        self._delay = DelayEstimator(
            step_s=embodiment.action_step_s,
            cap_steps=max(1, embodiment.horizon // 2),
            expected_s=self._policy.warm_up(),
        )
        self.get_logger().info(f"policy {self.text('checkpoint')} is ready for {embodiment.name}")
        self._slow = self._policy.slow_reason
        if self._slow:
            self.get_logger().error(self._slow)

        self._assembler = self._make_assembler()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inference")
        self._inference = None
        self._started_s = self._observed_s = -np.inf
        self._latency_s: deque[float] = deque(maxlen=LATENCIES)
        self._chunks = 0
        self._failures = 0
        self._autonomy_since_s = np.inf
        self._last_chunk: ActionChunk | None = None
        self._prefix_steps = 0
        self._problem = "not active"
        self._chunk = self.create_publisher(JointTrajectory, "policy/chunk", RELIABLE)
        self._diagnostics = DiagnosticsPublisher(self, embodiment.name)
        self._connect()

    def _make_assembler(self) -> ObservationAssembler:
        embodiment = self._embodiment
        watchdogs = embodiment.watchdogs
        frozen_s = None if self.get_parameter("simulated").value else watchdogs.frozen_camera_s
        return ObservationAssembler(
            cameras=[
                CameraSpec(
                    name=camera.name,
                    max_age_s=camera.max_age_s,
                    optional=camera.optional,
                    frozen_after_s=frozen_s,
                    history_s=camera.history_s(embodiment.action_hz),
                )
                for camera in embodiment.cameras
            ],
            joint_streams=[
                JointsSpec(
                    name=stream.topic,
                    max_age_s=watchdogs.joint_states_s,
                    joints=stream.driver_names,
                    rows=stream.rows,
                )
                for stream in joint_streams(embodiment)
            ],
            joint_names=embodiment.joint_names,
            unmeasured_rows=[row for row, base in enumerate(embodiment.base_D) if base],
            max_skew_s=watchdogs.camera_skew_s,
        )

    def _connect(self) -> None:
        self._connections = [
            self.create_subscription(String, "policy/instruction", self._on_instruction, LATCHED),
            self.create_subscription(String, "control/mode", self._on_mode, LATCHED),
            self.create_subscription(JointState, "control/command", self._on_command, RELIABLE),
        ]
        for camera in self._embodiment.cameras:
            self._connections.append(
                self.create_subscription(
                    message_type(camera), camera.topic, self._on_image(camera), IMAGES
                )
            )
        for stream in joint_streams(self._embodiment):
            receive = self._on_joints(stream.topic)
            self._connections.append(
                self.create_subscription(JointState, stream.topic, receive, RELIABLE)
            )

    def on_activate(self, state: object) -> TransitionCallbackReturn:
        self._problem = ""
        self.every(POLL_S, self._poll)
        self.every(diagnostics.PERIOD_S, self._report)
        return super().on_activate(state)

    # --- streams

    def _now(self) -> Instant:
        return Instant(ros_s=self.now_s(), steady_s=time.monotonic())

    def _on_image(self, camera: Camera):
        read = view_reader(camera)

        def receive(message) -> None:
            try:
                image = read(message)
            except QwenVlaError as error:
                self._warn(str(error))
                return
            stamp_s = seconds(message.header.stamp)
            self._say(
                self._assembler.add_image(camera.name, image, stamp_s=stamp_s, now=self._now())
            )

        return receive

    def _on_joints(self, topic: str):
        def receive(message: JointState) -> None:
            report = self._assembler.add_joints(
                topic,
                message.name,
                message.position,
                stamp_s=seconds(message.header.stamp),
                now=self._now(),
            )
            self._say(report)

        return receive

    def _on_command(self, message: JointState) -> None:
        report = self._assembler.add_command(
            message.name,
            message.position,
            stamp_s=seconds(message.header.stamp),
            now=self._now(),
        )
        self._say(report)

    def _on_instruction(self, message: String) -> None:
        try:
            self._instruction = check_instruction(message.data)
        except InstructionError as error:
            self.get_logger().error(
                f"policy/instruction refused, '{self._instruction}' stays: {error}"
            )
            return
        self._observed_s = -np.inf  # answer a new task at once
        self.get_logger().info(f"instruction: {self._instruction}")

    def _on_mode(self, message: String) -> None:
        self._observed_s = -np.inf  # chunks observed before a mode began are refused
        autonomy = message.data.startswith(f"{Mode.AUTONOMY.value}:")
        self._autonomy_since_s = self.now_s() if autonomy else np.inf

    # --- inference

    def _poll(self) -> None:
        """Start the next inference when it is due and everything it needs is there."""
        if self._inference is not None and not self._inference.done():
            return
        robot = self._embodiment
        steps = self.get_parameter("replan_steps").value or robot.replan_steps
        due_s = self._observed_s + steps * robot.action_step_s
        if self.now_s() < due_s or self._failures >= FAILURES_IN_A_ROW:
            return
        if not self._instruction:
            self._problem = "no instruction; publish one on policy/instruction"
            return
        observation = self._assembler.assemble(self._instruction, self._now())
        if isinstance(observation, Refusal):
            self._problem = str(observation)
            return
        self._problem = ""
        self._observed_s = observation.stamp_s
        self._started_s = time.monotonic()
        self._inference = self._worker.submit(self._infer, observation)

    def _infer(self, observation: Observation) -> None:
        """One chunk, in the worker thread."""
        try:
            prefix = self._prefix(observation)
            actions_HC = self._policy.infer(observation, prefix)
            chunk = self._codec.decode(actions_HC, observation.commanded_D, observation.stamp_s)
        except Exception as error:  # whatever the model raises, the robot must hold
            self._failures += 1
            self._problem = f"inference failed ({self._failures} in a row): {error!r}"
            self.get_logger().error(self._problem)
            return
        self._failures = 0
        self._last_chunk = chunk
        self._prefix_steps = prefix.committed if prefix else 0
        self._chunk.publish(chunk_message(chunk, self._embodiment.joint_names))
        self._chunks += 1
        self._latency_s.append(time.monotonic() - self._started_s)
        self._delay.add(max(0.0, self.now_s() - observation.stamp_s))

    def _prefix(self, observation: Observation) -> Prefix | None:
        """What the robot will go on doing meanwhile, if it follows the last chunk."""
        if self._last_chunk is None or self._last_chunk.stamp_s < self._autonomy_since_s:
            return None
        return prefix_of(self._last_chunk, observation, self._codec, self._delay.steps())

    # --- report

    def _say(self, report: SampleReport) -> None:
        if report.verdict is not SampleVerdict.ACCEPTED:
            self._warn(report.reason)

    def _warn(self, text: str) -> None:
        self.get_logger().warning(text, throttle_duration_sec=1.0)

    def _report(self) -> None:
        problem = self._problem
        running_s = time.monotonic() - self._started_s
        busy = self._inference is not None and not self._inference.done()
        if busy and running_s > self.get_parameter("inference_deadline_s").value:
            problem = f"inference hangs for {running_s:.1f} s"
        model = self._policy.diagnostics()
        latency_ms = np.array(list(self._latency_s) or [np.nan]) * 1e3
        p50_ms, p90_ms, p99_ms = (float(q) for q in np.percentile(latency_ms, (50, 90, 99)))
        ages = self._assembler.ages_s(self._now())
        self._diagnostics.publish(
            *status(problem, self._slow, model),
            {
                "instruction": self._instruction,
                "chunks": self._chunks,
                "inference_p50_ms": p50_ms,
                "inference_p90_ms": p90_ms,
                "inference_p99_ms": p99_ms,
                "inference_max_ms": float(latency_ms.max()),
                **model,
                "weights": self._weights,
                "delay_steps": self._delay.steps(),
                "prefix_steps": self._prefix_steps,
                **{f"age_{name}_s": float(age_s) for name, age_s in ages.items()},
            },
        )


def status(problem: str, slow: str, model: Mapping[str, object]) -> tuple[bytes, str]:
    """Level and message of the node's diagnostics.

    Args:
        problem: why no chunk comes. slow: what this machine lacks.
        model: ``QwenVlaPolicy.diagnostics``.
    """
    if problem or slow:
        return diagnostics.ERROR, "; ".join(filter(None, (problem, slow)))
    if model["eager_fallbacks"] and model["path"] == "eager":
        return diagnostics.WARN, f"slow, without a graph: {model['why_eager']}"
    return diagnostics.OK, "running"


def main() -> None:
    """Entry point of the policy_node executable."""
    run(PolicyNode)


if __name__ == "__main__":
    main()
