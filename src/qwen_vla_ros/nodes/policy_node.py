"""policy_node: observations in, chunks out. Owns the model, and nothing else needs its process.

Inference runs in a worker thread so that images keep arriving; the control node plays the last
chunk meanwhile. Between observation and chunk nothing is guessed: a stream that is missing, old,
frozen or skewed means no chunk, and it is reported by name. PolicyLoop decides when to infer
and with which prefix; this file receives, runs the policy, publishes and reports.
"""

import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from rclpy.lifecycle import TransitionCallbackReturn
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.execution import InferenceRequest, PolicyLoop
from qwen_vla_core.modes import Mode, split_mode
from qwen_vla_core.observation import Refusal
from qwen_vla_core.types import ActionChunk
from qwen_vla_data.recording.checkpoint_hash import checkpoint_sha256
from qwen_vla_data.replay import ReplayPolicy

from .. import diagnostics
from ..diagnostics import DiagnosticsPublisher
from ..done_watch import DoneWatch
from ..every_publisher import subscribe_to_state
from ..graph import rival_problem
from ..messages import chunk_message
from ..observation_inputs import ObservationInputs
from ..policy_report import loop_values, status
from ..qos import LATCHED, RELIABLE
from ..questions import Questions
from .lifecycle import SHOWN_OF_SHA256, EmbodimentNode
from .policy_parameters import (
    check_policy_parameters,
    declare_policy_parameters,
    load_named_policy,
)
from .process import run

POLL_S = 0.02
"""How often to look whether the next inference is due and possible: a control period, 50 Hz."""


class PolicyNode(EmbodimentNode):
    """Runs one policy for one embodiment."""

    def __init__(self) -> None:
        super().__init__("policy_node")
        declare_policy_parameters(self)
        self._embodiment: Embodiment | None = None
        self.add_on_set_parameters_callback(
            lambda parameters: check_policy_parameters(self._embodiment, parameters)
        )

    def configure(self) -> None:
        """Load the model and warm it up, so that the first real observation is not slow."""
        embodiment = self.load_embodiment()
        self._named, self._policy = load_named_policy(self, embodiment)
        self.at_cleanup(self._policy.close)
        self._weights_sha256 = checkpoint_sha256(self._named)[:SHOWN_OF_SHA256]
        codec = EmbodimentCodec(embodiment)
        self._loop = PolicyLoop(codec, expected_s=self._policy.warm_up())
        instruction = self.text("instruction")
        if isinstance(self._policy, ReplayPolicy):  # it says what was done
            instruction = instruction or self._policy.instruction
        if instruction:
            self._loop.on_instruction(instruction)
        self.get_logger().info(f"policy {self._named} is ready for {embodiment.name}")
        if self._policy.slow_reason:
            self.get_logger().error(self._policy.slow_reason)

        self._embodiment = embodiment
        self.at_cleanup(self._forget_embodiment)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inference")
        self.at_cleanup(lambda: self._worker.shutdown(wait=False))
        self._inference: Future | None = None
        self._refusal: Refusal | None = None
        self._done = DoneWatch(self)
        self._chunk = self.create_publisher(JointTrajectory, "policy/chunk", RELIABLE)
        self._diagnostics = DiagnosticsPublisher(self, embodiment.name, self.embodiment_sha256)
        self._inputs = ObservationInputs(
            self, embodiment, simulated=self.get_parameter("simulated").value
        )
        subscribe_to_state(self, String, "policy/instruction", self._on_instruction)
        self.create_subscription(String, "control/mode", self._on_mode, LATCHED)
        self.create_service(Trigger, "policy/reset", self._on_reset)
        self._questions = Questions(self, self._policy, self._inputs, self._worker)

    def on_activate(self, state: object) -> TransitionCallbackReturn:
        self.every(POLL_S, self._poll)
        self.every(diagnostics.PERIOD_S, self._report)
        return super().on_activate(state)

    def _forget_embodiment(self) -> None:
        """Parameters are no longer held against it."""
        self._embodiment = None

    # --- from operators and control_node

    def _on_instruction(self, message: String) -> None:
        try:
            self._loop.on_instruction(message.data)
        except QwenVlaError as error:
            self.get_logger().error(
                f"policy/instruction refused, '{self._loop.instruction}' stays: {error}"
            )
            return
        self._done.on_instruction()
        self.get_logger().info(f"instruction: {self._loop.instruction}")

    def _on_mode(self, message: String) -> None:
        word, _ = split_mode(message.data)
        mode = next((mode for mode in Mode if mode.value == word), Mode.HOLD)
        self._done.on_mode(mode)
        self._policy.on_mode(mode)
        self._loop.on_mode(mode, self.now_s())

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if not self.active:
            response.message = "policy_node is not active"
            return response
        response.success, response.message = True, self._loop.reset()
        self.get_logger().info(f"policy/reset: {response.message}")
        return response

    # --- inference

    def _poll(self) -> None:
        """Take the chunk, and infer again when that is due and every input is there."""
        if self._inference is not None and self._inference.done():
            finished, self._inference = self._inference, None
            self._take(finished)
        self._loop.replan_steps = self.get_parameter("replan_steps").value
        if not self._loop.due(self.now_s()):
            return
        observation = self._inputs.assemble(self._loop.instruction)
        if isinstance(observation, Refusal):
            self._refusal = observation
            return
        self._refusal = None
        if request := self._loop.start_inference(observation, time.monotonic()):
            self._inference = self._worker.submit(self._infer, request, self._done.watched)

    def _infer(
        self, request: InferenceRequest, watched: bool
    ) -> tuple[ActionChunk, float, float, float]:
        """One chunk, when it was there on both clocks, and how likely the task was done before.

        In the worker thread.
        """
        chunk = self._policy.plan(request.observation, request.prefix)
        if self.active and chunk.stamp_s >= self._loop.mode_since_s:  # others would be refused
            self._chunk.publish(chunk_message(chunk, self._embodiment.joint_names))
        there = self.now_s(), time.monotonic()
        return chunk, *there, self._policy.done(request.observation) if watched else np.nan

    def _take(self, finished: Future) -> None:
        if error := finished.exception():  # whatever the model raised, the robot holds
            self._loop.on_failure(error)
            self.get_logger().error(self._loop.problem(0.0, np.inf))
        else:
            *chunk, done = finished.result()
            self._loop.on_chunk(*chunk)
            self._done.on_chunk(done, self._loop.instruction)

    # --- report

    def _report(self) -> None:
        deadline_s = float(self.get_parameter("inference_deadline_s").value)
        problem = self._loop.problem(time.monotonic(), deadline_s)
        if not problem and self._refusal is not None:
            problem = self._inputs.explain(self._refusal)
        rival = rival_problem(self, "policy/chunk", "end all policies but one")
        problem = "; ".join(filter(None, (problem, rival)))
        model = self._policy.diagnostics()
        self._diagnostics.publish(
            *status(problem, self._policy.slow_reason, self._loop.slow(), model),
            {
                **loop_values(self._loop),
                **model,
                "checkpoint": self._named,
                "checkpoint_sha256": self._weights_sha256,
                **self._inputs.values(),
            },
        )


def main() -> None:
    """Entry point of the policy_node executable."""
    run(PolicyNode)


if __name__ == "__main__":
    main()
