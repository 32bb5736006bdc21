"""A remote policy whose server or link is bad: real sockets, real processes."""

import logging
import signal
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from websockets.sync.server import serve

from child_processes import wait_for
from links import link_to
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import CheckpointError, RemoteError
from qwen_vla_core.execution import Prefix
from qwen_vla_remote.client import LATE_IN_A_ROW, RemotePolicy
from qwen_vla_remote.messages import describe_server
from qwen_vla_remote.wire import ANSWER_BYTES, REQUEST_BYTES, pack, unpack
from robots import WIDOWX, robot, two_arms_text
from scripted_policy import ScriptedPolicy, scene, server_process, serving

ROBOT = load_embodiment(WIDOWX)
SHAPE = (ROBOT.horizon, len(ROBOT.action_channels))
METADATA = describe_server("bad", {ROBOT.name: ROBOT})
NUMBER = "request_id"


@contextmanager
def bad_server(behave, metadata=METADATA):
    """A server that shares only the frames with ours; ``behave(connection, request)`` answers."""

    def handle(connection):
        connection.send(pack(metadata))
        for frame in connection:
            behave(connection, unpack(frame, REQUEST_BYTES))

    quiet = logging.getLogger("bad server")
    quiet.propagate = False
    with serve(handle, "127.0.0.1", 0, compression=None, max_size=None, logger=quiet) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join(10)


def good(request, mark=0.25):
    return {"actions": np.full(SHAPE, mark, np.float32), NUMBER: request[NUMBER]}


def expect_late(policy, within_s):
    begin_s = time.monotonic()
    with pytest.raises(RemoteError, match=r"ws://.*(no answer within|cannot be reached)"):
        policy.infer(scene(ROBOT))
    assert time.monotonic() - begin_s < within_s + 0.5


# --- while all is well


def test_when_the_server_is_ours_expect_the_policys_own_answer_and_its_prefix():
    prefix = Prefix(actions_NC=np.full((4, SHAPE[1]), -0.5, np.float32), committed=3)
    with serving(ScriptedPolicy(ROBOT), ROBOT) as (_, url):
        policy = RemotePolicy(url, ROBOT)
        assert policy.warm_up() > 0
        answer = policy.infer(scene(ROBOT, 0.5), prefix)
        values = policy.diagnostics()
        policy.close()
    assert answer.dtype == np.float32 and answer.shape == SHAPE
    assert (answer[:3] == -0.5).all() and (answer[3:] == 0.5).all()
    assert values["round_trip_ms"] > values["server_ms"] > 0 and values["reconnects"] == 0


def test_when_a_path_stands_in_the_address_expect_the_same():
    with serving(ScriptedPolicy(ROBOT), ROBOT) as (_, url):
        policy = RemotePolicy(url + "/v1/realtime/robot/openpi", ROBOT)
        assert policy.infer(scene(ROBOT, 0.5))[0, 0] == 0.5
        policy.close()


# --- at the handshake


def test_when_the_server_serves_another_robot_expect_refusal_at_the_handshake():
    two_arms = robot(two_arms_text())
    with serving(ScriptedPolicy(ROBOT), ROBOT) as (server, url):
        with pytest.raises(CheckpointError, match=f"{url}: it serves widowx and not two_arms"):
            RemotePolicy(url, two_arms)
        wait_for(lambda: server.metrics.connections == 1)
        assert server.metrics.requests == 0


@pytest.mark.parametrize("metadata", [{}, {"protocol": "openpi"}, [1], "hello", b"\xc1"])
def test_when_the_server_is_another_expect_refusal_at_the_handshake(metadata):
    with bad_server(good, metadata) as url, pytest.raises(RemoteError, match=url):
        RemotePolicy(url, ROBOT)


def test_when_nothing_listens_expect_refusal_after_some_tries(monkeypatch):
    monkeypatch.setattr("qwen_vla_remote.client.START_S", 0.5)
    with pytest.raises(RemoteError, match="ws://127.0.0.1:9: cannot be reached"):
        RemotePolicy("ws://127.0.0.1:9", ROBOT)


