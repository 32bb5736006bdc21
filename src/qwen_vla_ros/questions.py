"""Questions in words about what the robot sees now: policy/question in, policy/answer out."""

from concurrent.futures import Executor, Future

from rclpy.node import Node
from std_msgs.msg import String

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.instruction import check_instruction
from qwen_vla_core.observation import Refusal
from qwen_vla_core.policy import Policy
from qwen_vla_core.types import Observation

from .observation_inputs import ObservationInputs
from .qos import RELIABLE


class Questions:
    """What a policy is asked, answered in the thread of the chunks, one of which waits.

    One question at a time: with more of them the chunks would come too late.
    """

    def __init__(
        self, node: Node, policy: Policy, inputs: ObservationInputs, worker: Executor
    ) -> None:
        self._node, self._policy, self._inputs, self._worker = node, policy, inputs, worker
        self._answering: Future | None = None
        self._answers = node.create_publisher(String, "policy/answer", RELIABLE)
        node.create_subscription(String, "policy/question", self._on_question, RELIABLE)

    def _on_question(self, message: String) -> None:
        try:
            question = check_instruction(message.data)
        except QwenVlaError as error:
            self._node.get_logger().error(f"policy/question refused: {error}")
            return
        observation = self._inputs.assemble(question)
        if isinstance(observation, Refusal):
            why = self._inputs.explain(observation)
        elif self._answering is not None and not self._answering.done():
            why = "the question before it is being answered"
        else:
            self._answering = self._worker.submit(self._answer, observation)
            return
        self._answers.publish(String(data=f"{question}: not answered: {why}"))

    def _answer(self, observation: Observation) -> None:
        try:
            said = self._policy.answer(observation) or "this policy answers no questions"
        except Exception as error:  # whatever the model raised, the robot goes on
            said = f"not answered: {error!r}"
        self._answers.publish(String(data=f"{observation.instruction}: {said}"))
