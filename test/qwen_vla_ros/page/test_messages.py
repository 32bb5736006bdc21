"""What a page may say: strictly these messages, finite and within range."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_ros.page.messages import Hands, PageMessageError, Request, read_message

HANDS = {
    "type": "hands",
    "number": 5,
    "pressed": True,
    "drive": False,
    "next_arm": False,
    "axes": [0, 0.5, -1, 0, 0, 0, 1],
}


def test_when_a_page_says_its_messages_expect_them_as_written():
    hands = read_message(json.dumps(HANDS))
    assert isinstance(hands, Hands) and hands.axes == (0, 0.5, -1, 0, 0, 0, 1)
    request = read_message('{"type": "request", "id": 3, "name": "control/hold"}')
    assert request == Request(type="request", id=3, name="control/hold")


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        ("", "JSON"),
        (b"\xff\x00", "JSON"),
        ("[]", "message"),
        ('{"type": "reboot"}', "reboot"),
        ('{"type": "request", "id": 1, "name": "control/../hold"}', "no request"),
        ('{"type": "request", "id": 1, "name": "control_node/change_state"}', "no request"),
        ('{"type": "request", "id": -1, "name": "control/hold"}', "id"),
        ('{"type": "seen", "number": 1, "more": 1}', "more"),
        ('{"type": "keys", "id": 1, "on": "yes"}', "on"),
        (json.dumps(HANDS | {"axes": [0.0] * 6}), "axes"),
        (json.dumps(HANDS | {"axes": [2.0] + [0.0] * 6}), "axes"),
        (json.dumps(HANDS | {"axes": [float("nan")] + [0.0] * 6}), "finite"),
        (json.dumps(HANDS | {"axes": [float("inf")] + [0.0] * 6}), "finite"),
        (json.dumps(HANDS | {"pressed": 1}), "pressed"),
        ("[" * 5000, "recursion"),
    ],
)
def test_when_a_frame_is_none_of_them_expect_refusal_in_words(frame, word):
    with pytest.raises(PageMessageError, match=word):
        read_message(frame)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_when_anything_at_all_is_said_expect_a_message_or_that_refusal(frame):
    with pytest.raises(PageMessageError):
        read_message(frame)
