"""`qwen-vla fleet up` with the shipped weights and eight robots: `make test-fleet`, minutes."""

import os
import re
import signal
import socket
import threading
import time
import urllib.request

import pytest

from child_processes import alive, command_line, descendants, wait_for
from command_process import Command
from driven_robot import eight_robots, engage, engage_again, expect_hold, until
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import RemoteError
from qwen_vla_core.modes import Mode
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_core.resources import SHIPPED_CHECKPOINT
from qwen_vla_eval.bench.serve import serve_with_ray, served
from qwen_vla_remote.client import RemotePolicy
from robots import WIDOWX

pytestmark = pytest.mark.timeout(900)
ROBOT = load_embodiment(WIDOWX)
WITHIN_S = 240.0  # Ray takes half a minute to start on a busy computer


class Fleet(Command):
    """`qwen-vla fleet up` of a file whose text may change.

    Attributes:
        port: of the fleet.
        current: link to the checkpoint.
    """

    def __init__(self, folder):
        self._file, self.current, self._read_to = folder / "fleet.yaml", folder / "current", 0
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.lead_to(SHIPPED_CHECKPOINT)
        self.write("{least: 2, most: 2}")
        super().__init__("fleet", "up", "--config", self._file)
        self.expect(f"serving ws://127.0.0.1:{self.port}")
        self.expect("replicas: 2 running")

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}"

    def lead_to(self, checkpoint):
        self.current.unlink(missing_ok=True)
        self.current.symlink_to(checkpoint)

    def write(self, replicas):
        self._file.write_text(
            f"replicas: {replicas}\ncheckpoint: {self.current}\nport: {self.port}\n"
        )

    def update(self):
        self.process.send_signal(signal.SIGUSR1)

    def has_said(self, words):
        """Whether that was said since what ``expect`` found last."""
        return words in self.said[self._read_to :]

    def expect(self, words, robots=()):
        """Wait until that is said, once more; robots go on meanwhile."""

        def there():
            assert self.process.poll() is None, self.said
            return self.has_said(words)

        until(robots, there, WITHIN_S) if robots else wait_for(there, WITHIN_S, f"'{words}'")
        self._read_to = self.said.index(words, self._read_to) + len(words)

    def pids(self, name):
        return pids(self.process.pid, name)

    def replicas(self):
        return self.pids("ray::ServeReplica")


def pids(above, name):
    """Processes below one by what Ray calls them."""
    return {p for p in alive(descendants(above)) if command_line(p).startswith(name)}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    running = Fleet(tmp_path_factory.mktemp("fleet"))
    everything = descendants(running.process.pid)
    yield running
    everything |= descendants(running.process.pid)
    os.killpg(running.process.pid, signal.SIGINT)  # as Ctrl-C
    assert running.end(60.0) == 0
    assert "ended on request" in running.said and "Traceback" not in running.said
    wait_for(lambda: not alive(everything), 20.0, "the end of all of Ray's processes")
    running.close()


def test_when_replicas_die_or_are_updated_under_eight_moving_robots_expect_none_in_danger(
    fleet, tmp_path
):
    patient = ROBOT.watchdogs.model_copy(update={"policy_s": 10.0})  # two cores for all of this
    robot = ROBOT.model_copy(update={"watchdogs": patient})
    with eight_robots(fleet.url, robot, deadline_s=20.0) as robots:
        engage(robots)
        before = fleet.replicas()
        os.kill(min(before), signal.SIGKILL)
        engage(robots)  # each has moved on
        fleet.expect("replicas: 2 running", robots)
        assert len(fleet.replicas()) == 2 and fleet.replicas() != before

        before = fleet.replicas()
        fleet.update()
        fleet.expect("updated: every replica", robots)
        engage(robots)
        damaged = tmp_path / "damaged"
        damaged.mkdir()
        for file in SHIPPED_CHECKPOINT.iterdir():
            (damaged / file.name).write_bytes(file.read_bytes()[:5000])
        fleet.lead_to(damaged)
        fleet.update()
        fleet.expect("not updated: ", robots)
        engage(robots)
        assert fleet.replicas() == before  # the new weights were loaded beside the old

        fronts = fleet.pids("ray::Front")
        os.kill(*fronts, signal.SIGKILL)  # connections are the replicas' own
        engage(robots)
        until(robots, lambda: fleet.pids("ray::Front") - fronts, WITHIN_S)
        assert [robot.modes for robot in robots] == [[Mode.HOLD, Mode.AUTONOMY]] * 8
        assert [robot.failures for robot in robots] == [0] * 8

        fleet.lead_to(SHIPPED_CHECKPOINT)
        for robot in robots:
            robot.policy.deadline_s = 1.0
        for pid in fleet.replicas():
            os.kill(pid, signal.SIGKILL)
        expect_hold(robots)
        sent = [len(robot.robot.commands) for robot in robots]
        fleet.expect("replicas: 2 running", robots)
        for robot in robots:
            robot.policy.deadline_s = 20.0
        engage_again(robots, sent)
        asked, answers = sum(r.asked for r in robots), sum(r.answers for r in robots)
        print(f"{asked} requests, {answers} answers, {asked - answers} refused while none served")


