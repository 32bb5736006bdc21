"""The page's server with real sockets: files, token, Origin, flow control, and hostile pages."""

import json
import socket
import threading
import urllib.error
import urllib.request

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from qwen_vla_ros.page.access import Access
from qwen_vla_ros.page.files import File
from qwen_vla_ros.page.messages import LARGEST_BYTES, Request, Seen
from qwen_vla_ros.page.server import (
    MOST_A_SECOND,
    MOST_PAGES,
    MOST_UNSEEN,
    PORTS,
    PageServer,
    PageServerError,
)

WAIT_S = 15.0


class Served:
    """A server, what its pages said, and pages to open."""

    def __init__(self, host="127.0.0.1"):
        self.access = Access(host)
        self.said, self.changed = [], threading.Condition()
        self.server = PageServer(
            self.access,
            {"/": File(kind="text/html", data=b"<page>")},
            {"type": "hello", "robot": "r"},
            on_open=lambda page: self._note(page, "opened"),
            on_message=self._note,
        )
        self.port = self.server.start("127.0.0.1", 0)
        self.origin = f"http://127.0.0.1:{self.port}"
        self.token = self.access.url(self.port).partition("#")[2]

    def _note(self, page, message):
        with self.changed:
            self.said.append((page, message))
            self.changed.notify_all()

    def expect(self, condition):
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self.said), WAIT_S), self.said

    def page(self, origin=None, **options):
        uri = f"ws://127.0.0.1:{self.port}/live"
        return connect(uri, origin=origin or self.origin, compression=None, **options)

    def opened(self, token=None):
        page = self.page()
        say(page, type="open", token=self.token if token is None else token)
        return page, hear(page)


def say(page, **message):
    page.send(json.dumps(message))


def hear(page):
    return json.loads(page.recv(timeout=WAIT_S))


@pytest.fixture
def served():
    made = []

    def serve(**options):
        made.append(Served(**options))
        return made[-1]

    yield serve
    for one in made:
        one.server.close()


def get(served, path, **headers):
    request = urllib.request.Request(f"{served.origin}{path}", headers=headers)
    return urllib.request.urlopen(request, timeout=WAIT_S)


