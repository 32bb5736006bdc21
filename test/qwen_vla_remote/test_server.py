"""The server with real sockets: the stock client's frames, batches, deadlines, who is let in."""

import logging
import ssl
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import msgpack
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from child_processes import wait_for
from qwen_vla_core.errors import RemoteError
from qwen_vla_remote import server as server_module
from qwen_vla_remote.client import API_KEY, RemotePolicy
from qwen_vla_remote.server import check_exposure
from qwen_vla_remote.wire import REQUEST_BYTES, unpack
from scripted_policy import BatchingPolicy, ScriptedPolicy, scene, serving
from stock_client import (
    ROBOT,
    expect_service,
    fetch,
    raw_socket,
    raw_websocket,
    stock_connect,
    stock_frame,
)


@pytest.fixture
def policy():
    return BatchingPolicy(ROBOT)


@pytest.fixture
def server(policy):
    with serving(policy, ROBOT) as (server, url):
        server.url = url
        yield server


def test_when_the_stock_client_asks_expect_metadata_first_then_joint_targets_and_timing(server):
    with stock_connect(server.url) as connection:
        metadata = unpack(connection.recv(), 2**20)
        assert metadata["embodiments"]["widowx"]["joint_names"] == list(ROBOT.joint_names)
        for asked in range(2):
            connection.send(stock_frame())
            answer = msgpack.unpackb(connection.recv())
            assert set(answer) == {"actions", "server_timing"}
            actions = answer["actions"]
            assert actions[b"dtype"] == "<f4"
            assert actions[b"shape"] == [ROBOT.horizon, len(ROBOT.joint_names)]
            targets = np.frombuffer(actions[b"data"], "<f4").reshape(actions[b"shape"])
            # Half of -1 to 1 closes the gripper by half, and moves the tool by half of a step.
            assert np.abs(targets[:, -1] - 0.75).max() < 1e-6
            assert np.isfinite(targets).all() and np.ptp(targets[:, :-1], axis=0).max() > 0.1
            assert ("prev_total_ms" in answer["server_timing"]) == (asked > 0)
            assert answer["server_timing"]["infer_ms"] > 0


def test_when_the_stock_client_is_wrong_expect_a_text_frame_and_an_answer_to_the_next(server):
    with stock_connect(server.url) as connection:
        connection.recv()
        connection.send(msgpack.packb({"prompt": "x"}))
        assert connection.recv().startswith("refused: state")
        connection.send(stock_frame(prompt="fail"))
        assert "as it was told" in connection.recv()
        connection.send(stock_frame(prompt="not a number"))
        assert "NaN" in connection.recv()
        connection.send(stock_frame())
        assert isinstance(connection.recv(), bytes)


@pytest.mark.parametrize("frame", [b"\x91" * 99, "text", b"\x80" * 9, b""])
def test_when_a_frame_is_damaged_expect_a_text_frame_and_the_end(server, frame):
    with stock_connect(server.url) as connection:
        connection.recv()
        connection.send(frame)
        assert connection.recv().startswith("refused: a damaged frame")
        with pytest.raises(ConnectionClosed):
            connection.recv()
    expect_service(server.url)


def test_when_a_frame_is_too_long_expect_the_end_before_it_has_come(server):
    with stock_connect(server.url) as connection:
        connection.recv()
        with pytest.raises(ConnectionClosed) as error:
            connection.send(bytes(REQUEST_BYTES + 1))
            connection.recv()
    assert error.value.rcvd is None or error.value.rcvd.code == 1009
    expect_service(server.url)


def test_when_robots_ask_at_once_expect_one_pass_for_those_that_waited(policy, server):
    clients = [RemotePolicy(server.url, ROBOT, deadline_s=20.0) for _ in range(5)]
    policy.may_go_on.clear()
    with ThreadPoolExecutor(5) as pool:
        answers = [pool.submit(clients[0].infer, scene(ROBOT, 0.0))]
        wait_for(lambda: policy.batches == [1])  # nothing waits for a batch to fill
        answers += [pool.submit(clients[i].infer, scene(ROBOT, i / 10)) for i in range(1, 5)]
        wait_for(lambda: "waiting_requests 4" in fetch(server.url, "/metrics")[1])
        policy.may_go_on.set()
        marks = [round(float(answer.result()[0, 0]), 3) for answer in answers]
    assert marks == [0.0, 0.1, 0.2, 0.3, 0.4]  # each its own
    assert policy.batches == [1, 4]
    assert 'batch_size_bucket{le="4.0"} 2' in fetch(server.url, "/metrics")[1]
    for client in clients:
        client.close()


