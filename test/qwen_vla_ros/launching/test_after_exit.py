"""What the end of one node does to the others."""

import signal

import pytest

from qwen_vla_core.exit_status import ENDED_ON_REQUEST, FAILED, NOT_STARTED
from qwen_vla_ros.launching.after_exit import (
    GO_ON_WITHOUT,
    RESTART_DELAY_S,
    RESTARTS,
    after_exit,
)

ANY_STATUS = [ENDED_ON_REQUEST, NOT_STARTED, FAILED, -signal.SIGKILL]


@pytest.mark.parametrize("name", ["control_node", "sim_node"])
@pytest.mark.parametrize("status", ANY_STATUS)
def test_when_control_or_the_robot_ends_expect_an_end_of_all_and_its_name(name, status):
    what = after_exit(name, status, 0)
    assert what.end_all and what.restart_after_s is None
    assert what.message.startswith(f"{name} ended (")


@pytest.mark.parametrize("restarts", range(RESTARTS + 2))
@pytest.mark.parametrize("status", ANY_STATUS)
@pytest.mark.parametrize("name", GO_ON_WITHOUT)
def test_when_another_node_ends_expect_control_to_go_on_and_a_bounded_number_of_restarts(
    name, status, restarts
):
    what = after_exit(name, status, restarts)
    if status == NOT_STARTED and restarts == 0:  # the launch as a whole has failed to start
        assert what.end_all
        return
    assert not what.end_all and "control_node goes on" in what.message
    again = restarts < RESTARTS
    assert what.restart_after_s == (RESTART_DELAY_S if again else None)
    assert ("started again in" in what.message) == again


@pytest.mark.parametrize("status", ANY_STATUS)
def test_when_the_page_ends_expect_all_others_to_go_on(status):
    what = after_exit("page_node", status, 0)
    assert not what.end_all and what.restart_after_s is None
    assert what.message.startswith("page_node ended (") and "go on" in what.message