def test_when_a_replica_stands_still_expect_ray_to_replace_it_and_a_robot_to_go_on(fleet):
    stopped = min(fleet.replicas())
    os.kill(stopped, signal.SIGSTOP)
    begin_s = time.monotonic()
    wait_for(lambda: stopped not in fleet.replicas(), WITHIN_S, "the end of the one that stands")
    print(f"killed {time.monotonic() - begin_s:.0f} s after it stood still")
    wait_for(lambda: len(fleet.replicas()) == 2, WITHIN_S, "another")
    robot = Asking(fleet.url)
    wait_for(lambda: robot.answers > 3, WITHIN_S, "answers")
    robot.end()
    assert robot.failures == []


def test_when_a_policy_hangs_expect_ray_to_replace_its_replica():
    with served(serve_with_ray, ROBOT, gpu_s=3600.0) as (url, pid):

        def replicas():
            return pids(pid, "ray::ServeReplica")

        (hanging,) = replicas()
        robot = Asking(url)
        begin_s = time.monotonic()
        wait_for(lambda: replicas() - {hanging}, WITHIN_S, "another")
        wait_for(lambda: hanging not in replicas(), WITHIN_S, "the end of the one that hangs")
        print(f"replaced {time.monotonic() - begin_s:.0f} s after the question")
        robot.end()


def test_when_it_cannot_be_served_expect_the_reason_and_status_2(tmp_path):
    file, empty = tmp_path / "fleet.yaml", tmp_path / "empty"
    empty.mkdir()
    for name in ("config.json", "embodiments.json", "tokenizer.json", "model.safetensors"):
        (empty / name).write_text("{}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for text, said in (
        (f"replicas: {{least: 99, most: 99}}\nport: {port}\n", "99 replicas want 99 CPUs"),
        (f"replicas: {{}}\ncheckpoint: {empty}\nport: {port}\n", f"{empty}"),
    ):
        file.write_text(text)
        fleet = Command("fleet", "up", "--config", file)
        assert fleet.end(WITHIN_S) == 2
        assert said in fleet.said.splitlines()[-1]
        fleet.close()


class Asking:
    """A robot that asks again at once; ``failures`` is what it was told instead of an answer."""

    def __init__(self, url, deadline_s=20.0):
        self.answers, self.failures, self._on = 0, [], True
        self._policy = RemotePolicy(url, ROBOT, deadline_s)
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self):
        while self._on:
            try:
                self._policy.infer(empty_scene(ROBOT))
                self.answers += 1
            except RemoteError as error:
                self.failures.append(str(error))

    def end(self):
        self._on = False
        self._thread.join(30.0)
        assert not self._thread.is_alive(), "a request without answer or refusal"
        self._policy.close()


def test_when_many_robots_ask_expect_another_replica_that_takes_half_and_goes_when_they_stop(
    fleet,
):
    fleet.write("{least: 1, most: 2, queue_age_s: 0.01, more_after_s: 4, fewer_after_s: 8}")
    fleet.update()
    fleet.expect("replicas: 1 running")
    robots = [Asking(fleet.url) for _ in range(8)]
    try:
        fleet.expect("replicas: 2 running")
        wait_for(lambda: _connections(fleet) == [4, 4], WITHIN_S, "an equal share")
        hurried = Asking(fleet.url, deadline_s=0.05)
        wait_for(lambda: any("busy: " in text for text in hurried.failures), WITHIN_S, "a refusal")
        hurried.end()
    finally:
        for robot in robots:
            robot.end()
    fleet.expect("replicas: 1 running")
    assert [robot.failures for robot in robots] == [[]] * 8
    print(f"{sum(robot.answers for robot in robots)} answers and none lost")


def _connections(fleet):
    """How many robots each replica has."""
    found = []
    for port in range(fleet.port + 1, fleet.port + 6):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
                text = page.read().decode()
        except OSError:
            continue
        found += [int(n) for n in re.findall(r"^qwen_vla_open_connections (\d+)", text, re.M)]
    return found
