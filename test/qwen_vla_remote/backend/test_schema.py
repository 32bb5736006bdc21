"""Files of backends: what is wrong is named, with file, line and key."""

import pytest

from qwen_vla_core.errors import YamlFileError
from qwen_vla_core.resources import share_directory
from qwen_vla_remote.backend import describe_backend, find_backend, load_backend

SHIPPED = sorted((share_directory() / "config" / "backends").glob("*.yaml"))
TEXT = find_backend("openpi_droid").read_text()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_when_a_backend_is_shipped_expect_it_to_be_valid_and_described(path):
    backend = load_backend(path)
    lines = "\n".join(describe_backend(backend, path.name))
    for part in backend.actions.parts:
        assert f"{part.group} " in lines
    assert backend.source and all(v.camera in lines for v in backend.images.views)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("action_hz: 15", "action_hz: 0", ":9: action_hz: needs to be above 0"),
        ("horizon: 15", "horizon: 15\nhorzon: 3", "horzon: .*horizon"),
        ("step: 0.2", "step: .nan", "step: "),
        ("step: 0.2", "steps: 0.2", "steps: "),
        ("joint_velocity", "joint_speed", "'joint_speed' is none of"),
        ("layout: channels_last", "layout: hwc", "layout: 'hwc' is none of"),
        ("threshold: 0.5", "threshold: 1.5", "threshold: 1.5 is not between"),
        ("closed: 1.0, open: 0.0, threshold", "closed: 1.0, open: 1.0, threshold", "same as"),
        ("closed: [1.0]", "closed: [1.0, 2.0]", "open: has 1 values, but closed 2"),
        ("prompt: [prompt]", "prompt: [observation/wrist_image_left]", "is used twice"),
        ("prompt: [prompt]", "prompt: []", "prompt: needs at least 1"),
        ("group: gripper, closed: 1.0", "group: arm, closed: 1.0", "parts: act twice on arm"),
        ("prompt: [prompt]", "prompt: !!python/name:os.system", "prompt|python"),
    ],
)
def test_when_a_file_is_wrong_expect_file_and_key(tmp_path, old, new, why):
    assert old in TEXT
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(YamlFileError, match=f"mine.yaml.*({why})"):
        load_backend(path)


def test_when_a_file_is_of_another_kind_expect_its_kind():
    with pytest.raises(YamlFileError, match="needs to be a backend, and is an embodiment"):
        load_backend(share_directory() / "embodiments" / "aloha.yaml")


def test_when_a_name_is_unknown_expect_those_there_are():
    with pytest.raises(
        YamlFileError, match=r"there are: lerobot_widowx, openpi_aloha.*did you mean.*openpi_droid"
    ):
        find_backend("openpi_droit")