def test_when_one_of_a_batch_fails_expect_only_its_client_to_get_the_error(policy, server):
    clients = [RemotePolicy(server.url, ROBOT, deadline_s=20.0) for _ in range(3)]
    policy.may_go_on.clear()
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(clients[0].infer, scene(ROBOT))
        wait_for(lambda: policy.batches == [1])
        bad = pool.submit(clients[1].infer, scene(ROBOT, instruction="fail"))
        good = pool.submit(clients[2].infer, scene(ROBOT, 0.5))
        wait_for(lambda: "waiting_requests 2" in fetch(server.url, "/metrics")[1])
        policy.may_go_on.set()
        assert first.result() is not None and good.result()[0, 0] == 0.5
        with pytest.raises(RemoteError, match="as it was told"):
            bad.result()
    for client in clients:
        client.close()


def test_when_requests_wait_expect_the_earliest_deadline_first_and_late_ones_refused():
    policy = ScriptedPolicy(ROBOT)
    with serving(policy, ROBOT) as (server, url), ExitStack() as stack:
        connections = [stack.enter_context(stock_connect(url)) for _ in range(4)]
        for connection in connections:
            connection.recv()
        policy.may_go_on.clear()
        connections[0].send(stock_frame(deadline_s=30.0))
        wait_for(lambda: policy.batches == [1])
        for connection, deadline_s in zip(connections[1:], (20.0, 0.2, 10.0), strict=True):
            connection.send(stock_frame(deadline_s=deadline_s))
        wait_for(lambda: server.metrics.requests == 4)
        assert "no answer within its deadline of 0.2 s" in connections[2].recv(timeout=10)
        answered = []

        def wait_for_answer(at):
            connections[at].recv(timeout=20)
            answered.append(at)

        waiting = [threading.Thread(target=wait_for_answer, args=(at,)) for at in (0, 1, 3)]
        for thread in waiting:
            thread.start()
        policy.delay_s = 0.2
        policy.may_go_on.set()
        for thread in waiting:
            thread.join(20)
        assert answered == [0, 3, 1]  # the first was under way already
        assert len(policy.batches) == 3  # nothing was computed for the late one
        assert server.metrics.missed_deadlines == 1


def test_when_an_answer_would_come_after_the_deadline_expect_that_at_once_and_no_pass_for_it():
    policy = ScriptedPolicy(ROBOT, delay_s=0.3)
    with serving(policy, ROBOT) as (server, url), ExitStack() as stack:
        first, second = (stack.enter_context(stock_connect(url)) for _ in range(2))
        for connection in (first, second):
            connection.recv()
        first.send(stock_frame())
        first.recv()  # now it is known how long a pass takes
        policy.may_go_on.clear()
        first.send(stock_frame(deadline_s=30.0))
        wait_for(lambda: len(policy.batches) == 2)
        second.send(stock_frame(deadline_s=0.31))
        said = second.recv(timeout=0.25)
        assert said.startswith("busy: ") and "longer than its deadline of 0.31 s" in said
        policy.may_go_on.set()
        assert isinstance(first.recv(), bytes)
        assert len(policy.batches) == 2 and server.metrics.busy_refusals == 1


def test_when_a_client_is_gone_expect_its_request_out_of_the_queue(policy, server):
    policy.may_go_on.clear()
    asking = RemotePolicy(server.url, ROBOT, deadline_s=20.0)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(asking.infer, scene(ROBOT))
        wait_for(lambda: policy.batches == [1])
        leaving = raw_websocket(server.url)
        frame = stock_frame(deadline_s=50.0)
        leaving.sendall(b"\x82\xff" + len(frame).to_bytes(8, "big") + bytes(4) + frame)
        wait_for(lambda: "waiting_requests 1" in fetch(server.url, "/metrics")[1])
        leaving.close()
        wait_for(lambda: "waiting_requests 0" in fetch(server.url, "/metrics")[1])
        policy.may_go_on.set()
        first.result()
    assert policy.batches == [1] and server.metrics.clients_gone == 1
    asking.close()


def test_when_inference_hangs_expect_healthz_to_say_so_and_clients_their_deadlines(
    policy, server, monkeypatch
):
    monkeypatch.setattr(server_module, "HANGING_S", 0.1)
    assert fetch(server.url, "/healthz") == (200, "OK\n")
    policy.may_go_on.clear()
    client = RemotePolicy(server.url, ROBOT, deadline_s=0.3)
    with pytest.raises(RemoteError):
        client.infer(scene(ROBOT))
    status, text = fetch(server.url, "/healthz")
    assert status == 503 and "hangs" in text
    policy.may_go_on.set()
    wait_for(lambda: fetch(server.url, "/healthz")[0] == 200)
    client.close()