def test_when_something_else_listens_expect_refusal_in_time(monkeypatch):
    monkeypatch.setattr("qwen_vla_remote.client.START_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(RemoteError, match="cannot be reached"):
            RemotePolicy(f"ws://127.0.0.1:{silent.getsockname()[1]}", ROBOT)


@pytest.mark.parametrize("url", ["ws://", "ws://host:port", "wss://[::1"])
def test_when_the_address_is_none_expect_refusal(url):
    with pytest.raises(RemoteError, match="no address"):
        RemotePolicy(url, ROBOT)


# --- answers


@pytest.mark.parametrize(
    "spoil",
    [
        lambda answer: answer | {"actions": np.full(SHAPE, np.nan, np.float32)},
        lambda answer: answer | {"actions": np.full(SHAPE, 1.5, np.float32)},
        lambda answer: answer | {"actions": np.zeros(SHAPE[::-1], np.float32)},
        lambda answer: {NUMBER: answer[NUMBER]},
        lambda answer: answer | {NUMBER: answer[NUMBER] + 1},
        lambda answer: answer | {NUMBER: None},
        lambda answer: [answer],
    ],
)
def test_when_an_answer_is_no_chunk_expect_refusal_and_a_new_connection(spoil):
    spoilt = [True]

    def behave(connection, request):
        answer = good(request)
        connection.send(pack(spoil(answer) if spoilt.pop() else answer))

    with bad_server(behave) as url:
        policy = RemotePolicy(url, ROBOT, deadline_s=5.0)
        with pytest.raises(RemoteError, match=f"{url}: its answer was refused"):
            policy.infer(scene(ROBOT))
        spoilt[:] = [False]
        assert policy.infer(scene(ROBOT))[0, 0] == 0.25
        assert policy.diagnostics()["reconnects"] == 1
        policy.close()


@pytest.mark.parametrize(
    "frame",
    [
        lambda request: pack(good(request))[:-7],
        lambda request: bytes(ANSWER_BYTES + 1),
        lambda request: b"\xdd\xff\xff\xff\xff",
    ],
)
def test_when_a_frame_is_truncated_too_long_or_a_bomb_expect_refusal(frame):
    with bad_server(lambda connection, request: connection.send(frame(request))) as url:
        policy = RemotePolicy(url, ROBOT, deadline_s=5.0)
        with pytest.raises(RemoteError, match=f"{url}: its answer was refused"):
            policy.infer(scene(ROBOT))
        policy.close()


def test_when_the_server_sends_a_text_expect_its_words():
    with bad_server(lambda connection, request: connection.send("out of memory")) as url:
        policy = RemotePolicy(url, ROBOT)
        with pytest.raises(RemoteError, match=f"{url}: out of memory"):
            policy.infer(scene(ROBOT))
        policy.close()


def test_when_an_answer_is_late_expect_the_next_question_its_own_answer():
    waiting = []

    def behave(connection, request):
        waiting.append(request)
        if len(waiting) > 1:
            for number, late in enumerate(waiting):
                connection.send(pack(good(late, number / 2)))

    with bad_server(behave) as url:
        policy = RemotePolicy(url, ROBOT, deadline_s=0.5)
        expect_late(policy, 0.5)
        assert policy.infer(scene(ROBOT))[0, 0] == 0.5
        assert policy.diagnostics()["late_answers"] == 1
        assert policy.diagnostics()["reconnects"] == 0
        policy.close()


def test_when_a_request_cannot_be_sent_expect_that_said_and_the_connection_kept():
    with serving(ScriptedPolicy(ROBOT), ROBOT) as (_, url):
        policy = RemotePolicy(url, ROBOT)
        of_text = {c.name: np.full((c.height, c.width, 3), "x") for c in ROBOT.cameras}
        with pytest.raises(RemoteError, match=f"{url}: cannot be asked: .* cannot be sent"):
            policy.infer(replace(scene(ROBOT), images=of_text))
        assert policy.infer(scene(ROBOT, 0.5))[0, 0] == 0.5
        assert policy.diagnostics()["reconnects"] == 0
        policy.close()


# --- the link and the server's process


def test_when_the_link_loses_everything_expect_each_question_given_up_at_its_deadline():
    with serving(ScriptedPolicy(ROBOT), ROBOT) as (_, far), link_to(far) as (url, works):
        policy = RemotePolicy(url, ROBOT, deadline_s=0.4)
        assert policy.infer(scene(ROBOT, 0.5))[0, 0] == 0.5
        works.clear()
        for _ in range(LATE_IN_A_ROW + 1):
            expect_late(policy, 0.4)
        works.set()
        policy.deadline_s = 5.0
        assert policy.infer(scene(ROBOT, 0.5))[0, 0] == 0.5
        assert policy.diagnostics()["reconnects"] == 1
        policy.close()


def test_when_the_link_jitters_expect_each_question_its_own_answer_or_none():
    answered = 0
    with serving(ScriptedPolicy(ROBOT), ROBOT) as (_, far), link_to(far, 0.1) as (url, _):
        policy = RemotePolicy(url, ROBOT, deadline_s=0.5)
        for mark in np.linspace(0.0, 1.0, 11):
            try:
                answer = policy.infer(scene(ROBOT, mark))
            except RemoteError:
                continue
            assert abs(answer[0, 0] - mark) < 0.01
            answered += 1
        values = policy.diagnostics()
        policy.close()
    assert answered + values["late_answers"] == 11 and answered > 0


def test_when_the_server_does_not_read_a_large_request_expect_it_given_up_at_the_deadline():
    with serving(ScriptedPolicy(ROBOT), ROBOT) as (_, far), link_to(far) as (url, works):
        policy = RemotePolicy(url, ROBOT, deadline_s=0.4)
        works.clear()
        expect_late(policy, 0.4)
        policy.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_server_is_killed_while_it_infers_expect_failure_and_answers_from_the_next(
    number,
):
    with server_process(delay_s=0.3) as (first, url):
        policy = RemotePolicy(url, ROBOT, deadline_s=1.0)
        threading.Timer(0.1, first.send_signal, [number]).start()
        expect_late(policy, 1.0)
        assert not policy.diagnostics()["connected"]
        with server_process(port=int(url.rpartition(":")[2])):
            policy.deadline_s = 10.0
            assert policy.infer(scene(ROBOT, 0.5))[0, 0] == 0.5
            assert policy.diagnostics()["reconnects"] == 1
        policy.close()


def test_when_another_server_comes_back_expect_its_metadata_compared_again():
    described = METADATA | {}

    def behave(connection, request):
        connection.send(pack(good(request)))
        connection.close()

    with bad_server(behave, described) as url:
        policy = RemotePolicy(url, ROBOT, deadline_s=5.0)
        policy.infer(scene(ROBOT))
        described["embodiments"] = {"another": {}}
        with pytest.raises(CheckpointError, match="serves another and not widowx"):
            policy.infer(scene(ROBOT))
        policy.close()


def test_when_a_policy_is_given_away_expect_its_thread_to_end():
    with serving(ScriptedPolicy(ROBOT), ROBOT) as (server, url):
        before = set(threading.enumerate())
        policy = RemotePolicy(url, ROBOT)
        (thread,) = [t for t in set(threading.enumerate()) - before if t.name == "remote"]
        del policy
        wait_for(lambda: not thread.is_alive())
