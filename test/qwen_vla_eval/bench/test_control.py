"""What counts as an answer of control_node, and what the table says of it."""

import numpy as np
import pytest

from qwen_vla_eval.bench.control import BOUNDS_MS, _answered, _percentiles, _wait_for, table


class Commands:
    """An operator that received these velocities, a millisecond after each other."""

    def __init__(self, velocities):
        self.velocities = [np.array(velocity, dtype=float) for velocity in velocities]
        self.began_s = 100.0
        self.commands = [(self.began_s + 0.001 * k, None) for k in range(len(velocities))]

    def wait(self, condition, timeout_s):
        return condition()


def test_when_the_robot_is_stopped_expect_the_first_command_without_velocity():
    operator = Commands([[0.3, 0.1], [0.3, 0.1], [0.0, 0.1], [0.0, 0.0], [0.0, 0.0]])
    answer_s = _wait_for(operator, operator.began_s, _answered("estop topic", None), 1.0)
    assert answer_s == pytest.approx(0.003)


def test_when_a_person_takes_over_expect_the_first_command_that_is_slower_than_before():
    operator = Commands([[0.3, 0.0], [0.3, 0.0], [0.29, 0.1], [0.0, 0.0]])
    answered = _answered("takeover", operator.velocities[0])
    assert _wait_for(operator, operator.began_s, answered, 1.0) == pytest.approx(0.002)


def test_when_nothing_answers_expect_infinity_and_not_a_number_to_be_proud_of():
    operator = Commands([[0.3, 0.0]] * 5)
    assert _wait_for(operator, operator.began_s, _answered("hold service", None), 1.0) == np.inf


def test_when_figures_are_shown_expect_each_beside_its_bound():
    values = _percentiles([0.004, 0.005, 0.02])
    result = {
        "embodiment": "cart",
        "period_ms": 50.0,
        "periods_ms": values,
        "answers_ms": dict.fromkeys(BOUNDS_MS, values),
    }
    rows = table(result, "nothing").rows
    assert [row[0] for row in rows][1:] == list(BOUNDS_MS)
    assert rows[1][1:] == ("3", "5.0", "19.7", "20.0", "50")
