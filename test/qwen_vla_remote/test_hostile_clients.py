"""Clients that are slow, silent, hostile or gone: what each does costs nobody else anything."""

import resource
import ssl
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import msgpack
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from child_processes import wait_for
from qwen_vla_core.embodiment import parse_embodiment
from qwen_vla_core.errors import RemoteError
from qwen_vla_remote import server as server_module
from qwen_vla_remote.client import RemotePolicy
from qwen_vla_remote.wire import pack
from robots import WIDOWX
from scripted_policy import BatchingPolicy, scene, server_process, serving
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


def test_when_a_thousand_connections_are_open_and_idle_expect_the_next_to_be_served():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with server_process() as (process, url), ExitStack() as stack:
            resident = Path(f"/proc/{process.pid}/statm")
            before = int(resident.read_text().split()[1])
            for _ in range(1000):
                stack.enter_context(raw_websocket(url))
            assert "qwen_vla_open_connections 1000" in fetch(url, "/metrics")[1]
            expect_service(url)
            grown = (int(resident.read_text().split()[1]) - before) * resource.getpagesize()
            assert grown < 200 * 2**20
            stack.close()
            wait_for(lambda: "qwen_vla_open_connections 0" in fetch(url, "/metrics")[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_when_too_many_are_connected_expect_the_next_to_be_refused_with_the_reason(
    policy, monkeypatch
):
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 1)
    monkeypatch.setattr("qwen_vla_remote.client.START_S", 0.5)
    with serving(policy, ROBOT) as (_, url):
        with stock_connect(url), pytest.raises(RemoteError, match="cannot be reached .*503"):
            RemotePolicy(url, ROBOT)
        expect_service(url)


def test_when_more_connect_than_a_process_may_have_files_expect_answers_and_room_again_later():
    with server_process() as (process, url), ExitStack() as stack:
        robot = RemotePolicy(url, ROBOT, deadline_s=5.0)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (100, 100))
        for _ in range(400):  # as 100 000 are to a server that may have 65 536
            stack.enter_context(raw_socket(url))  # which then say nothing
        assert robot.infer(scene(ROBOT, 0.5))[0, 0] == 0.5
        stack.close()
        again = RemotePolicy(url, ROBOT, deadline_s=5.0)
        assert again.infer(scene(ROBOT, 0.5))[0, 0] == 0.5
        robot.close()
        again.close()


def test_when_a_client_sends_its_handshake_byte_by_byte_expect_it_to_be_cut_off(
    policy, monkeypatch
):
    monkeypatch.setattr(server_module, "HANDSHAKE_S", 0.5)
    with serving(policy, ROBOT) as (_, url):
        slow = raw_socket(url)
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        expect_service(url)
        begin_s = time.monotonic()
        while slow.recv(4096):
            pass
        assert time.monotonic() - begin_s < 10.0


def test_when_a_client_never_begins_tls_expect_it_to_be_cut_off(policy, monkeypatch):
    monkeypatch.setattr(server_module, "HANDSHAKE_S", 0.5)
    with serving(policy, ROBOT, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)) as (_, url):
        silent = raw_socket(url)
        silent.settimeout(10.0)
        with suppress(ConnectionResetError):
            assert silent.recv(1) == b""


def test_when_a_client_sends_a_message_piece_by_piece_expect_it_to_be_cut_off(policy, monkeypatch):
    monkeypatch.setattr(server_module, "FRAME_S", 0.5)

    def drip():
        yield b"\x93"
        while True:
            time.sleep(0.05)
            yield b"\x01"

    with serving(policy, ROBOT) as (_, url), stock_connect(url) as slow:
        slow.recv()
        with pytest.raises(ConnectionClosed):
            slow.send(drip())
        expect_service(url)


def test_when_a_request_comes_in_pieces_expect_its_answer(policy):
    frame = stock_frame()
    with serving(policy, ROBOT) as (_, url), stock_connect(url) as client:
        client.recv()
        client.send(frame[at : at + 50_000] for at in range(0, len(frame), 50_000))
        assert "actions" in msgpack.unpackb(client.recv())


def test_when_a_client_sends_pings_and_reads_no_pong_expect_it_to_be_cut_off():
    ping = b"\x89\xfd" + bytes(4) + bytes(125)
    with server_process() as (process, url):
        raw = raw_websocket(url)
        sent = 0
        with suppress(OSError):
            while sent < 64 * 2**20:
                raw.sendall(ping * 8000)
                sent += 8000 * len(ping)
        assert sent < 64 * 2**20
        resident = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
        assert resident * resource.getpagesize() < 200 * 2**20
        expect_service(url)


def test_when_a_client_stops_in_the_middle_of_a_frame_expect_it_to_be_cut_off(policy, monkeypatch):
    monkeypatch.setattr(server_module, "PING_S", 0.3)
    with serving(policy, ROBOT) as (_, url):
        slow = raw_websocket(url)
        slow.sendall(b"\x82\xff" + (2**20).to_bytes(8, "big") + bytes(4) + b"a")
        expect_service(url)
        wait_for(lambda: "qwen_vla_open_connections 0" in fetch(url, "/metrics")[1])


def test_when_a_client_never_reads_its_answers_expect_it_to_be_cut_off(monkeypatch):
    monkeypatch.setattr(server_module, "SEND_S", 0.3)
    monkeypatch.setattr(server_module, "PING_S", 60.0)
    far = parse_embodiment(WIDOWX.read_text().replace("horizon: 16", "horizon: 64"), "far")
    with serving(BatchingPolicy(far), far) as (server, url):  # longer answers than requests
        raw = raw_websocket(url)
        images = {camera.name: np.zeros((8, 8, 3), np.uint8) for camera in far.cameras}
        request = {"images": images, "state": list(far.start_D), "prompt": "x"}
        frame = pack(request | {"units": "normalised"})
        masked = b"\x82\xfe" + len(frame).to_bytes(2, "big") + bytes(4) + frame
        sender = threading.Thread(target=_send_all, args=(raw, masked * 20_000))
        sender.start()
        wait_for(lambda: server.metrics.requests > 0)
        wait_for(lambda: "qwen_vla_open_connections 0" in fetch(url, "/metrics")[1], 40.0)
        sender.join()
        assert server.metrics.requests < 20_000
        reader = RemotePolicy(url, far)
        assert reader.infer(scene(far, 0.5))[0, 0] == 0.5
        reader.close()


def _send_all(raw, frames):
    with suppress(OSError):  # it is cut off
        raw.sendall(frames)
