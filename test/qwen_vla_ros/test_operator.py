"""The person of demo, benchmarks and tests: requests whose answer is lost on the way."""

import pytest
from std_msgs.msg import String
from std_srvs.srv import Trigger

from qwen_vla_ros import operator as module
from qwen_vla_ros.operator import Operator, OperatorError
from qwen_vla_ros.qos import LATCHED
from robots import base_text, robot
from spinning import SpinningThread


class LostError(Exception):
    """Instead of an answer."""


class Control:
    """In the place of control_node: its mode, and a service that loses its first answer."""

    def __init__(self, ros, modes_after):
        self.asked = []
        self._modes_after = modes_after
        self._node = ros.create_node("control_node")
        self._mode = self._node.create_publisher(String, "control/mode", LATCHED)
        self._mode.publish(String(data="HOLD: started"))
        self._node.create_service(Trigger, "control/engage_teleop", self._answer)
        self._spinning = SpinningThread(self._node, expected=(LostError,))

    def _answer(self, request, response):
        self.asked.append(request)
        if len(self.asked) == 1:
            for mode in self._modes_after:
                self._mode.publish(String(data=mode))
            raise LostError
        response.success, response.message = True, "granted"
        return response

    def end(self):
        self._spinning.end()
        self._node.destroy_node()


@pytest.fixture
def meet(ros, monkeypatch):
    monkeypatch.setattr(module, "ASK_AGAIN_S", 0.3)
    monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", 1.5)
    made = []

    def meet(*modes_after):
        made.append(Control(ros, modes_after))
        operator = Operator(robot(base_text()))
        made.append(operator)
        operator.end = operator.destroy_node
        assert operator.wait(lambda: bool(operator.mode), 10.0)
        return made[0], operator

    yield meet
    for each in made:
        each.end()


def test_when_an_answer_is_lost_expect_the_request_again(meet):
    control, operator = meet()
    assert operator.request("engage_teleop") == (True, "granted")
    assert len(control.asked) == 2


@pytest.mark.parametrize(
    "modes", [["HOLD: a person pressed hold"], ["TELEOP: engage teleop", "HOLD: started"]]
)
def test_when_the_mode_changed_after_a_lost_answer_expect_no_second_engaging(meet, modes):
    control, operator = meet(*modes)
    with pytest.raises(OperatorError, match="no answer"):
        operator.request("engage_teleop")
    assert len(control.asked) == 1
