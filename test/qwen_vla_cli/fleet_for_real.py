"""`qwen-vla serve` with two devices and the shipped weights: `make fleet`, about five minutes."""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import urllib.request
from contextlib import ExitStack

import pytest

from child_processes import alive, descendants, wait_for
from command_process import Command
from driven_robot import eight_robots, engage, engage_again, expect_hold, until
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.modes import Mode
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_remote.client import API_KEY, RemotePolicy
from robots import WIDOWX
from scripted_policy import BatchingPolicy, serving

pytestmark = pytest.mark.timeout(600)
HAPROXY = WIDOWX.parents[1] / "examples" / "haproxy.cfg"
KEY = "sesame-sesame-sesame"


def test_when_a_fleet_serves_expect_answers_metrics_of_each_a_restart_an_update_and_a_clean_end(
    tmp_path, monkeypatch
):
    files = certificate, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    _make_certificate(*files)
    (tmp_path / "key.txt").write_text(KEY)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv(API_KEY, KEY)
    secured = (
        "--api-key-file",
        tmp_path / "key.txt",
        "--tls-cert",
        certificate,
        "--tls-key",
        private,
    )
    fleet = Command("serve", "--port", 0, "--device", "cpu", "--device", "cpu", *secured)
    try:
        fleet.wait_until("serving wss://")
        url = re.search(r"serving (wss://\S+)", fleet.said)[1]
        robot = load_embodiment(WIDOWX)
        policies = [RemotePolicy(url, robot, deadline_s=20.0) for _ in range(2)]
        _ask(policies)
        ports = re.findall(r"/metrics on port (\d+)", fleet.said)
        assert [_answers(port) for port in ports] == [1, 1]

        pids = _replicas(fleet)
        os.kill(min(pids), signal.SIGKILL)
        _ask(policies)
        fleet.wait_until("serves again")
        fleet.process.send_signal(signal.SIGUSR1)
        fleet.wait_until("replica 1: replaced")
        _ask(policies)
        wait_for(lambda: not alive(pids), 20.0, "the end of those that were replaced")

        for policy in policies:
            policy.close()
        pids = _replicas(fleet)
        os.killpg(fleet.process.pid, signal.SIGINT)  # Ctrl-C, which every replica gets as well
        assert fleet.end(20.0) == 0 and not alive(pids)
        assert "ended on request" in fleet.said and "Traceback" not in fleet.said
    finally:
        fleet.close()


def test_when_its_replicas_die_or_are_replaced_under_eight_moving_robots_expect_none_in_danger():
    robot = load_embodiment(WIDOWX)
    patient = robot.watchdogs.model_copy(update={"policy_s": 5.0})  # two cores for all of this
    robot = robot.model_copy(update={"watchdogs": patient})
    fleet = Command("serve", "--port", 0, "--device", "cpu", "--device", "cpu")
    try:
        fleet.wait_until("serving ws://")
        url = re.search(r"serving (ws://\S+)", fleet.said)[1]
        with eight_robots(url, robot, deadline_s=10.0) as robots:
            engage(robots)
            os.kill(min(_replicas(fleet)), signal.SIGKILL)
            engage(robots)  # each has moved on
            until(robots, lambda: fleet.said.count("serves again") == 1, 120.0)
            fleet.process.send_signal(signal.SIGUSR1)
            until(robots, lambda: "replica 1: replaced" in fleet.said, 120.0)
            engage(robots)
            assert [robot.modes for robot in robots] == [[Mode.HOLD, Mode.AUTONOMY]] * 8
            assert [robot.failures for robot in robots] == [0] * 8

            for robot in robots:
                robot.policy.deadline_s = 1.0
            for pid in alive(_replicas(fleet)):
                os.kill(pid, signal.SIGKILL)
            expect_hold(robots)
            sent = [len(robot.robot.commands) for robot in robots]
            until(robots, lambda: fleet.said.count("serves again") == 3, 120.0)
            for robot in robots:
                robot.policy.deadline_s = 10.0
            engage_again(robots, sent)
            asked, answers = sum(r.asked for r in robots), sum(r.answers for r in robots)
            print(
                f"{asked} requests, {answers} answers, {asked - answers} refused while none served"
            )
    finally:
        fleet.close()


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_when_haproxy_stands_before_two_machines_expect_half_of_the_robots_on_each_and_one_to_do(
    scheme, tmp_path, monkeypatch
):
    options = {}
    if scheme == "wss":
        files = tmp_path / "cert.pem", tmp_path / "key.pem"
        _make_certificate(*files)
        monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
        options["tls"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        options["tls"].load_cert_chain(*files)
    robot = load_embodiment(WIDOWX)
    with ExitStack() as first, ExitStack() as second:
        one, url_1 = first.enter_context(serving(BatchingPolicy(robot), robot, **options))
        two, url_2 = second.enter_context(serving(BatchingPolicy(robot), robot, **options))
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        text = HAPROXY.read_text().replace("bind :8000", f"bind {address}")
        text = text.replace("gpu-machine-1:8000", url_1.partition("://")[2])
        text = text.replace("gpu-machine-2:8000", url_2.partition("://")[2])
        if scheme == "ws":
            text = text.replace("check-ssl verify none ", "")
        (tmp_path / "haproxy.cfg").write_text(text)
        balancer = subprocess.Popen(["haproxy", "-db", "-f", tmp_path / "haproxy.cfg"])
        second.callback(balancer.wait)
        second.callback(balancer.kill)
        policies = [RemotePolicy(f"{scheme}://{address}", robot, 20.0) for _ in range(8)]
        _ask(policies)
        assert (one.metrics.answers, two.metrics.answers) == (4, 4)
        first.close()  # what was asked is answered, and everybody let go
        _ask(policies)
        assert two.metrics.answers == 12
        for policy in policies:
            policy.close()


def test_when_the_first_process_is_killed_expect_its_replicas_to_end():
    fleet = Command("serve", "--port", 0, "--device", "cpu", "--device", "cpu")
    try:
        fleet.wait_until("serving ws://")
        pids = _replicas(fleet)
        fleet.process.kill()
        wait_for(lambda: not alive(pids), 20.0, "the end of every replica")
    finally:
        fleet.close()


@pytest.mark.parametrize("arguments", [("--device", "cuda:99"), ("--device", "warp")])
def test_when_a_device_is_not_there_expect_its_name_and_status_2(arguments):
    fleet = Command("serve", "--port", 0, "--device", "cpu", *arguments)
    assert fleet.end(60.0) == 2
    assert arguments[1] in fleet.said and "Traceback" not in fleet.said


def _make_certificate(certificate, private):
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", private, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)


def _ask(policies):
    for policy in policies:
        assert policy.infer(empty_scene(policy._robot)).shape


def _answers(port):
    request = urllib.request.Request(
        f"https://127.0.0.1:{port}/metrics", headers={"Authorization": f"Api-Key {KEY}"}
    )
    with urllib.request.urlopen(request) as page:
        return int(re.search(r"^qwen_vla_answers_total (\d+)", page.read().decode(), re.M)[1])


def _replicas(fleet):
    """Process ids of those that serve, without multiprocessing's tracker."""
    return {pid for pid in descendants(fleet.process.pid) if "spawn_main" in _command(pid)}


def _command(pid):
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
        return file.read()
