"""Replicas behind one port, each a process that really dies; robots ask all the while."""

import os
import signal
import threading
from contextlib import ExitStack, contextmanager

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from child_processes import alive, wait_for
from driven_robot import eight_robots, engage, engage_again, expect_hold, run, until
from fleet_replica import ARM, Running, serve_moving_arm, serve_replica
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import RemoteError
from qwen_vla_core.modes import Mode
from qwen_vla_remote.client import RemotePolicy
from robots import WIDOWX
from scripted_policy import scene
from stock_client import stock_connect, stock_frame

pytestmark = pytest.mark.timeout(120)
ROBOT = load_embodiment(WIDOWX)
ROBOTS = 4


class Asking:
    """A robot that asks again at once.

    Attributes:
        answers: in tenths the checkpoint, in hundredths the replica.
        failures: what it was told instead of an answer.
    """

    def __init__(self, url):
        self.answers, self.failures, self._on = [], [], True
        self._policy = RemotePolicy(url, ROBOT, deadline_s=10.0)
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self):
        while self._on:
            try:
                self.answers.append(round(float(self._policy.infer(scene(ROBOT))[0, 0]), 2))
            except RemoteError as error:
                self.failures.append(str(error))

    @property
    def replica(self):
        return round(self.answers[-1] * 100) % 10

    @property
    def version(self):
        return int(self.answers[-1] * 10 + 1e-6)

    def end(self):
        self._on = False
        self._thread.join(20.0)
        assert not self._thread.is_alive(), "a request without answer or refusal"
        self._policy.close()


class AskingAsStock(Asking):
    """One on openpi's client, that connects again when it was let go.

    Attributes:
        failures: how connections ended, apart from the 1012 that says "restart".
        restarts: how many did with that.
    """

    restarts = 0

    def __init__(self, url):
        self.answers, self.failures, self._on, self._url = [], [], True, url
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self):
        while self._on:
            try:
                with stock_connect(self._url) as connection:
                    connection.recv()
                    self._go_on(connection)
            except InvalidStatus as refused:  # it came to one that was about to end
                if refused.response.status_code != 503:
                    self.failures.append(refused)
            except ConnectionClosed as end:
                if end.rcvd is None or end.rcvd.code != 1012:
                    self.failures.append(end)
                self.restarts += 1

    def _go_on(self, connection):
        while self._on:
            connection.send(stock_frame())
            if not isinstance(answer := connection.recv(timeout=20.0), bytes):
                self.failures.append(answer)
            self.answers.append(answer)

    def end(self):
        self._on = False
        self._thread.join(20.0)
        assert not self._thread.is_alive(), "a request without answer or refusal"


@contextmanager
def asking(url, kind=Asking, count=ROBOTS):
    with ExitStack() as stack:
        robots = []
        for _ in range(count):
            robots.append(kind(url))
            stack.callback(robots[-1].end)
        go_on(robots)
        yield robots


def go_on(robots, count=5):
    before = [len(robot.answers) for robot in robots]
    wait_for(
        lambda: all(len(r.answers) >= n + count for r, n in zip(robots, before, strict=True)),
        20.0,
        "answers for every robot",
    )


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    file = tmp_path_factory.mktemp("fleet") / "checkpoint"
    file.write_text("1")
    with Running(serve_replica, file) as running:
        yield running


def test_when_robots_connect_expect_as_many_for_each_replica_also_after_others_have_left(running):
    for _ in range(2):
        wait_for(lambda: not running.busy(), 20.0, "the end of earlier connections")
        with asking(running.url) as robots:
            assert sorted(robot.replica for robot in robots) == [0, 0, 1, 1]


def test_when_a_replica_is_killed_while_robots_ask_expect_every_answer_and_half_for_the_next_one(
    running,
):
    with asking(running.url) as robots:
        killed = running.fleet.pids[0]
        os.kill(killed, signal.SIGKILL)
        go_on(robots)
        assert {robot.replica for robot in robots} == {1}
        wait_for(lambda: running.fleet.pids.get(0, killed) != killed, 30.0, "another replica")
        wait_for(
            lambda: sorted(robot.replica for robot in robots) == [0, 0, 1, 1], 20.0, "half of them"
        )
    assert [robot.failures for robot in robots] == [[]] * ROBOTS


def test_when_it_is_updated_while_robots_ask_expect_the_new_answers_and_none_lost(running):
    before = running.fleet.pids
    with asking(running.url) as robots, asking(running.url, AskingAsStock, 2) as stock:
        running.file.write_text("2")
        running.update()
        wait_for(lambda: all(robot.version == 2 for robot in robots), 20.0, "the new checkpoint")
        go_on(stock)
    assert [robot.failures for robot in robots + stock] == [[]] * (ROBOTS + 2)
    assert all(robot.restarts > 0 for robot in stock)
    assert not set(before.values()) & set(running.fleet.pids.values())
    wait_for(lambda: not alive(before.values()), 20.0, "the end of the old replicas")


def test_when_an_update_does_not_load_expect_those_that_serve_to_go_on(running):
    before = running.fleet.pids
    version = running.file.read_text()
    with asking(running.url) as robots:
        running.file.write_text("damaged")
        with pytest.raises(RemoteError, match="replica 0 ended with status 1 while it loaded"):
            running.update()
        go_on(robots)
    running.file.write_text(version)
    assert running.fleet.pids == before
    assert [robot.failures for robot in robots] == [[]] * ROBOTS


def test_when_a_replica_cannot_be_started_at_first_expect_the_end_of_the_others_too(tmp_path):
    (tmp_path / "checkpoint").write_text("damaged")
    with (
        pytest.raises(RemoteError, match="while it loaded"),
        Running(serve_replica, tmp_path / "checkpoint"),
    ):
        raise AssertionError("it runs")


def test_when_replicas_die_under_eight_moving_robots_expect_the_rest_to_serve_or_all_to_hold(
    tmp_path,
):
    gate = tmp_path / "weights"
    gate.touch()
    with Running(serve_moving_arm, gate) as running, eight_robots(running.url, ARM) as robots:
        engage(robots)
        gate.unlink()  # what is started again has not loaded before that is there
        os.kill(running.fleet.pids[0], signal.SIGKILL)
        run(robots, 20)
        engage(robots)  # each has moved on
        assert [robot.modes for robot in robots] == [[Mode.HOLD, Mode.AUTONOMY]] * 8
        assert [robot.failures for robot in robots] == [0] * 8

        for robot in robots:
            robot.policy.deadline_s = 0.5
        os.kill(running.fleet.pids[1], signal.SIGKILL)
        expect_hold(robots)
        sent = [len(robot.robot.commands) for robot in robots]
        gate.touch()
        until(robots, lambda: len(running.fleet.pids) == 2)
        engage_again(robots, sent)
