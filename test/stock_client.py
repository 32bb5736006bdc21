"""openpi's stock client by its format alone, and clients whose every message a test chooses."""

import http.client
import socket

import msgpack
import numpy as np
from websockets.sync.client import connect

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_remote.client import RemotePolicy
from qwen_vla_remote.stock_units import to_stock
from robots import WIDOWX
from scripted_policy import scene

ROBOT = load_embodiment(WIDOWX)


def stock_array(array):
    """An array as the stock client's frames have it, written from the format's description."""
    return {
        b"__ndarray__": True,
        b"data": array.tobytes(),
        b"dtype": array.dtype.str,
        b"shape": array.shape,
    }


def stock_frame(mark=100, **extra):
    image = stock_array(np.full((224, 224, 3), mark, np.uint8))
    state = stock_array(to_stock(ROBOT, np.array(ROBOT.start_D)).astype(np.float32))
    images = {camera.name: image for camera in ROBOT.cameras}
    return msgpack.packb({"images": images, "state": state, "prompt": "pick it up"} | extra)


def stock_connect(url, **options):
    """As the stock client connects: no compression, no limit."""
    return connect(url, compression=None, max_size=None, proxy=None, **options)


def fetch(url, path, key=None):
    host, _, port = url.partition("://")[2].rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.request("GET", path, headers={"Authorization": f"Api-Key {key}"} if key else {})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def raw_socket(url):
    host, _, port = url.partition("://")[2].rpartition(":")
    raw = socket.socket()
    raw.settimeout(20)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect((host, int(port)))
    return raw


def raw_websocket(url):
    """A client that sends after the handshake only what a test gives it, and reads nothing."""
    raw = raw_socket(url)
    raw.sendall(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert raw.recv(12) == b"HTTP/1.1 101"
    return raw


def expect_service(url, within_s=1.0):
    """Another client gets its answer in time."""
    client = RemotePolicy(url, ROBOT, deadline_s=within_s)
    assert client.infer(scene(ROBOT, 0.5))[0, 0] == 0.5
    client.close()
