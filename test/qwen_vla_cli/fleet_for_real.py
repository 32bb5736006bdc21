"""`qwen-vla serve` with two devices, the shipped weights and TLS: `make fleet`, half a minute."""

import os
import re
import signal
import subprocess
import urllib.request

import pytest

from child_processes import alive, descendants, wait_for
from command_process import Command
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_remote.client import API_KEY, RemotePolicy
from robots import WIDOWX

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
