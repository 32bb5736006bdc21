"""What the recorder's bench says, and that it plays the robot that it names."""

from qwen_vla_core.embodiment import parse_embodiment
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_eval.bench.record import _with_topics, tables

ALOHA = embodiments_directory() / "aloha.yaml"


def test_when_cameras_compress_expect_every_topic_to_be_a_compressed_one():
    raw = parse_embodiment(_with_topics(ALOHA, "raw"), "raw")
    jpeg = parse_embodiment(_with_topics(ALOHA, "jpeg"), "jpeg")
    assert not any(camera.is_compressed for camera in raw.cameras)
    assert [c.topic for c in jpeg.cameras] == [f"{c.topic}/compressed" for c in raw.cameras]


def test_when_figures_are_shown_expect_the_share_beside_its_bound_and_what_was_lost():
    result = {
        "kind": "jpeg",
        "core_share": 0.1234,
        "dropped": {"a": 3, "b": 1},
        "messages": 400,
        "mb_per_s": 2.5,
        "answer_ms": 8.4,
    }
    (table,) = tables([result])
    assert table.rows == [("jpeg", "12.3%", "15%", "4 of 400", "2.5", "8")]