def test_when_a_browser_asks_for_the_page_expect_its_files_that_no_other_site_may_frame(served):
    one = served()
    answer = get(one, "/?x=1")
    assert answer.read() == b"<page>" and answer.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    for path in ("/nothing", "/../setup.py", "/%2e%2e/setup.py"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(one, path)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1"])
def test_when_another_sites_page_connects_expect_refusal_before_a_word_is_said(served, origin):
    one = served()
    with pytest.raises(InvalidStatus, match="403"):
        one.page(origin=origin)
    with pytest.raises(InvalidStatus, match="403"):
        connect(f"ws://127.0.0.1:{one.port}/live")  # no Origin: no browser
    assert one.said == []


def test_when_a_site_points_its_own_name_at_this_machine_expect_refusal(served):
    one = served()
    name = f"evil.example:{one.port}"
    line = f"GET /live HTTP/1.1\r\nHost: {name}\r\nOrigin: http://{name}\r\n"
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    with socket.create_connection(("127.0.0.1", one.port), timeout=WAIT_S) as raw:
        raw.sendall((line + upgrade + key).encode())
        assert b" 403 " in raw.recv(1000)


def test_when_a_page_has_the_token_expect_its_messages_to_count(served):
    one = served()
    page, hello = one.opened()
    assert hello["robot"] == "r" and hello["may_command"] is True
    say(page, type="request", id=7, name="control/hold")
    one.expect(lambda said: len(said) == 2)
    number, message = one.said[1]
    assert isinstance(message, Request) and message.name == "control/hold"
    one.server.tell(number, {"type": "answer", "id": 7})
    assert hear(page) == {"type": "answer", "id": 7}
    page.close()
    one.expect(lambda said: said[-1] == (number, None))


@pytest.mark.parametrize("token", ["", "wrong", "x" * 64])
def test_when_a_page_has_no_token_expect_it_to_show_and_to_command_nothing(served, token):
    one = served()
    page, hello = one.opened(token)
    assert hello["may_command"] is False
    for message in (
        {"type": "request", "id": 1, "name": "control/engage_policy"},
        {"type": "instruct", "id": 2, "text": "go"},
        {"type": "keys", "id": 3, "on": True},
        {"type": "guard", "id": 4, "on": True},
    ):
        say(page, **message)
        answer = hear(page)
        assert answer["granted"] is False and "only shows" in answer["text"]
    one.server.show({"type": "state"})
    state = hear(page)
    say(page, type="seen", number=state["number"])
    one.expect(lambda said: isinstance(said[-1][1], Seen))
    assert [message for _, message in one.said if isinstance(message, Request)] == []


def test_when_a_network_is_served_expect_nothing_without_the_token(served):
    one = served(host="0.0.0.0")
    page = one.page()
    say(page, type="open", token="wrong")
    with pytest.raises(ConnectionClosed, match="token"):
        page.recv(timeout=WAIT_S)
    assert one.opened()[1]["may_command"] is True


def test_when_a_page_confirms_nothing_expect_two_states_and_then_the_newest(served):
    one = served()
    page, _ = one.opened()
    numbers = []
    for value in range(MOST_UNSEEN):
        one.server.show({"type": "state", "value": value})
        numbers.append(hear(page)["number"])
    for value in range(10, 20):
        one.server.show({"type": "state", "value": value})
    one.server.tell(None, {"type": "journal"})
    assert hear(page) == {"type": "journal"}  # words are not left out
    one.server.show_image(1, b"jpeg")
    say(page, type="seen", number=numbers[-1])
    assert page.recv(timeout=WAIT_S) == b"\x01jpeg"
    assert hear(page)["value"] == 19


@pytest.mark.parametrize(
    "frame", ["{}", '{"type": "reboot"}', b"\x00", "x" * (LARGEST_BYTES + 1), "["]
)
def test_when_a_page_says_nonsense_expect_it_disconnected_and_the_others_not(served, frame):
    one = served()
    good, _ = one.opened()
    bad, _ = one.opened()
    bad.send(frame)
    with pytest.raises(ConnectionClosed):
        bad.recv(timeout=WAIT_S)
    one.server.show({"type": "state"})
    assert hear(good)["type"] == "state"


def test_when_a_page_floods_or_too_many_are_open_expect_an_end_of_it_in_words(served):
    one = served()
    page, _ = one.opened()
    with pytest.raises(ConnectionClosed, match="messages a second"):
        for _ in range(3 * MOST_A_SECOND):
            say(page, type="seen", number=1)
        while True:
            page.recv(timeout=WAIT_S)
    one.expect(lambda said: said[-1][1] is None)
    pages = [one.opened()[0] for _ in range(MOST_PAGES)]
    full = one.page()
    say(full, type="open", token=one.token)
    with pytest.raises(ConnectionClosed, match="pages are open"):
        full.recv(timeout=WAIT_S)
    for page in pages:
        page.close()


def test_when_a_port_is_taken_expect_the_next_and_when_none_can_be_had_words_and_no_thread(served):
    one = served()
    before = threading.active_count()
    other = PageServer(Access("127.0.0.1"), {}, {}, on_open=print, on_message=print)
    assert one.port < other.start("127.0.0.1", one.port) < one.port + PORTS
    other.close()
    nowhere = PageServer(Access("127.0.0.1"), {}, {}, on_open=print, on_message=print)
    with pytest.raises(PageServerError, match="192.0.2.1 port 8765"):
        nowhere.start("192.0.2.1", 8765)
    assert threading.active_count() == before


def test_when_the_server_closes_expect_its_pages_to_notice(served):
    one = served()
    page, _ = one.opened()
    one.server.close()
    with pytest.raises(ConnectionClosed):
        page.recv(timeout=WAIT_S)
    one.server.show({"type": "state"})  # nobody is there; nothing is raised