def test_when_the_server_ends_expect_what_was_asked_to_be_answered_and_all_others_let_go(policy):
    with serving(policy, ROBOT) as (server, url), stock_connect(url) as idle:
        idle.recv()
        policy.may_go_on.clear()
        asking = RemotePolicy(url, ROBOT, deadline_s=20.0)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(asking.infer, scene(ROBOT, 0.5))
            wait_for(lambda: policy.batches == [1])
            server.end()
            with pytest.raises(ConnectionClosed) as gone:
                idle.recv(timeout=10)
            assert gone.value.rcvd.code == 1012  # service restart
            with pytest.raises(OSError):
                raw_socket(url)
            policy.may_go_on.set()
            assert answer.result()[0, 0] == 0.5
        asking.deadline_s = 0.3
        with pytest.raises(RemoteError, match="cannot be reached"):
            asking.infer(scene(ROBOT))
        asking.close()


def test_when_a_pass_hangs_while_the_server_ends_expect_it_to_end_all_the_same(
    policy, monkeypatch
):
    monkeypatch.setattr(server_module, "DRAIN_S", 0.3)
    with serving(policy, ROBOT) as (server, url), stock_connect(url) as asking:
        asking.recv()
        policy.may_go_on.clear()
        asking.send(stock_frame())
        wait_for(lambda: policy.batches == [1])
        server.end()
        with pytest.raises(ConnectionClosed):
            asking.recv(timeout=10)


# --- who is let in


def test_when_a_network_is_served_without_a_key_expect_refusal():
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        check_exposure(host, None)
    for host in ("0.0.0.0", "::", "192.168.1.7", "robot.local", ""):
        with pytest.raises(RemoteError, match="--api-key-file"):
            check_exposure(host, None)
        check_exposure(host, "key")


def test_when_there_is_a_key_expect_only_those_who_show_it_to_be_served(policy, monkeypatch):
    with serving(policy, ROBOT, api_key="a-long-secret-key") as (_, url):
        for key in ("", "a-wrong-secret-key"):
            monkeypatch.setenv(API_KEY, key)
            with pytest.raises(RemoteError, match=f"401.*{API_KEY}"):
                RemotePolicy(url, ROBOT)
        assert fetch(url, "/metrics")[0] == 401
        assert fetch(url, "/metrics", "a-long-secret-key")[0] == 200
        assert fetch(url, "/healthz")[0] == 200
        monkeypatch.setenv(API_KEY, "a-long-secret-key")
        expect_service(url)


def test_when_a_key_is_no_text_expect_it_to_be_refused_as_any_other(policy):
    with serving(policy, ROBOT, api_key="a-long-secret-key") as (_, url):
        raw = raw_socket(url)
        raw.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Api-Key \xff\r\n\r\n")
        assert raw.recv(12) == b"HTTP/1.1 401"


def test_when_everything_is_logged_expect_no_key_in_it(policy, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(API_KEY, "a-long-secret-key")
    with serving(policy, ROBOT, api_key="a-long-secret-key") as (_, url):
        expect_service(url)
        monkeypatch.setenv(API_KEY, "a-wrong-secret-key")
        with pytest.raises(RemoteError) as refused:
            RemotePolicy(url, ROBOT)
    assert "secret" not in caplog.text + str(refused.value)


def test_when_an_address_holds_a_password_expect_refusal_that_does_not_repeat_it():
    with pytest.raises(RemoteError, match="password .robot-server:1.: set QWEN") as refused:
        RemotePolicy("ws://me:secret@robot-server:1", ROBOT)
    assert "secret" not in str(refused.value)


def test_when_a_page_in_a_browser_connects_expect_refusal(server):
    with pytest.raises(InvalidStatus, match="403"):
        stock_connect(server.url, origin="http://evil.example")


def test_when_the_server_has_a_certificate_expect_an_encrypted_link_that_is_verified(
    policy, tmp_path, monkeypatch
):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"]
        + ["/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
        + ["-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(policy, ROBOT, tls=context) as (_, url):
        with pytest.raises(RemoteError, match=f"{url}.*certificate"):
            RemotePolicy(url, ROBOT)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        expect_service(url)
